/**
 * Codec for the plain values that CBOR libraries change: -0, lone surrogates, a key `__proto__`, objects without
 * prototype, very large objects.
 *
 *     value  = %x00 undefined | %x01 null | %x02 false | %x03 true
 *            | %x04 8byte                        ; number, IEEE 754 big endian
 *            | %x05 sign varint *byte            ; bigint: sign 0 or 1 (< 0), size, magnitude big endian
 *            | %x06 text
 *            | %x07 varint *value                ; array: count, elements
 *            | %x08 varint *(text value)         ; object: count, own properties in their order
 *            | %x09 varint *(text value)         ; the same without prototype
 *            | %x0A varint *(value value)        ; Map
 *            | %x0B varint *value                ; Set
 *            | %x0C 8byte                        ; Date: milliseconds since 1970, NaN if invalid
 *            | %x0D kind varint *byte            ; typed array: index in TYPED_ARRAYS, size in bytes, little endian
 *     text   = varint *byte                      ; size, CESU-8
 *
 * Called by: core/structured_value.ts, which has made sure that the value is one of these.
 * Calls: core/bytes.ts, core/cesu8.ts, core/integer_bytes.ts.
 *
 * @module
 */

import type { ByteReader, ByteWriter } from "./bytes.ts";
import { cesu8Size, readCesu8, writeCesu8 } from "./cesu8.ts";
import { readMagnitude, writeMagnitude } from "./integer_bytes.ts";

/** Deeper values are refused: they are cyclic, or would overflow the stack. */
export const MAX_VALUE_DEPTH = 512;

/** The typed arrays that can be stored. The order is part of the format. */
export const TYPED_ARRAYS = [
  Uint8Array,
  Uint8ClampedArray,
  Int8Array,
  Uint16Array,
  Int16Array,
  Uint32Array,
  Int32Array,
  BigUint64Array,
  BigInt64Array,
  Float32Array,
  Float64Array,
] as const;

const UNDEFINED = 0x00;
const NULL = 0x01;
const FALSE = 0x02;
const TRUE = 0x03;
const NUMBER = 0x04;
const BIGINT = 0x05;
const STRING = 0x06;
const ARRAY = 0x07;
const OBJECT = 0x08;
const BARE_OBJECT = 0x09;
const MAP = 0x0a;
const SET = 0x0b;
const DATE = 0x0c;
const TYPED_ARRAY = 0x0d;

/** Appends `value`, which must be plain data; anything else throws a TypeError. */
export function writeExact(out: ByteWriter, value: unknown): void {
  switch (typeof value) {
    case "undefined":
      return out.u8(UNDEFINED);
    case "boolean":
      return out.u8(value ? TRUE : FALSE);
    case "number":
      out.u8(NUMBER);
      return out.f64(value);
    case "string":
      out.u8(STRING);
      return writeText(out, value);
    case "bigint":
      return writeBigint(out, value);
    case "object":
      return value === null ? out.u8(NULL) : writeObject(out, value);
    default:
      throw new TypeError(`Cannot write a ${typeof value}: must be plain data`);
  }
}

function writeText(out: ByteWriter, text: string): void {
  out.varint(cesu8Size(text));
  writeCesu8(out, text);
}

function writeBigint(out: ByteWriter, value: bigint): void {
  const magnitude = value < 0n ? -value : value;
  out.u8(BIGINT);
  out.u8(value < 0n ? 1 : 0);
  out.varint(magnitude === 0n ? 0 : Math.ceil(magnitude.toString(16).length / 2));
  writeMagnitude(out, magnitude);
}

function writeObject(out: ByteWriter, value: object): void {
  if (Array.isArray(value)) {
    out.u8(ARRAY);
    out.varint(value.length);
    for (let i = 0; i < value.length; i++) writeExact(out, value[i]);
  } else if (value instanceof Map) {
    out.u8(MAP);
    out.varint(value.size);
    for (const [key, entry] of value) {
      writeExact(out, key);
      writeExact(out, entry);
    }
  } else if (value instanceof Set) {
    out.u8(SET);
    out.varint(value.size);
    for (const entry of value) writeExact(out, entry);
  } else if (value instanceof Date) {
    out.u8(DATE);
    out.f64(value.getTime());
  } else if (ArrayBuffer.isView(value)) {
    out.u8(TYPED_ARRAY);
    out.u8(TYPED_ARRAYS.findIndex((type) => value instanceof type));
    out.varint(value.byteLength);
    out.bytes(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
  } else {
    const entries = Object.entries(value);
    out.u8(Object.getPrototypeOf(value) === null ? BARE_OBJECT : OBJECT);
    out.varint(entries.length);
    for (const [key, entry] of entries) {
      writeText(out, key);
      writeExact(out, entry);
    }
  }
}

/** Reads one value. Throws a StreamError of kind "corrupt" for bytes that {@link writeExact} does not write. */
export function readExact(input: ByteReader, depth = 0): unknown {
  if (depth > MAX_VALUE_DEPTH) return input.fail(`a value is nested over ${MAX_VALUE_DEPTH} deep`);
  const tag = input.u8();
  switch (tag) {
    case UNDEFINED:
      return undefined;
    case NULL:
      return null;
    case FALSE:
      return false;
    case TRUE:
      return true;
    case NUMBER:
      return input.f64();
    case STRING:
      return readCesu8(input, input.varint());
    case BIGINT: {
      const sign = input.u8();
      const magnitude = readMagnitude(input, input.varint());
      return sign === 1 ? -magnitude : magnitude;
    }
    case ARRAY: {
      const array: unknown[] = [];
      for (let count = input.varint(); count > 0; count--) array.push(readExact(input, depth + 1));
      return array;
    }
    case OBJECT:
      return readProperties(input, {}, depth);
    case BARE_OBJECT:
      return readProperties(input, Object.create(null), depth);
    case MAP: {
      const map = new Map<unknown, unknown>();
      for (let count = input.varint(); count > 0; count--) {
        const key = readExact(input, depth + 1);
        map.set(key, readExact(input, depth + 1));
      }
      return map;
    }
    case SET: {
      const set = new Set<unknown>();
      for (let count = input.varint(); count > 0; count--) set.add(readExact(input, depth + 1));
      return set;
    }
    case DATE:
      return new Date(input.f64());
    case TYPED_ARRAY:
      return readTypedArray(input);
    default:
      return input.fail(`0x${tag.toString(16)} is not the tag of a value`);
  }
}

function readProperties(input: ByteReader, object: Record<string, unknown>, depth: number): object {
  for (let count = input.varint(); count > 0; count--) {
    const key = readCesu8(input, input.varint());
    const value = readExact(input, depth + 1);
    if (key !== "__proto__") object[key] = value;
    // Assigning would set the prototype instead.
    else Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
  }
  return object;
}

function readTypedArray(input: ByteReader): ArrayBufferView {
  const type = TYPED_ARRAYS[input.u8()];
  const size = input.varint();
  if (type === undefined || size % type.BYTES_PER_ELEMENT !== 0) return input.fail("a typed array is malformed");
  return new type(input.bytes(size).buffer);
}
