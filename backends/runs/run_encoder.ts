/**
 * Turns rows into the bytes of a sorted run; does no I/O: its user takes the bytes of closed blocks out of `out`.
 *
 * Called by: run_writer.ts, local_run_writer.ts.
 * Calls: core/bytes.ts, run_sections.ts, bloom_filter.ts, row_prefix.ts, node:zlib (a pure function).
 *
 * Invariants:
 * - rows ascend strictly by row key: `add` throws otherwise;
 * - what is held back is the bytes not taken yet, the index, and four bytes for each prefix if there is a filter.
 *
 * @module
 */
import { zstdCompressSync } from "node:zlib";
import { ByteWriter, crc32 } from "../../core/bytes.ts";
import { StreamError } from "../../core/errors.ts";
import { BloomBuilder } from "./bloom_filter.ts";
import { rowHash } from "./row_hash.ts";
import { ROUTE_BYTES, RowPrefixes } from "./row_prefix.ts";
import {
  COMPRESSION_NONE,
  COMPRESSION_ZSTD,
  DEFAULT_BLOCK_BYTES,
  DELETE_PREFIX,
  HEADER_BYTES,
  type KeyGroupEntry,
  RESTART_INTERVAL,
  type RowCode,
  RUN_HAS_COMPRESSED_BLOCKS,
  RUN_HIDES_NO_GROUPS,
  RUN_HIDES_STATES,
  type RunState,
} from "./run_format.ts";
import {
  writeBloom,
  writeFooter,
  writeHeader,
  writeIndex,
  writeKeyGroups,
  writeNoBloom,
  writeStates,
} from "./run_sections.ts";

/** Hashes that go into a filter in about a millisecond. */
const HASHES_AT_ONCE = 16_384;

/** How a run is written. */
export interface RunOptions {
  /** Size at which a block is closed. Default 16 KiB. */
  readonly blockBytes?: number;
  /** Bits of the bloom filter for each value, list and map; 0, the default: no filter. */
  readonly bloomBitsPerKey?: number;
  /** Rows between two that are stored with their whole key, at least 1. Default 16. */
  readonly restartInterval?: number;
  /** Whether blocks are compressed, each if it gets smaller. Default "none". */
  readonly compression?: "none" | "zstd";
  /** The states that rows may belong to; needed for a filter. */
  readonly states?: readonly RunState[];
}

/** Encodes one run. */
export class RunEncoder {
  /** Rows so far. */
  rowCount = 0;
  /** Bytes to be written: of closed blocks up to `closedBytes`, then the open block. */
  out: ByteWriter;
  /** See {@link RunEncoder.out}: what may be taken now. */
  closedBytes: number = HEADER_BYTES;
  /** Bytes that were taken. */
  private takenBytes = 0;
  /** Last row key, key group included. */
  private lastKey = new Uint8Array(256);
  private lastKeyBytes = 0;
  private lastPrefixBytes = 0;
  private readonly restarts: number[] = [];
  private rowsInBlock = 0;
  private rowsToRestart = 0;
  private blockCount = 0;
  private readonly index = new ByteWriter(4096);
  private readonly keyGroups: KeyGroupEntry[] = [];
  private keyGroup = -1;
  private firstKey = new Uint8Array(0);
  private flags = RUN_HIDES_NO_GROUPS;
  private readonly blockBytes: number;
  /** A row that would take the rows of a block above this begins the next one. */
  private readonly blockLimit: number;
  private readonly compresses: boolean;
  private readonly restartInterval: number;
  private readonly bloom: BloomBuilder | null;
  private readonly prefixes: RowPrefixes;

  /** @param chunkBytes Capacity of `out` at the beginning. */
  constructor(options: RunOptions, chunkBytes: number) {
    this.blockBytes = options.blockBytes ?? DEFAULT_BLOCK_BYTES;
    this.blockLimit = this.blockBytes + (this.blockBytes >> 4);
    this.compresses = options.compression === "zstd";
    this.restartInterval = options.restartInterval ?? RESTART_INTERVAL;
    const bits = options.bloomBitsPerKey ?? 0;
    this.bloom = bits > 0 ? new BloomBuilder(bits) : null;
    this.prefixes = new RowPrefixes(options.states ?? []);
    this.out = new ByteWriter(chunkBytes);
    writeHeader(this.out);
  }

  /** Size of the file so far, without what follows the blocks. */
  get sizeBytes(): number {
    return this.takenBytes + this.out.length;
  }

