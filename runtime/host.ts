/**
 * Runs subtasks in turns on one event loop.
 *
 * Called by: runtime/attempt.ts; subtasks ask for a slice when there is work.
 * Calls: subtasks.
 *
 * Invariants:
 * - between two rounds the event loop gets its turn, so snapshots, sources and
 *   the HTTP API make progress; a round takes about `ROUND_MS`, or less while a file is waited for;
 * - nothing runs while no subtask has work.
 *
 * @module
 */
import type { Clock } from "../core/clock.ts";
import type { FileSystem } from "../core/file_system.ts";
import type { Subtask, SubtaskHost } from "./subtask.ts";

/**
 * Milliseconds that the subtasks share between two turns of the event loop. Long against the time that state needs to
 * come back into the processor's caches after a slice of something else; short against what a person notices.
 */
const ROUND_MS = 12;
/**
 * The same while somebody waits for a file: a snapshot does some twenty operations on files one after the other, and
 * each is over long before a round is. A turn of the event loop costs microseconds.
 */
const SHORT_ROUND_MS = 2;

/** One event loop. Worker threads and machines will be other hosts. */
export class Host implements SubtaskHost {
  #due: Subtask[] = [];
  #isDeferred = false;

  constructor(private readonly clock: Clock, private readonly fileSystem: FileSystem) {}

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
    const roundMs = (this.fileSystem.pendingCount ?? 0) > 0 ? SHORT_ROUND_MS : ROUND_MS;
    const budgetMs = roundMs / Math.max(1, due.length);
    for (const subtask of due) {
      subtask.isScheduled = false;
      if (subtask.runSlice(budgetMs)) this.schedule(subtask);
    }
  }
}
