/**
 * Declares where an operator puts its results: the next operator of the chain
 * (a direct call), several of them, an exchange, or nowhere.
 *
 * Called by: runtime/operators/ for every record.
 * Calls: core/errors.ts.
 *
 * @module
 */
import type { Barrier } from "../core/element.ts";
import { StreamError } from "../core/errors.ts";

/** An input of an operator: the only one, or one of two that take values of different types. */
export type InputPort = 0 | 1;

/** Takes the records of one input. */
export interface RecordPort {
  /** Takes one record, of the type that the input has. */
  collect(value: unknown, timestampMs: number): void;
}

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

/**
 * Refuses records: what an operator emits to while it has no record and no timer in hand.
 *
 * `refuse` is told instead of whoever emits: in a callback of the event loop nobody would catch the error.
 */
export class RefusingOutput implements Output<unknown> {
  constructor(private readonly operatorName: string, private readonly refuse: (error: StreamError) => void = rethrow) {}

  collect(): void {
    this.refuse(
      new StreamError(
        "invalid",
        `Cannot emit from "${this.operatorName}" here: no message and no timer is in hand, so the value has no time and ` +
          `would be lost or sent twice after a restart; emit in onMessage() or onTimer(), before they return`,
      ),
    );
  }

  watermark(): void {}
  idle(): void {}
}

function rethrow(error: StreamError): never {
  throw error;
}

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
