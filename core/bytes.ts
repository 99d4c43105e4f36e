/**
 * Byte writer and reader that every binary format is built on.
 *
 * Multi-byte numbers are big endian. A varint is unsigned LEB128: seven bits a byte, low bits first, top bit = more.
 *
 * Called by: the codecs in core/, the snapshot files, the backends.
 * Calls: core/byte_pool.ts, core/errors.ts, node:zlib (crc32, a pure function).
 *
 * Invariants:
 * - ByteWriter.buffer holds the written bytes at 0..length-1; growing replaces the buffer and leaves older views stale;
 * - ByteReader.position never passes end.
 *
 * @module
 */

import { crc32 as zlibCrc32 } from "node:zlib";
import { BytePool } from "./byte_pool.ts";
import { StreamError } from "./errors.ts";

/** Below this many bytes a copying loop beats a call of `set`. */
const SHORT_COPY = 64;
const TWO_TO_32 = 0x1_0000_0000;

/** Appends bytes to a buffer that grows as needed. Reuse one writer: `reset()` keeps the buffer. */
export class ByteWriter {
  /** The live backing array. Replaced when it grows; bytes from `length` on are meaningless. */
  buffer: Uint8Array<ArrayBuffer>;
  /** Number of bytes written so far. */
  length = 0;
  /** Same memory as `buffer`. */
  private numbers: DataView<ArrayBuffer>;

  /**
   * Starts empty.
   *
   * @param capacity Bytes to allocate at once.
   */
  constructor(capacity = 256) {
    this.buffer = new Uint8Array(Math.max(1, capacity));
    this.numbers = new DataView(this.buffer.buffer);
  }

  /** Makes room for `count` more bytes, so that a codec may write into `buffer` at `length` itself. */
  reserve(count: number): void {
    if (this.length + count > this.buffer.length) this.grow(this.length + count);
  }

  /** Moves to a buffer of at least `needed` bytes. */
  private grow(needed: number): void {
    const next = new Uint8Array(Math.max(needed, this.buffer.length * 2));
    next.set(this.buffer.subarray(0, this.length));
    this.buffer = next;
    this.numbers = new DataView(next.buffer);
  }

  /** Appends the low 8 bits of `value`. */
  u8(value: number): void {
    if (this.length === this.buffer.length) this.grow(this.length + 1);
    this.buffer[this.length++] = value;
  }

  /** Appends the low 16 bits of `value`, big endian. */
  u16(value: number): void {
    if (this.length + 2 > this.buffer.length) this.grow(this.length + 2);
    this.buffer[this.length] = value >>> 8;
    this.buffer[this.length + 1] = value;
    this.length += 2;
  }

  /** Appends the low 32 bits of `value`, big endian. */
  u32(value: number): void {
    if (this.length + 4 > this.buffer.length) this.grow(this.length + 4);
    this.numbers.setUint32(this.length, value);
    this.length += 4;
  }

  /** Appends a 64-bit float, big endian. */
  f64(value: number): void {
    if (this.length + 8 > this.buffer.length) this.grow(this.length + 8);
    this.numbers.setFloat64(this.length, value);
    this.length += 8;
  }

  /**
   * Appends an unsigned varint of 1 to 8 bytes.
   *
   * @throws {RangeError} If `value` is not an integer in 0..2^53-1.
   */
  varint(value: number): void {
    if (this.length + 8 > this.buffer.length) this.grow(this.length + 8);
    if (value >>> 0 !== value) value = this.wideVarint(value);
    const buffer = this.buffer;
    let at = this.length;
    while (value > 0x7f) {
      buffer[at++] = (value & 0x7f) | 0x80;
      value >>>= 7;
    }
    buffer[at++] = value;
    this.length = at;
  }

  /** Appends the low septets of a value of 2^32 or more; returns the rest, which is below 2^32. */
  private wideVarint(value: number): number {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new RangeError(`Cannot write a varint: value is ${value}, must be an integer in 0..2^53-1`);
    }
    while (value >= TWO_TO_32) {
      this.buffer[this.length++] = (value % 128) | 0x80;
      value = Math.floor(value / 128);
    }
    return value;
  }

  /** Appends a copy of `source[start..end-1]`. */
  bytes(source: Uint8Array, start = 0, end: number = source.length): void {
    const size = end - start;
    if (this.length + size > this.buffer.length) this.grow(this.length + size);
    if (size < SHORT_COPY) {
      const buffer = this.buffer;
      let at = this.length;
      for (let i = start; i < end; i++) buffer[at++] = source[i]!;
    } else {
      this.buffer.set(start === 0 && end === source.length ? source : source.subarray(start, end), this.length);
    }
    this.length += size;
  }

  /** Overwrites four bytes at `offset` (< length - 3), big endian; for sizes known only afterwards. */
  setU32(offset: number, value: number): void {
    this.numbers.setUint32(offset, value);
  }

  /** The written bytes `start..end-1`, sharing memory: valid until the next write or reset. */
  view(start = 0, end: number = this.length): Uint8Array<ArrayBuffer> {
    return this.buffer.subarray(start, end);
  }

  /** The written bytes `start..end-1` as an array of their own. */
  copy(start = 0, end: number = this.length): Uint8Array<ArrayBuffer> {
    return this.buffer.slice(start, end);
  }

  /** Forgets what was written from `length` on; keeps the buffer. */
  reset(length = 0): void {
    this.length = length;
  }
}

