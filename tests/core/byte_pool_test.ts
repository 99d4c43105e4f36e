import { test } from "node:test";
import { deepStrictEqual, equal, notEqual } from "node:assert/strict";
import fc from "fast-check";
import { BytePool } from "../../core/byte_pool.ts";
import { ByteReader } from "../../core/bytes.ts";
import { bytes } from "../../core/serializer.ts";

const SOURCE = Uint8Array.from({ length: 4_096 }, (_, i) => i * 31);

test("BytePool gives arrays of their own bytes, aligned to eight, whatever is written to others", () => {
  const sizes = fc.array(fc.oneof(fc.nat(140), fc.nat(4_000)), { minLength: 1, maxLength: 300 });
  fc.assert(
    fc.property(sizes, (wanted) => {
      const pool = new BytePool();
      const made = wanted.map((size, i) => pool.copy(SOURCE, i % 90, size));
      for (const [i, array] of made.entries()) {
        deepStrictEqual(array, SOURCE.slice(i % 90, i % 90 + wanted[i]!));
        equal(Object.getPrototypeOf(array), Uint8Array.prototype);
        equal(array.byteOffset % 8, 0);
        array.fill(0xee);
      }
      for (const array of made) equal(array.every((byte) => byte === 0xee), true);
    }),
    { numRuns: 50 },
  );
});

test("BytePool goes on after a buffer was transferred elsewhere", () => {
  const pool = new BytePool();
  const taken = pool.copy(SOURCE, 0, 100);
  structuredClone(taken, { transfer: [taken.buffer] });
  equal(taken.length, 0);
  deepStrictEqual(pool.copy(SOURCE, 5, 100), SOURCE.slice(5, 105));
});

test("bytes reads arrays with a buffer of their own, unless the reader has a pool", () => {
  const alone = bytes.read(new ByteReader(SOURCE, 3, 13));
  deepStrictEqual(alone, SOURCE.slice(3, 13));
  equal(alone.buffer.byteLength, 10);

  const input = ByteReader.pooled();
  input.open(SOURCE, 3, 13);
  const pooled = bytes.read(input);
  deepStrictEqual(pooled, alone);
  equal(input.position, 13);
  input.open(SOURCE, 20, 30);
  const other = bytes.read(input);
  equal(other.buffer, pooled.buffer);
  notEqual(other.byteOffset, pooled.byteOffset);
  input.open(SOURCE, 3, 13);
  equal(input.bytes(10).buffer.byteLength, 10);
});
