/**
 * 32-bit hash of a key, equal to Java's hashCode where Java has the type, so that key groups agree with Flink's.
 *
 * Called by: core/key_groups.ts, backends.
 * Calls: core/key.ts, core/bytes.ts.
 *
 * @module
 */

import { ByteWriter } from "./bytes.ts";
import { type Key, writeKey } from "./key.ts";

const TWO_TO_32 = 0x1_0000_0000;
const MIN_LONG = -(2n ** 63n);
const MAX_LONG = 2n ** 63n - 1n;

const doubleBits = new DataView(new ArrayBuffer(8));
const scratch = new ByteWriter(64);

/**
 * Hash of a key, a signed 32-bit integer. Equal keys have equal hashes.
 *
 * Integers that fit 32 bits hash to themselves, other integers up to ±2^53 and bigints of 64 bits like a Java long,
 * remaining numbers like a double, strings as the 31-polynomial of their UTF-16 units, booleans 1231 and 1237, bytes
 * and tuples as the 31-polynomial of their elements starting at 1, longer bigints likewise over their encoded bytes.
 *
 * Source: `hashCode` of java.lang.Long, Double, String, Boolean, and java.util.Arrays.
 *
 * @throws {TypeError} If `key` is not a {@link Key}.
 */
export function hashKey(key: Key): number {
  if (typeof key === "string") return hashString(key);
  if (typeof key === "number" && (key | 0) === key) return key | 0;
  return hashRareKey(key);
}

function hashString(text: string): number {
  let hash = 0;
  for (let i = 0; i < text.length; i++) hash = (Math.imul(hash, 31) + text.charCodeAt(i)) | 0;
  return hash;
}

function hashRareKey(key: Key): number {
  if (typeof key === "boolean") return key ? 1231 : 1237;
  if (typeof key === "number" && Number.isFinite(key)) return hashNumber(key);
  if (typeof key === "bigint") return hashBigint(key);
  if (key instanceof Uint8Array) return hashBytes(key, 0, key.length);
  if (!Array.isArray(key)) {
    // Not a key after all: the encoder names what it is and what to use instead.
    scratch.reset();
    writeKey(scratch, key);
  }
  // Only tuples are left; isArray does not narrow a readonly array.
  const tuple = key as readonly Key[];
  let hash = 1;
  for (let i = 0; i < tuple.length; i++) hash = (Math.imul(hash, 31) + hashKey(tuple[i]!)) | 0;
  return hash;
}

function hashNumber(key: number): number {
  if (Number.isInteger(key) && Math.abs(key) <= 2 ** 53) return (key | 0) ^ (Math.floor(key / TWO_TO_32) | 0);
  doubleBits.setFloat64(0, key);
  return doubleBits.getInt32(0) ^ doubleBits.getInt32(4);
}

function hashBigint(key: bigint): number {
  if (key >= MIN_LONG && key <= MAX_LONG) {
    return Number(BigInt.asIntN(32, key)) ^ Number(BigInt.asIntN(32, key >> 32n));
  }
  scratch.reset();
  writeKey(scratch, key);
  return hashBytes(scratch.buffer, 1, scratch.length);
}

/** Bytes count as signed, as in Java. */
function hashBytes(bytes: Uint8Array, start: number, end: number): number {
  let hash = 1;
  for (let i = start; i < end; i++) hash = (Math.imul(hash, 31) + ((bytes[i]! << 24) >> 24)) | 0;
  return hash;
}
