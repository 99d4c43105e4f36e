/**
 * Declares state: a descriptor names one state of an operator, says which of
 * the five kinds it is and how its values are written.
 *
 * Called by: users (through `mod.ts`), backends, runtime.
 * Calls: core/state_schema.ts, core/state_ttl.ts.
 *
 * @module
 */
import type { Serializer } from "./serializer.ts";
import { declaredSerializer, type SchemaOptions } from "./state_schema.ts";
import { ttlOf, type TtlSettings } from "./state_ttl.ts";

/** What every descriptor has. */
export interface StateDeclaration {
  /** Unique within an operator; part of the snapshot format. Renaming loses state. */
  readonly name: string;
}

/** What every descriptor of keyed state has. */
export interface KeyedStateDeclaration extends StateDeclaration {
  /** How long values live; absent: for ever. The runtime gives a backend descriptors without it: see core/stamped_value.ts. */
  readonly ttl?: TtlSettings;
}

/** One value per (key, namespace). Immutable: safe to share between subtasks. */
export interface ValueStateDescriptor<T> extends KeyedStateDeclaration {
  /** Discriminant; selects the table layout in the backend. */
  readonly kind: "value";
  /** How values are written; chosen by the value when absent. */
  readonly serializer: Serializer<T> | undefined;
  /** Makes the value that `value()` returns when nothing is stored; never stored itself. */
  readonly makeDefault: (() => T) | undefined;
}

/** An ordered list per (key, namespace). */
export interface ListStateDescriptor<T> extends KeyedStateDeclaration {
  /** Discriminant; selects the table layout in the backend. */
  readonly kind: "list";
  /** How elements are written; chosen by the value when absent. */
  readonly serializer: Serializer<T> | undefined;
}

/** A map per (key, namespace); its keys follow the rules of actor keys. */
export interface MapStateDescriptor<_K, V> extends KeyedStateDeclaration {
  /** Discriminant; selects the table layout in the backend. */
  readonly kind: "map";
  /** How values are written; chosen by the value when absent. */
  readonly serializer: Serializer<V> | undefined;
}

/** One value per (key, namespace) that every `add` folds into. */
export interface ReducingStateDescriptor<T> extends KeyedStateDeclaration {
  /** Discriminant; selects the table layout in the backend. */
  readonly kind: "reducing";
  /** How values are written; chosen by the value when absent. */
  readonly serializer: Serializer<T> | undefined;
  /**
   * Folds what was added (`right`) into what is stored (`left`); associative. A method, so that a descriptor of any type
   * is a StateDescriptor.
   */
  reduce(left: T, right: T): T;
}

/** How an aggregating state folds inputs into an accumulator and reads a result from it. */
export interface AggregateFunction<I, A, O> {
  /** A fresh accumulator. */
  create(): A;
  /** Folds one input in; may change and return the same accumulator. */
  add(accumulator: A, input: I): A;
  /** The result so far. */
  result(accumulator: A): O;
  /** Joins two accumulators; may change and return `left`. */
  merge(left: A, right: A): A;
}

/** One accumulator per (key, namespace). */
export interface AggregatingStateDescriptor<I, A, O> extends KeyedStateDeclaration {
  /** Discriminant; selects the table layout in the backend. */
  readonly kind: "aggregating";
  /** How accumulators are written; chosen by the value when absent. */
  readonly serializer: Serializer<A> | undefined;
  /** How inputs become an accumulator, and an accumulator a result. */
  readonly aggregate: AggregateFunction<I, A, O>;
}

/** Any of the five. */
export type StateDescriptor =
  // `never`/`unknown` in the variant positions make every concrete descriptor assignable.
  | ValueStateDescriptor<unknown>
  | ListStateDescriptor<unknown>
  | MapStateDescriptor<unknown, unknown>
  | ReducingStateDescriptor<unknown>
  | AggregatingStateDescriptor<unknown, unknown, unknown>;

/** The kinds of keyed state. */
export type StateKind = StateDescriptor["kind"];

/** Options of a value state. */
export interface ValueStateOptions<T> extends KeyedStateOptions<T> {
  /** What `value()` returns when nothing is stored. An object or array is cloned for every read, so it is never shared. */
  readonly default?: T;
}

/** Options of state without a key, and part of those of keyed state. */
export interface StateOptions<T> extends SchemaOptions<T> {
  /** How values are written. Default: chosen by the value. */
  readonly serializer?: Serializer<T>;
}

/** Options of all keyed state. */
export interface KeyedStateOptions<T> extends StateOptions<T> {
  /**
   * How long a value lives after it was written: milliseconds, a text such as "1 h", or what `stateTtl` returns. A list
   * element and a map entry live each on its own. Default: for ever.
   */
  readonly ttl?: number | string | TtlSettings;
}

/**
 * Declares one value per key.
 *
 * @example
 * ```ts
 * import { KeyedActor, valueState } from "../mod.ts";
 *
 * class Total extends KeyedActor<string, number, number> {
 *   readonly #total = this.state(valueState<number>("total", { default: 0 }));
 *
 *   override onMessage(amount: number): void {
 *     this.#total.update(this.#total.value() + amount);
 *     this.emit(this.#total.value());
 *   }
 * }
 * ```
 *
 * @param name Unique within the operator, not empty.
 * @throws {TypeError} If the name is empty. @throws {RangeError} If the version is no integer ≥ 1.
 */
export function valueState<T>(
  name: string,
  options: ValueStateOptions<T> & { readonly default: T },
): ValueStateDescriptor<T>;
/**
 * Declares one value per key, null until it is written.
 *
 * @param name Unique within the operator, not empty.
 * @throws {TypeError} If the name is empty. @throws {RangeError} If the version is no integer ≥ 1.
 */
