/**
 * Handles of keyed state that measure, now and then, how long an access takes. They do what the handles below them do.
 *
 * Called by: runtime/keyed_states.ts.
 * Calls: runtime/state_latency.ts, the handles below.
 *
 * Source: Flink's `LatencyTrackingStateFactory` and the states that it makes, for what is measured and how it is called.
 *
 * @module
 */
import type { StateDescriptor } from "../core/descriptors.ts";
import type { Namespace } from "../core/key.ts";
import type {
  AggregatingState,
  ListState,
  MapState,
  MergingState,
  Namespaced,
  ReducingState,
  ValueState,
} from "../core/state.ts";
import type { AccessTimer, StateLatency } from "./state_latency.ts";

/** A handle that measures, above `handle`. @param handle That of `descriptor`. */
export function measured({ kind, name }: StateDescriptor, handle: Namespaced, latency: StateLatency): Namespaced {
  const timer = (metric: string) => latency.timer(name, metric);
  // A handle is of the kind of its descriptor, in each of these.
  switch (kind) {
    case "value":
      return new MeasuredValue(handle as ValueState<unknown> & Namespaced, timer);
    case "list":
      return new MeasuredList(handle as ListState<unknown> & MergingState, timer);
    case "map":
      return new MeasuredMap(handle as MapState<unknown, unknown> & Namespaced, timer);
    case "reducing":
      return new MeasuredFold(handle as ReducingState<unknown> & MergingState, timer, "reducingState");
    case "aggregating":
      return new MeasuredFold(handle as AggregatingState<unknown, unknown> & MergingState, timer, "aggregatingState");
  }
}

type MakeTimer = (metric: string) => AccessTimer;

/** What all of them share. */
class Measured<S extends Namespaced & { clear(): void }> implements Namespaced {
  readonly #clear: AccessTimer;

  constructor(protected readonly below: S, timer: MakeTimer) {
    this.#clear = timer("stateClearLatency");
  }

  clear(): void {
    const timer = this.#clear;
    if (--timer.left > 0) return this.below.clear();
    const began = timer.begin();
    this.below.clear();
    timer.end(began);
  }

  setNamespace(namespace: Namespace): void {
    this.below.setNamespace(namespace);
  }
}

class MeasuredValue<T> extends Measured<ValueState<T> & Namespaced> implements ValueState<T> {
  readonly #get: AccessTimer;
  readonly #update: AccessTimer;

  constructor(below: ValueState<T> & Namespaced, timer: MakeTimer) {
    super(below, timer);
    this.#get = timer("valueStateGetLatency");
    this.#update = timer("valueStateUpdateLatency");
  }

  value(): T {
    const timer = this.#get;
    if (--timer.left > 0) return this.below.value();
    const began = timer.begin();
    const value = this.below.value();
    timer.end(began);
    return value;
  }

  update(value: T): void {
    const timer = this.#update;
    if (--timer.left > 0) return this.below.update(value);
    const began = timer.begin();
    this.below.update(value);
    timer.end(began);
  }
}

class MeasuredList<T> extends Measured<ListState<T> & MergingState> implements ListState<T>, MergingState {
  readonly #get: AccessTimer;
  readonly #add: AccessTimer;
  readonly #addAll: AccessTimer;
  readonly #update: AccessTimer;
  readonly #merge: AccessTimer;

  constructor(below: ListState<T> & MergingState, timer: MakeTimer) {
    super(below, timer);
    this.#get = timer("listStateGetLatency");
    this.#add = timer("listStateAddLatency");
    this.#addAll = timer("listStateAddAllLatency");
    this.#update = timer("listStateUpdateLatency");
    this.#merge = timer("listStateMergeNamespacesLatency");
  }

  get(): T[] {
    const timer = this.#get;
    if (--timer.left > 0) return this.below.get();
    const began = timer.begin();
    const values = this.below.get();
    timer.end(began);
    return values;
  }

  [Symbol.iterator](): Iterator<T> {
    const timer = this.#get;
    if (--timer.left > 0) return this.below[Symbol.iterator]();
    const began = timer.begin();
    const values = this.below[Symbol.iterator]();
    timer.end(began);
    return values;
  }

  add(value: T): void {
    const timer = this.#add;
    if (--timer.left > 0) return this.below.add(value);
    const began = timer.begin();
    this.below.add(value);
    timer.end(began);
  }

  addAll(values: Iterable<T>): void {
    const timer = this.#addAll;
    if (--timer.left > 0) return this.below.addAll(values);
    const began = timer.begin();
    this.below.addAll(values);
    timer.end(began);
  }

  update(values: Iterable<T>): void {
    const timer = this.#update;
    if (--timer.left > 0) return this.below.update(values);
    const began = timer.begin();
    this.below.update(values);
    timer.end(began);
  }

