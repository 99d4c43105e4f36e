/**
 * Runs a step on two streams without a key: the first input is that of a step with state, the second has a port.
 *
 * Called by: the gate of its subtask.
 * Calls: the user's step.
 *
 * @module
 */
import type { OperatorContext } from "../operator.ts";
import { StatefulProcessOperator } from "../operators/stateful_process_operator.ts";
import type { InputPort, RecordPort } from "../output.ts";
import type { OperatorStateDeclarations, StatefulProcessFunction } from "../process_function.ts";
import type { TwoInputProcessFunction } from "./two_input_functions.ts";

/** One call of `onFirst` or `onSecond` per record. */
export class TwoInputOperator<A, B, O, S extends OperatorStateDeclarations> extends StatefulProcessOperator<A, O, S> {
  constructor(context: OperatorContext, private readonly step: TwoInputProcessFunction<A, B, O, S>) {
    super(context, firstOf(step));
  }

  override port(port: InputPort): RecordPort {
    // connect() has tied what comes in to B.
    return port === 0
      ? super.port(0)
      : { collect: (value, timestampMs) => this.#collectSecond(value as B, timestampMs) };
  }

  #collectSecond(value: B, timestampMs: number): void {
    this.recordsIn.count++;
    this.timestampMs = timestampMs;
    try {
      const result: unknown = this.step.onSecond(value, this);
      if (result !== undefined) this.checkSynchronous(result, "onSecond()");
    } catch (cause) {
      throw this.failure(cause, value);
    }
  }
}

/** The part of the step that is a step on the first input alone. */
function firstOf<A, B, O, S extends OperatorStateDeclarations>(
  step: TwoInputProcessFunction<A, B, O, S>,
): StatefulProcessFunction<A, O, S> {
  return {
    ...(step.state === undefined ? {} : { state: step.state }),
    onMessage: (value, context) => step.onFirst(value, context),
    ...(step.onOpen === undefined ? {} : { onOpen: (opening) => step.onOpen!(opening) }),
    ...(step.onEnd === undefined ? {} : { onEnd: (context) => step.onEnd!(context) }),
  };
}
