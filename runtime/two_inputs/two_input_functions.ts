/**
 * Steps that take two streams of different types, written as plain objects.
 *
 * Called by: users, through `connect()`; the operators beside it.
 * Calls: nothing.
 *
 * Between the two inputs there is no order but that of their arrival; what must hold whichever comes first belongs into
 * state. Event time is the lower of both watermarks.
 *
 * @module
 */
import type { Key } from "../../core/key.ts";
import type { BroadcastState, BroadcastStateDescriptor } from "../../core/operator_state.ts";
import type { StateDescriptor } from "../../core/descriptors.ts";
import type { TimeDomain } from "../actor.ts";
import type {
  Emits,
  KeyedProcessContext,
  OperatorStateDeclarations,
  ProcessContext,
  ProcessOpening,
  StateDeclarations,
  StatefulProcessContext,
  StateOf,
} from "../process_function.ts";

/** A step on two streams without a key; its state is of its subtask. */
export interface TwoInputProcessFunction<A, B, O, S extends OperatorStateDeclarations> {
  /** `emits<O>()`: the type of what it emits. */
  readonly emits?: Emits<O>;
  /** State of the step, by the name under which `context.state` has it. */
  readonly state?: S;
  /** Called once before the first message; see `StatefulProcessFunction`. */
  onOpen?(opening: ProcessOpening<S>): void;
  /** Called for every value of the first stream; synchronous. */
  onFirst(value: A, context: StatefulProcessContext<O, S>): void;
  /** Called for every value of the second stream; synchronous. */
  onSecond(value: B, context: StatefulProcessContext<O, S>): void;
  /** Called once when both inputs have ended; see `StatefulProcessFunction`. */
  onEnd?(context: StatefulProcessContext<O, S>): void;
}

/** A keyed step on two streams with keys of the same type. */
export interface KeyedTwoInputProcessFunction<K extends Key, A, B, O, S extends StateDeclarations> {
  /** `emits<O>()`: the type of what it emits. */
  readonly emits?: Emits<O>;
  /** State of the current key, which both inputs share, by the name under which `context.state` has it. */
  readonly state?: S;
  /** Called for every value of the first stream; synchronous. */
  onFirst(value: A, context: KeyedProcessContext<K, O, S>): void;
  /** Called for every value of the second stream; synchronous. */
  onSecond(value: B, context: KeyedProcessContext<K, O, S>): void;
  /** Called when a timer of the current key is due; synchronous. */
  onTimer?(timestampMs: number, context: KeyedProcessContext<K, O, S>, domain: TimeDomain): void;
}

/** Maps of which every subtask has a copy, by the name under which the step finds them. */
export type BroadcastDeclarations = Readonly<Record<string, { readonly kind: "broadcast"; readonly name: string }>>;

/** The map that goes with a descriptor. */
export type BroadcastStateOf<D> = D extends BroadcastStateDescriptor<infer K, infer V> ? BroadcastState<K, V> : never;

/** A map that can be looked at and not changed. */
export interface ReadOnlyBroadcastState<K, V> extends Iterable<[K, V]> {
  /** The value, or undefined when there is none. */
  get(key: K): V | undefined;
  /** Whether there is an entry. */
  has(key: K): boolean;
  /** Number of entries. */
  readonly size: number;
  /** Each entry once, in the order in which their keys were first set. */
  entries(): IterableIterator<[K, V]>;
  /** Each key once. */
  keys(): IterableIterator<K>;
  /** The value of each entry. */
  values(): IterableIterator<V>;
}

/** The same, read-only. */
export type ReadOnlyBroadcastStateOf<D> = D extends BroadcastStateDescriptor<infer K, infer V>
  ? ReadOnlyBroadcastState<K, V>
  : never;

/** The maps, for who may only read them. */
export interface ReadsBroadcast<M> {
  /** The declared maps, by their names in the declaration. */
  readonly broadcast: { readonly [N in keyof M]: ReadOnlyBroadcastStateOf<M[N]> };
}

/** The maps, for who may change them. */
export interface WritesBroadcast<M> {
  /** The declared maps, by their names in the declaration. */
  readonly broadcast: { readonly [N in keyof M]: BroadcastStateOf<M[N]> };
}

/** A step that reads what another stream, given to every subtask, tells it: the broadcast state pattern. */
export interface BroadcastProcessFunction<A, B, O, M extends BroadcastDeclarations> {
  /** `emits<O>()`: the type of what it emits. */
  readonly emits?: Emits<O>;
  /** What the broadcast stream keeps, in each subtask the same. */
  readonly broadcast: M;
  /** Called for every value of the main stream; synchronous. The maps cannot be changed here. */
  onMessage(value: A, context: ProcessContext<O> & ReadsBroadcast<M>): void;
  /**
   * Called for every value of the broadcast stream, in every subtask; synchronous. It must do the same to the maps in
   * each of them: what it does may depend on the value and the maps alone.
   */
  onBroadcast(value: B, context: ProcessContext<O> & WritesBroadcast<M>): void;
}

/** What a keyed step sees of a value of the broadcast stream: there is no current key. */
export interface KeyedBroadcastContext<K extends Key, O, M> extends ProcessContext<O>, WritesBroadcast<M> {
  /** Calls back for each key of this subtask that has the state, with its handle set to that key. */
  applyToKeyedState<D extends StateDescriptor>(descriptor: D, apply: (key: K, state: StateOf<D>) => void): void;
}

/** A keyed step that reads what a broadcast stream tells it. */
export interface KeyedBroadcastProcessFunction<
  K extends Key,
  A,
  B,
  O,
  S extends StateDeclarations,
  M extends BroadcastDeclarations,
> {
  /** `emits<O>()`: the type of what it emits. */
  readonly emits?: Emits<O>;
  /** State of the current key. */
  readonly state?: S;
  /** What the broadcast stream keeps, in each subtask the same. */
  readonly broadcast: M;
  /** Called for every value of the keyed stream; synchronous. The maps cannot be changed here. */
  onMessage(value: A, context: KeyedProcessContext<K, O, S> & ReadsBroadcast<M>): void;
  /** Called for every value of the broadcast stream, in every subtask; see `BroadcastProcessFunction`. */
  onBroadcast(value: B, context: KeyedBroadcastContext<K, O, M>): void;
  /** Called when a timer of the current key is due; synchronous. The maps cannot be changed here. */
  onTimer?(timestampMs: number, context: KeyedProcessContext<K, O, S> & ReadsBroadcast<M>, domain: TimeDomain): void;
}