  /** About how many bytes it holds. */
  get memoryBytes(): number {
    return this.out.buffer.length + this.index.buffer.length + (this.bloom?.memoryBytes ?? 0);
  }

  /**
   * Adds a row whose key is the key group followed by `bytes[keyStart..keyEnd-1]` and whose value is
   * `bytes[keyEnd..valueEnd-1]`.
   */
  add(keyGroup: number, code: RowCode, bytes: Uint8Array, keyStart: number, keyEnd: number, valueEnd: number): void {
    const from = this.startRow(keyGroup, code, bytes, keyStart, keyEnd, valueEnd - keyEnd);
    const out = this.out;
    if (from < 2) {
      out.bytes(this.lastKey, from, this.lastKeyBytes);
      out.bytes(bytes, keyEnd, valueEnd);
    } else {
      out.bytes(bytes, keyStart + from - 2, valueEnd);
    }
    if (out.length - this.closedBytes >= this.blockBytes) this.endBlock();
  }

  /** Adds a row with the whole row key `key[0..keyBytes-1]` and the value `value[valueStart..valueEnd-1]`. */
  addRow(
    code: RowCode,
    key: Uint8Array,
    keyBytes: number,
    value: Uint8Array,
    valueStart: number,
    valueEnd: number,
  ): void {
    const from = this.startRow((key[0]! << 8) | key[1]!, code, key, 2, keyBytes, valueEnd - valueStart);
    const out = this.out;
    out.bytes(key, from, keyBytes);
    out.bytes(value, valueStart, valueEnd);
    if (out.length - this.closedBytes >= this.blockBytes) this.endBlock();
  }

  /** Appends all of a row that precedes its key; returns how many bytes of the key are not stored. */
  private startRow(
    keyGroup: number,
    code: RowCode,
    bytes: Uint8Array,
    keyStart: number,
    keyEnd: number,
    valueBytes: number,
  ): number {
    const out = this.out;
    if (out.length - this.closedBytes + valueBytes + keyEnd - keyStart > this.blockLimit && this.rowsInBlock > 0) {
      this.endBlock();
    }
    const shared = this.advanceKey(keyGroup, bytes, keyStart, keyEnd);
    const size = keyEnd - keyStart + 2;
    const restart = this.rowsToRestart === 0;
    if (restart) {
      this.restarts.push(out.length - this.closedBytes);
      this.rowsToRestart = this.restartInterval;
    }
    this.rowsToRestart--;
    if (keyGroup !== this.keyGroup) this.startKeyGroup(keyGroup);
    if (this.rowCount === 0) this.firstKey = this.lastKey.slice(0, size);
    if (code === DELETE_PREFIX) this.notePrefixDelete(size);
    if (this.bloom !== null) this.addToFilter(code, size, shared);
    const from = restart ? 0 : shared;
    out.u8(code);
    out.varint(from);
    out.varint(size - from);
    out.varint(valueBytes);
    this.rowsInBlock++;
    this.rowCount++;
    return from;
  }

  /** Hands over `out`, whose first `closedBytes` bytes the caller writes, and goes on in `next`. */
  swap(next: ByteWriter): ByteWriter {
    const taken = this.out;
    next.reset();
    next.bytes(taken.buffer, this.closedBytes, taken.length);
    this.out = next;
    this.takenBytes += this.closedBytes;
    this.closedBytes = 0;
    return taken;
  }

  /** Forgets the bytes of closed blocks, which the caller has written. */
  dropClosed(): void {
    const out = this.out;
    out.buffer.copyWithin(0, this.closedBytes, out.length);
    out.reset(out.length - this.closedBytes);
    this.takenBytes += this.closedBytes;
    this.closedBytes = 0;
  }

  /** Does a part of the work of `finish`, about a millisecond; true when little is left. No row may be added any more. */
  prepare(): boolean {
    return this.bloom === null || this.bloom.buildSome(HASHES_AT_ONCE);
  }

