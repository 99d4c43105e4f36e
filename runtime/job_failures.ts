/**
 * Remembers the last failures that ended attempts of a job.
 *
 * Called by: runtime/job_run.ts.
 * Calls: nothing.
 *
 * @module
 */
import type { AttemptFailure } from "./attempt.ts";
import type { FailureView } from "./job_view.ts";

/** Failures that are remembered. */
const MOST = 16;

/** Newest first. */
export class FailureHistory {
  #failures: readonly FailureView[] = [];

  /** @param atMs Milliseconds since the epoch. */
  add({ error, subtask }: AttemptFailure, atMs: number): void {
    const view: FailureView = {
      atMs,
      error: error instanceof Error ? error : new Error(String(error)),
      subtask: subtask === null
        ? null
        : { vertexId: subtask.vertexId, vertexName: subtask.vertexName, index: subtask.subtaskIndex },
    };
    this.#failures = [view, ...this.#failures].slice(0, MOST);
  }

  /** Never changes afterwards. */
  list(): readonly FailureView[] {
    return this.#failures;
  }
}