  mergeNamespaces(target: Namespace, sources: readonly Namespace[]): void {
    mergeMeasured(this.#merge, this.below, target, sources);
  }
}

/** A reducing or an aggregating state. */
class MeasuredFold<I, O> extends Measured<AggregatingState<I, O> & MergingState>
  implements AggregatingState<I, O>, MergingState {
  readonly #get: AccessTimer;
  readonly #add: AccessTimer;
  readonly #merge: AccessTimer;

  constructor(below: AggregatingState<I, O> & MergingState, timer: MakeTimer, kind: string) {
    super(below, timer);
    this.#get = timer(`${kind}GetLatency`);
    this.#add = timer(`${kind}AddLatency`);
    this.#merge = timer(`${kind}MergeNamespacesLatency`);
  }

  get(): O | null {
    const timer = this.#get;
    if (--timer.left > 0) return this.below.get();
    const began = timer.begin();
    const value = this.below.get();
    timer.end(began);
    return value;
  }

  add(value: I): void {
    const timer = this.#add;
    if (--timer.left > 0) return this.below.add(value);
    const began = timer.begin();
    this.below.add(value);
    timer.end(began);
  }

  mergeNamespaces(target: Namespace, sources: readonly Namespace[]): void {
    mergeMeasured(this.#merge, this.below, target, sources);
  }
}

function mergeMeasured(
  timer: AccessTimer,
  below: MergingState,
  target: Namespace,
  sources: readonly Namespace[],
): void {
  if (--timer.left > 0) return below.mergeNamespaces(target, sources);
  const began = timer.begin();
  below.mergeNamespaces(target, sources);
  timer.end(began);
}

class MeasuredMap<K, V> extends Measured<MapState<K, V> & Namespaced> implements MapState<K, V> {
  readonly #get: AccessTimer;
  readonly #put: AccessTimer;
  readonly #putAll: AccessTimer;
  readonly #remove: AccessTimer;
  readonly #contains: AccessTimer;
  readonly #isEmpty: AccessTimer;
  readonly #entries: AccessTimer;
  readonly #keys: AccessTimer;
  readonly #values: AccessTimer;
  readonly #iterator: AccessTimer;
  readonly #next: AccessTimer;

  constructor(below: MapState<K, V> & Namespaced, timer: MakeTimer) {
    super(below, timer);
    this.#get = timer("mapStateGetLatency");
    this.#put = timer("mapStatePutLatency");
    this.#putAll = timer("mapStatePutAllLatency");
    this.#remove = timer("mapStateRemoveLatency");
    this.#contains = timer("mapStateContainsLatency");
    this.#isEmpty = timer("mapStateIsEmptyLatency");
    this.#entries = timer("mapStateEntriesInitLatency");
    this.#keys = timer("mapStateKeysInitLatency");
    this.#values = timer("mapStateValuesInitLatency");
    this.#iterator = timer("mapStateIteratorInitLatency");
    this.#next = timer("mapStateIteratorNextLatency");
  }

  get(key: K): V | undefined {
    const timer = this.#get;
    if (--timer.left > 0) return this.below.get(key);
    const began = timer.begin();
    const value = this.below.get(key);
    timer.end(began);
    return value;
  }

  set(key: K, value: V): this {
    const timer = this.#put;
    if (--timer.left > 0) {
      this.below.set(key, value);
      return this;
    }
    const began = timer.begin();
    this.below.set(key, value);
    timer.end(began);
    return this;
  }

  has(key: K): boolean {
    const timer = this.#contains;
    if (--timer.left > 0) return this.below.has(key);
    const began = timer.begin();
    const has = this.below.has(key);
    timer.end(began);
    return has;
  }

  delete(key: K): boolean {
    const timer = this.#remove;
    if (--timer.left > 0) return this.below.delete(key);
    const began = timer.begin();
    const was = this.below.delete(key);
    timer.end(began);
    return was;
  }

  setAll(entries: Iterable<readonly [K, V]>): void {
    const timer = this.#putAll;
    if (--timer.left > 0) return this.below.setAll(entries);
    const began = timer.begin();
    this.below.setAll(entries);
    timer.end(began);
  }

  isEmpty(): boolean {
    const timer = this.#isEmpty;
    if (--timer.left > 0) return this.below.isEmpty();
    const began = timer.begin();
    const isEmpty = this.below.isEmpty();
    timer.end(began);
    return isEmpty;
  }

  /** Flink has no such call, and so no name for how long it takes. */
  get size(): number {
    return this.below.size;
  }

  entries(): IterableIterator<[K, V]> {
    return this.#walk(this.#entries, "entries");
  }

  keys(): IterableIterator<K> {
    return this.#walk(this.#keys, "keys");
  }

  values(): IterableIterator<V> {
    return this.#walk(this.#values, "values");
  }

  [Symbol.iterator](): IterableIterator<[K, V]> {
    return this.#walk(this.#iterator, "entries");
  }

  forEach(callback: (value: V, key: K) => void): void {
    for (const [key, value] of this) callback(value, key);
  }

  #walk<W extends "entries" | "keys" | "values">(timer: AccessTimer, way: W): ReturnType<MapState<K, V>[W]> {
    const isMeasured = --timer.left <= 0;
    const began = isMeasured ? timer.begin() : 0;
    const steps = this.below[way]();
    if (isMeasured) timer.end(began);
    // It gives what `steps` gives, which is what this way of walking is said to give.
    return new MeasuredSteps<unknown>(steps, this.#next) as unknown as ReturnType<MapState<K, V>[W]>;
  }
}

class MeasuredSteps<T> implements IterableIterator<T> {
  constructor(private readonly below: Iterator<T>, private readonly timer: AccessTimer) {}

  [Symbol.iterator](): this {
    return this;
  }

  next(): IteratorResult<T> {
    const { timer } = this;
    if (--timer.left > 0) return this.below.next();
    const began = timer.begin();
    const result = this.below.next();
    timer.end(began);
    return result;
  }

  return(value?: unknown): IteratorResult<T> {
    return this.below.return?.(value) ?? { done: true, value };
  }
}
