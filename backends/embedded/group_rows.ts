/**
 * Lists the rows of one list or map in a write buffer, in order.
 *
 * Called by: buffered_rows.ts.
 * Calls: write_buffer.ts, row_sorter.ts.
 *
 * @module
 */
import { DELETE } from "../runs/run_format.ts";
import { GROUP, KEY, KIND_MASK, VALUE } from "./row_layout.ts";
import { NOTED_SHIFT } from "./row_merge.ts";
import { compareRows, type RowSorter } from "./row_sorter.ts";
import type { WriteBuffer } from "./write_buffer.ts";

/** Rows that are sorted by insertion. */
const FEW = 12;
const NONE = new Int32Array(0);

/** The puts and deletes below `group`, as a merge wants them: noted. */
export function groupRows(buffer: WriteBuffer, group: number, sorter: RowSorter): Int32Array {
  const { words, bytes } = buffer.pages;
  const count = words[group + VALUE]!;
  if (count === 0) return NONE;
  const rows = new Int32Array(count);
  // The chain begins with the newest: elements of a list are in order from its end.
  let low = count;
  let isSorted = true;
  for (let row = words[group + GROUP]!; row !== 0; row = words[row + GROUP]!) {
    const kind = words[row + KEY]! & KIND_MASK;
    if (kind > DELETE) continue;
    if (isSorted && low < count) isSorted = compareRows(bytes, words, row, rows[low]! >>> NOTED_SHIFT) < 0;
    rows[--low] = (row << NOTED_SHIFT) | kind;
  }
  if (!isSorted) {
    if (count - low <= FEW) sortFew(buffer, rows, low);
    else sorter.sort(bytes, words, rows, low, count, NOTED_SHIFT);
  }
  return low === 0 ? rows : rows.subarray(low);
}

function sortFew(buffer: WriteBuffer, rows: Int32Array, low: number): void {
  const { words, bytes } = buffer.pages;
  for (let i = low + 1; i < rows.length; i++) {
    const entry = rows[i]!;
    let at = i;
    while (at > low && compareRows(bytes, words, rows[at - 1]! >>> NOTED_SHIFT, entry >>> NOTED_SHIFT) > 0) {
      rows[at] = rows[at - 1]!;
      at--;
    }
    rows[at] = entry;
  }
}
