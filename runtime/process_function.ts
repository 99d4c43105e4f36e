/**
 * Processing steps written as plain objects: for streams without a key, and
 * for keyed streams when a class would be too much.
 *
 * Called by: users, runtime/stream.ts.
 * Calls: nothing.
 *
 * @module
 */
import type { Key } from "../core/key.ts";
import type { MetricGroup } from "../core/metrics.ts";
import type {
  AggregatingStateDescriptor,
  ListStateDescriptor,
  MapStateDescriptor,
  ReducingStateDescriptor,
  StateKind,
  ValueStateDescriptor,
} from "../core/descriptors.ts";
import type {
  BroadcastState,
  BroadcastStateDescriptor,
  OperatorListState,
  OperatorListStateDescriptor,
  OperatorStateKind,
} from "../core/operator_state.ts";
import type { AggregatingState, ListState, MapState, ReducingState, ValueState } from "../core/state.ts";
import type { ActorTimers, TimeDomain } from "./actor.ts";
import type { ActorRef } from "./feedback/actor_ref.ts";
import type { OutputTag } from "./side_output.ts";
import type { Duration } from "./windows/duration.ts";

/** What a step can do besides looking at its value. Valid during the call only: a job that emits later fails. */
export interface ProcessContext<O> {
  /** Event time of the record or timer in hand; -Infinity when it has none. */
  readonly timestampMs: number;
  /** Metrics of this operator subtask. */
  readonly metrics: MetricGroup;
  /** Sends a value downstream with the timestamp of the record or timer in hand. */
  emit(value: O): void;
  /** Sends a value to a side output. */
  emitTo<T>(tag: OutputTag<T>, value: T): void;
}

/** One synchronous step per record. */
export type ProcessFunction<I, O> = (value: I, context: ProcessContext<O>) => void;

/** The handle that goes with a descriptor. */
export type StateOf<D> = D extends ValueStateDescriptor<infer T> ? ValueState<T>
  : D extends ListStateDescriptor<infer T> ? ListState<T>
  : D extends MapStateDescriptor<infer K, infer V> ? MapState<K, V>
  : D extends ReducingStateDescriptor<infer T> ? ReducingState<T>
  : D extends AggregatingStateDescriptor<infer I, infer _A, infer O> ? AggregatingState<I, O>
  : never;

/** Descriptors, by the name under which the step finds their handles. */
export type StateDeclarations = Readonly<Record<string, { readonly kind: StateKind; readonly name: string }>>;

/** What a keyed step sees. */
export interface KeyedProcessContext<K extends Key, O, S> extends ProcessContext<O> {
  /** The current key. */
  readonly key: K;
  /** Handles of the declared states, by their names in the declaration. */
  readonly state: { readonly [N in keyof S]: StateOf<S[N]> };
  /** Timers of the current key. */
  readonly timers: ActorTimers;
  /** Sends a message to another actor, or to this one under another key; see `KeyedActor.tell`. */
  tell<T extends Key, M>(actor: ActorRef<T, M> | string, key: T, message: M): void;
  /** As `tell`, not before the time has passed; see `KeyedActor.tellAfter`. */
  tellAfter<T extends Key, M>(delay: Duration, actor: ActorRef<T, M> | string, key: T, message: M): void;
}

/** Says what a step emits. */
export interface Emits<O> {
  /** For the type checker only; never set. */
  readonly element?: O;
}

const ANYTHING: Emits<never> = Object.freeze({});

/**
 * Says of which type the values are that a keyed step emits, so that everything else about it is inferred.
 *
 * @example
 * ```ts
 * import { emits, type KeyedProcessFunction } from "../mod.ts";
 *
 * const lengths: KeyedProcessFunction<string, string, number, Record<never, never>> = {
 *   emits: emits<number>(),
 *   onMessage: (word, context) => context.emit(word.length),
 * };
 * if (lengths.onTimer !== undefined) throw new Error("it sets no timers");
 * ```
 */
export function emits<O>(): Emits<O> {
  return ANYTHING;
}

/** A keyed step. */
export interface KeyedProcessFunction<K extends Key, I, O, S extends StateDeclarations> {
  /** `emits<O>()`: the type of what it emits. */
  readonly emits?: Emits<O>;
  /** State of the step, by the name under which `context.state` has it. */
  readonly state?: S;
  /** Actors and steps that it tells, itself included. */
  readonly tells?: readonly (ActorRef<Key, unknown> | string)[];
  /** Called for every message of the current key; synchronous. */
  onMessage(value: I, context: KeyedProcessContext<K, O, S>): void;
  /** Called when a timer of the current key is due; synchronous. */
  onTimer?(timestampMs: number, context: KeyedProcessContext<K, O, S>, domain: TimeDomain): void;
}

/** The handle that goes with a descriptor of state without a key. */
export type OperatorStateOf<D> = D extends OperatorListStateDescriptor<infer T> ? OperatorListState<T>
  : D extends BroadcastStateDescriptor<infer K, infer V> ? BroadcastState<K, V>
  : never;

/** Descriptors of state without a key, by the name under which the step finds their handles. */
export type OperatorStateDeclarations = Readonly<
  Record<string, { readonly kind: OperatorStateKind; readonly name: string }>
>;

/** The declared states of a step, by their names in the declaration. */
export type OperatorStateHandles<S> = { readonly [N in keyof S]: OperatorStateOf<S[N]> };

/** What a step with state sees. */
export interface StatefulProcessContext<O, S> extends ProcessContext<O> {
  /** Handles of the declared states. They can be changed during a call only. */
  readonly state: OperatorStateHandles<S>;
}

/** What a step with state is opened with. */
export interface ProcessOpening<S> {
  /** Handles of the declared states, with what was restored. */
  readonly state: OperatorStateHandles<S>;
  /** 0-based. */
  readonly subtaskIndex: number;
  /** Number of subtasks that run the step. */
  readonly parallelism: number;
  /** Whether a checkpoint holds the operator: false at a fresh start, and for a step that is new in the pipeline. */
  readonly isRestored: boolean;
  /** Metrics of this operator subtask. */
  readonly metrics: MetricGroup;
}

/** A step with state that belongs to no key: each subtask has its own. */
export interface StatefulProcessFunction<I, O, S extends OperatorStateDeclarations> {
  /** `emits<O>()`: the type of what it emits. */
  readonly emits?: Emits<O>;
  /** State of the step, by the name under which `context.state` has it. */
  readonly state?: S;
  /**
   * Called once before the first message, at every start; synchronous. To refuse state that does not fit, throw a
   * StreamError "invalid", which ends the job; any other error is tried again as the restart strategy says.
   */
  onOpen?(opening: ProcessOpening<S>): void;
  /** Called for every message; synchronous. */
  onMessage(value: I, context: StatefulProcessContext<O, S>): void;
  /**
   * Called once when all input has ended, not when a job is stopped or cancelled before; synchronous. What it emits has no
   * time. A job that is restored from a checkpoint of after that does not call it again, unless there is more input: after
   * a savepoint that has drained the job.
   */
  onEnd?(context: StatefulProcessContext<O, S>): void;
}
