/**
 * Measures records a second over the last moments.
 *
 * Called by: control/terminal.ts.
 * Calls: nothing.
 *
 * Invariants: holds the samples of one window and the one before it, so at most window / period + 2 of them.
 *
 * @module
 */
import type { Rates } from "./status_line.ts";

interface Sample {
  readonly atMs: number;
  readonly recordsIn: number;
  readonly recordsOut: number;
}

/** Rates between now and the newest sample that is at least one window old. */
export class RateMeter {
  readonly #windowMs: number;
  readonly #samples: Sample[] = [];

  /** Has no samples. @param windowMs Time over which a rate is averaged, milliseconds, > 0. */
  constructor(windowMs: number) {
    this.#windowMs = windowMs;
  }

  /** Takes a sample. @param atMs Monotonic time, milliseconds. @returns Rates of late; 0 at the first sample. */
  sample(atMs: number, recordsIn: number, recordsOut: number): Rates {
    const samples = this.#samples;
    samples.push({ atMs, recordsIn, recordsOut });
    while (samples.length > 2 && (samples[1]?.atMs ?? atMs) <= atMs - this.#windowMs) samples.shift();
    const first = samples[0];
    if (first === undefined || first.atMs === atMs) return { inPerSecond: 0, outPerSecond: 0 };
    const seconds = (atMs - first.atMs) / 1_000;
    return {
      inPerSecond: Math.max(0, recordsIn - first.recordsIn) / seconds,
      outPerSecond: Math.max(0, recordsOut - first.recordsOut) / seconds,
    };
  }
}
