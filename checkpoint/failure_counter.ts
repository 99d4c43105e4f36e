/**
 * Decides when checkpoints have failed so often in a row that the job fails.
 *
 * Called by: coordinator.ts.
 * Calls: failure.ts.
 *
 * Source: Flink's `CheckpointFailureManager`.
 *
 * @module
 */
import type { CheckpointProperties } from "./checkpoint_properties.ts";
import { type CheckpointFailureReason, isCounted } from "./failure.ts";

/** Whether a failure counts, and whether it was one too many. */
export type FailureDecision = "ignore" | "tolerate" | "fail-job";

/** What failed. */
export interface CheckpointFailure {
  /** Null when it failed before it had an id. */
  readonly checkpointId: number | null;
  readonly reason: CheckpointFailureReason;
  readonly properties: CheckpointProperties;
}

/** Counts failures in a row. */
export class FailureCounter {
  readonly #tolerable: number;
  readonly #counted = new Set<number>();
  #inRow = 0;
  #lastSuccess = 0;

  /** @param tolerable Failures in a row that the job survives, ≥ 0, may be Infinity. */
  constructor(tolerable: number) {
    this.#tolerable = tolerable;
  }

  /** Failures in a row so far. */
  get inRow(): number {
    return this.#inRow;
  }

  /** A checkpoint has completed: with a higher id than any before, the row ends. */
  success(checkpointId: number): void {
    if (checkpointId <= this.#lastSuccess) return;
    this.#lastSuccess = checkpointId;
    this.#reset();
  }

  /** A checkpoint has failed; each counts once. */
  failure({ checkpointId, reason, properties }: CheckpointFailure): FailureDecision {
    // The job goes on also after one with which it was to stop.
    if (properties.type === "savepoint" || !isCounted(reason)) return "ignore";
    if (checkpointId !== null) {
      if (checkpointId < this.#lastSuccess || this.#counted.has(checkpointId)) return "ignore";
      this.#counted.add(checkpointId);
    }
    this.#inRow++;
    if (this.#inRow <= this.#tolerable) return "tolerate";
    this.#reset();
    return "fail-job";
  }

  /** Keeps the ids that are counted already: none of them may count again. */
  #reset(): void {
    this.#inRow = 0;
    for (const id of this.#counted) if (id < this.#lastSuccess) this.#counted.delete(id);
  }
}
