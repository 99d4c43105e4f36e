/**
 * Runs a keyed step beside a broadcast stream, whose maps it may read.
 *
 * Called by: the gate of its subtask, the timer service.
 * Calls: the user's step.
 *
 * Invariants:
 * - the maps can be changed during `onBroadcast` only, and there is no current key then but in `applyToKeyedState`.
 *
 * @module
 */
import type { StateDescriptor } from "../../core/descriptors.ts";
import type { Barrier } from "../../core/element.ts";
import type { Key } from "../../core/key.ts";
import type { OperatorStateDescriptor } from "../../core/operator_state.ts";
import type { ActorScope } from "../actor.ts";
import type { OperatorContext, OperatorSnapshotParts } from "../operator.ts";
import type { OperatorStates } from "../operator_states.ts";
import { KeyedProcessOperator, StepContext } from "../operators/keyed_process_operator.ts";
import { ScopeContext } from "../operators/scope_context.ts";
import type { InputPort, RecordPort } from "../output.ts";
import type { KeyedProcessContext, KeyedProcessFunction, StateDeclarations, StateOf } from "../process_function.ts";
import { broadcastStates, declareBroadcast, descriptorsOf } from "./broadcast_states.ts";
import type {
  BroadcastDeclarations,
  KeyedBroadcastContext,
  KeyedBroadcastProcessFunction,
  ReadsBroadcast,
  WritesBroadcast,
} from "./two_input_functions.ts";

/** What the keyed side is called with. */
class ReadingContext<K extends Key, O, S, M> extends StepContext<K, O, S> implements ReadsBroadcast<M> {
  constructor(
    scope: ActorScope,
    state: KeyedProcessContext<K, O, S>["state"],
    readonly broadcast: ReadsBroadcast<M>["broadcast"],
  ) {
    super(scope, state);
  }
}

/** What the broadcast side is called with. */
class WritingContext<K extends Key, O, M> extends ScopeContext<O> implements KeyedBroadcastContext<K, O, M> {
  constructor(scope: ActorScope, readonly broadcast: WritesBroadcast<M>["broadcast"]) {
    super(scope);
  }

  applyToKeyedState<D extends StateDescriptor>(descriptor: D, apply: (key: K, state: StateOf<D>) => void): void {
    // The function given to keyBy() gave the keys; the handle's type follows from the descriptor.
    this.scope.states.applyToAllKeys(descriptor, (key, handle) => apply(key as K, handle as unknown as StateOf<D>));
    this.scope.backend.leaveKey?.();
  }
}

/** One step for all keys of a subtask. */
export class KeyedBroadcastOperator<
  K extends Key,
  A,
  B,
  O,
  S extends StateDeclarations,
  M extends BroadcastDeclarations,
> extends KeyedProcessOperator<K, A, O, S> {
  readonly #maps: OperatorStates;
  /** Set by `declare`. */
  #writing: WritingContext<K, O, M> | null = null;

  constructor(
    context: OperatorContext,
    keyOf: (value: A) => K,
    private readonly functions: KeyedBroadcastProcessFunction<K, A, B, O, S, M>,
  ) {
    super(context, keyOf, keyedPartOf(functions));
    this.#maps = broadcastStates(context);
  }

  override get declared(): readonly OperatorStateDescriptor[] {
    return descriptorsOf(this.functions.broadcast);
  }

  protected override makeContext(state: KeyedProcessContext<K, O, S>["state"]): KeyedProcessContext<K, O, S> {
    const maps = declareBroadcast<M, WritesBroadcast<M>["broadcast"]>(this.#maps, this.functions.broadcast);
    this.#writing = new WritingContext(this.scope, maps);
    // Each map can also be read.
    return new ReadingContext<K, O, S, M>(this.scope, state, maps as ReadsBroadcast<M>["broadcast"]);
  }

  override port(port: InputPort): RecordPort {
    // connect() has tied what comes in to B.
    return port === 0 ? super.port(0) : { collect: (value, timestampMs) => this.#onBroadcast(value as B, timestampMs) };
  }

  #onBroadcast(value: B, timestampMs: number): void {
    this.flush();
    this.recordsIn.count++;
    this.scope.timestampMs = timestampMs;
    this.backend.leaveKey?.();
    this.#maps.access.isOpen = true;
    try {
      const result: unknown = this.functions.onBroadcast(value, this.#writing!);
      if (result !== undefined) this.checkSynchronous(result, "onBroadcast()");
    } catch (cause) {
      throw this.failure(cause, value);
    } finally {
      this.#maps.access.isOpen = false;
    }
  }

  override snapshot(barrier: Barrier): OperatorSnapshotParts {
    const parts = super.snapshot(barrier);
    const maps = this.#maps.snapshot();
    return { ...parts, lists: async () => ({ ...await parts.lists(), ...maps }) };
  }
}

/** The part of the step that is a keyed step. */
function keyedPartOf<K extends Key, A, B, O, S extends StateDeclarations, M extends BroadcastDeclarations>(
  step: KeyedBroadcastProcessFunction<K, A, B, O, S, M>,
): KeyedProcessFunction<K, A, O, S> {
  type Context = KeyedProcessContext<K, O, S> & ReadsBroadcast<M>;
  return {
    ...(step.state === undefined ? {} : { state: step.state }),
    onMessage: (value, context) => step.onMessage(value, context as Context), // `makeContext` has made it one
    ...(step.onTimer === undefined ? {} : {
      // As for `onMessage`.
      onTimer: (timestampMs, context, domain) => step.onTimer!(timestampMs, context as Context, domain),
    }),
  };
}
