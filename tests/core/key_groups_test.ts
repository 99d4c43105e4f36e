import { test } from "node:test";
import { deepStrictEqual, equal, ok, throws } from "node:assert/strict";
import fc from "fast-check";
import {
  checkMaxParallelism,
  defaultMaxParallelism,
  intersect,
  keyGroupOf,
  keyGroupRangeOf,
  MAX_PARALLELISM_LIMIT,
  murmur,
  operatorIndexOf,
} from "../../core/key_groups.ts";
import type { Key } from "../../core/key.ts";
import { hashKey } from "../../core/key_hash.ts";

// [key, murmur of its hash, group of 128, group of 32768]
const INTEGERS: [number, number, number, number][] = [
  [0, 593689054, 94, 31198],
  [1, 68075478, 86, 16342],
  [2, 1085422463, 127, 15231],
  [3, 847579505, 113, 2417],
  [42, 1134849565, 29, 28189],
  [100, 616682048, 64, 21056],
  [-1, 1982413648, 80, 15184],
  [-42, 189366624, 96, 352],
  [2 ** 31 - 1, 1653689534, 62, 19646],
  [-(2 ** 31), 1718298732, 108, 10348],
];

// [key, hash, murmur, group of 128]
const STRINGS: [string, number, number, number][] = [
  ["", 0, 593689054, 94],
  ["a", 97, 1455541201, 81],
  ["b", 98, 516420758, 22],
  ["key-1", 101943363, 23124534, 54],
  ["user-42", -147182656, 1600933524, 20],
  ["hello", 99162322, 1715862179, 35],
  ["key2", 3288499, 452939803, 27],
];

// [key, hash, group of 128]
const LONGS: [Key, number, number][] = [
  [2n ** 32n, 1, 86],
  [2 ** 32, 1, 86],
  [2n ** 53n + 1n, 2097153, 3],
  [-1n, 0, 94],
];

test("keyGroupOf an integer of 32 bits agrees with Flink's int vectors [57]", () => {
  for (const [key, scrambled, of128, of32768] of INTEGERS) {
    equal(hashKey(key), key);
    equal(murmur(key), scrambled);
    equal(keyGroupOf(key, 128), of128);
    equal(keyGroupOf(key, 32768), of32768);
  }
});

test("keyGroupOf a string agrees with Flink's string vectors [57]", () => {
  for (const [key, hash, scrambled, of128] of STRINGS) {
    equal(hashKey(key), hash);
    equal(murmur(hash), scrambled);
    equal(keyGroupOf(key, 128), of128);
  }
  equal(keyGroupOf("a", 10), 1);
  equal(keyGroupOf("b", 10), 8);
});

test("keyGroupOf a bigint, or an integer over 32 bits, agrees with Flink's long vectors [57]", () => {
  for (const [key, hash, of128] of LONGS) {
    equal(hashKey(key), hash);
    equal(keyGroupOf(key, 128), of128);
  }
});

test("hashKey follows Java for longs, doubles, booleans, byte arrays and lists", () => {
  const table: [Key, number][] = [
    [-0, 0],
    [2 ** 31, -(2 ** 31)],
    [-(2 ** 32), -1 ^ 0],
    [2 ** 53, 2097152],
    [-(2 ** 53), -2097152],
    [2n ** 63n - 1n, -(2 ** 31)],
    [-(2n ** 63n), -(2 ** 31)],
    [1.5, 1073217536], // Double.hashCode(1.5)
    [-1.5, -1074266112],
    [0.1, 0xa6200003 | 0], // bits 3fb99999 9999999a
    [true, 1231],
    [false, 1237],
    [new Uint8Array(0), 1],
    [Uint8Array.of(1, 2), 994],
    [Uint8Array.of(255), 30],
    [[], 1],
    [["a", 1], (31 + 97) * 31 + 1],
    [[true, [2]], ((31 + 1231) * 31 + 33) | 0],
  ];
  for (const [key, hash] of table) equal(hashKey(key), hash, String(key));
});

test("hashKey of a bigint over 64 bits depends on its sign and all of its bytes", () => {
  const keys = [2n ** 64n, 2n ** 64n + 1n, -(2n ** 64n), 2n ** 128n, 2n ** 63n, -(2n ** 63n) - 1n];
  equal(new Set(keys.map(hashKey)).size, keys.length);
});

