/**
 * Checks and unpacks the stored bytes of a block.
 *
 * Called by: block_cache.ts, run_cursor.ts.
 * Calls: core/bytes.ts, node:zlib (pure functions).
 *
 * @module
 */
import { zstdDecompressSync } from "node:zlib";
import { crc32 } from "../../core/bytes.ts";
import { SnapshotCorruptError } from "../../core/errors.ts";
import { BLOCK_TRAILER_BYTES, COMPRESSION_NONE, COMPRESSION_ZSTD } from "./run_format.ts";
import { hex } from "./run_frame.ts";

/** Smallest payload: a row of one byte at least, one restart, their number. */
const SMALLEST_PAYLOAD = 9;

/** Throws unless the CRC of a stored block holds; returns its compression. @param offset Of the block, for errors. */
export function checkBlock(path: string, offset: number, stored: Uint8Array): number {
  const size = stored.length;
  if (size < BLOCK_TRAILER_BYTES + 1) corrupt(path, offset, `a block has ${size} bytes`);
  const expected = u32(stored, size - 4);
  const actual = crc32(stored.subarray(0, size - 4));
  if (actual !== expected) {
    corrupt(path, offset, `crc32 of the block is ${hex(actual)}, the block says ${hex(expected)}`);
  }
  const compression = stored[size - BLOCK_TRAILER_BYTES]!;
  if (compression > COMPRESSION_ZSTD) corrupt(path, offset, `compression ${compression} is not known to this program`);
  return compression;
}

/** The payload of a checked block; shares memory with `stored` unless it was compressed. */
export function payloadOf(path: string, offset: number, stored: Uint8Array, compression: number): Uint8Array {
  const packed = stored.subarray(0, stored.length - BLOCK_TRAILER_BYTES);
  if (compression === COMPRESSION_NONE) return packed;
  if (packed.length < 4) corrupt(path, offset, "a compressed block lacks its size");
  const size = u32(packed, 0);
  let payload: Uint8Array;
  try {
    const inflated = zstdDecompressSync(packed.subarray(4), { maxOutputLength: Math.max(1, size) });
    // A Buffer's `slice` shares memory, and all else that reads blocks has met plain arrays only.
    payload = new Uint8Array(inflated.buffer, inflated.byteOffset, inflated.length);
  } catch (error) {
    throw new SnapshotCorruptError(path, { reason: "a block cannot be decompressed", offset, cause: error });
  }
  if (payload.length !== size) corrupt(path, offset, `a block has ${payload.length} bytes, it says ${size}`);
  return payload;
}

/** Number of restarts of the payload `bytes[start..end-1]`; its rows end four bytes before the first of them. */
export function restartCountOf(path: string, offset: number, bytes: Uint8Array, start: number, end: number): number {
  if (end - start < SMALLEST_PAYLOAD) corrupt(path, offset, `a block has ${end - start} bytes of rows`);
  const count = u32(bytes, end - 4);
  const rowsEnd = end - 4 - count * 4;
  if (count === 0 || rowsEnd <= start) corrupt(path, offset, `a block has ${count} restarts`);
  let last = -1;
  for (let i = 0; i < count; i++) {
    const restart = u32(bytes, rowsEnd + i * 4);
    if (restart <= last || start + restart >= rowsEnd) corrupt(path, offset, `restart ${i} of a block is ${restart}`);
    last = restart;
  }
  if (u32(bytes, rowsEnd) !== 0) corrupt(path, offset, "the first row of a block is no restart");
  return count;
}

/** Four bytes, big endian. */
export function u32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

function corrupt(path: string, offset: number, reason: string): never {
  throw new SnapshotCorruptError(path, { reason, offset });
}
