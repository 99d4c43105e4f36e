/**
 * The rows of a merge without those that are over.
 *
 * Called by: compaction.ts, when a state has a time to live.
 * Calls: ../runs/merge_cursor.ts, ../embedded/over_rows.ts.
 *
 * Invariants:
 * - where older runs may have a row of the same key, a delete takes the place of what is over: it must not come back.
 *
 * @module
 */
import type { OverRows } from "../embedded/over_rows.ts";
import type { MergeCursor } from "../runs/merge_cursor.ts";
import { DELETE, PUT, type RowCode } from "../runs/run_format.ts";

/** Rows between two looks at the clock. */
const ROWS_PER_LOOK = 1_000;

/** What compaction reads of a merge. */
export type MergedRows = Pick<
  MergeCursor,
  "code" | "key" | "keyBytes" | "value" | "valueStart" | "valueEnd" | "next" | "close"
>;

/** Gives merged rows in order. */
export class LivingRows implements MergedRows {
  code: RowCode = PUT;
  key: Uint8Array = new Uint8Array(0);
  keyBytes = 0;
  value: Uint8Array = this.key;
  valueStart = 0;
  valueEnd = 0;
  private rowsUntilLook = 0;

  /** @param dropsDeletes Whether no run below has rows of these keys. */
  constructor(
    private readonly merge: MergedRows,
    private readonly over: OverRows,
    private readonly dropsDeletes: boolean,
  ) {}

  next(): boolean {
    const { merge, over } = this;
    while (merge.next()) {
      if (this.rowsUntilLook-- === 0) {
        over.look();
        this.rowsUntilLook = ROWS_PER_LOOK;
      }
      this.code = merge.code;
      this.key = merge.key;
      this.keyBytes = merge.keyBytes;
      this.value = merge.value;
      this.valueStart = merge.valueStart;
      this.valueEnd = merge.valueEnd;
      if (merge.code !== PUT || !over.has(merge.key, merge.value, merge.valueStart)) return true;
      if (this.dropsDeletes || over.isFirst(merge.key)) continue;
      this.code = DELETE;
      this.valueEnd = this.valueStart;
      return true;
    }
    return false;
  }

  close(): void {
    this.merge.close();
  }
}
