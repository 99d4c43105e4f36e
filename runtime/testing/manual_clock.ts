/**
 * A clock that a test owns: time moves and deferred work runs only when the test says so.
 *
 * Called by: runtime/testing/, control/testing/, tests.
 * Calls: nothing.
 *
 * @module
 */
import type { Cancel, Clock } from "../../core/clock.ts";

interface Scheduled {
  readonly atMs: number;
  readonly order: number;
  readonly callback: () => void;
}

/** Microtask turns after which in-memory work has usually come to rest. */
const SETTLE_TURNS = 64;
/** Microtask turns after which it has for certain. */
const REST_TURNS = 20_000;

/** Deterministic {@link Clock}. Callbacks run inside `advance`, `runDeferred` and `runUntil` only. */
export class ManualClock implements Clock {
  /** Added to the monotonic clock each time it is asked, milliseconds: lets work in slices notice that time passes. */
  tickMs: number;
  private timeMs: number;
  private elapsedMs = 0;
  private deferred: (() => void)[] = [];
  private scheduled: Scheduled[] = [];
  private order = 0;

  /** @param startMs Wall clock at the start, milliseconds since the epoch. */
  constructor({ startMs = 0, tickMs = 0 }: { readonly startMs?: number; readonly tickMs?: number } = {}) {
    this.timeMs = startMs;
    this.tickMs = tickMs;
  }

  nowMs(): number {
    return this.timeMs;
  }

  monotonicMs(): number {
    this.elapsedMs += this.tickMs;
    return this.elapsedMs;
  }

  schedule(delayMs: number, callback: () => void): Cancel {
    const entry: Scheduled = { atMs: this.timeMs + delayMs, order: this.order++, callback };
    this.scheduled.push(entry);
    return () => {
      const at = this.scheduled.indexOf(entry);
      if (at >= 0) this.scheduled.splice(at, 1);
    };
  }

  defer(callback: () => void): void {
    this.deferred.push(callback);
  }

  /** Callbacks that wait for `runDeferred`. */
  get deferredCount(): number {
    return this.deferred.length;
  }

  /** Callbacks that wait for their time. */
  get scheduledCount(): number {
    return this.scheduled.length;
  }

  /** When the next callback is due, milliseconds since the epoch; undefined when none is scheduled. */
  get nextDueMs(): number | undefined {
    return this.earliest(Number.POSITIVE_INFINITY)?.atMs;
  }

  /** Runs what is deferred now, not what that defers in turn. Returns how many ran. */
  runDeferred(): number {
    const due = this.deferred;
    this.deferred = [];
    for (const callback of due) callback();
    return due.length;
  }

  /** Moves time on by `ms`, calling back in order of due time; a callback sees the time at which it was due. */
  advance(ms: number): void {
    const untilMs = this.timeMs + ms;
    for (;;) {
      const next = this.earliest(untilMs);
      if (next === undefined) break;
      this.scheduled.splice(this.scheduled.indexOf(next), 1);
      this.moveTo(next.atMs);
      next.callback();
    }
    this.moveTo(untilMs);
  }

  private moveTo(timeMs: number): void {
    if (timeMs <= this.timeMs) return;
    this.elapsedMs += timeMs - this.timeMs;
    this.timeMs = timeMs;
  }

  private earliest(untilMs: number): Scheduled | undefined {
    let best: Scheduled | undefined;
    for (const entry of this.scheduled) {
      if (entry.atMs > untilMs) continue;
      if (best === undefined || entry.atMs < best.atMs || (entry.atMs === best.atMs && entry.order < best.order)) {
        best = entry;
      }
    }
    return best;
  }

  /** Lets promise reactions run until they can only wait for this clock. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < SETTLE_TURNS; turn++) await Promise.resolve();
  }

  /**
   * Runs deferred work until `promise` has settled, and settles as it does. `between` is called before each round.
   *
   * @throws {Error} When nothing is deferred and the promise still waits (for a timer, or for ever).
   */
  async runUntil<T>(promise: Promise<T>, between?: () => void): Promise<T> {
    let settled = false;
    const mark = () => {
      settled = true;
    };
    promise.then(mark, mark);
    for (;;) {
      await this.settle();
      if (settled) return await promise;
      between?.();
      if (this.runDeferred() === 0) {
        for (let turn = 0; turn < REST_TURNS && !settled && this.deferred.length === 0; turn++) await Promise.resolve();
        if (settled) return await promise;
        if (this.deferred.length === 0) {
          throw new Error("Cannot go on: nothing is deferred and the promise still waits");
        }
      }
    }
  }
}
