/**
 * What time it is for the states of one operator with a time to live: the clock is read once for a slice, and between two
 * slices the backend removes a little of what is over.
 *
 * Called by: the handles in this folder and those of the heap; ttl_states.ts.
 * Calls: the clock, sweepers of the backend.
 *
 * Invariants:
 * - an access sees the time at which its slice began;
 * - nothing is swept while a record is processed.
 *
 * @module
 */
import type { AccessTime, Sweeper } from "../../core/stamped_value.ts";

/** A sweeper looks at no more entries than this between two slices: a few milliseconds when all of them are over. */
const MAX_ENTRIES = 16_384;

/** A sweeper at work. */
export interface Sweep {
  readonly sweeper: Sweeper;
  /** Entries for each record. */
  readonly entries: number;
  /** Whether twice as many. */
  readonly everyRecord: boolean;
}

/** The time of now. */
export class TtlTime implements AccessTime {
  nowMs: number;
  private readonly sweeps: Sweep[] = [];
  private recordCount = 0;

  /** @param clock The wall clock. */
  constructor(private readonly clock: () => number) {
    this.nowMs = clock();
  }

  /** Has the backend sweep from now on. */
  add(sweep: Sweep): void {
    this.sweeps.push(sweep);
  }

  /** Time has passed since the last access. */
  beginSlice(): void {
    this.nowMs = this.clock();
  }

  /** Time may pass until the next access. @param recordCount Records of the operator so far. */
  endSlice(recordCount: number): void {
    const records = recordCount - this.recordCount;
    this.recordCount = recordCount;
    if (records === 0) return;
    for (const { sweeper, entries, everyRecord } of this.sweeps) {
      sweeper.sweep(Math.min(records * entries * (everyRecord ? 2 : 1), MAX_ENTRIES), this.nowMs);
    }
  }
}
