/**
 * Handles in front of those of another backend: what changes state goes to both that backend and the log, what reads it
 * to the backend alone.
 *
 * Called by: actors and windows, through core/state.ts.
 * Calls: the handles of the backend below, log_slot.ts.
 *
 * Invariants:
 * - what the backend below refuses is not in the log, and what cannot be written is not in the backend below, except the
 *   result of a fold, which is known only there.
 *
 * @module
 */
import { type Key, type Namespace, VOID_NAMESPACE } from "../../core/key.ts";
import type {
  AggregatingState,
  ListState,
  MapState,
  MergingState,
  Namespaced,
  ReducingState,
  ValueState,
} from "../../core/state.ts";
import type { FoldProbe } from "./fold_probe.ts";
import { type LogSlot, otherNamespaces } from "./log_slot.ts";

/** One value. */
export class LoggedValue<T> implements ValueState<T>, Namespaced {
  constructor(private readonly inner: ValueState<T> & Namespaced, private readonly log: LogSlot) {}

  value(): T {
    return this.inner.value();
  }

  update(value: T): void {
    if (value === null || value === undefined) return this.clear();
    this.log.write(value);
    this.inner.update(value);
    this.log.putWritten();
  }

  clear(): void {
    this.inner.clear();
    this.log.remove();
  }

  setNamespace(namespace: Namespace): void {
    this.inner.setNamespace(namespace);
    this.log.setNamespace(namespace);
  }
}

/** A list; its elements go to the log without numbers. */
export class LoggedList<T> implements ListState<T>, MergingState {
  private namespace: Namespace = VOID_NAMESPACE;

  constructor(private readonly inner: ListState<T> & MergingState, private readonly log: LogSlot) {}

  get(): T[] {
    return this.inner.get();
  }

  [Symbol.iterator](): Iterator<T> {
    return this.inner[Symbol.iterator]();
  }

  add(value: T): void {
    const isThere = value !== null && value !== undefined;
    if (isThere) this.log.write(value);
    this.inner.add(value);
    if (isThere) this.log.appendWritten();
  }

  addAll(values: Iterable<T>): void {
    const listed = listOf(values);
    this.log.writeAll(listed ?? []);
    this.inner.addAll(listed);
    this.log.appendAllWritten();
  }

  update(values: Iterable<T>): void {
    const listed = listOf(values);
    this.log.writeAll(listed ?? []);
    this.inner.update(listed);
    this.log.clear();
    this.log.appendAllWritten();
  }

  clear(): void {
    this.inner.clear();
    this.log.clear();
  }

  setNamespace(namespace: Namespace): void {
    this.inner.setNamespace(namespace);
    this.log.setNamespace(namespace);
    this.namespace = namespace;
  }

  mergeNamespaces(target: Namespace, sources: readonly Namespace[]): void {
    const { inner, log } = this;
    const moved = new Map<Namespace, T[]>();
    try {
      for (const source of otherNamespaces(target, sources)) {
        inner.setNamespace(source);
        const values = inner.get();
        if (values.length > 0) moved.set(source, values);
      }
    } finally {
      inner.setNamespace(this.namespace);
    }
    inner.mergeNamespaces(target, sources);
    for (const [source, values] of moved) {
      log.setNamespace(source);
      log.clear();
      log.setNamespace(target);
      for (const value of values) log.append(value);
    }
    log.setNamespace(this.namespace);
  }
}

/** What was given, as the backend below wants to see it: what is not iterable is refused there, in its words. */
function listOf<T>(values: Iterable<T>): T[] {
  // As it was given: the call that follows refuses it.
  return values === null || values === undefined ? values as T[] : [...values];
}

/** A map. */
export class LoggedMap<K extends Key, V> implements MapState<K, V>, Namespaced {
  constructor(private readonly inner: MapState<K, V> & Namespaced, private readonly log: LogSlot) {}

  get(key: K): V | undefined {
    return this.inner.get(key);
  }

  set(key: K, value: V): this {
    if (value !== undefined) this.log.write(value);
    this.inner.set(key, value);
    this.log.putEntryWritten(key);
    return this;
  }

  has(key: K): boolean {
    return this.inner.has(key);
  }

  delete(key: K): boolean {
    const wasThere = this.inner.delete(key);
    if (wasThere) this.log.removeEntry(key);
    return wasThere;
  }

  setAll(entries: Iterable<readonly [K, V]>): void {
    for (const [key, value] of entries) this.set(key, value);
  }

  get size(): number {
    return this.inner.size;
  }

  isEmpty(): boolean {
    return this.inner.isEmpty();
  }

  entries(): IterableIterator<[K, V]> {
    return this.inner.entries();
  }

  keys(): IterableIterator<K> {
    return this.inner.keys();
  }

  values(): IterableIterator<V> {
    return this.inner.values();
  }

  [Symbol.iterator](): IterableIterator<[K, V]> {
    return this.inner.entries();
  }

  forEach(callback: (value: V, key: K) => void): void {
    this.inner.forEach(callback);
  }

  clear(): void {
    this.inner.clear();
    this.log.clear();
  }

  setNamespace(namespace: Namespace): void {
    this.inner.setNamespace(namespace);
    this.log.setNamespace(namespace);
  }
}

/** What the two folding kinds share: after each change the log has what is stored, not what was added. */
abstract class LoggedFold<S extends MergingState & { clear(): void }> implements MergingState {
  private namespace: Namespace = VOID_NAMESPACE;

  constructor(
    protected readonly inner: S,
    protected readonly log: LogSlot,
    protected readonly probe: FoldProbe,
  ) {}

  clear(): void {
    this.inner.clear();
    this.log.remove();
  }

  setNamespace(namespace: Namespace): void {
    this.inner.setNamespace(namespace);
    this.log.setNamespace(namespace);
    this.namespace = namespace;
  }

  mergeNamespaces(target: Namespace, sources: readonly Namespace[]): void {
    const { inner, log } = this;
    const others = otherNamespaces(target, sources);
    inner.mergeNamespaces(target, sources);
    if (others.length === 0) return;
    try {
      inner.setNamespace(target);
      const stored = this.stored();
      for (const source of others) {
        log.setNamespace(source);
        log.remove();
      }
      if (stored === undefined) return;
      log.setNamespace(target);
      log.put(stored);
    } finally {
      inner.setNamespace(this.namespace);
      log.setNamespace(this.namespace);
    }
  }

  /** What is stored where the backend below stands; undefined: nothing. */
  protected abstract stored(): unknown;
}

/** A value that `add` folds into. */
export class LoggedReducing<T> extends LoggedFold<ReducingState<T> & MergingState> implements ReducingState<T> {
  get(): T | null {
    return this.inner.get();
  }

  add(value: T): void {
    const { probe } = this;
    probe.stored = value;
    this.inner.add(value);
    this.log.put(probe.take());
  }

  protected stored(): unknown {
    return this.inner.get() ?? undefined;
  }
}

/** An accumulator that `add` folds into. */
export class LoggedAggregating<I, O> extends LoggedFold<AggregatingState<I, O> & MergingState>
  implements AggregatingState<I, O> {
  get(): O | null {
    return this.inner.get();
  }

  add(value: I): void {
    this.inner.add(value);
    this.log.put(this.probe.take());
  }

  protected stored(): unknown {
    const { probe } = this;
    probe.isAsked = true;
    try {
      this.inner.get();
    } finally {
      probe.isAsked = false;
    }
    return probe.take();
  }
}
