/**
 * Keys: what may be one, their bytes, their identity in a Map, their hash.
 *
 * A key is its encoded bytes. The encoding is self-delimiting (no encoding is a prefix of another) and order-preserving
 * (byte order = value order among keys of one type):
 *
 *     key     = %x10                                         ; false
 *             | %x11                                         ; true
 *             | %x20 8byte        ; number: IEEE 754 big endian; negative: all bits inverted, else: top bit set; no -0
 *             | %x30 sign count size magnitude               ; bigint
 *             | %x40 *unit %x00 %x00                         ; string
 *             | %x50 *octet %x00 %x00                        ; bytes
 *             | %x60 *key %x00                               ; tuple
 *     sign    = %x01 (≥ 0) | %x00 (< 0: every byte of count, size and magnitude is inverted)
 *     count   = number of bytes of size (0 for zero)
 *     size    = number of bytes of magnitude, big endian, no leading zero byte
 *     unit    = a UTF-16 unit in the 1 to 3 byte form of UTF-8, surrogates one by one; unit 0 is %x00 %xFF
 *     octet   = a byte; byte 0 is %x00 %xFF
 *     namespace = %x02 (none) | key
 *
 * Called by: core/key_groups.ts, backends, timers, the snapshot codecs.
 * Calls: core/bytes.ts, core/cesu8.ts, core/integer_bytes.ts.
 *
 * @module
 */

import { type ByteReader, ByteWriter } from "./bytes.ts";
import { asciiString, cesu8Size, readUnit, unitsToString } from "./cesu8.ts";
import { readMagnitude, writeMagnitude } from "./integer_bytes.ts";

/** What a record can be keyed by; numbers must be finite, and -0 is 0. Equal bytes or tuples are the same key. */
export type Key = string | number | bigint | boolean | Uint8Array | readonly Key[];

/** The namespace of state that has none. */
export const VOID_NAMESPACE: unique symbol = Symbol("weir.void-namespace");

/** Second part of a state's address (a window, say): a key, or {@link VOID_NAMESPACE}. */
export type Namespace = Key | typeof VOID_NAMESPACE;

const TAG_VOID = 0x02;
const TAG_FALSE = 0x10;
const TAG_TRUE = 0x11;
const TAG_NUMBER = 0x20;
const TAG_BIGINT = 0x30;
const TAG_STRING = 0x40;
const TAG_BYTES = 0x50;
const TAG_TUPLE = 0x60;
const MAX_DEPTH = 64;

const scratch = new ByteWriter(256);
const doubleBits = new DataView(new ArrayBuffer(8));
let textUnits = new Uint16Array(256);

/**
 * Throws unless `key` is a {@link Key}.
 *
 * @throws {TypeError} Naming what it is and what to use instead.
 */
export function checkKey(key: unknown): asserts key is Key {
  if (typeof key === "string") return;
  if (typeof key === "number" && key - key === 0) return;
  checkRareKey(key, 0);
}

function checkRareKey(key: unknown, depth: number): void {
  if (typeof key === "bigint" || typeof key === "boolean" || typeof key === "string") return;
  if (typeof key === "number") {
    if (!Number.isFinite(key)) throw refused(`${key}`, "a finite number", 'map it to a string such as "unknown"');
    return;
  }
  if (key instanceof Uint8Array) return;
  if (!Array.isArray(key)) throw refusedValue(key);
  if (depth === MAX_DEPTH) throw refused(`a tuple nested over ${MAX_DEPTH} deep`, "shallower", "use a flat tuple");
  for (let i = 0; i < key.length; i++) checkRareKey(key[i], depth + 1);
}

function refused(what: string, must: string, remedy: string): TypeError {
  return new TypeError(`Cannot use ${what} as a key: it must be ${must}; ${remedy}`);
}

function refusedValue(key: unknown): TypeError {
  const must = "a string, finite number, bigint, boolean, Uint8Array, or a tuple of these";
  if (key === undefined || key === null) {
    return refused(`${key}`, must, "drop such records with a filter before keyBy, or map them to a key of their own");
  }
  if (key instanceof Promise) {
    key.catch(() => {}); // Its failure is a consequence of the misuse that is reported here.
    return refused("a promise", must, "the key selector must be synchronous: fetch what it needs before, in a source");
  }
  if (key instanceof Date) return refused("a Date", must, "use date.getTime()");
  if (ArrayBuffer.isView(key)) {
    return refused(
      "a typed array other than Uint8Array",
      must,
      "use new Uint8Array(a.buffer, a.byteOffset, a.byteLength)",
    );
  }
  if (key instanceof ArrayBuffer) return refused("an ArrayBuffer", must, "use new Uint8Array(buffer)");
  if (typeof key === "object") {
    return refused("an object", must, "use a tuple [a, b] of its fields or a string, such as order.id");
  }
  return refused(`a ${typeof key}`, must, "use a tuple [a, b] or a string");
}

