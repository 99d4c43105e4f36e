/**
 * What time it is for the states of one operator with a time to live: the clock is read once for a slice and for many
 * writes, and the same look lets the backend remove a little of what is over.
 *
 * Called by: the handles in this folder; ttl_states.ts.
 * Calls: the clock, sweepers of the backend.
 *
 * Invariants:
 * - an access sees a time of its own slice;
 * - for each access but reads of values, and for each record without one, a sweeper looks at as many entries as it is
 *   set to; sweepers take turns.
 *
 * @module
 */
import type { AccessTime, Sweeper } from "../../core/stamped_value.ts";

/** Of records that have accessed nothing that counts, so many in a slice count as accesses. */
const MAX_RECORDS = 1_024;

/** A sweeper at work. */
export interface Sweep {
  readonly sweeper: Sweeper;
  /** Entries for each access. */
  readonly entries: number;
  /** Whether records count as accesses. */
  readonly everyRecord: boolean;
}

/** The time of now. */
export class TtlTime implements AccessTime {
  nowMs: number;
  left: number;
  private readonly sweeps: Sweep[] = [];
  /** Whose turn it is. */
  private next = 0;
  private recordCount = 0;
  /** Accesses that had been counted when the slice before ended. */
  private accessCount = 0;
  /** Accesses up to the last look. */
  private lookedAccesses = 0;

  /**
   * @param clock The wall clock.
   * @param writesPerLook From one look at the clock to the next within a slice, ≥ 1.
   */
  constructor(private readonly clock: () => number, private readonly writesPerLook: number) {
    this.nowMs = clock();
    this.left = writesPerLook - 1;
  }

  /** Has the backend sweep from now on. */
  add(sweep: Sweep): void {
    this.sweeps.push(sweep);
  }

  look(): void {
    this.nowMs = this.clock();
    this.lookedAccesses += this.writesPerLook;
    this.left = this.writesPerLook - 1;
    this.sweep(this.writesPerLook);
  }

  /** The time of an access that is still to come, reads included; before the state is touched. */
  access(): number {
    if (this.left-- <= 0) this.look();
    return this.nowMs;
  }

  private sweep(accesses: number): void {
    if (this.sweeps.length === 0) return;
    const { sweeper, entries } = this.sweeps[this.next]!;
    this.next = (this.next + 1) % this.sweeps.length;
    sweeper.sweep(accesses * entries, this.nowMs);
  }

  /** Time has passed since the last access. */
  beginSlice(): void {
    this.nowMs = this.clock();
  }

  /** Time may pass until the next access. @param recordCount Records of the operator so far. */
  endSlice(recordCount: number): void {
    const records = recordCount - this.recordCount;
    this.recordCount = recordCount;
    const accessCount = this.lookedAccesses + this.writesPerLook - 1 - this.left;
    const others = records - (accessCount - this.accessCount);
    this.accessCount = accessCount;
    if (records === 0) return;
    // Records that only read values.
    if (others > 0) this.sweep(Math.min(others, MAX_RECORDS));
    for (const { sweeper, entries, everyRecord } of this.sweeps) {
      if (everyRecord) sweeper.sweep(records * entries, this.nowMs);
    }
  }
}
