/**
 * What time it is for the states of one operator with a time to live: the clock is read once for many accesses, and the
 * same look lets the backend remove a little of what is over.
 *
 * Called by: the handles in this folder, once per access; ttl_states.ts.
 * Calls: the clock, sweepers of the backend.
 *
 * Invariants:
 * - an access sees a time of its own slice;
 * - for each access, a sweeper looks at as many entries as it is set to; sweepers take turns.
 *
 * @module
 */
import type { AccessTime, Sweeper } from "../../core/stamped_value.ts";

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
  // Not 0, so that it is never kept as a small integer.
  nowMs = Number.NaN;
  left = 0;
  private readonly sweeps: Sweep[] = [];
  /** Whose turn it is. */
  private next = 0;
  /** Accesses for which nothing was swept yet, once `left` has run out. */
  private accesses = 1;
  private recordCount = 0;

  /**
   * @param clock The wall clock.
   * @param accessesPerLook From one look at the clock to the next within a slice, ≥ 1.
   */
  constructor(private readonly clock: () => number, private readonly accessesPerLook: number) {}

  /** Has the backend sweep from now on. */
  add(sweep: Sweep): void {
    this.sweeps.push(sweep);
  }

  look(): number {
    const nowMs = this.nowMs = this.clock();
    this.left = this.accessesPerLook - 1;
    if (this.sweeps.length > 0) this.sweep(nowMs);
    this.accesses = this.accessesPerLook;
    return nowMs;
  }

  private sweep(nowMs: number): void {
    const { sweeper, entries } = this.sweeps[this.next]!;
    this.next = (this.next + 1) % this.sweeps.length;
    if (this.accesses > 0) sweeper.sweep(this.accesses * entries, nowMs);
  }

  /** Time may pass until the next access. @param recordCount Records of the operator so far. */
  endSlice(recordCount: number): void {
    const records = recordCount - this.recordCount;
    this.recordCount = recordCount;
    if (this.left > 0) this.accesses -= this.left;
    this.left = 0;
    if (records === 0) return;
    for (const { sweeper, entries, everyRecord } of this.sweeps) {
      if (everyRecord) sweeper.sweep(records * entries, this.clock());
    }
  }
}