/** Reads `buffer[position..end-1]` from left to right. Reading past `end` throws a StreamError of kind "corrupt". */
export class ByteReader {
  /** What is read. Change it through `open()` only. */
  buffer: Uint8Array;
  /** Index in `buffer` of the next byte to read. */
  position: number;
  /** Index in `buffer` after the last byte that may be read. */
  end: number;
  /** Where `pooledBytes` takes memory from; undefined: each of its arrays has a buffer of its own. */
  private pool: BytePool | undefined = undefined;
  /** Same memory as `buffer`; made when the first number is read, since most readers read none. */
  private numbers: DataView | undefined = undefined;

  /** Reads `buffer[position..end-1]`; nothing is copied. */
  constructor(buffer: Uint8Array, position = 0, end: number = buffer.length) {
    this.buffer = buffer;
    this.position = position;
    this.end = end;
  }

  /** A reader with a pool, for `open`: what its {@link ByteReader.pooledBytes} returns may be part of a larger buffer. */
  static pooled(): ByteReader {
    const reader = new ByteReader(new Uint8Array(0));
    reader.pool = new BytePool();
    return reader;
  }

  /** Points this reader at other bytes; allocates nothing when `buffer` is the one it reads already. */
  open(buffer: Uint8Array, position = 0, end: number = buffer.length): void {
    if (buffer !== this.buffer) {
      this.buffer = buffer;
      this.numbers = undefined;
    }
    this.position = position;
    this.end = end;
  }

  /** Makes `numbers`. */
  private numbersOfBuffer(): DataView {
    return this.numbers = new DataView(this.buffer.buffer, this.buffer.byteOffset, this.buffer.byteLength);
  }

  /** Bytes left to read. */
  get remaining(): number {
    return this.end - this.position;
  }

  /** Throws unless `count` more bytes can be read. */
  need(count: number): void {
    if (this.position + count > this.end) this.fail(`needs ${count} bytes, ${this.end - this.position} are left`);
  }

  /** Throws the error for bytes that no writer produces. `reason` completes "Cannot read byte <n>: ". */
  fail(reason: string): never {
    throw new StreamError(
      "corrupt",
      `Cannot read byte ${this.position} of ${this.end}: ${reason}; restore from an older checkpoint or savepoint`,
    );
  }

  /** Next byte, 0..255. */
  u8(): number {
    if (this.position >= this.end) this.need(1);
    return this.buffer[this.position++]!;
  }

  /** Next two bytes, 0..65535. */
  u16(): number {
    this.need(2);
    const at = this.position;
    this.position = at + 2;
    return (this.buffer[at]! << 8) | this.buffer[at + 1]!;
  }

  /** Next four bytes, 0..2^32-1. */
  u32(): number {
    this.need(4);
    const value = (this.numbers ?? this.numbersOfBuffer()).getUint32(this.position);
    this.position += 4;
    return value;
  }

  /** Next eight bytes as a 64-bit float. */
  f64(): number {
    this.need(8);
    const value = (this.numbers ?? this.numbersOfBuffer()).getFloat64(this.position);
    this.position += 8;
    return value;
  }

  /** Next varint, 0..2^53-1. */
  varint(): number {
    let byte = this.u8();
    if (byte < 0x80) return byte;
    let value = byte & 0x7f;
    let scale = 128;
    for (let count = 1; count < 8; count++) {
      byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) this.fail("varint is above 2^53-1");
        return value;
      }
      scale *= 128;
    }
    return this.fail("varint is longer than 8 bytes");
  }

  /** Next `size` bytes as an array of their own. */
  bytes(size: number): Uint8Array<ArrayBuffer> {
    this.need(size);
    const copy = new Uint8Array(size);
    if (size < SHORT_COPY) {
      for (let i = 0, at = this.position; i < size; i++) copy[i] = this.buffer[at++]!;
    } else {
      copy.set(this.buffer.subarray(this.position, this.position + size));
    }
    this.position += size;
    return copy;
  }

  /** As `bytes`; but of a reader that has a pool, the array's `buffer` may be larger than the array. */
  pooledBytes(size: number): Uint8Array<ArrayBuffer> {
    const pool = this.pool;
    if (pool === undefined) return this.bytes(size);
    this.need(size);
    const copy = pool.copy(this.buffer, this.position, size);
    this.position += size;
    return copy;
  }

  /** Next `size` bytes, sharing memory with `buffer`. */
  view(size: number): Uint8Array {
    this.need(size);
    return this.buffer.subarray(this.position, this.position += size);
  }
}

/** Compares `a[aStart..aEnd-1]` with `b[bStart..bEnd-1]` as unsigned bytes: < 0, 0 or > 0. A prefix is smaller. */
export function compareBytes(
  a: Uint8Array,
  aStart: number,
  aEnd: number,
  b: Uint8Array,
  bStart: number,
  bEnd: number,
): number {
  const aSize = aEnd - aStart;
  const bSize = bEnd - bStart;
  const size = aSize < bSize ? aSize : bSize;
  for (let i = 0; i < size; i++) {
    const difference = a[aStart + i]! - b[bStart + i]!;
    if (difference !== 0) return difference;
  }
  return aSize - bSize;
}

/** CRC-32 (the one of zlib, gzip and PNG) of `bytes`, 0..2^32-1; pass an earlier result as `previous` to go on. */
export function crc32(bytes: Uint8Array, previous = 0): number {
  return zlibCrc32(bytes, previous);
}
