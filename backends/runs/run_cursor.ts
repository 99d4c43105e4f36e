/**
 * Walks the rows of a run in order.
 *
 * Called by: open_run.ts (makes it), merge_cursor.ts, stores on disk.
 * Calls: block_cache.ts for a scan, else run_block.ts: whole runs are read in long stretches, past the cache.
 *
 * Invariants:
 * - a block is looked at only after its CRC has been checked;
 * - at most one block of the cache is pinned; `close`, and the end, unpin it.
 *
 * @module
 */
import { SnapshotCorruptError } from "../../core/errors.ts";
import type { KeyGroupRange } from "../../core/key_groups.ts";
import type { BlockCache } from "./block_cache.ts";
import { type BlockPlace, BlockSearch } from "./block_search.ts";
import type { MergeInput } from "./merge_cursor.ts";
import type { OpenRun } from "./open_run.ts";
import { ROUTE_BYTES } from "./row_prefix.ts";
import { checkBlock, payloadOf, restartCountOf } from "./run_block.ts";
import { DELETE_PREFIX, PUT, type RowCode } from "./run_format.ts";

const NO_BYTES = new Uint8Array(0);

/** A row at a time; the fields speak of the row that `next()` has moved to, and are reused by the one after. */
export class RunCursor implements BlockPlace, MergeInput {
  /** What the row does. */
  code: RowCode = PUT;
  /** The whole row key is `key[0..keyBytes-1]`. */
  key: Uint8Array = new Uint8Array(128);
  /** See {@link RunCursor.key}. */
  keyBytes = 0;
  /** The value is `value[valueStart..valueEnd-1]`, shared: copy what you keep. */
  value: Uint8Array = NO_BYTES;
  /** See {@link RunCursor.value}. */
  valueStart = 0;
  /** See {@link RunCursor.value}. */
  valueEnd = 0;
  // The block that it stands in.
  bytes: Uint8Array = NO_BYTES;
  start = 0;
  rowsEnd = 0;
  restartCount = 0;
  /** Where the next row begins. */
  private at = 0;
  private block = -1;
  /** The next block, and the first one past the range. */
  private nextBlock = 0;
  private endBlock = 0;
  /** Slot of the cache that is pinned, -1: none. */
  private slot = -1;
  /** Whether `next` stays on the row that `seek` has found. */
  private isAhead = false;
  /** Whether the key group of the last row is not below the range. */
  private isInRange = false;
  /** Rows must start with these bytes. */
  private bound = NO_BYTES;
  private boundBytes = 0;
  /** Where the number that `varint` has read ends. */
  private numberEnd = 0;
  /** Stored blocks that were read ahead. */
  private stretch = NO_BYTES;
  private stretchStart = 0;
  private stretchEnd = 0;
  private search: BlockSearch | undefined;

  /** Made by `OpenRun.rows` and `OpenRun.scan`; stands before the first row of the range. */
  constructor(
    private readonly run: OpenRun,
    private readonly range: KeyGroupRange,
    private readonly cache: BlockCache | null,
  ) {
    const edge = new Uint8Array(2);
    this.nextBlock = this.firstBlockOf(edge, range.start);
    // The first block with rows above the range may begin with rows of it.
    this.endBlock = Math.min(run.index.blockCount, this.firstBlockOf(edge, range.end + 1) + 1);
    if (range.end < range.start) this.nextBlock = this.endBlock;
  }

  /** First part of the row key. */
  get keyGroup(): number {
    return (this.key[0]! << 8) | this.key[1]!;
  }

