/**
 * The magnitude of a bigint as big-endian bytes without leading zeros; zero takes none.
 *
 * Called by: core/key.ts, core/serializer.ts, core/exact_value.ts.
 * Calls: core/bytes.ts.
 *
 * @module
 */

import type { ByteReader, ByteWriter } from "./bytes.ts";

/**
 * Appends the bytes of `magnitude` (≥ 0).
 *
 * @returns Their number.
 */
export function writeMagnitude(out: ByteWriter, magnitude: bigint): number {
  const start = out.length;
  if (magnitude < 0x1_0000_0000_0000_0000n) {
    const high = Number(magnitude >> 32n);
    const low = Number(magnitude & 0xffff_ffffn);
    for (let shift = 24; shift >= 0; shift -= 8) {
      if (out.length > start || high >>> shift !== 0) out.u8(high >>> shift);
    }
    for (let shift = 24; shift >= 0; shift -= 8) {
      if (out.length > start || low >>> shift !== 0) out.u8(low >>> shift);
    }
  } else {
    const hex = magnitude.toString(16);
    let at = 0;
    if (hex.length % 2 === 1) out.u8(parseInt(hex[at++]!, 16));
    for (; at < hex.length; at += 2) out.u8(parseInt(hex.slice(at, at + 2), 16));
  }
  return out.length - start;
}

/** Reads a magnitude of `size` bytes, each xor-ed with `mask` (0 or 0xff); a leading zero byte is corrupt. */
export function readMagnitude(input: ByteReader, size: number, mask = 0): bigint {
  input.need(size);
  if (size === 0) return 0n;
  if ((input.buffer[input.position]! ^ mask) === 0) return input.fail("an integer has a leading zero byte");
  if (size <= 6) {
    let value = 0;
    for (let i = 0; i < size; i++) value = value * 256 + (input.u8() ^ mask);
    return BigInt(value);
  }
  const hex: string[] = ["0x"];
  for (let i = 0; i < size; i++) hex.push((input.u8() ^ mask).toString(16).padStart(2, "0"));
  return BigInt(hex.join(""));
}
