/**
 * Writes one sorted run to a snapshot file, block by block.
 *
 * Called by: the backends.
 * Calls: core/bytes.ts, run_sections.ts; the file it was given.
 *
 * Invariants:
 * - rows ascend strictly by row key: `add` throws otherwise;
 * - what is held back is at most two chunks of blocks, one of which the file is writing, and the index.
 *
 * @module
 */
import { ByteWriter, crc32 } from "../../core/bytes.ts";
import { StreamError } from "../../core/errors.ts";
import type { FileRef, SnapshotFile } from "../../core/snapshot.ts";
import {
  type BlockEntry,
  DEFAULT_BLOCK_BYTES,
  HEADER_BYTES,
  type KeyGroupEntry,
  RESTART_INTERVAL,
  type RowCode,
  type RunState,
} from "./run_format.ts";
import { writeFooter, writeHeader, writeIndex, writeKeyGroups, writeNoBloom, writeStates } from "./run_sections.ts";

/** Chunks handed to the file are of this size or a block larger. */
const CHUNK_BYTES = 524_288;

/** What `finish` says of the run. */
export interface WrittenRun {
  readonly file: FileRef;
  readonly rowCount: number;
  readonly footerCrc32: number;
}

/** Writes rows in ascending order; `add` is synchronous, `flush` hands full chunks on. */
export class RunWriter {
  /** Rows so far. */
  rowCount = 0;
  private out = new ByteWriter(CHUNK_BYTES * 2);
  /** The chunk that the file is writing, if it still does. */
  private spare: ByteWriter | undefined;
  private writing: Promise<void> = Promise.resolve();
  /** Offset in the file of the first byte of `out`. */
  private outOffset = 0;
  /** Offset in `out` of the current block. */
  private blockStart = 0;
  /** Last row key, key group included. */
  private lastKey = new Uint8Array(256);
  private lastKeyBytes = 0;
  private readonly restarts: number[] = [];
  private rowsInBlock = 0;
  private readonly blocks: BlockEntry[] = [];
  private readonly keyGroups: KeyGroupEntry[] = [];
  private keyGroup = -1;
  private firstKey = new Uint8Array(0);

  /**
   * @param file Receives the bytes; the caller discards it when a call of this class fails.
   * @param blockBytes Size at which a block is closed.
   */
  constructor(private readonly file: SnapshotFile, private readonly blockBytes: number = DEFAULT_BLOCK_BYTES) {
    writeHeader(this.out);
    this.blockStart = HEADER_BYTES;
  }

  /** Whether `flush` should be awaited before more rows are added. */
  get wantsFlush(): boolean {
    return this.out.length >= CHUNK_BYTES;
  }

  /**
   * Adds a row whose key is the key group followed by `bytes[keyStart..keyEnd-1]` and whose value is
   * `bytes[keyEnd..valueEnd-1]`.
   */
  add(
    keyGroup: number,
    code: RowCode,
    bytes: Uint8Array,
    keyStart: number,
    keyEnd: number,
    valueEnd: number,
  ): void {
    const shared = this.advanceKey(keyGroup, bytes, keyStart, keyEnd);
    const size = keyEnd - keyStart + 2;
    const restart = this.rowsInBlock % RESTART_INTERVAL === 0;
    const out = this.out;
    if (restart) this.restarts.push(out.length - this.blockStart);
    if (keyGroup !== this.keyGroup) this.startKeyGroup(keyGroup);
    if (this.rowCount === 0) this.firstKey = this.lastKey.slice(0, size);
    const from = restart ? 0 : shared;
    out.u8(code);
    out.varint(from);
    out.varint(size - from);
    out.varint(valueEnd - keyEnd);
    if (from < 2) {
      out.bytes(this.lastKey, from, size);
      out.bytes(bytes, keyEnd, valueEnd);
    } else {
      out.bytes(bytes, keyStart + from - 2, valueEnd);
    }
    this.rowsInBlock++;
    this.rowCount++;
    if (out.length - this.blockStart >= this.blockBytes) this.endBlock();
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
    this.keyGroups.push({ keyGroup, block: this.blocks.length });
  }

  private endBlock(): void {
    const out = this.out;
    for (let i = 0; i < this.restarts.length; i++) out.u32(this.restarts[i]!);
    out.u32(this.restarts.length);
    out.u8(0);
    out.u32(crc32(out.view(this.blockStart)));
    this.blocks.push({
      offset: this.outOffset + this.blockStart,
      sizeBytes: out.length - this.blockStart,
      lastKey: this.lastKey.slice(0, this.lastKeyBytes),
    });
    this.restarts.length = 0;
    this.rowsInBlock = 0;
    this.blockStart = out.length;
  }

  /**
   * Hands the closed blocks to the file. No row may be added until it has resolved, which it does as soon as the file
   * has written what it was handed before; a failure to write is thrown by the next call.
   */
  async flush(): Promise<void> {
    const out = this.out;
    const size = this.blockStart;
    if (size === 0) return;
    await this.writing;
    const next = this.spare ?? new ByteWriter(CHUNK_BYTES * 2);
    next.reset();
    next.bytes(out.buffer, size, out.length);
    this.spare = out;
    this.out = next;
    this.writing = this.file.write(out.view(0, size));
    // The next flush, or finish, throws it; nobody may call them after a cancellation.
    this.writing.catch(() => {});
    this.outOffset += size;
    this.blockStart = 0;
  }

  /** Ends the run. `states` is the state table. */
  async finish(states: readonly RunState[]): Promise<WrittenRun> {
    if (this.rowsInBlock > 0) this.endBlock();
    const out = this.out;
    const indexOffset = this.outOffset + out.length;
    const indexStart = out.length;
    writeIndex(out, this.blocks, this.firstKey);
    const groupsStart = out.length;
    writeKeyGroups(out, this.keyGroups);
    const bloomStart = out.length;
    writeNoBloom(out);
    const statesStart = out.length;
    writeStates(out, states);
    const footerCrc32 = writeFooter(out, {
      indexOffset,
      indexBytes: groupsStart - indexStart,
      keyGroupsBytes: bloomStart - groupsStart,
      bloomBytes: statesStart - bloomStart,
      statesBytes: out.length - statesStart,
      rowCount: this.rowCount,
      blockCount: this.blocks.length,
      smallestKeyGroup: this.keyGroups[0]?.keyGroup ?? 0,
      largestKeyGroup: this.keyGroups.at(-1)?.keyGroup ?? 0,
    });
    await this.writing;
    await this.file.write(out.view());
    return { file: await this.file.finish(), rowCount: this.rowCount, footerCrc32 };
  }
}