export function valueState<T>(name: string, options?: ValueStateOptions<T>): ValueStateDescriptor<T | null>;
export function valueState<T>(name: string, options: ValueStateOptions<T> = {}): ValueStateDescriptor<T | null> {
  const fallback = options.default;
  const makeDefault = fallback === undefined
    ? undefined
    : typeof fallback === "object" && fallback !== null
    ? () => structuredClone(fallback)
    : () => fallback;
  return Object.freeze({
    kind: "value" as const,
    name: checkName(name),
    // A serializer of T is only ever given a T: writing null clears the state instead.
    serializer: declaredSerializer(name, options, false) as Serializer<T | null> | undefined,
    makeDefault,
    ...declaredTtl(options),
  });
}

/**
 * Declares an ordered list per key.
 *
 * @example
 * ```ts
 * import { KeyedActor, listState } from "../mod.ts";
 *
 * class Visits extends KeyedActor<string, string, string[]> {
 *   readonly #pages = this.state(listState<string>("pages"));
 *
 *   override onMessage(page: string): void {
 *     this.#pages.add(page);
 *     if (page === "/checkout") this.emit(this.#pages.get());
 *   }
 * }
 * ```
 *
 * @param name Unique within the operator, not empty.
 * @throws {TypeError} If the name is empty. @throws {RangeError} If the version is no integer ≥ 1.
 */
export function listState<T>(name: string, options: KeyedStateOptions<T> = {}): ListStateDescriptor<T> {
  return Object.freeze({
    kind: "list" as const,
    name: checkName(name),
    serializer: declaredSerializer(name, options, false),
    ...declaredTtl(options),
  });
}

/**
 * Declares a map per key. Its keys are strings, numbers, bigints, booleans, bytes or tuples of these.
 *
 * @example
 * ```ts
 * import { KeyedActor, mapState } from "../mod.ts";
 *
 * class Basket extends KeyedActor<string, { item: string; count: number }, number> {
 *   readonly #counts = this.state(mapState<string, number>("counts"));
 *
 *   override onMessage({ item, count }: { item: string; count: number }): void {
 *     this.#counts.set(item, (this.#counts.get(item) ?? 0) + count);
 *     this.emit(this.#counts.size);
 *   }
 * }
 * ```
 *
 * @param name Unique within the operator, not empty.
 * @throws {TypeError} If the name is empty. @throws {RangeError} If the version is no integer ≥ 1.
 */
export function mapState<K, V>(name: string, options: KeyedStateOptions<V> = {}): MapStateDescriptor<K, V> {
  return Object.freeze({
    kind: "map" as const,
    name: checkName(name),
    serializer: declaredSerializer(name, options, true),
    ...declaredTtl(options),
  });
}

/**
 * Declares one value per key that every `add` folds into.
 *
 * @example
 * ```ts
 * import { KeyedActor, reducingState } from "../mod.ts";
 *
 * class Warmest extends KeyedActor<string, number, number | null> {
 *   readonly #warmest = this.state(reducingState<number>("warmest", Math.max));
 *
 *   override onMessage(celsius: number): void {
 *     this.#warmest.add(celsius);
 *     this.emit(this.#warmest.get());
 *   }
 * }
 * ```
 *
 * @param name Unique within the operator, not empty.
 * @param reduce Associative; called with what is stored and what is added. It must not change its arguments but return a
 * new value: who added `right` still holds it, and `left` may have been given out by `get()`.
 * @throws {TypeError} If the name is empty.
 */
export function reducingState<T>(
  name: string,
  reduce: (left: T, right: T) => T,
  options: KeyedStateOptions<T> = {},
): ReducingStateDescriptor<T> {
  return Object.freeze({
    kind: "reducing" as const,
    name: checkName(name),
    serializer: declaredSerializer(name, options, false),
    reduce,
    ...declaredTtl(options),
  });
}

/**
 * Declares one accumulator per key.
 *
 * @example
 * ```ts
 * import { aggregatingState, KeyedActor } from "../mod.ts";
 *
 * class Mean extends KeyedActor<string, number, number | null> {
 *   readonly #mean = this.state(aggregatingState("mean", {
 *     create: () => ({ sum: 0, count: 0 }),
 *     add: ({ sum, count }, input: number) => ({ sum: sum + input, count: count + 1 }),
 *     result: ({ sum, count }) => sum / count,
 *     merge: (left, right) => ({ sum: left.sum + right.sum, count: left.count + right.count }),
 *   }));
 *
 *   override onMessage(value: number): void {
 *     this.#mean.add(value);
 *     this.emit(this.#mean.get());
 *   }
 * }
 * ```
 *
 * @param name Unique within the operator, not empty.
 * @throws {TypeError} If the name is empty. @throws {RangeError} If the version is no integer ≥ 1.
 */
export function aggregatingState<I, A, O>(
  name: string,
  aggregate: AggregateFunction<I, A, O>,
  options: KeyedStateOptions<A> = {},
): AggregatingStateDescriptor<I, A, O> {
  return Object.freeze({
    kind: "aggregating" as const,
    name: checkName(name),
    serializer: declaredSerializer(name, options, false),
    aggregate,
    ...declaredTtl(options),
  });
}

function declaredTtl({ ttl }: Pick<KeyedStateOptions<unknown>, "ttl">): { readonly ttl?: TtlSettings } {
  return ttl === undefined ? {} : { ttl: ttlOf(ttl) };
}

/** @throws {TypeError} If a name of a state is empty. */
export function checkName(name: string): string {
  if (typeof name !== "string" || name === "") {
    throw new TypeError(
      `Cannot declare a state: its name is ${JSON.stringify(name)}, it must be a string that is not empty`,
    );
  }
  return name;
}
