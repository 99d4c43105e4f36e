/**
 * What the rows of one large table held when a snapshot was taken, of those that records have changed since: a column
 * beside the table's own, so that the snapshot finds old values in the order in which it walks the rows.
 *
 * Called by: capture.ts (on the record path), row_encoder.ts.
 * Calls: nothing.
 *
 * Invariants:
 * - it serves one snapshot at a time; without an owner it holds no value, only the memory for the next snapshot;
 * - only rows that were there when the snapshot was taken have values here, and none below `cursor`.
 *
 * @module
 */
import type { RunningSnapshot } from "./ledger.ts";

/** Rows to a piece. A piece is a large object, which the garbage collector never copies. */
const PIECE_BITS = 15;
const PIECE_ROWS = 1 << PIECE_BITS;

/** One value for each row that has changed. */
export class FormerValues {
  /** The snapshot that it serves. */
  owner: RunningSnapshot | undefined = undefined;
  /** Rows below this are in the snapshot already. */
  cursor = 0;
  private pieces: (unknown[] | undefined)[] = [];

  /**
   * Keeps what a row held.
   *
   * @param rowLimit All rows of the table are below it.
   */
  put(row: number, value: unknown, rowLimit: number): void {
    const piece = this.pieces[row >>> PIECE_BITS];
    const at = row & (PIECE_ROWS - 1);
    // A piece of an earlier snapshot may be too short.
    if (piece === undefined || at >= piece.length) this.makePiece(row, rowLimit)[at] = value;
    else piece[at] = value;
  }

  private makePiece(row: number, rowLimit: number): unknown[] {
    const index = row >>> PIECE_BITS;
    // One that is replaced is empty: this snapshot's rows are all below the limit that it was made with.
    const piece = new Array<unknown>(Math.min(PIECE_ROWS, rowLimit - index * PIECE_ROWS)).fill(undefined);
    while (this.pieces.length <= index) this.pieces.push(undefined);
    this.pieces[index] = piece;
    return piece;
  }

  /** Takes out what was kept of a row; undefined when nothing was. */
  take(row: number): unknown {
    const piece = this.pieces[row >>> PIECE_BITS];
    const at = row & (PIECE_ROWS - 1);
    if (piece === undefined || at >= piece.length) return undefined;
    const value = piece[at];
    if (value !== undefined) piece[at] = undefined;
    return value;
  }

  /** Ends the service. @param isEmpty Whether all values were taken out. */
  release(isEmpty: boolean): void {
    this.owner = undefined;
    this.cursor = 0;
    if (!isEmpty) this.pieces = [];
  }
}
