/**
 * Reads timers out of the rows of a snapshot, for those who look at snapshots from outside.
 *
 * Called by: control/cli/dump.ts.
 * Calls: timers/timer_row.ts.
 *
 * @module
 */
import type { Timer } from "../core/timer.ts";
import { readTimer } from "../timers/timer_row.ts";

/** Name of the state that holds the timers of a keyed operator. */
export function timerStateName(domain: "event" | "processing"): string {
  return `_timer_state/${domain}_user-timers`;
}

/**
 * The timer of a row.
 *
 * @param row What follows key group and state id in the row key is `row[start..end-1]`.
 * @throws {StreamError} Of kind "corrupt", for bytes that are no timer.
 */
export function timerOfRow(row: Uint8Array, start: number, end: number): Timer {
  return readTimer(row, start, end);
}
