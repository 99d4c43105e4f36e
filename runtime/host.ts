/**
 * Runs subtasks in turns on one event loop.
 *
 * Called by: runtime/attempt.ts; subtasks ask for a slice when there is work.
 * Calls: subtasks.
 *
 * Invariants:
 * - between two rounds the event loop gets its turn, so snapshots, sources and
 *   the HTTP API make progress; a round takes about `ROUND_MS`;
 * - nothing runs while no subtask has work.
 *
 * @module
 */
import type { Clock } from "../core/clock.ts";
import type { Subtask, SubtaskHost } from "./subtask.ts";

/**
 * Milliseconds that the subtasks share between two turns of the event loop. Long against the time that state needs to
 * come back into the processor's caches after a slice of something else; short against what a person notices.
 */
const ROUND_MS = 12;

/** One event loop. Worker threads and machines will be other hosts. */
export class Host implements SubtaskHost {
  #due: Subtask[] = [];
  #isDeferred = false;

  constructor(private readonly clock: Clock) {}

  schedule(subtask: Subtask): void {
    if (subtask.isScheduled) return;
    subtask.isScheduled = true;
    this.#due.push(subtask);
    this.#defer();
  }

  #defer(): void {
    if (this.#isDeferred) return;
    this.#isDeferred = true;
    this.clock.defer(() => this.#round());
  }

  #round(): void {
    this.#isDeferred = false;
    const due = this.#due;
    this.#due = [];
    const budgetMs = ROUND_MS / Math.max(1, due.length);
    for (const subtask of due) {
      subtask.isScheduled = false;
      if (subtask.runSlice(budgetMs)) this.schedule(subtask);
    }
  }
}
