/**
 * Adds up how long a subtask was busy, idle and held back.
 *
 * Called by: runtime/subtask.ts at the borders of its slices.
 * Calls: the clock.
 *
 * @module
 */
import type { Clock } from "../core/clock.ts";

type Activity = "busy" | "idle" | "backPressured";

/** Total milliseconds per activity. */
export class TaskTimes {
  readonly #totals: Record<Activity, number> = { busy: 0, idle: 0, backPressured: 0 };
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

  beginBackPressured(nowMs: number): void {
    this.#begin("backPressured", nowMs);
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
