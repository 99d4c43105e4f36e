/**
 * Sorts rows of a write buffer by their keys.
 *
 * Called by: ordered_states.ts, sorted_buffer.ts, group_rows.ts.
 * Calls: ../runs/row_order.ts, row_layout.ts.
 *
 * @module
 */
import { compareBytes } from "../../core/bytes.ts";
import { RowOrder } from "../runs/row_order.ts";
import { KEY, valueStartOf } from "./row_layout.ts";

/** Compares the keys of two rows of one arena. */
export function compareRows(bytes: Uint8Array, words: Int32Array, left: number, right: number): number {
  const leftEnd = valueStartOf(words, left);
  const rightEnd = valueStartOf(words, right);
  const leftStart = leftEnd - (words[left + KEY]! >>> 3);
  return compareBytes(bytes, leftStart, leftEnd, bytes, rightEnd - (words[right + KEY]! >>> 3), rightEnd);
}

/** Compares the key of a row with `key[0..keyBytes-1]`. */
export function compareRowWith(
  bytes: Uint8Array,
  words: Int32Array,
  row: number,
  key: Uint8Array,
  keyBytes: number,
): number {
  const end = valueStartOf(words, row);
  return compareBytes(bytes, end - (words[row + KEY]! >>> 3), end, key, 0, keyBytes);
}

/** Scratch memory for more rows than this is not kept. */
const KEPT_ROWS = 16_384;

/** Keeps its scratch memory: some 30 bytes a row, less than half a megabyte. */
export class RowSorter {
  private sorter = new RowOrder();
  private starts = new Int32Array(256);
  private ends = new Int32Array(256);
  private scratch = new Int32Array(256);

  /** Sorts `entries[low..high-1]`, each of which is a row shifted left by `shift` bits. */
  sort(bytes: Uint8Array, words: Int32Array, entries: Int32Array, low: number, high: number, shift = 0): void {
    const count = high - low;
    if (count < 2) return;
    if (count > this.starts.length) {
      const size = Math.max(count, this.starts.length * 2);
      this.starts = new Int32Array(size);
      this.ends = new Int32Array(size);
      this.scratch = new Int32Array(size);
    }
    this.order(bytes, words, entries, low, count, shift);
    if (count > KEPT_ROWS) {
      this.sorter = new RowOrder();
      this.starts = this.ends = this.scratch = new Int32Array(0);
    }
  }

  private order(
    bytes: Uint8Array,
    words: Int32Array,
    entries: Int32Array,
    low: number,
    count: number,
    shift: number,
  ): void {
    const { starts, ends, scratch } = this;
    for (let i = 0; i < count; i++) {
      const entry = entries[low + i]!;
      const row = entry >>> shift;
      const end = valueStartOf(words, row);
      scratch[i] = entry;
      starts[i] = end - (words[row + KEY]! >>> 3);
      ends[i] = end;
    }
    const order = this.sorter.sort(bytes, starts, ends, count);
    for (let i = 0; i < count; i++) entries[low + i] = scratch[order[i]!]!;
  }
}
