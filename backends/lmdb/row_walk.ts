/**
 * Walks the rows of a tree in the order of their keys, following the links of long ones.
 *
 * Called by: the store (scans), its snapshots, ingests that remove a list or map.
 * Calls: row_tree.ts.
 *
 * Invariants:
 * - with a read transaction the walk sees the rows of its moment, whatever is written meanwhile;
 * - every range that was begun is ended.
 *
 * @module
 */
import type { RowCursor } from "../embedded/row_store.ts";
import type { EntryReceiver, KeySlice, ReadTransaction } from "./lmdb_module.ts";
import { CHUNK_BYTES, readNumber, ROOT, type RowTree, SPACE_BYTES, writeSpace } from "./row_tree.ts";

/** What a walk covers. */
export interface WalkRange {
  /** Row keys start with `prefix[0..prefixBytes-1]`. */
  readonly prefix: Uint8Array;
  readonly prefixBytes: number;
  /** The first row key that is wanted; it has the prefix. */
  readonly from?: Uint8Array | undefined;
}

/** One row at a time: key and value lie one after the other in `key`, which is the same array as `value`. */
export class RowWalk implements RowCursor, EntryReceiver {
  key: Uint8Array = new Uint8Array(512);
  keyBytes = 0;
  valueStart = 0;
  valueEnd = 0;
  /** Ranges that are being read, that of the root space first. */
  private readonly ranges: Iterator<unknown>[] = [];

  /**
   * @param transaction The moment to see; null inside a write transaction.
   * @param onClose Called once.
   */
  constructor(
    private readonly tree: RowTree,
    private readonly range: WalkRange,
    private readonly transaction: ReadTransaction | null,
    private onClose: ((walk: RowWalk) => void) | undefined = undefined,
  ) {
    this.enter(ROOT);
  }

  get value(): Uint8Array {
    return this.key;
  }

  next(): boolean {
    try {
      while (this.ranges.length > 0) {
        this.tree.receiver = this;
        if (this.ranges.at(-1)!.next().done === true) {
          this.ranges.pop();
          continue;
        }
        if (this.keyBytes - this.chunksAbove() <= CHUNK_BYTES) return true;
        this.enter(readNumber(this.key, this.valueStart));
      }
    } catch (error) {
      this.close();
      throw this.tree.explained("read", error);
    }
    this.close();
    return false;
  }

  close(): void {
    for (const range of this.ranges.splice(0).reverse()) range.return?.();
    const onClose = this.onClose;
    this.onClose = undefined;
    onClose?.(this);
  }

  takeKey(source: Uint8Array, start: number, end: number): void {
    const from = this.ranges.length > 1 ? start + SPACE_BYTES : start;
    const at = this.chunksAbove();
    const size = at + end - from;
    this.reserve(size, at);
    for (let i = from, to = at; i < end; i++, to++) this.key[to] = source[i]!;
    this.keyBytes = size;
    this.valueStart = size;
  }

  takeValue(source: Uint8Array, size: number): void {
    const start = this.valueStart;
    this.reserve(start + size, start);
    if (size < 64) { for (let i = 0; i < size; i++) this.key[start + i] = source[i]!; }
    // The package's buffer claims another length than it has, so a part of it is taken by its memory.
    else this.key.set(new Uint8Array(source.buffer, source.byteOffset, size), start);
    this.valueEnd = start + size;
  }

  /** Bytes of the row key that lie in spaces above the current one. */
  private chunksAbove(): number {
    return (this.ranges.length - 1) * CHUNK_BYTES;
  }

  private reserve(size: number, kept: number): void {
    if (size <= this.key.length) return;
    const grown = new Uint8Array(size * 2);
    grown.set(this.key.subarray(0, kept));
    this.key = grown;
  }

  /** Starts to read a space: that to which the entry just read leads. */
  private enter(space: number): void {
    const depthBytes = this.ranges.length * CHUNK_BYTES;
    const start = this.lowest(space, depthBytes);
    const end = this.end(space, depthBytes);
    const transaction = this.transaction;
    this.ranges.push(this.tree.range(transaction === null ? { start, end } : { start, end, transaction }));
  }

  /** The first key of the space that can be wanted. */
  private lowest(space: number, depthBytes: number): KeySlice {
    const { prefix, prefixBytes, from } = this.range;
    const bound = from ?? prefix;
    const boundBytes = from === undefined ? prefixBytes : from.length;
    if (boundBytes <= depthBytes || !this.isAt(bound, depthBytes)) return keySlice(space, bound, 0, 0);
    const rest = boundBytes - depthBytes;
    if (rest <= CHUNK_BYTES) return keySlice(space, bound, depthBytes, boundBytes);
    return linkSlice(space, bound, depthBytes, 0);
  }

  /** The key after the last one that can be wanted. */
  private end(space: number, depthBytes: number): KeySlice {
    const { prefix, prefixBytes } = this.range;
    const rest = prefixBytes - depthBytes;
    if (rest > CHUNK_BYTES) return linkSlice(space, prefix, depthBytes, 1);
    const slice = keySlice(space, prefix, depthBytes, Math.max(depthBytes, prefixBytes));
    if (space === ROOT && rest <= 0) {
      slice.bytes[0] = 0xff; // where the other spaces begin
      slice.end = 1;
      return slice;
    }
    // The next key that does not start with these bytes; there is one, since no row key begins with %xFF.
    while (slice.bytes[slice.end - 1] === 0xff) slice.end--;
    slice.bytes[slice.end - 1]!++;
    return slice;
  }

  /** Whether the chunks above the current space are the beginning of `bound`. */
  private isAt(bound: Uint8Array, depthBytes: number): boolean {
    for (let i = 0; i < depthBytes; i++) if (this.key[i] !== bound[i]) return false;
    return true;
  }
}

/** The entry key of `bytes[start..end-1]` in a space; never empty. */
function keySlice(space: number, bytes: Uint8Array, start: number, end: number): KeySlice {
  const key = new Uint8Array(SPACE_BYTES + end - start + 1);
  let size = writeSpace(key, space);
  key.set(bytes.subarray(start, end), size);
  size += end - start;
  // LMDB has no empty keys; every row key is above this one.
  return { bytes: key, start: 0, end: Math.max(size, 1) };
}

/** The key of the link for the chunk at `start`, its last byte replaced by `last`. */
function linkSlice(space: number, bytes: Uint8Array, start: number, last: number): KeySlice {
  const slice = keySlice(space, bytes, start, start + CHUNK_BYTES);
  slice.bytes[slice.end++] = last;
  return slice;
}
