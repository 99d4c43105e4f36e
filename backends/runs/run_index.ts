/**
 * The block index of an open run, in a few flat arrays: no object for each block.
 *
 * Called by: run_frame.ts (makes it), open_run.ts, run_cursor.ts.
 * Calls: core/bytes.ts.
 *
 * Invariants:
 * - the last keys of the blocks ascend.
 *
 * @module
 */
import { type ByteReader, compareBytes } from "../../core/bytes.ts";
import type { KeyGroupEntry } from "./run_format.ts";

/** Where each block of a run is and up to which row key it goes. */
export interface BlockIndex {
  /** How many blocks there are. */
  readonly blockCount: number;
  /** Smallest row key of the run; empty when there are no rows. */
  readonly firstKey: Uint8Array;
  /** Bytes that the index takes in memory. */
  readonly memoryBytes: number;
  /** Offset of a block in the file; for `blockCount` the end of the last one. */
  offsetOf(block: number): number;
  /** Stored size of a block: payload and trailer. */
  sizeOf(block: number): number;
  /** A copy of the last row key of a block. */
  lastKeyOf(block: number): Uint8Array;
  /** The first block that has rows at or above `row[0..rowBytes-1]`; `blockCount` if none has. Two bytes at least. */
  blockOf(row: Uint8Array, rowBytes: number): number;
}

/** All of an index, in memory. */
export class RunIndex implements BlockIndex {
  readonly blockCount: number;
  readonly firstKey: Uint8Array;
  /** Block `i` begins at `offsets[i]` and ends where `offsets[i + 1]` says. */
  private readonly offsets: Float64Array;
  /** The last row keys of all blocks, one after the other; that of block `i` is `keys[keyEnds[i]..keyEnds[i + 1] - 1]`. */
  private readonly keys: Uint8Array;
  private readonly keyEnds: Uint32Array;
  /** First block of each key group from the smallest on, then the number of blocks; empty: not known. */
  private groupBlocks = new Uint32Array(0);
  private smallestGroup = 0;
  /** Of each key group how many first bytes all last keys of its blocks have in common. */
  private groupShared = new Uint32Array(0);
  /** The next four bytes of each block's last key, as a number: where they differ, the keys need not be looked at. */
  private marks = new Uint32Array(0);

  /**
   * Reads an index section without its CRC.
   *
   * @param offset Where the first block must begin.
   * @throws {StreamError} Of kind "corrupt" if the blocks do not lie one behind the other, or not in order.
   */
  constructor(input: ByteReader, offset: number) {
    const count = input.varint();
    if (count > input.remaining) input.fail(`the index speaks of ${count} blocks`);
    this.blockCount = count;
    this.offsets = new Float64Array(count + 1);
    this.keyEnds = new Uint32Array(count + 1);
    const entries = input.position;
    this.offsets[0] = offset;
    for (let i = 0; i < count; i++) {
      const at = input.varint();
      if (at !== this.offsets[i]) input.fail(`a block is missing at byte ${this.offsets[i]}: the next one is at ${at}`);
      this.offsets[i + 1] = at + input.varint();
      const keyBytes = input.varint();
      input.need(keyBytes);
      input.position += keyBytes;
      this.keyEnds[i + 1] = this.keyEnds[i]! + keyBytes;
    }
    this.firstKey = input.bytes(input.varint());
    this.keys = new Uint8Array(this.keyEnds[count]!);
    this.copyKeys(input, entries);
  }

  private copyKeys(input: ByteReader, entries: number): void {
    const after = input.position;
    const { keys, keyEnds } = this;
    const { buffer } = input;
    input.position = entries;
    for (let i = 0; i < this.blockCount; i++) {
      input.varint();
      input.varint();
      const size = input.varint();
      // Counted already: see the constructor.
      let from = input.position;
      input.position = from + size;
      for (let at = keyEnds[i]!, end = at + size; at < end; at++) keys[at] = buffer[from++]!;
      if (i > 0 && this.compare(i - 1, keys, keyEnds[i]!, keyEnds[i + 1]!) >= 0) {
        input.fail(`block ${i} does not end above the one before`);
      }
    }
    input.position = after;
  }

  get memoryBytes(): number {
    return this.offsets.byteLength + this.keyEnds.byteLength + this.keys.length + this.firstKey.length +
      this.groupBlocks.byteLength + this.groupShared.byteLength + this.marks.byteLength;
  }

  offsetOf(block: number): number {
    return this.offsets[block]!;
  }

  sizeOf(block: number): number {
    return this.offsets[block + 1]! - this.offsets[block]!;
  }

  lastKeyOf(block: number): Uint8Array {
    return this.keys.slice(this.keyEnds[block]!, this.keyEnds[block + 1]!);
  }

