/**
 * Adds up how long a subtask was busy, idle and held back.
 *
 * Called by: runtime/subtask.ts at the borders of its slices.
 * Calls: the clock.
 *
 * @module
 */
import type { Clock } from "../core/clock.ts";

type Activity = "busy" | "idle" | "backPressured" | "changelogBusy";

/** Total milliseconds per activity. */
export class TaskTimes {
  readonly #totals: Record<Activity, number> = { busy: 0, idle: 0, backPressured: 0, changelogBusy: 0 };
  #activity: Activity = "idle";
  #sinceMs: number;

  constructor(private readonly clock: Clock) {
    this.#sinceMs = clock.monotonicMs();
  }

  beginBusy(nowMs: number): void {
    this.#begin("busy", nowMs);
  }

  beginIdle(nowMs: number): void {
    this.#begin("idle", nowMs);
  }

  /** @param byChangelog Whether changes wait to be written to a changelog: that is work of its own. */
  beginHeldBack(nowMs: number, byChangelog: boolean): void {
    this.#begin(byChangelog ? "changelogBusy" : "backPressured", nowMs);
  }

  /** Whether output waits for credit right now. */
  get isBackPressured(): boolean {
    return this.#activity === "backPressured";
  }

  /** Milliseconds spent in an activity so far. */
  totalMs(activity: Activity): number {
    const running = activity === this.#activity ? this.clock.monotonicMs() - this.#sinceMs : 0;
    return this.#totals[activity] + running;
  }

  #begin(activity: Activity, nowMs: number): void {
    this.#totals[this.#activity] += nowMs - this.#sinceMs;
    this.#activity = activity;
    this.#sinceMs = nowMs;
  }
}