  /** Ends the run: all of `out` is to be written. Returns the CRC-32 of the footer. */
  finish(states: readonly RunState[]): number {
    if (this.rowsInBlock > 0) this.endBlock();
    const out = this.out;
    const indexOffset = this.takenBytes + out.length;
    const indexStart = out.length;
    writeIndex(out, this.blockCount, this.index, this.firstKey);
    const groupsStart = out.length;
    writeKeyGroups(out, this.keyGroups);
    const bloomStart = out.length;
    if (this.bloom === null) writeNoBloom(out);
    else writeBloom(out, this.bloom.probes, this.bloom.build());
    const statesStart = out.length;
    writeStates(out, states);
    return writeFooter(out, {
      indexOffset,
      indexBytes: groupsStart - indexStart,
      keyGroupsBytes: bloomStart - groupsStart,
      bloomBytes: statesStart - bloomStart,
      statesBytes: out.length - statesStart,
      rowCount: this.rowCount,
      blockCount: this.blockCount,
      smallestKeyGroup: this.keyGroups[0]?.keyGroup ?? 0,
      largestKeyGroup: this.keyGroups.at(-1)?.keyGroup ?? 0,
      flags: this.flags,
    });
  }

  /** Makes the row key the last one; returns how many of its first bytes the last one had too. */
  private advanceKey(keyGroup: number, bytes: Uint8Array, keyStart: number, keyEnd: number): number {
    const size = keyEnd - keyStart + 2;
    if (size > this.lastKey.length) {
      const grown = new Uint8Array(size * 2);
      grown.set(this.lastKey);
      this.lastKey = grown;
    }
    const last = this.lastKey;
    const known = this.lastKeyBytes;
    const common = size < known ? size : known;
    let shared = 0;
    if (common > 2 && keyGroup === this.keyGroup) {
      shared = 2;
      const skew = keyStart - 2;
      while (shared < common && last[shared] === bytes[skew + shared]) shared++;
      if (shared === common ? size <= known : bytes[skew + shared]! < last[shared]!) this.refuseOrder();
    } else {
      if (keyGroup < this.keyGroup) this.refuseOrder();
      last[0] = keyGroup >>> 8;
      last[1] = keyGroup;
    }
    for (let i = shared < 2 ? 2 : shared, at = keyStart + i - 2; i < size; i++, at++) last[i] = bytes[at]!;
    this.lastKeyBytes = size;
    return shared;
  }

  private refuseOrder(): never {
    throw new StreamError("invalid", `Cannot write row ${this.rowCount} of a run: its key is not above the one before`);
  }

  private startKeyGroup(keyGroup: number): void {
    this.keyGroup = keyGroup;
    this.keyGroups.push({ keyGroup, block: this.blockCount });
  }

  private notePrefixDelete(keyBytes: number): void {
    this.flags &= ~RUN_HIDES_NO_GROUPS;
    if (keyBytes <= ROUTE_BYTES) this.flags |= RUN_HIDES_STATES;
  }

  /** Adds the prefix of the last row to the filter, unless it is that of the row before. */
  private addToFilter(code: RowCode, keyBytes: number, shared: number): void {
    const known = this.lastPrefixBytes;
    const prefixBytes = code === DELETE_PREFIX ? keyBytes : this.prefixes.bytesOf(this.lastKey, keyBytes);
    if (prefixBytes < 0) {
      const id = (this.lastKey[2]! << 8) | this.lastKey[3]!;
      throw new StreamError("invalid", `Cannot write a run: state ${id} is not in its state table, and has rows`);
    }
    this.lastPrefixBytes = prefixBytes;
    if (prefixBytes === known && shared >= known) return;
    this.bloom!.add(rowHash(this.lastKey, 0, prefixBytes));
  }

  private endBlock(): void {
    const out = this.out;
    const start = this.closedBytes;
    for (let i = 0; i < this.restarts.length; i++) out.u32(this.restarts[i]!);
    out.u32(this.restarts.length);
    out.u8(this.compresses && this.compress(start) ? COMPRESSION_ZSTD : COMPRESSION_NONE);
    out.u32(crc32(out.view(start)));
    const index = this.index;
    index.varint(this.takenBytes + start);
    index.varint(out.length - start);
    index.varint(this.lastKeyBytes);
    index.bytes(this.lastKey, 0, this.lastKeyBytes);
    this.blockCount++;
    this.restarts.length = 0;
    this.rowsInBlock = 0;
    this.rowsToRestart = 0;
    this.closedBytes = out.length;
  }

  /** Compresses what was written from `start` on, if that makes it smaller; tells whether it did. */
  private compress(start: number): boolean {
    const out = this.out;
    const rawBytes = out.length - start;
    const packed = zstdCompressSync(out.view(start));
    if (packed.length + 4 >= rawBytes) return false;
    out.reset(start);
    out.u32(rawBytes);
    out.bytes(packed);
    this.flags |= RUN_HAS_COMPRESSED_BLOCKS;
    return true;
  }
}
