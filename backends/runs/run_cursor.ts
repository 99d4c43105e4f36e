/**
 * Walks the rows of a run in order, one block in memory at a time.
 *
 * Called by: run_reader.ts (makes it), merge_cursor.ts, the backends.
 * Calls: core/bytes.ts; the input it was given.
 *
 * Invariants:
 * - a block is read only after its CRC has been checked.
 *
 * @module
 */
import { ByteReader, compareBytes, crc32 } from "../../core/bytes.ts";
import { SnapshotCorruptError, StreamError } from "../../core/errors.ts";
import type { KeyGroupRange } from "../../core/key_groups.ts";
import type { SnapshotInput } from "../../core/snapshot.ts";
import {
  BLOCK_TRAILER_BYTES,
  type BlockEntry,
  DELETE_PREFIX,
  PUT,
  RESTART_INTERVAL,
  type RowCode,
} from "./run_format.ts";

/** A row at a time; the fields speak of the row that `next()` has moved to, and are reused by the one after. */
export class RunCursor {
  /** What the row does. */
  code: RowCode = PUT;
  /** First part of the row key. */
  keyGroup = 0;
  /** The whole row key is `key[0..keyBytes-1]`. */
  key: Uint8Array = new Uint8Array(256);
  /** See {@link RunCursor.key}. */
  keyBytes = 0;
  /** The value is `block[valueStart..valueEnd-1]`, shared: copy what you keep. */
  block: Uint8Array = new Uint8Array(0);
  /** See {@link RunCursor.block}. */
  valueStart = 0;
  /** See {@link RunCursor.block}. */
  valueEnd = 0;
  private readonly reader = new ByteReader(this.block);
  private rowsInBlock = 0;

  /** Made by `RunReader.rows`. */
  constructor(
    private readonly input: SnapshotInput,
    private readonly blocks: readonly BlockEntry[],
    private nextBlock: number,
    private readonly range: KeyGroupRange,
  ) {}

  /** Moves to the next row of the range; false when there is none. */
  next(): boolean {
    try {
      for (;;) {
        if (this.reader.position >= this.reader.end && !this.loadBlock()) return false;
        this.readRow();
        if (this.keyGroup > this.range.end) return this.stop();
        if (this.keyGroup >= this.range.start) return true;
      }
    } catch (error) {
      if (!(error instanceof StreamError) || error instanceof SnapshotCorruptError) throw error;
      return this.corrupt(error.message, error);
    }
  }

  private stop(): false {
    this.nextBlock = this.blocks.length;
    this.reader.position = this.reader.end;
    return false;
  }

  private readRow(): void {
    const reader = this.reader;
    const code = reader.u8();
    if (code > DELETE_PREFIX) reader.fail(`${code} is no kind of row`);
    const shared = reader.varint();
    const unshared = reader.varint();
    const valueBytes = reader.varint();
    reader.need(unshared + valueBytes);
    if (shared > this.keyBytes || (this.rowsInBlock % RESTART_INTERVAL === 0 && shared > 0)) {
      reader.fail(`a row shares ${shared} bytes with none`);
    }
    const size = shared + unshared;
    if (size < 4) reader.fail(`a row key has ${size} bytes`);
    if (size > this.key.length) this.growKey(size);
    const key = this.key;
    const bytes = this.block;
    let at = reader.position;
    for (let i = shared; i < size; i++) key[i] = bytes[at++]!;
    this.keyBytes = size;
    this.valueStart = at;
    this.valueEnd = at + valueBytes;
    reader.position = at + valueBytes;
    this.code = code as RowCode; // checked above
    this.keyGroup = (key[0]! << 8) | key[1]!;
    this.rowsInBlock++;
  }

  private growKey(size: number): void {
    const grown = new Uint8Array(size * 2);
    grown.set(this.key);
    this.key = grown;
  }

  private loadBlock(): boolean {
    const entry = this.blocks[this.nextBlock];
    if (entry === undefined || this.startsPastRange()) return this.stop();
    this.nextBlock++;
    const bytes = this.input.read(entry.offset, entry.sizeBytes);
    this.block = bytes;
    const payloadBytes = entry.sizeBytes - BLOCK_TRAILER_BYTES;
    if (payloadBytes < 8) this.corrupt(`a block has ${entry.sizeBytes} bytes`);
    const reader = this.reader;
    reader.open(bytes, payloadBytes + 1);
    const stored = reader.u32();
    const actual = crc32(bytes.subarray(0, payloadBytes + 1));
    if (stored !== actual) this.corrupt(`crc32 of the block is ${actual}, the block says ${stored}`);
    if (bytes[payloadBytes] !== 0) this.corrupt(`compression ${bytes[payloadBytes]} is not known to this program`);
    reader.open(bytes, payloadBytes - 4, payloadBytes);
    const restarts = reader.u32();
    const end = payloadBytes - 4 - restarts * 4;
    if (end <= 0) this.corrupt(`a block has ${restarts} restarts`);
    reader.open(bytes, 0, end);
    this.rowsInBlock = 0;
    this.keyBytes = 0;
    return true;
  }

  /** Whether the block before ended with a key group above the range, or is the last one that can matter. */
  private startsPastRange(): boolean {
    const before = this.blocks[this.nextBlock - 1]?.lastKey;
    return before !== undefined && before.length >= 2 && ((before[0]! << 8) | before[1]!) > this.range.end;
  }

  private corrupt(reason: string, cause?: unknown): never {
    const offset = this.blocks[this.nextBlock - 1]?.offset ?? 0;
    throw new SnapshotCorruptError(
      this.input.path,
      cause === undefined ? { reason, offset } : { reason, offset, cause },
    );
  }
}

/** Orders two cursors by row key. */
export function compareCursors(left: RunCursor, right: RunCursor): number {
  return compareBytes(left.key, 0, left.keyBytes, right.key, 0, right.keyBytes);
}
