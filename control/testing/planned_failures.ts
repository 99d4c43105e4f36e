/**
 * Fails a run of a pipeline at chosen records.
 *
 * Called by: control/testing/run_pipeline.ts; the sources, through runtime/testing/paced_source.ts.
 * Calls: nothing.
 *
 * @module
 */
import { StreamError } from "../../core/errors.ts";
import type { Pace } from "../../runtime/testing/paced_source.ts";

/** A failure to come. */
export interface PipelineFailure {
  /** Records of all sources after which it strikes, an integer ≥ 1; what is read again counts again. */
  readonly afterRecords: number;
  /**
   * "attempt": a source fails, and the job goes on from its latest checkpoint. "process": as kill -9, and a new process
   * goes on from the latest checkpoint. Default "attempt".
   */
  readonly kills?: "attempt" | "process";
  /** Parallelism of the new process; only with "process". Default: as before. */
  readonly parallelism?: number;
}

const NEVER: Promise<never> = new Promise(() => {});

/** Counts records, and strikes when it is time. */
export class PlannedFailures implements Pace {
  readonly #left: PipelineFailure[];
  /** Ends the process; set for each. */
  kill: () => void = () => {};
  /** The one that has ended the process; null while none has. */
  killedBy: PipelineFailure | null = null;
  recordCount = 0;

  /** @throws {RangeError} If one comes after no record, or a parallelism goes with an attempt. */
  constructor(failures: readonly PipelineFailure[], readonly intervalMs: number) {
    for (const { afterRecords, kills = "attempt", parallelism } of failures) {
      if (!(Number.isSafeInteger(afterRecords) && afterRecords >= 1)) {
        throw new RangeError(`Cannot fail after ${afterRecords} records: it must be an integer ≥ 1`);
      }
      if (parallelism !== undefined && kills !== "process") {
        throw new RangeError('Cannot go on with another parallelism within a process: say kills: "process"');
      }
    }
    this.#left = failures.toSorted((left, right) => left.afterRecords - right.afterRecords);
  }

  /** Failures of attempts that are still to come. */
  get attemptFailures(): number {
    return this.#left.filter(({ kills }) => kills !== "process").length;
  }

  onRecord(): void {
    this.recordCount++;
  }

  check(): Promise<void> | null {
    if (this.killedBy !== null) return NEVER;
    const next = this.#left[0];
    if (next === undefined || this.recordCount < next.afterRecords) return null;
    this.#left.shift();
    if (next.kills !== "process") {
      throw new StreamError("unavailable", `Failed as planned, after ${next.afterRecords} records`);
    }
    this.killedBy = next;
    this.kill();
    return NEVER;
  }
}