/** Whether `key` is bytes or a tuple, which a Map would compare by reference: see {@link identityOf}. */
export function isComplexKey(key: Key): key is Uint8Array | readonly Key[] {
  return typeof key === "object";
}

/**
 * What a Map can hold in place of `key`: the key itself, or for bytes and tuples a string of their encoded bytes (one
 * unit a byte). Such a string may equal some other key that is a string, so keep complex keys in a Map of their own.
 */
export function identityOf(key: Key): string | number | bigint | boolean {
  if (typeof key === "number") return key + 0; // -0 + 0 is 0
  if (typeof key !== "object") return key;
  scratch.reset();
  writeKey(scratch, key);
  const size = scratch.length;
  growUnits(size);
  for (let i = 0; i < size; i++) textUnits[i] = scratch.buffer[i]!;
  return unitsToString(textUnits, size);
}

/** Appends the encoding of `key`. Throws a TypeError as {@link checkKey} does, before it writes anything. */
export function writeKey(out: ByteWriter, key: Key): void {
  if (typeof key === "string") return writeString(out, key);
  if (typeof key === "number" && Number.isFinite(key)) return writeNumber(out, key);
  checkRareKey(key, 0);
  writeChecked(out, key);
}

function writeChecked(out: ByteWriter, key: Key): void {
  if (typeof key === "string") return writeString(out, key);
  if (typeof key === "number") return writeNumber(out, key);
  if (typeof key === "boolean") return out.u8(key ? TAG_TRUE : TAG_FALSE);
  if (typeof key === "bigint") return writeBigint(out, key);
  if (key instanceof Uint8Array) return writeBytes(out, key);
  out.u8(TAG_TUPLE);
  for (let i = 0; i < key.length; i++) writeChecked(out, key[i]!);
  out.u8(0);
}

function writeNumber(out: ByteWriter, key: number): void {
  out.u8(TAG_NUMBER);
  out.f64(key + 0);
  const at = out.length - 8;
  const buffer = out.buffer;
  if (key < 0) {
    for (let i = at; i < at + 8; i++) buffer[i] = ~buffer[i]!;
  } else {
    buffer[at] = buffer[at]! | 0x80;
  }
}

function writeBigint(out: ByteWriter, key: bigint): void {
  out.u8(TAG_BIGINT);
  out.u8(key < 0n ? 0 : 1);
  const start = out.length;
  const size = writeMagnitude(out, key < 0n ? -key : key);
  let count = 0;
  for (let rest = size; rest > 0; rest = Math.floor(rest / 256)) count++;
  out.reserve(1 + count);
  const buffer = out.buffer;
  buffer.copyWithin(start + 1 + count, start, start + size);
  buffer[start] = count;
  for (let i = 0; i < count; i++) buffer[start + 1 + i] = size >>> (8 * (count - 1 - i));
  out.length = start + 1 + count + size;
  if (key < 0n) { for (let i = start; i < out.length; i++) buffer[i] = ~buffer[i]!; }
}

function writeString(out: ByteWriter, key: string): void {
  const length = key.length;
  // Unit 0 takes two bytes, which three a unit cover; a long string is measured instead, zeros at two bytes each.
  out.reserve(3 + (length > 2048 ? cesu8Size(key) + length : length * 3));
  const buffer = out.buffer;
  let at = out.length;
  buffer[at++] = TAG_STRING;
  for (let i = 0; i < length; i++) {
    const unit = key.charCodeAt(i);
    if (unit < 0x80) {
      buffer[at++] = unit;
      if (unit === 0) buffer[at++] = 0xff;
    } else if (unit < 0x800) {
      buffer[at++] = 0xc0 | (unit >>> 6);
      buffer[at++] = 0x80 | (unit & 0x3f);
    } else {
      buffer[at++] = 0xe0 | (unit >>> 12);
      buffer[at++] = 0x80 | ((unit >>> 6) & 0x3f);
      buffer[at++] = 0x80 | (unit & 0x3f);
    }
  }
  buffer[at++] = 0;
  buffer[at++] = 0;
  out.length = at;
}

function writeBytes(out: ByteWriter, key: Uint8Array): void {
  out.reserve(3 + key.length * 2);
  const buffer = out.buffer;
  let at = out.length;
  buffer[at++] = TAG_BYTES;
  for (let i = 0; i < key.length; i++) {
    const byte = key[i]!;
    buffer[at++] = byte;
    if (byte === 0) buffer[at++] = 0xff;
  }
  buffer[at++] = 0;
  buffer[at++] = 0;
  out.length = at;
}

