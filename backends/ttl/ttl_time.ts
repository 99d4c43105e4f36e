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
import { type AccessTime, type Expiry, FAR_TICK, type Sweeper } from "../../core/stamped_value.ts";

/** A sweeper looks at no more entries than this between two slices: a few milliseconds when all of them are over. */
const MAX_ENTRIES = 16_384;

/** The largest tick; about 25 days. */
const MAX_TICK = 0x7fff_ffff;
/** Where the tick of now is after the base has moved. */
const MIDDLE_TICK = 0x4000_0000;

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
  tick = 0;
  baseMs: number;
  private readonly expiries: Expiry[] = [];
  private readonly sweeps: Sweep[] = [];
  private recordCount = 0;

  /** @param clock The wall clock. */
  constructor(private readonly clock: () => number) {
    this.baseMs = this.nowMs = Math.floor(clock());
  }

  /** Tells a state from now on what is over. */
  follow(expiry: Expiry): void {
    this.expiries.push(expiry);
    this.setLimit(expiry);
  }

  private setLimit(expiry: Expiry): void {
    // With `| 0` it is stored as a small integer.
    expiry.limitTick = Math.max(FAR_TICK, this.tick - expiry.settings.timeMs) | 0;
  }

  /** Has the backend sweep from now on. */
  add(sweep: Sweep): void {
    this.sweeps.push(sweep);
  }

  /** Time has passed since the last access. */
  beginSlice(): void {
    const nowMs = this.nowMs = Math.floor(this.clock());
    const tick = nowMs - this.baseMs;
    if (tick > MAX_TICK || tick <= FAR_TICK) this.moveBase(nowMs);
    else this.tick = tick | 0;
    for (let i = 0; i < this.expiries.length; i++) this.setLimit(this.expiries[i]!);
  }

  /** Once in two weeks or so; takes as long as there is state. */
  private moveBase(nowMs: number): void {
    const fromMs = this.baseMs;
    this.baseMs = nowMs - MIDDLE_TICK;
    this.tick = MIDDLE_TICK;
    for (const { sweeper } of this.expiries) sweeper?.rebase(fromMs);
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