test("hashKey is a signed integer of 32 bits for every number", () => {
  fc.assert(fc.property(fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.maxSafeInteger()), (key) => {
    equal(hashKey(key), hashKey(key) | 0);
    if (Number.isSafeInteger(key) && (key | 0) !== key) equal(hashKey(key), hashKey(BigInt(key)));
  }));
});

test("keyGroupOf refuses what is no key [57]", () => {
  for (const key of [null, undefined, {}, NaN, Infinity, Symbol("x"), new Date(0)]) {
    throws(() => keyGroupOf(key as Key, 128), TypeError); // a caller without types can pass anything
  }
});

test("murmur is in 0..2^31-1 for every hash", () => {
  fc.assert(fc.property(fc.integer(), (hash) => ok(murmur(hash) >= 0 && murmur(hash) < 2 ** 31)));
});

test("keyGroupRangeOf splits as in Flink's vectors [57]", () => {
  const table: [number, number, [number, number][]][] = [
    [128, 3, [[0, 42], [43, 85], [86, 127]]],
    [128, 5, [[0, 25], [26, 51], [52, 76], [77, 102], [103, 127]]],
    [10, 3, [[0, 3], [4, 6], [7, 9]]],
    [32768, 7, [[0, 4681], [4682, 9362], [9363, 14043], [14044, 18724], [18725, 23405], [23406, 28086], [
      28087,
      32767,
    ]]],
  ];
  for (const [maxParallelism, parallelism, ranges] of table) {
    const split = ranges.map((_, i) => keyGroupRangeOf(i, { parallelism, maxParallelism }));
    deepStrictEqual(split, ranges.map(([start, end]) => ({ start, end })));
  }
});

test("key group ranges are disjoint, cover all groups and agree with operatorIndexOf [57]", () => {
  const sizes = fc.integer({ min: 1, max: 1_000 }).chain((maxParallelism) =>
    fc.record({ maxParallelism: fc.constant(maxParallelism), parallelism: fc.integer({ min: 1, max: maxParallelism }) })
  );
  fc.assert(fc.property(sizes, (size) => {
    let next = 0;
    for (let i = 0; i < size.parallelism; i++) {
      const { start, end } = keyGroupRangeOf(i, size);
      equal(start, next);
      equal(operatorIndexOf(start, size), i);
      equal(operatorIndexOf(end, size), i);
      next = end + 1;
    }
    equal(next, size.maxParallelism);
  }));
});

test("defaultMaxParallelism is 1.5 times the parallelism as a power of two in 128..32768", () => {
  const table: [number, number, number][] = [
    [1, 85, 128],
    [86, 171, 256],
    [172, 341, 512],
    [342, 683, 1024],
    [684, 1365, 2048],
    [1366, 2731, 4096],
    [10_924, 32_768, 32_768],
  ];
  for (const [from, to, expected] of table) {
    equal(defaultMaxParallelism(from), expected);
    equal(defaultMaxParallelism(to), expected);
  }
});

test("parallelism and key group arguments out of range are refused", () => {
  for (const value of [0, -1, 1.5, NaN, MAX_PARALLELISM_LIMIT + 1]) {
    throws(() => checkMaxParallelism(value), RangeError);
    throws(() => defaultMaxParallelism(value), RangeError);
  }
  checkMaxParallelism(1);
  checkMaxParallelism(MAX_PARALLELISM_LIMIT, MAX_PARALLELISM_LIMIT);
  throws(() => checkMaxParallelism(4, 5), /parallelism 5.*1\.\.4/);
  for (const index of [-1, 3, 0.5, NaN]) {
    throws(() => keyGroupRangeOf(index, { parallelism: 3, maxParallelism: 128 }), /subtaskIndex must be in 0\.\.2/);
  }
});

test("intersect gives the common key groups or undefined [65]", () => {
  deepStrictEqual(intersect({ start: 0, end: 9 }, { start: 5, end: 20 }), { start: 5, end: 9 });
  deepStrictEqual(intersect({ start: 5, end: 5 }, { start: 0, end: 9 }), { start: 5, end: 5 });
  equal(intersect({ start: 0, end: 4 }, { start: 5, end: 9 }), undefined);
});
