/**
 * State that belongs to an operator subtask and to no key: its descriptors, and the handles through which functions and
 * sources read and write it.
 *
 * Called by: users (through `mod.ts`), runtime/operator_states.ts.
 * Calls: core/descriptors.ts for the checks of names, core/state_schema.ts.
 *
 * Source: Flink's `OperatorStateStore`.
 *
 * @module
 */
import { checkName, type StateDeclaration, type StateOptions } from "./descriptors.ts";
import type { Serializer } from "./serializer.ts";
import type { MapState } from "./state.ts";
import { declaredSerializer } from "./state_schema.ts";

/** A list of an operator subtask; dealt out when the parallelism changes. Immutable: safe to share between subtasks. */
export interface OperatorListStateDescriptor<T> extends StateDeclaration {
  /** Discriminant. */
  readonly kind: "operator-list";
  /** What a restore gives to whom. */
  readonly distribution: "split" | "union";
  /** How elements are written; chosen by the value when absent. */
  readonly serializer: Serializer<T> | undefined;
}

/** A map of which every operator subtask has a copy; its keys follow the rules of actor keys. */
export interface BroadcastStateDescriptor<_K, V> extends StateDeclaration {
  /** Discriminant. */
  readonly kind: "broadcast";
  /** How values are written; chosen by the value when absent. */
  readonly serializer: Serializer<V> | undefined;
}

/** Either of the two. */
export type OperatorStateDescriptor = OperatorListStateDescriptor<unknown> | BroadcastStateDescriptor<unknown, unknown>;

/** The kinds of state that belong to no key. */
export type OperatorStateKind = "operator-list" | "broadcast";

/** Options of a list of an operator. */
export interface OperatorListStateOptions<T> extends StateOptions<T> {
  /**
   * What a restore gives to whom. `split` (the default): each element to one subtask, as before when the parallelism is
   * the same, else dealt out evenly in order. `union`: all elements of all subtasks to every subtask.
   */
  readonly distribution?: "split" | "union";
}

/** The elements of one operator subtask. */
export interface OperatorListState<T> extends Iterable<T> {
  /** The elements in the order of their addition; the array is the caller's. */
  get(): T[];
  /** Number of elements. */
  readonly size: number;
  /**
   * Appends. The value is kept as it is, not copied; checkpoints hold what it is at their barrier.
   *
   * @throws {TypeError} For null and undefined.
   * @throws {StreamError} Of kind "invalid" for what the serializer cannot write.
   */
  add(value: T): void;
  /** Appends all, or none when one of them is refused. */
  addAll(values: Iterable<T>): void;
  /** Replaces all elements, or none when one of them is refused. */
  update(values: Iterable<T>): void;
  /** Forgets all elements. */
  clear(): void;
}

/**
 * One subtask's copy of a map. Entries are walked in the order in which their keys were first set, as in a `Map`, also
 * after a restore.
 */
export interface BroadcastState<K, V> extends MapState<K, V> {
  /** Number of entries; O(1). */
  readonly size: number;
}

/**
 * Declares a list that belongs to an operator subtask instead of a key: a buffer, positions in an outside system.
 *
 * @example
 * ```ts
 * import { collectSink, emits, fromIterable, operatorListState, StreamEnvironment } from "../mod.ts";
 *
 * const env = StreamEnvironment.create({ argv: [] });
 * const out = collectSink<number[]>();
 * env.fromSource("numbers", fromIterable([1, 2, 3, 4, 5])).process("in pairs", {
 *   emits: emits<number[]>(),
 *   state: { waiting: operatorListState<number>("waiting") },
 *   onMessage(value, context) {
 *     const { waiting } = context.state;
 *     waiting.add(value);
 *     if (waiting.size < 2) return;
 *     context.emit(waiting.get());
 *     waiting.clear();
 *   },
 *   onEnd: (context) => context.emit(context.state.waiting.get()),
 * }).sinkTo("out", out);
 * await (await env.executeAsync("pairs")).result;
 * if (JSON.stringify(out.values) !== "[[1,2],[3,4],[5]]") throw new Error(JSON.stringify(out.values));
 * ```
 *
 * @param name Unique within the operator, not empty.
 * @throws {TypeError} If the name is empty or the distribution is another. @throws {RangeError} If the version is no
 * integer ≥ 1.
 */
export function operatorListState<T>(
  name: string,
  options: OperatorListStateOptions<T> = {},
): OperatorListStateDescriptor<T> {
  const { distribution = "split" } = options;
  if (distribution !== "split" && distribution !== "union") {
    throw new TypeError(
      `Cannot declare state "${name}": its distribution is ${JSON.stringify(distribution)}, it must be "split" or ` +
        `"union"; for a copy on every subtask declare a broadcastState`,
    );
  }
  return Object.freeze({
    kind: "operator-list" as const,
    name: checkName(name),
    distribution,
    serializer: declaredSerializer(name, options, false),
  });
}

/**
 * Declares a map of which every subtask of an operator has a copy: rules, rates, a small table to look things up in. Give
 * every subtask the same changes, with `stream.broadcast()`; the copies are not compared.
 *
 * Keys are strings, numbers, bigints, booleans, bytes or tuples of these, and equal when their bytes are.
 *
 * @example
 * ```ts
 * import { broadcastState, collectSink, emits, fromIterable, StreamEnvironment } from "../mod.ts";
 *
 * const env = StreamEnvironment.create({ argv: [] });
 * const out = collectSink<string>();
 * const blocked = env.fromSource("blocked", fromIterable(["eve"])).map((name) => ({ name, isBlocked: true }));
 * const visits = env.fromSource("visits", fromIterable(["ann", "bob"])).map((name) => ({ name, isBlocked: false }));
 * blocked.broadcast().union(visits).process("gate", {
 *   emits: emits<string>(),
 *   state: { blocked: broadcastState<string, true>("blocked") },
 *   onMessage({ name, isBlocked }, context) {
 *     if (isBlocked) context.state.blocked.set(name, true);
 *     else if (!context.state.blocked.has(name)) context.emit(name);
 *   },
 * }).sinkTo("out", out);
 * await (await env.executeAsync("visits")).result;
 * if (out.values.toSorted().join() !== "ann,bob") throw new Error(out.values.join());
 * ```
 *
 * @param name Unique within the operator, not empty.
 * @throws {TypeError} If the name is empty. @throws {RangeError} If the version is no integer ≥ 1.
 */
export function broadcastState<K, V>(name: string, options: StateOptions<V> = {}): BroadcastStateDescriptor<K, V> {
  return Object.freeze({
    kind: "broadcast" as const,
    name: checkName(name),
    serializer: declaredSerializer(name, options, true),
  });
}
