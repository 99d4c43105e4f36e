/**
 * One run of a pipeline in virtual time: time moves only when nothing can run.
 *
 * Called by: control/testing/virtual_world.ts (makes it), control/testing/run_pipeline.ts, tests.
 * Calls: the job, its clock and its files.
 *
 * @module
 */
import type { Job } from "../../runtime/job.ts";
import type { JobResult } from "../../runtime/job_progress.ts";
import { eventLoopTurn } from "../../runtime/testing/event_loop_turn.ts";
import type { ManualClock } from "../../runtime/testing/manual_clock.ts";
import type { MortalFileSystem } from "../../runtime/testing/mortal_file_system.ts";

/** Virtual time after which a job that has not ended is taken to hang, milliseconds. */
export const TIME_LIMIT_MS = 3_600_000;
/** Rounds without a move of time after which a job is taken to spin. */
const ROUND_LIMIT = 200_000;
/** Turns of the event loop in a row with nothing to do and nothing to wait for, after which a job is taken to hang. */
const PATIENCE = 20;

/** How a process has ended. */
export type Outcome =
  | { readonly kind: "ended"; readonly result: JobResult }
  | { readonly kind: "failed"; readonly error: unknown }
  | { readonly kind: "killed" };

/** One run of a pipeline. */
export class VirtualProcess {
  #outcome: Outcome | null = null;

  constructor(
    readonly job: Job,
    readonly clock: ManualClock,
    readonly files: MortalFileSystem,
    private readonly bury: () => void,
    private readonly timeLimitMs: number = TIME_LIMIT_MS,
  ) {
    job.result.then(
      (result) => this.#outcome ??= { kind: "ended", result },
      (error) => this.#outcome ??= { kind: "failed", error },
    );
    files.death.then(() => this.#outcome ??= { kind: "killed" });
  }

  /** Null while it runs. */
  get outcome(): Outcome | null {
    return this.#outcome;
  }

  /** Drives it to its end. @throws {Error} When nothing is left that could end it. */
  async end(): Promise<Outcome> {
    await this.until(() => this.#outcome !== null);
    const outcome = this.#outcome!;
    if (outcome.kind === "killed") this.bury();
    return outcome;
  }

  /** Drives it until the condition holds; looked at whenever nothing can run at once. */
  async until(condition: () => boolean): Promise<void> {
    const limitMs = this.clock.nowMs() + this.timeLimitMs;
    let idleTurns = 0;
    for (let round = 0;; round++) {
      await eventLoopTurn();
      if (condition() || this.files.isDead) return;
      if (this.clock.runDeferred() > 0) {
        if (round > ROUND_LIMIT) throw new Error(`Cannot end the job: it spins at ${this.clock.nowMs()} ms`);
        continue;
      }
      const dueMs = this.clock.nextDueMs;
      if (dueMs === undefined) {
        // With native code loaded, promises may need more than a turn.
        if (++idleTurns < PATIENCE) continue;
        throw new Error(`Cannot end the job: it waits for ever (${this.job.progress().state})`);
      }
      idleTurns = 0;
      if (dueMs > limitMs) throw new Error(`Cannot end the job: it has not ended after ${this.timeLimitMs} ms`);
      if (dueMs > this.clock.nowMs()) round = 0;
      this.clock.advance(Math.max(0, dueMs - this.clock.nowMs()));
    }
  }

  /** Drives it for so much virtual time, also beyond its end. */
  async forMs(ms: number): Promise<void> {
    const untilMs = this.clock.nowMs() + ms;
    this.clock.schedule(ms, () => {});
    await this.until(() => this.clock.nowMs() >= untilMs);
  }

  /** Drives it until the promise has settled, and settles as it does. */
  async settled<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const mark = () => {
      isSettled = true;
    };
    promise.then(mark, mark);
    await this.until(() => isSettled);
    return await promise;
  }

  /** Ends it as kill -9 does: what it has written stays, nothing else happens. */
  kill(): void {
    this.files.die();
    this.#outcome ??= { kind: "killed" };
    this.bury();
  }
}
