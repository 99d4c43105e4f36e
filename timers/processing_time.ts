/**
 * Wakes a subtask at a wall-clock time, through its mailbox.
 *
 * Called by: timers/timer_service.ts; created by runtime, one per subtask.
 * Calls: core/clock.ts, and the mailbox as a function.
 *
 * @module
 */
import type { Cancel, Clock } from "../core/clock.ts";

/** Wall clock and wake-up calls for one subtask. */
export interface ProcessingTimeService {
  /** Wall clock, milliseconds since the epoch. */
  nowMs(): number;
  /**
   * Calls back once, in the mailbox, when the wall clock has reached `timestampMs`; as soon as may be if it has already,
   * never at +Infinity. A call that was cancelled does not come, even if it is in the mailbox already.
   */
  schedule(timestampMs: number, callback: () => void): Cancel;
}

/** Longest delay that the timers of a runtime can take; more fires at once. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/** Processing time over a clock: what is due goes into the mailbox. */
export class MailboxProcessingTime implements ProcessingTimeService {
  /**
   * @param clock Tells the time and wakes up.
   * @param post Puts a call into the subtask's mailbox.
   */
  constructor(private readonly clock: Clock, private readonly post: (callback: () => void) => void) {}

  /** Wall clock, milliseconds since the epoch. */
  nowMs(): number {
    return this.clock.nowMs();
  }

  /** See {@link ProcessingTimeService.schedule}. */
  schedule(timestampMs: number, callback: () => void): Cancel {
    if (timestampMs === Number.POSITIVE_INFINITY) return () => {};
    let cancelled = false;
    let cancelWait: Cancel | null = null;
    const deliver = () => {
      if (!cancelled) callback();
    };
    // Runs again after a delay that was cut, or when the wall clock was set back meanwhile.
    const wait = () => {
      const delayMs = timestampMs - this.clock.nowMs();
      if (delayMs > 0) cancelWait = this.clock.schedule(Math.min(Math.ceil(delayMs), MAX_DELAY_MS), wait);
      else this.post(deliver);
    };
    wait();
    return () => {
      cancelled = true;
      cancelWait?.();
    };
  }
}
