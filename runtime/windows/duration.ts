/**
 * Times that users give to windows, as text or as milliseconds.
 *
 * Called by: runtime/windows/ (assigners, triggers, evictors), runtime/windowed_stream.ts.
 * Calls: core/config_units.ts.
 *
 * @module
 */
import { parseDurationMs } from "../../core/config_units.ts";

/** A time span: "10 s", "500 ms", "2 h", or a number of milliseconds. */
export type Duration = string | number;

/**
 * Milliseconds of a time span.
 *
 * @param what Names it in the error.
 * @param leastMs What it must be at least.
 * @throws {RangeError} If it is no whole number of milliseconds, or too small.
 */
export function durationMs(duration: Duration, what: string, leastMs: number): number {
  const ms = typeof duration === "number" ? duration : parseDurationMs(duration.replace(/^\s*-/, ""));
  const signed = ms !== undefined && typeof duration === "string" && /^\s*-/.test(duration) ? -ms : ms;
  if (signed !== undefined && Number.isSafeInteger(signed) && signed >= leastMs) return signed;
  const must = leastMs === Number.NEGATIVE_INFINITY ? "a time" : `a time of at least ${leastMs} ms`;
  throw new RangeError(
    `Cannot use ${JSON.stringify(duration)} as ${what}: it must be ${must}, such as "10 s" or 10000 (milliseconds)`,
  );
}
