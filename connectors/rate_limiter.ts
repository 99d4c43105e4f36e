/**
 * Token bucket that slows a source down to a number of records per second.
 *
 * Called by: the sources in this folder.
 * Calls: core/clock.ts.
 *
 * Invariants: a bucket never holds more than 100 ms' worth, so a long pause is not made up for by a burst.
 *
 * @module
 */
import type { Cancel, Clock } from "../core/clock.ts";

/** Time that one wake-up should cover, so that a fast source is not woken for every record. */
const BATCH_MS = 10;
/** Most that the bucket holds, as time; more than one batch, so that late timers do not lower the rate. */
const CAPACITY_MS = 100;

/** Refuses a rate that is not a positive number. */
export function checkRate(ratePerSecond: number | undefined): void {
  if (ratePerSecond === undefined || (ratePerSecond > 0 && ratePerSecond < Infinity)) return;
  throw new RangeError(
    `Cannot limit a source: ratePerSecond is ${ratePerSecond}, must be a finite number above 0; ` +
      "leave it out for no limit",
  );
}

/** Deals out permission to emit. One per subtask. */
export class RateLimiter {
  readonly #clock: Clock;
  readonly #tokensPerMs: number;
  readonly #capacity: number;
  #tokens = 1;
  #filledAtMs: number;
  #waiting: { readonly cancel: Cancel; readonly resolve: () => void } | null = null;

  /**
   * Starts with permission for one record.
   *
   * @param ratePerSecond Above 0, finite.
   */
  constructor(clock: Clock, ratePerSecond: number) {
    this.#clock = clock;
    this.#tokensPerMs = ratePerSecond / 1000;
    this.#capacity = Math.max(1, this.#tokensPerMs * CAPACITY_MS);
    this.#filledAtMs = clock.monotonicMs();
  }

  /** Whether a record may be emitted now. */
  ready(): boolean {
    if (this.#tokens >= 1) return true;
    this.#fill();
    return this.#tokens >= 1;
  }

  /** Notes that a record was emitted. */
  spend(): void {
    this.#tokens--;
  }

  /** Resolves when it is worth asking again. */
  wait(): Promise<void> {
    const missing = 1 - this.#tokens;
    const delayMs = Math.max(BATCH_MS, missing / this.#tokensPerMs);
    return new Promise((resolve) => {
      this.#waiting = { resolve, cancel: this.#clock.schedule(delayMs, resolve) };
    });
  }

  /** Ends a wait at once. */
  close(): void {
    this.#waiting?.cancel();
    this.#waiting?.resolve();
    this.#waiting = null;
  }

  #fill(): void {
    const nowMs = this.#clock.monotonicMs();
    const earned = (nowMs - this.#filledAtMs) * this.#tokensPerMs;
    this.#tokens = Math.min(this.#capacity, this.#tokens + earned);
    this.#filledAtMs = nowMs;
  }
}
