/**
 * Declares where an operator puts its results: the next operator of the chain
 * (a direct call), several of them, an exchange, or nowhere.
 *
 * Called by: runtime/operators/ for every record.
 * Calls: nothing.
 *
 * @module
 */
import type { Barrier } from "../core/element.ts";

/** Takes records, watermarks and what else flows in-band. All methods are synchronous. */
export interface Output<T> {
  /** Takes one record. */
  collect(value: T, timestampMs: number): void;
  /** Takes a watermark; one that does not rise is ignored. */
  watermark(watermarkMs: number): void;
  /** Tells that no watermark is to be expected for now, or that it is again. */
  idle(isIdle: boolean): void;
}

/** An output that leaves the subtask: besides records it carries barriers and the end of input. */
export interface ChainEnd {
  barrier(barrier: Barrier): void;
  cancelBarrier(checkpointId: number): void;
  endOfInput(): void;
  /** Sends what is gathered, as far as there is credit. */
  flush(): void;
}

/** Takes everything and keeps nothing: the output of an operator that nobody reads. */
export const nowhere: Output<unknown> = {
  collect(): void {},
  watermark(): void {},
  idle(): void {},
};

/** Gives every record to each of several outputs, in order. */
export class FanOut<T> implements Output<T> {
  constructor(private readonly outputs: readonly Output<T>[]) {}

  collect(value: T, timestampMs: number): void {
    for (let i = 0; i < this.outputs.length; i++) this.outputs[i]!.collect(value, timestampMs);
  }

  watermark(watermarkMs: number): void {
    for (const output of this.outputs) output.watermark(watermarkMs);
  }

  idle(isIdle: boolean): void {
    for (const output of this.outputs) output.idle(isIdle);
  }
}

/** One output for any number of readers. */
export function joinOutputs<T>(outputs: readonly Output<T>[]): Output<T> {
  if (outputs.length === 0) return nowhere;
  return outputs.length === 1 ? outputs[0]! : new FanOut(outputs);
}
