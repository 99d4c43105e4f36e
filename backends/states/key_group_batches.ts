/**
 * The rows of one snapshot, in one batch per key group.
 *
 * Rows are encoded in the order in which rows lie in memory, not key group by key group: that would miss the cache for
 * every value and every key.
 *
 * Called by: the heap's snapshots; the rows of another owner in front of an embedded store.
 * Calls: core/key_groups.ts, ../runs/row_batch.ts.
 *
 * @module
 */
import type { Key } from "../../core/key.ts";
import { keyGroupOf, type KeyGroupRange } from "../../core/key_groups.ts";
import { RowBatch } from "../runs/row_batch.ts";

/** A batch that was filled to less than one part in so many is not kept for the next snapshot. */
const LARGEST_SURPLUS = 4;

/** The batches of one snapshot, and the memory for those of the next. */
export class KeyGroupBatches {
  private readonly batches: (RowBatch | undefined)[];

  constructor(private readonly range: KeyGroupRange, private readonly maxParallelism: number) {
    this.batches = new Array<RowBatch | undefined>(range.end - range.start + 1).fill(undefined);
  }

  /** The batch that the rows of a key go to. @throws {RangeError} If it is not of this backend's key groups. */
  of(key: Key): RowBatch {
    const index = keyGroupOf(key, this.maxParallelism) - this.range.start;
    return this.batches[index] ?? this.make(index, key);
  }

  /** The batch of a key group; made when there is none. @throws {RangeError} If it is none of this backend's. */
  obtain(keyGroup: number): RowBatch {
    const index = keyGroup - this.range.start;
    return this.batches[index] ?? this.make(index, undefined);
  }

  private make(index: number, key: Key | undefined): RowBatch {
    if (!(index >= 0 && index < this.batches.length)) {
      const { start, end } = this.range;
      const what = key === undefined ? "a row" : `key ${String(key)}`;
      throw new RangeError(
        `Cannot snapshot ${what}: its key group is ${
          index + start
        }, it must be in ${start}..${end}, the range of this ` +
          `backend; route records by key group before they reach it`,
      );
    }
    const batch = new RowBatch();
    this.batches[index] = batch;
    return batch;
  }

  /** The batch of a key group, if there is one. */
  find(keyGroup: number): RowBatch | undefined {
    return this.batches[keyGroup - this.range.start];
  }

  /** Forgets all rows, and keeps about the memory that they took. */
  clear(): void {
    for (let i = 0; i < this.batches.length; i++) {
      const batch = this.batches[i];
      if (batch === undefined) continue;
      if (batch.usedBytes * LARGEST_SURPLUS < batch.capacityBytes) this.batches[i] = undefined;
      else batch.clear();
    }
  }
}
