/**
 * Real time and real randomness: the only file outside benches and process
 * tests that may ask for them.
 *
 * Called by: whatever starts a job and hands its ports down.
 * Calls: core/clock.ts for the contract, the runtime's timers and crypto.
 *
 * Timers keep the process alive: a job that still waits for one is not over.
 *
 * @module
 */
import type { Cancel, Clock, Random } from "../core/clock.ts";

/** Longest delay that `setTimeout` keeps; a longer one would fire at once. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

function schedule(delayMs: number, callback: () => void): Cancel {
  if (Number.isNaN(delayMs)) {
    throw new RangeError("Cannot schedule a callback: delayMs is NaN, must be a number of milliseconds ≥ 0");
  }
  const deadlineMs = performance.now() + delayMs;
  // setTimeout drops fractions of a millisecond, so it may fire early; a callback that is early waits for the rest.
  const onTimeout = () => {
    const leftMs = deadlineMs - performance.now();
    if (leftMs <= 0) callback();
    else timer = setTimeout(onTimeout, timeoutFor(leftMs));
  };
  let timer = setTimeout(onTimeout, timeoutFor(delayMs));
  return () => clearTimeout(timer);
}

function timeoutFor(delayMs: number): number {
  return Math.min(LONGEST_TIMEOUT_MS, Math.max(0, Math.ceil(delayMs)));
}

/**
 * The clock of this machine. A delay below 0 counts as 0.
 *
 * @example
 * ```ts
 * import { systemClock } from "./system_clock.ts";
 *
 * const cancel = systemClock.schedule(60_000, () => {});
 * cancel();
 * ```
 */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  schedule,
  defer(callback: () => void): void {
    setImmediate(callback);
  },
};

/** Unpredictable numbers and ids. */
export const systemRandom: Random = {
  next: () => Math.random(),
  id: () => crypto.randomUUID().replaceAll("-", ""),
};