  /**
   * Takes over the key-group table, unless it is long for what it says.
   *
   * @throws {StreamError} Of kind "corrupt" if it does not fit the last keys.
   */
  useGroups(entries: readonly KeyGroupEntry[], input: ByteReader): void {
    const smallest = entries[0]?.keyGroup ?? 0;
    const count = entries.length === 0 ? 0 : entries.at(-1)!.keyGroup - smallest + 1;
    for (const { keyGroup, block } of entries) {
      const fits = block < this.blockCount && this.groupOf(block) >= keyGroup &&
        (block === 0 || this.groupOf(block - 1) < keyGroup);
      if (!fits) input.fail(`key group ${keyGroup} does not begin in block ${block}`);
    }
    if (count > this.blockCount * 4 + 64) return;
    this.smallestGroup = smallest;
    this.groupBlocks = new Uint32Array(count + 1).fill(this.blockCount);
    for (let i = entries.length - 1, group = count - 1; i >= 0; i--) {
      const first = entries[i]!.keyGroup - smallest;
      // Groups without rows, if any, begin where the next one does.
      for (; group > first; group--) this.groupBlocks[group] = this.groupBlocks[group + 1]!;
      this.groupBlocks[group--] = entries[i]!.block;
    }
    this.mark();
  }

  private mark(): void {
    const { keys, keyEnds, groupBlocks } = this;
    this.groupShared = new Uint32Array(groupBlocks.length - 1);
    this.marks = new Uint32Array(this.blockCount);
    for (let group = 0; group < this.groupShared.length; group++) {
      const low = groupBlocks[group]!;
      const high = groupBlocks[group + 1]!;
      if (low === high) continue;
      const first = keyEnds[low]!;
      const last = keyEnds[high - 1]!;
      const size = Math.min(keyEnds[low + 1]! - first, keyEnds[high]! - last);
      let shared = 0;
      while (shared < size && keys[first + shared] === keys[last + shared]) shared++;
      this.groupShared[group] = shared;
      for (let i = low; i < high; i++) this.marks[i] = markOf(keys, keyEnds[i]! + shared, keyEnds[i + 1]!);
    }
  }

  blockOf(row: Uint8Array, rowBytes: number): number {
    const groups = this.groupBlocks;
    if (groups.length === 0) return this.search(row, rowBytes, 0, this.blockCount, 0);
    const group = ((row[0]! << 8) | row[1]!) - this.smallestGroup;
    if (group < 0) return 0;
    if (group >= groups.length - 1) return this.blockCount;
    let low = groups[group]!;
    const last = groups[group + 1]!;
    if (low === last) return low;
    const shared = this.groupShared[group]!;
    const keys = this.keys;
    const start = this.keyEnds[low]!;
    for (let i = 2; i < shared; i++) {
      if (i === rowBytes || row[i]! < keys[start + i]!) return low;
      if (row[i]! > keys[start + i]!) return last;
    }
    const marks = this.marks;
    const wanted = markOf(row, shared, rowBytes);
    let high = last;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (marks[middle]! < wanted) low = middle + 1;
      else high = middle;
    }
    if (low === last || marks[low] !== wanted) return low;
    high = last;
    for (let middle = (low + high) >>> 1; middle > low && marks[middle] !== wanted; middle = (low + high) >>> 1) {
      high = middle;
    }
    return this.search(row, rowBytes, low, high, shared);
  }

  /** The first block of `low..high-1` that has rows at or above the row; all share the first bytes with it. */
  private search(row: Uint8Array, rowBytes: number, low: number, high: number, shared: number): number {
    const { keys, keyEnds } = this;
    /** First bytes that the wanted key shares with those left and right of where it must be. */
    let lowShared = shared;
    let highShared = shared;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const start = keyEnds[middle]!;
      const size = keyEnds[middle + 1]! - start;
      const common = size < rowBytes ? size : rowBytes;
      let i = lowShared < highShared ? lowShared : highShared;
      while (i < common && keys[start + i] === row[i]) i++;
      if (i < common ? keys[start + i]! < row[i]! : size < rowBytes) {
        low = middle + 1;
        lowShared = i;
      } else {
        high = middle;
        highShared = i;
      }
    }
    return low;
  }

  private groupOf(block: number): number {
    const at = this.keyEnds[block]!;
    return (this.keys[at]! << 8) | this.keys[at + 1]!;
  }

  private compare(block: number, key: Uint8Array, start: number, end: number): number {
    return compareBytes(this.keys, this.keyEnds[block]!, this.keyEnds[block + 1]!, key, start, end);
  }
}

/** Up to four bytes of `bytes[start..end-1]`, zeros behind them: a smaller number means a smaller key. */
function markOf(bytes: Uint8Array, start: number, end: number): number {
  const first = start < end ? bytes[start]! << 24 : 0;
  const second = start + 1 < end ? bytes[start + 1]! << 16 : 0;
  const third = start + 2 < end ? bytes[start + 2]! << 8 : 0;
  return (first | second | third | (start + 3 < end ? bytes[start + 3]! : 0)) >>> 0;
}
