/**
 * Lossless bytes of a string: each UTF-16 unit on its own in the 1 to 3 byte form of UTF-8 (CESU-8).
 *
 * A surrogate pair takes six bytes instead of four, a lone surrogate three; byte order is UTF-16 order, and text
 * without surrogates is plain UTF-8.
 *
 * Called by: core/key.ts, core/serializer.ts, core/exact_value.ts.
 * Calls: core/bytes.ts.
 *
 * @module
 */

import type { ByteReader, ByteWriter } from "./bytes.ts";

/** Strings up to this long reserve three bytes a unit instead of being measured first. */
const MEASURE_ABOVE = 2048;
/** Units decoded per String.fromCharCode call: the argument list lives on the stack. */
const CHUNK = 4096;
/** ASCII strings up to this long are decoded without a TextDecoder. */
const SHORT_ASCII = 32;

const units = new Uint16Array(CHUNK);
const ascii = new TextDecoder("latin1");

/** Size in bytes of `text` in CESU-8. */
export function cesu8Size(text: string): number {
  let size = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 0x7f) size += unit > 0x7ff ? 2 : 1;
  }
  return size;
}

/** Appends the bytes of `text`; nothing marks the end. */
export function writeCesu8(out: ByteWriter, text: string): void {
  const length = text.length;
  out.reserve(length > MEASURE_ABOVE ? cesu8Size(text) : length * 3);
  const buffer = out.buffer;
  let at = out.length;
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) {
      buffer[at++] = unit;
    } else if (unit < 0x800) {
      buffer[at++] = 0xc0 | (unit >>> 6);
      buffer[at++] = 0x80 | (unit & 0x3f);
    } else {
      buffer[at++] = 0xe0 | (unit >>> 12);
      buffer[at++] = 0x80 | ((unit >>> 6) & 0x3f);
      buffer[at++] = 0x80 | (unit & 0x3f);
    }
  }
  out.length = at;
}

/** Reads the string in the next `size` bytes. Throws a StreamError "corrupt" for anything writeCesu8 does not write. */
export function readCesu8(input: ByteReader, size: number): string {
  input.need(size);
  const start = input.position;
  const end = start + size;
  const buffer = input.buffer;
  let plain = start;
  while (plain < end && buffer[plain]! < 0x80) plain++;
  if (plain < end) return readUnits(input, end);
  input.position = end;
  return asciiString(buffer, start, end);
}

/** The string of the bytes `buffer[start..end-1]`, all below 0x80. */
export function asciiString(buffer: Uint8Array, start: number, end: number): string {
  if (end - start > SHORT_ASCII) return ascii.decode(buffer.subarray(start, end));
  let text = "";
  let at = start;
  for (; at + 8 <= end; at += 8) {
    text += String.fromCharCode(
      buffer[at]!,
      buffer[at + 1]!,
      buffer[at + 2]!,
      buffer[at + 3]!,
      buffer[at + 4]!,
      buffer[at + 5]!,
      buffer[at + 6]!,
      buffer[at + 7]!,
    );
  }
  if (at + 4 <= end) {
    text += String.fromCharCode(buffer[at]!, buffer[at + 1]!, buffer[at + 2]!, buffer[at + 3]!);
    at += 4;
  }
  for (; at < end; at++) text += String.fromCharCode(buffer[at]!);
  return text;
}

function readUnits(input: ByteReader, end: number): string {
  let text = "";
  let count = 0;
  while (input.position < end) {
    if (count === CHUNK) {
      text += unitsToString(units, count);
      count = 0;
    }
    units[count++] = readUnit(input, end);
  }
  return text + unitsToString(units, count);
}

/** Reads one UTF-16 unit; refuses forms that are longer than needed, so that equal strings have equal bytes. */
export function readUnit(input: ByteReader, end: number): number {
  const buffer = input.buffer;
  const at = input.position;
  const first = buffer[at]!;
  if (first < 0x80) {
    input.position = at + 1;
    return first;
  }
  const size = (first & 0xe0) === 0xc0 ? 2 : (first & 0xf0) === 0xe0 ? 3 : 0;
  if (size === 0 || at + size > end) return input.fail(`0x${first.toString(16)} starts no character here`);
  let unit = size === 2 ? first & 0x1f : first & 0x0f;
  for (let i = 1; i < size; i++) {
    const next = buffer[at + i]!;
    if ((next & 0xc0) !== 0x80) return input.fail("a character is cut short");
    unit = (unit << 6) | (next & 0x3f);
  }
  if (unit < (size === 2 ? 0x80 : 0x800)) return input.fail("a character is longer than needed");
  input.position = at + size;
  return unit;
}

/** The string of the first `count` units; `count` may exceed what fits on the stack. */
export function unitsToString(from: Uint16Array, count: number): string {
  let text = "";
  for (let i = 0; i < count; i += CHUNK) {
    const chunk = from.subarray(i, Math.min(i + CHUNK, count));
    // A typed array is array-like, which is all that apply needs; its type asks for an array.
    text += String.fromCharCode.apply(null, chunk as unknown as number[]);
  }
  return text;
}
