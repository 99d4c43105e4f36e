/**
 * Runs a step without a key beside a broadcast stream, whose maps it may read.
 *
 * Called by: the gate of its subtask.
 * Calls: the user's step.
 *
 * Invariants:
 * - the maps can be changed during `onBroadcast` only.
 *
 * @module
 */
import type { OperatorStateDescriptor } from "../../core/operator_state.ts";
import type { OperatorContext } from "../operator.ts";
import type { OperatorStates } from "../operator_states.ts";
import { StepOperator } from "../operators/step_operator.ts";
import type { InputPort, RecordPort } from "../output.ts";
import { broadcastStates, declareBroadcast, descriptorsOf } from "./broadcast_states.ts";
import type { BroadcastDeclarations, BroadcastProcessFunction, WritesBroadcast } from "./two_input_functions.ts";

/** One call of `onMessage` or `onBroadcast` per record; the operator is the step's context. */
export class BroadcastOperator<A, B, O, M extends BroadcastDeclarations> extends StepOperator<A, O>
  implements WritesBroadcast<M> {
  /** Filled by `open`. */
  broadcast: WritesBroadcast<M>["broadcast"] = Object.freeze({}) as WritesBroadcast<M>["broadcast"]; // never read before

  constructor(context: OperatorContext, private readonly step: BroadcastProcessFunction<A, B, O, M>) {
    super(context);
  }

  override get declared(): readonly OperatorStateDescriptor[] {
    return descriptorsOf(this.step.broadcast);
  }

  protected override makeStates(): OperatorStates {
    return broadcastStates(this.context);
  }

  override open(): void {
    this.broadcast = declareBroadcast(this.states, this.step.broadcast);
  }

  override port(port: InputPort): RecordPort {
    // connect() has tied what comes in to B.
    return port === 0 ? super.port(0) : { collect: (value, timestampMs) => this.#onBroadcast(value as B, timestampMs) };
  }

  collect(value: A, timestampMs: number): void {
    this.recordsIn.count++;
    this.timestampMs = timestampMs;
    try {
      const result: unknown = this.step.onMessage(value, this);
      if (result !== undefined) this.checkSynchronous(result, "onMessage()");
    } catch (cause) {
      throw this.failure(cause, value);
    }
  }

  #onBroadcast(value: B, timestampMs: number): void {
    this.recordsIn.count++;
    this.timestampMs = timestampMs;
    this.states.access.isOpen = true;
    try {
      const result: unknown = this.step.onBroadcast(value, this);
      if (result !== undefined) this.checkSynchronous(result, "onBroadcast()");
    } catch (cause) {
      throw this.failure(cause, value);
    } finally {
      this.states.access.isOpen = false;
    }
  }

  override beginSlice(): void {
    super.beginSlice();
    this.states.access.isOpen = false;
  }
}
