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
import type { StateDescriptor, ValueStateDescriptor } from "../../core/descriptors.ts";
import type { Barrier } from "../../core/element.ts";
import { type Key, VOID_NAMESPACE } from "../../core/key.ts";
import type { MetricGroup } from "../../core/metrics.ts";
import type { OperatorStateDescriptor } from "../../core/operator_state.ts";
import type { OperatorContext, OperatorSnapshotParts } from "../operator.ts";
import type { OperatorStates } from "../operator_states.ts";
import { KeyedProcessOperator } from "../operators/keyed_process_operator.ts";
import type { InputPort, RecordPort } from "../output.ts";
import type { KeyedProcessContext, KeyedProcessFunction, StateDeclarations, StateOf } from "../process_function.ts";
import type { OutputTag } from "../side_output.ts";
import { broadcastStates, declareBroadcast, descriptorsOf } from "./broadcast_states.ts";
import type {
  BroadcastDeclarations,
  KeyedBroadcastContext,
  KeyedBroadcastProcessFunction,
  ReadsBroadcast,
  WritesBroadcast,
} from "./two_input_functions.ts";

/** One step for all keys of a subtask; the operator is the context of its broadcast side. */
export class KeyedBroadcastOperator<
  K extends Key,
  A,
  B,
  O,
  S extends StateDeclarations,
  M extends BroadcastDeclarations,
> extends KeyedProcessOperator<K, A, O, S> implements KeyedBroadcastContext<K, O, M> {
  /** Filled by `declare`. */
  broadcast: WritesBroadcast<M>["broadcast"] = Object.freeze({}) as WritesBroadcast<M>["broadcast"]; // never read before
  readonly #maps: OperatorStates;

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

  protected override declare(): void {
    super.declare();
    this.broadcast = declareBroadcast(this.#maps, this.functions.broadcast);
    // `keyedPartOf` hands the context on as one that has the maps, too.
    (this.stepContext as KeyedProcessContext<K, O, S> & { broadcast: ReadsBroadcast<M>["broadcast"] }).broadcast = this
      .broadcast as ReadsBroadcast<M>["broadcast"]; // each map can also be read
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
      const result: unknown = this.functions.onBroadcast(value, this);
      if (result !== undefined) this.checkSynchronous(result, "onBroadcast()");
    } catch (cause) {
      throw this.failure(cause, value);
    } finally {
      this.#maps.access.isOpen = false;
    }
  }

  get timestampMs(): number {
    return this.scope.timestampMs;
  }

  get metrics(): MetricGroup {
    return this.context.metrics;
  }

  emit(value: O): void {
    this.scope.out.collect(value, this.scope.timestampMs);
  }

  emitTo<T>(tag: OutputTag<T>, value: T): void {
    this.scope.sideOutput(tag.id).collect(value, this.scope.timestampMs);
  }

  applyToKeyedState<D extends StateDescriptor>(descriptor: D, apply: (key: K, state: StateOf<D>) => void): void {
    // The same name gives the same handle; its type follows from the descriptor.
    const handle = this.states.open(descriptor as unknown as ValueStateDescriptor<unknown>) as unknown as StateOf<D>;
    this.backend.applyToAllKeys(descriptor, VOID_NAMESPACE, (key) => apply(key as K, handle)); // keyOf gave the keys
    this.backend.leaveKey?.();
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
    onMessage: (value, context) => step.onMessage(value, context as Context), // `declare` has put the maps there
    ...(step.onTimer === undefined ? {} : {
      // As for `onMessage`.
      onTimer: (timestampMs, context, domain) => step.onTimer!(timestampMs, context as Context, domain),
    }),
  };
}