  /**
   * Makes the first row of the range at or above `target[0..targetBytes-1]` the next one.
   *
   * @param boundBytes Rows that do not start with this many first bytes of the target are not given any more; 0: all are.
   * @throws {SnapshotCorruptError} If a block is damaged; @throws {StreamError} If it cannot be read.
   */
  seek(target: Uint8Array, targetBytes: number, boundBytes: number): void {
    const run = this.run;
    this.isAhead = false;
    this.boundBytes = 0;
    if (boundBytes > 0) {
      if (this.bound.length < boundBytes) this.bound = new Uint8Array(boundBytes * 2);
      for (let i = 0; i < boundBytes; i++) this.bound[i] = target[i]!;
    }
    if (((target[0]! << 8) | target[1]!) < this.range.start) {
      this.stopAt(this.firstBlockOf(new Uint8Array(2), this.range.start));
      this.boundBytes = boundBytes;
      return;
    }
    const block = run.index.blockOf(target, targetBytes);
    if (block !== this.block || this.rowsEnd === 0) {
      this.stopAt(block);
      if (block >= this.endBlock || !this.loadBlock()) return;
    }
    this.nextBlock = block + 1;
    const search = this.search ??= new BlockSearch();
    this.at = search.restartBefore(this, target, targetBytes, run.path, run.index.offsetOf(block));
    this.keyBytes = 0;
    while (this.next()) {
      if (compareKeys(this.key, this.keyBytes, target, targetBytes) < 0) continue;
      this.isAhead = boundBytes === 0 || this.startsWithBound(boundBytes);
      if (!this.isAhead) this.stopAt(this.endBlock);
      break;
    }
    this.boundBytes = boundBytes;
  }

  /** Moves to the next row of the range; false when there is none. */
  next(): boolean {
    if (this.isAhead) {
      this.isAhead = false;
      return true;
    }
    for (;;) {
      if (this.at >= this.rowsEnd && !this.loadBlock()) return false;
      const shared = this.readRow();
      if (shared < 2) {
        const keyGroup = this.keyGroup;
        if (keyGroup > this.range.end) return this.end();
        this.isInRange = keyGroup >= this.range.start;
      }
      if (!this.isInRange) continue;
      if (shared < this.boundBytes && !this.startsWithBound(this.boundBytes)) return this.end();
      return true;
    }
  }

  /**
   * Size of the key of a delete-prefix row of the run that lies below `target` and hides older rows from there on, the
   * shortest if there are two; 0 if there is none. @param target As of `seek`: a whole row key or prefix.
   */
  coverOf(target: Uint8Array, targetBytes: number): number {
    const run = this.run;
    if (!run.hidesGroups || targetBytes <= ROUTE_BYTES) return 0;
    if (run.deletesState(target)) return ROUTE_BYTES;
    const prefixBytes = run.prefixBytesOf(target, targetBytes);
    if (prefixBytes <= ROUTE_BYTES || prefixBytes >= targetBytes) return 0;
    return run.deletesPrefix(target, prefixBytes) ? prefixBytes : 0;
  }

  /** Unpins its block; safe to call twice. It is at its end then. */
  close(): void {
    this.end();
    this.stretch = NO_BYTES;
    this.stretchStart = this.stretchEnd = 0;
  }

  private firstBlockOf(edge: Uint8Array, keyGroup: number): number {
    edge[0] = keyGroup >>> 8;
    edge[1] = keyGroup;
    return keyGroup > 0xffff ? this.run.index.blockCount : this.run.index.blockOf(edge, 2);
  }

  private end(): false {
    this.stopAt(this.endBlock);
    return false;
  }

  /** Leaves the block; `block` is the next one. */
  private stopAt(block: number): void {
    this.leaveBlock();
    this.nextBlock = block;
    this.isAhead = false;
  }

  private leaveBlock(): void {
    if (this.slot >= 0) this.cache!.unpin(this.slot);
    this.slot = -1;
    this.block = -1;
    this.at = this.rowsEnd = 0;
  }

  private readRow(): number {
    const bytes = this.bytes;
    let at = this.at;
    const code = bytes[at]!;
    const shared = bytes[at + 1]!;
    const unshared = bytes[at + 2]!;
    const valueBytes = bytes[at + 3]!;
    if ((shared | unshared | valueBytes) >= 0x80) return this.readLongRow();
    at += 4;
    return this.takeRow(code, shared, unshared, valueBytes, at);
  }

  private readLongRow(): number {
    const code = this.bytes[this.at]!;
    const shared = this.varint(this.at + 1);
    const unshared = this.varint(this.numberEnd);
    const valueBytes = this.varint(this.numberEnd);
    return this.takeRow(code, shared, unshared, valueBytes, this.numberEnd);
  }

