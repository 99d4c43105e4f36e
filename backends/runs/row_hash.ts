/**
 * The hash of rows: part of the run's format, since bloom filters are built on it, and the one that write buffers use,
 * so that a row is hashed once on its way through all of them.
 *
 * MurmurHash3, 32 bits, x86 variant, seed 0, over the bytes that name a value, list or map: key group, state id, key and
 * namespace (a timer's row: the whole row key).
 *
 * Called by: bloom filters, write buffers.
 * Calls: nothing.
 *
 * @module
 */

/** Hash of `bytes[start..end-1]`, 0..2^32-1. */
export function rowHash(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0;
  let at = start;
  for (const last = end - 3; at < last; at += 4) {
    const word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    hash ^= scramble(word);
    hash = (hash << 13) | (hash >>> 19);
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
  }
  if (at < end) {
    let tail = bytes[at]!;
    if (at + 1 < end) tail |= bytes[at + 1]! << 8;
    if (at + 2 < end) tail |= bytes[at + 2]! << 16;
    hash ^= scramble(tail);
  }
  hash ^= end - start;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function scramble(word: number): number {
  const mixed = Math.imul(word, 0xcc9e2d51);
  return Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593);
}
