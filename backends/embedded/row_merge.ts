/**
 * Walks the rows that are alive in some write buffers and the store below them, ascending; of rows with one key the
 * newest counts.
 *
 * Called by: buffered_rows.ts.
 * Calls: row_sorter.ts, write_buffer.ts; the store's cursor.
 *
 * Invariants:
 * - its buffers are pinned until it is closed;
 * - a list or map that a newer buffer has cleared hides its rows in older ones and in the store.
 *
 * @module
 */
import { compareBytes } from "../../core/bytes.ts";
import { DELETE_PREFIX, PUT } from "../runs/run_format.ts";
import { KEY, KIND_MASK, VALUE, valueStartOf } from "./row_layout.ts";
import { compareRows, compareRowWith } from "./row_sorter.ts";
import type { RowCursor } from "./row_store.ts";
import type { WriteBuffer } from "./write_buffer.ts";

/** What rows of a merge say when their kind was noted at its start: the row shifted left by this, then the kind. */
export const NOTED_SHIFT = 2;

const NO_BYTES = new Uint8Array(0);

/** Rows of one buffer in order. */
interface Source {
  readonly buffer: WriteBuffer;
  readonly rows: Int32Array;
  readonly end: number;
  /** Whether `rows` has kinds, as noted; else they are read when their turn comes. */
  readonly isNoted: boolean;
  at: number;
  /** Current row, 0 at the end. */
  row: number;
  kind: number;
}

/** A cursor over buffers and store. */
export class RowMerge implements RowCursor {
  key: Uint8Array = NO_BYTES;
  keyBytes = 0;
  value: Uint8Array;
  valueStart = 0;
  valueEnd = 0;
  private readonly sources: Source[] = [];
  private store: RowCursor | null = null;
  /** Whether the store's cursor stands on a row that has not been given. */
  private storeStands = false;
  /** The group whose rows in sources after `hiddenBy`, and in the store, are cleared; 0 for none. */
  private hidden = 0;
  private hiddenBy = 0;
  private isClosed = false;
  /** Holds the keys of rows of buffers; `key` is the store's after a row of the store. */
  private ownKey: Uint8Array = NO_BYTES;

  /**
   * @param bytes The arena; `words` is the same memory.
   * @param left Rows to give at most.
   */
  constructor(private readonly bytes: Uint8Array, private readonly words: Int32Array, private left: number) {
    this.value = bytes;
  }

  /** Adds a buffer, newest first, with its rows `rows[start..end-1]`. */
  add(buffer: WriteBuffer, rows: Int32Array, start: number, end: number, isNoted: boolean): void {
    buffer.pins++;
    const source: Source = { buffer, rows, end, isNoted, at: start, row: 0, kind: PUT };
    this.sources.push(source);
    this.advance(source);
  }

  /** What the buffer that was added last has cleared before its first row. */
  hideWith(group: number): void {
    if (this.hidden !== 0) return; // a newer one hides more
    this.hidden = group;
    this.hiddenBy = this.sources.length - 1;
  }

  /** Adds what is older than all buffers. */
  addStore(store: RowCursor): void {
    this.store = store;
  }

  next(): boolean {
    if (this.isClosed || this.left === 0) return false;
    for (;;) {
      const best = this.smallest();
      const order = this.compareWithStore(best);
      if (order > 0) {
        if (this.store === null) return false;
        this.storeStands = false;
        if (this.hidden !== 0 && this.isHidden(this.store.key, 0, this.store.keyBytes)) continue;
        return this.giveStored(this.store);
      }
      if (order === 0) this.storeStands = false;
      const source = this.sources[best]!;
      const { row, kind } = source;
      this.advance(source);
      if (this.isRowHidden(row, best)) continue;
      if (kind === PUT) return this.giveRow(row);
      if (kind === DELETE_PREFIX) {
        this.hidden = row;
        this.hiddenBy = best;
      }
    }
  }

  /** The source with the smallest row, the newest of several; the others go on. -1 when all are at their end. */
  private smallest(): number {
    const { sources, bytes, words } = this;
    let best = -1;
    for (let i = 0; i < sources.length; i++) {
      const source = sources[i]!;
      if (source.row === 0) continue;
      if (best < 0) {
        best = i;
        continue;
      }
      const order = compareRows(bytes, words, source.row, sources[best]!.row);
      if (order < 0) best = i;
      else if (order === 0) this.advance(source);
    }
    return best;
  }

  /** < 0 when the row of source `best` is first, > 0 when it is the store's (or neither has one), 0 for the same key. */
  private compareWithStore(best: number): number {
    const store = this.store;
    if (store !== null && !this.storeStands) {
      this.storeStands = store.next();
      if (!this.storeStands) this.endStore();
    }
    if (best < 0) return 1;
    if (this.store === null) return -1;
    return compareRowWith(this.bytes, this.words, this.sources[best]!.row, this.store.key, this.store.keyBytes);
  }

  private endStore(): void {
    this.store?.close();
    this.store = null;
  }

  private advance(source: Source): void {
    while (source.at < source.end) {
      const entry = source.rows[source.at++]!;
      const row = source.isNoted ? entry >>> NOTED_SHIFT : entry;
      const kind = source.isNoted ? entry & 3 : this.words[row + KEY]! & KIND_MASK;
      if (kind > DELETE_PREFIX) continue;
      source.row = row;
      source.kind = kind;
      return;
    }
    source.row = 0;
  }

  private isRowHidden(row: number, source: number): boolean {
    if (this.hidden === 0 || source <= this.hiddenBy) return false;
    const end = valueStartOf(this.words, row);
    return this.isHidden(this.bytes, end - (this.words[row + KEY]! >>> 3), end);
  }

  /** Whether a key starts with that of the hidden group. */
  private isHidden(key: Uint8Array, start: number, end: number): boolean {
    const prefixEnd = valueStartOf(this.words, this.hidden);
    const size = this.words[this.hidden + KEY]! >>> 3;
    if (end - start < size) return false;
    return compareBytes(key, start, start + size, this.bytes, prefixEnd - size, prefixEnd) === 0;
  }

  private giveRow(row: number): boolean {
    const { bytes, words } = this;
    const end = valueStartOf(words, row);
    const size = words[row + KEY]! >>> 3;
    if (size > this.ownKey.length) this.ownKey = new Uint8Array(size * 2);
    const key = this.ownKey;
    for (let i = 0, from = end - size; i < size; i++) key[i] = bytes[from++]!;
    this.key = key;
    this.keyBytes = size;
    this.value = bytes;
    this.valueStart = end;
    this.valueEnd = end + words[row + VALUE]!;
    this.left--;
    return true;
  }

  private giveStored(store: RowCursor): boolean {
    this.key = store.key;
    this.keyBytes = store.keyBytes;
    this.value = store.value;
    this.valueStart = store.valueStart;
    this.valueEnd = store.valueEnd;
    this.left--;
    return true;
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    for (const { buffer } of this.sources) buffer.unpin();
    this.endStore();
  }
}