  private takeRow(code: number, shared: number, unshared: number, valueBytes: number, keyAt: number): number {
    const size = shared + unshared;
    const end = keyAt + unshared + valueBytes;
    if (end > this.rowsEnd) this.corrupt("a row goes on after the end of its block");
    if (code > DELETE_PREFIX) this.corrupt(`${code} is no kind of row`);
    if (shared > this.keyBytes) this.corrupt(`a row shares ${shared} bytes with none`);
    if (size < 4) this.corrupt(`a row key has ${size} bytes`);
    if (size > this.key.length) this.growKey(size);
    const key = this.key;
    const bytes = this.bytes;
    let at = keyAt;
    for (let i = shared; i < size; i++) key[i] = bytes[at++]!;
    this.keyBytes = size;
    this.valueStart = at;
    this.valueEnd = end;
    this.at = end;
    this.code = code as RowCode; // checked above
    return shared;
  }

  private growKey(size: number): void {
    const grown = new Uint8Array(size * 2);
    grown.set(this.key);
    this.key = grown;
  }

  private varint(at: number): number {
    let byte = this.bytes[at++]!;
    let value = byte & 0x7f;
    for (let scale = 128; byte >= 0x80; scale *= 128) {
      if (scale > 2 ** 50) this.corrupt("a number is longer than 8 bytes");
      byte = this.bytes[at++]!;
      value += (byte & 0x7f) * scale;
    }
    this.numberEnd = at;
    return value;
  }

  private startsWithBound(size: number): boolean {
    if (this.keyBytes < size) return false;
    for (let i = 0; i < size; i++) if (this.key[i] !== this.bound[i]) return false;
    return true;
  }

  private loadBlock(): boolean {
    const block = this.nextBlock;
    this.leaveBlock();
    if (block >= this.endBlock) return false;
    const { cache } = this;
    if (cache === null) {
      this.loadFromStretch(block);
    } else {
      cache.load(this.run, block);
      cache.pin(cache.slot);
      this.slot = cache.slot;
      this.bytes = cache.bytes;
      this.start = cache.start;
      this.rowsEnd = cache.rowsEnd;
      this.restartCount = cache.restartCount;
    }
    this.value = this.bytes;
    this.at = this.start;
    this.keyBytes = 0;
    this.block = block;
    this.nextBlock = block + 1;
    return true;
  }

  private loadFromStretch(block: number): void {
    const { index, path } = this.run;
    const offset = index.offsetOf(block);
    const size = index.sizeOf(block);
    if (offset < this.stretchStart || offset + size > this.stretchEnd) this.readStretch(block);
    const from = offset - this.stretchStart;
    const stored = this.stretch.subarray(from, from + size);
    const compression = checkBlock(path, offset, stored);
    const payload = payloadOf(path, offset, stored, compression);
    this.bytes = compression === 0 ? this.stretch : payload;
    this.start = compression === 0 ? from : 0;
    const end = this.start + payload.length;
    this.restartCount = restartCountOf(path, offset, this.bytes, this.start, end);
    this.rowsEnd = end - 4 - this.restartCount * 4;
  }

  private readStretch(block: number): void {
    const { index, input, stretchBytes } = this.run;
    const start = index.offsetOf(block);
    let last = block + 1;
    while (last < this.endBlock && index.offsetOf(last + 1) - start <= stretchBytes) last++;
    const size = index.offsetOf(last) - start;
    if (this.stretch.length < size) this.stretch = new Uint8Array(size);
    this.stretchStart = this.stretchEnd = 0;
    input.read(this.stretch.subarray(0, size), start);
    this.stretchStart = start;
    this.stretchEnd = start + size;
  }

  private corrupt(reason: string): never {
    throw new SnapshotCorruptError(this.run.path, { reason, offset: this.run.index.offsetOf(this.block) });
  }
}

function compareKeys(left: Uint8Array, leftBytes: number, right: Uint8Array, rightBytes: number): number {
  const common = leftBytes < rightBytes ? leftBytes : rightBytes;
  for (let i = 0; i < common; i++) {
    const difference = left[i]! - right[i]!;
    if (difference !== 0) return difference;
  }
  return leftBytes - rightBytes;
}
