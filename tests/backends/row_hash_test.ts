import { equal } from "node:assert/strict";
import { test } from "node:test";
import { rowHash } from "../../backends/runs/row_hash.ts";

/** The reference implementation's results for these texts with seed 0. */
const VECTORS: readonly (readonly [string, number])[] = [
  ["", 0],
  ["a", 0x3c2569b2],
  ["ab", 0x9bbfd75f],
  ["abc", 0xb3dd93fa],
  ["abcd", 0x43ed676a],
  ["Hello, world!", 0xc0363e43],
  ["The quick brown fox jumps over the lazy dog", 0x2e4ff723],
];

test("rowHash is MurmurHash3 of 32 bits with seed 0, at any offset", () => {
  for (const [text, hash] of VECTORS) {
    const bytes = new TextEncoder().encode(`xyz${text}#`);
    equal(rowHash(bytes, 3, bytes.length - 1), hash, text);
  }
});