/** Reads one key. Throws a StreamError of kind "corrupt" for bytes that {@link writeKey} does not write. */
export function readKey(input: ByteReader): Key {
  return readTagged(input, input.u8(), 0);
}

function readTagged(input: ByteReader, tag: number, depth: number): Key {
  switch (tag) {
    case TAG_STRING:
      return readString(input);
    case TAG_NUMBER:
      return readNumber(input);
    case TAG_BIGINT:
      return readBigint(input);
    case TAG_FALSE:
      return false;
    case TAG_TRUE:
      return true;
    case TAG_BYTES:
      return readBytes(input);
    case TAG_TUPLE: {
      if (depth === MAX_DEPTH) return input.fail(`a tuple is nested over ${MAX_DEPTH} deep`);
      const tuple: Key[] = [];
      for (let next = input.u8(); next !== 0; next = input.u8()) tuple.push(readTagged(input, next, depth + 1));
      return tuple;
    }
    default:
      return input.fail(`0x${tag.toString(16)} is not the tag of a key`);
  }
}

function readNumber(input: ByteReader): number {
  input.need(8);
  const negative = input.buffer[input.position]! < 0x80;
  for (let i = 0; i < 8; i++) {
    const byte = input.buffer[input.position + i]!;
    doubleBits.setUint8(i, negative ? byte ^ 0xff : i === 0 ? byte & 0x7f : byte);
  }
  const key = doubleBits.getFloat64(0);
  if (!Number.isFinite(key) || Object.is(key, -0)) return input.fail(`number ${key} is no key`);
  input.position += 8;
  return key;
}

function readBigint(input: ByteReader): bigint {
  const sign = input.u8();
  if (sign > 1) return input.fail("a bigint has no sign");
  const mask = sign === 0 ? 0xff : 0;
  const count = input.u8() ^ mask;
  let size = 0;
  if (count > 4) return input.fail("a bigint is too long");
  for (let i = 0; i < count; i++) {
    size = size * 256 + (input.u8() ^ mask);
    if (size === 0) return input.fail("a bigint's size has a leading zero byte");
  }
  if (size === 0 && sign === 0) return input.fail("a bigint is -0");
  const magnitude = readMagnitude(input, size, mask);
  return sign === 0 ? -magnitude : magnitude;
}

function readString(input: ByteReader): string {
  const buffer = input.buffer;
  const start = input.position;
  let plain = start;
  while (plain < input.end && buffer[plain]! < 0x80 && buffer[plain] !== 0) plain++;
  if (plain + 1 < input.end && buffer[plain] === 0 && buffer[plain + 1] === 0) {
    input.position = plain + 2;
    return asciiString(buffer, start, plain);
  }
  return readRareString(input);
}

function readRareString(input: ByteReader): string {
  let count = 0;
  for (;;) {
    if (input.position >= input.end) input.need(1);
    const unit = readUnit(input, input.end);
    if (unit === 0) {
      const mark = input.u8();
      if (mark === 0) return unitsToString(textUnits, count);
      if (mark !== 0xff) return input.fail("a zero unit of a string is not escaped");
    }
    if (count === textUnits.length) growUnits(count + 1);
    textUnits[count++] = unit;
  }
}

function readBytes(input: ByteReader): Uint8Array<ArrayBuffer> {
  scratch.reset();
  for (;;) {
    const byte = input.u8();
    if (byte === 0) {
      const mark = input.u8();
      if (mark === 0) return scratch.copy();
      if (mark !== 0xff) return input.fail("a zero byte is not escaped");
    }
    scratch.u8(byte);
  }
}

function growUnits(needed: number): void {
  if (needed <= textUnits.length) return;
  const next = new Uint16Array(Math.max(needed, textUnits.length * 2));
  next.set(textUnits);
  textUnits = next;
}

/** Appends a namespace: one byte for {@link VOID_NAMESPACE}, else a key. */
export function writeNamespace(out: ByteWriter, namespace: Namespace): void {
  if (namespace === VOID_NAMESPACE) out.u8(TAG_VOID);
  else writeKey(out, namespace);
}

/** Reads what {@link writeNamespace} wrote; errors as {@link readKey}. */
export function readNamespace(input: ByteReader): Namespace {
  const tag = input.u8();
  return tag === TAG_VOID ? VOID_NAMESPACE : readTagged(input, tag, 0);
}

/** Moves `input` past one key or namespace without building it; errors as {@link readKey}. */
export function skipKey(input: ByteReader): void {
  const tag = input.u8();
  if (tag === TAG_VOID) return;
  if (tag === TAG_NUMBER) input.view(8);
  else if (tag === TAG_STRING || tag === TAG_BYTES) skipEscaped(input);
  else readTagged(input, tag, 0);
}

function skipEscaped(input: ByteReader): void {
  for (;;) {
    if (input.u8() === 0 && input.u8() === 0) return;
  }
}
