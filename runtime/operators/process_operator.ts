/**
 * Runs a processing step on a stream without a key.
 *
 * Called by: the operator upstream.
 * Calls: the user's function.
 *
 * @module
 */
import type { OperatorContext } from "../operator.ts";
import type { ProcessFunction } from "../process_function.ts";
import { StepOperator } from "./step_operator.ts";

/** One call of the user's function per record. */
export class ProcessOperator<I, O> extends StepOperator<I, O> {
  constructor(context: OperatorContext, private readonly step: ProcessFunction<I, O>) {
    super(context);
  }

  collect(value: I, timestampMs: number): void {
    this.recordsIn.count++;
    this.timestampMs = timestampMs;
    try {
      const result: unknown = this.step(value, this);
      if (result !== undefined) this.checkSynchronous(result, "the function given to process()");
    } catch (cause) {
      throw this.failure(cause, value);
    }
  }
}
