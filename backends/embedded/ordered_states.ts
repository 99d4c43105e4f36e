/**
 * The rows of one write buffer in the order of their keys, for the states that are scanned (timers, key iteration): a
 * list of rows for each state and key group, sorted as far as the last scan needed it.
 *
 * Called by: write_buffer.ts (adds rows), row_merge.ts through buffered_rows.ts (reads them).
 * Calls: buffer_pages.ts, row_sorter.ts.
 *
 * Invariants:
 * - a list has each row of its state and key group once, dead ones and groups too; `sortedCount` of them are in order.
 *
 * @module
 */
import type { BufferPages } from "./buffer_pages.ts";
import { KEY, valueStartOf } from "./row_layout.ts";
import { compareRows, compareRowWith, type RowSorter } from "./row_sorter.ts";

const FIRST_ROWS = 16;

/** Rows of one state in one key group. */
export class RowList {
  /** The rows; those below `sortedCount` are in order. */
  rows = new Int32Array(FIRST_ROWS);
  /** How many there are. */
  count = 0;
  private sortedCount = 0;

  constructor(private readonly pages: BufferPages) {
    pages.charge(FIRST_ROWS * 4);
  }

  /** Adds a row. */
  add(row: number): void {
    if (this.count === this.rows.length) {
      const grown = new Int32Array(this.count * 2);
      this.pages.charge(this.count * 4);
      grown.set(this.rows);
      this.rows = grown;
    }
    this.rows[this.count++] = row;
  }

  /** Puts all rows in order. */
  sort(sorter: RowSorter): void {
    const { sortedCount, count } = this;
    if (sortedCount === count) return;
    const { bytes, words } = this.pages;
    sorter.sort(bytes, words, this.rows, sortedCount, count);
    const addedCount = count - sortedCount;
    if (sortedCount > 0) {
      if (addedCount * 8 < sortedCount) this.insertFew(addedCount);
      else this.mergeMany();
    }
    this.sortedCount = count;
  }

  /** Moves each new row to its place, the largest first. */
  private insertFew(addedCount: number): void {
    const { rows } = this;
    const { bytes, words } = this.pages;
    const added = rows.slice(this.sortedCount, this.count);
    let end = this.sortedCount;
    for (let i = addedCount - 1; i >= 0; i--) {
      let low = 0;
      let high = end;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if (compareRows(bytes, words, rows[middle]!, added[i]!) <= 0) low = middle + 1;
        else high = middle;
      }
      rows.copyWithin(low + i + 1, low, end);
      rows[low + i] = added[i]!;
      end = low;
    }
  }

  private mergeMany(): void {
    const { rows, sortedCount, count } = this;
    const { bytes, words } = this.pages;
    const older = rows.slice(0, sortedCount);
    let left = 0;
    let right = sortedCount;
    for (let to = 0; left < sortedCount && to < count; to++) {
      // The place that is written never passes the next new row: `to` is `left` plus the new rows taken.
      const takeOlder = right === count || compareRows(bytes, words, older[left]!, rows[right]!) <= 0;
      rows[to] = takeOlder ? older[left++]! : rows[right++]!;
    }
  }

  /** Index of the first row that is not below `key[0..keyBytes-1]`; all rows are in order. */
  lowerBound(key: Uint8Array, keyBytes: number): number {
    const { rows } = this;
    const { bytes, words } = this.pages;
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareRowWith(bytes, words, rows[middle]!, key, keyBytes) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** The lists of one write buffer. */
export class OrderedStates {
  /** Whether rows of any state are kept in order. */
  isAny = false;
  private readonly states = new Map<number, Map<number, RowList>>();

  /** @param states Ids of the states whose rows are kept from the start. */
  constructor(private readonly pages: BufferPages, states: Iterable<number>) {
    for (const stateId of states) {
      this.states.set(stateId, new Map());
      this.isAny = true;
    }
  }

  /** Adds a row if its state is one that is kept. `key` is its row key. */
  add(row: number, key: Uint8Array, keyBytes: number): void {
    if (keyBytes < 4) return;
    const lists = this.states.get((key[2]! << 8) | key[3]!);
    if (lists !== undefined) this.listOf(lists, (key[0]! << 8) | key[1]!).add(row);
  }

  private listOf(lists: Map<number, RowList>, keyGroup: number): RowList {
    let list = lists.get(keyGroup);
    if (list === undefined) {
      list = new RowList(this.pages);
      lists.set(keyGroup, list);
    }
    return list;
  }

  /** Keeps the rows of one more state; walks all rows that are there. */
  addState(stateId: number): void {
    if (this.states.has(stateId)) return;
    const lists = new Map<number, RowList>();
    this.states.set(stateId, lists);
    this.isAny = true;
    const { pages } = this;
    const { bytes, words } = pages;
    for (let segment = 0; segment < pages.segmentCount; segment++) {
      const end = pages.segmentEnd(segment);
      for (let row = pages.segmentStart(segment); row < end; row = pages.rowAfter(row)) {
        const at = valueStartOf(words, row) - (words[row + KEY]! >>> 3);
        if (((bytes[at + 2]! << 8) | bytes[at + 3]!) !== stateId) continue;
        this.listOf(lists, (bytes[at]! << 8) | bytes[at + 1]!).add(row);
      }
    }
  }

  /** The rows of a state in a key group, in order; undefined when there are none. */
  rowsOf(stateId: number, keyGroup: number, sorter: RowSorter): RowList | undefined {
    const list = this.states.get(stateId)?.get(keyGroup);
    list?.sort(sorter);
    return list;
  }
}
