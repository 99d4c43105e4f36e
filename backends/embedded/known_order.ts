/**
 * The order of the rows that a write buffer had when it was copied last, so that the next to need it sorts only those
 * that came since.
 *
 * Called by: buffer_copy.ts, sorted_buffer.ts, write_buffer.ts.
 * Calls: buffer_pages.ts.
 *
 * @module
 */
import type { BufferPages } from "./buffer_pages.ts";

/** Rows by their keys, and how far the buffer was filled. */
export interface KnownOrder {
  /** Ascending. Some may have been replaced or cleared since. */
  readonly rows: Int32Array;
  /** The word after the last of them in each segment. */
  readonly ends: readonly number[];
  /** `WriteBuffer.revivals` then: a row that came to count since is missing. */
  readonly revivals: number;
}

/**
 * The same order of the same rows in the pages of a buffer and in those of its copy.
 *
 * @param from Where `rows` lie.
 * @param to Where they are to be named; the one with fewer segments is the copy.
 */
export function moveRows(rows: Int32Array, from: BufferPages, to: BufferPages): Int32Array {
  const distances = from.distancesTo(to);
  const shift = from.pageShift;
  const moved = new Int32Array(rows.length);
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i]!;
    moved[i] = row + distances[row >>> shift]!;
  }
  return moved;
}
