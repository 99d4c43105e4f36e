import { test } from "node:test";
import { deepStrictEqual, equal, ok, throws } from "node:assert/strict";
import fc from "fast-check";
import { ByteReader, ByteWriter, compareBytes } from "../../core/bytes.ts";
import { StreamError } from "../../core/errors.ts";
import {
  checkKey,
  identityOf,
  isComplexKey,
  type Key,
  type Namespace,
  readKey,
  readNamespace,
  skipKey,
  VOID_NAMESPACE,
  writeKey,
  writeNamespace,
} from "../../core/key.ts";

const text = fc.oneof(
  fc.string(),
  fc.string({ unit: "binary" }),
  // UTF-16 units at random: lone surrogates and zeros included.
  fc.array(fc.oneof(fc.nat(3), fc.integer({ min: 0, max: 0xffff }), fc.integer({ min: 0xd800, max: 0xdfff })))
    .map((units) => String.fromCharCode(...units)),
);
const finite = fc.oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.maxSafeInteger());
const big = fc.oneof(fc.bigInt(), fc.bigInt({ min: -(2n ** 80n), max: 2n ** 80n }), fc.bigInt({ min: -3n, max: 3n }));
const octets = fc.uint8Array({ maxLength: 20 });
const primitive: fc.Arbitrary<Key> = fc.oneof(text, finite, big, fc.boolean(), octets);
const key = fc.letrec<{ key: Key; tuple: Key[] }>((tie) => ({
  key: fc.oneof({ depthSize: "small" }, primitive, tie("tuple")),
  tuple: fc.array(tie("key"), { maxLength: 5 }),
})).key;

function encode(value: Key): Uint8Array {
  const out = new ByteWriter(1);
  writeKey(out, value);
  return out.copy();
}

function decode(encoded: Uint8Array): Key {
  const input = new ByteReader(encoded);
  const value = readKey(input);
  equal(input.remaining, 0);
  return value;
}

/** -0 is the key 0, at any depth. */
function positiveZero(value: Key): Key {
  if (typeof value === "number") return value + 0;
  return Array.isArray(value) ? value.map(positiveZero) : value;
}

function order(a: Uint8Array, b: Uint8Array): number {
  return Math.sign(compareBytes(a, 0, a.length, b, 0, b.length));
}

test("readKey returns what writeKey wrote, for every type and nesting", () => {
  fc.assert(fc.property(key, (value) => {
    const back = decode(encode(value));
    deepStrictEqual(back, positiveZero(value));
  }));
});

test("skipKey moves past exactly one key or namespace", () => {
  fc.assert(fc.property(fc.array(fc.oneof(key, fc.constant(VOID_NAMESPACE))), (values: Namespace[]) => {
    const out = new ByteWriter();
    const ends = values.map((value) => (writeNamespace(out, value), out.length));
    const input = new ByteReader(out.view());
    for (const end of ends) {
      skipKey(input);
      equal(input.position, end);
    }
  }));
});

test("writeKey encodes -0 as 0", () => {
  deepStrictEqual(encode(-0), encode(0));
  ok(Object.is(decode(encode(-0)), 0));
  ok(Object.is(identityOf(-0), 0));
});

test("encoded keys of one type sort as their values do", () => {
  const sign = (less: boolean, equalTo: boolean) => equalTo ? 0 : less ? -1 : 1;
  fc.assert(fc.property(finite, finite, (a, b) => equal(order(encode(a), encode(b)), sign(a < b, a === b))));
  fc.assert(fc.property(big, big, (a, b) => equal(order(encode(a), encode(b)), sign(a < b, a === b))));
  fc.assert(fc.property(text, text, (a, b) => equal(order(encode(a), encode(b)), sign(a < b, a === b))));
  fc.assert(fc.property(octets, octets, (a, b) => equal(order(encode(a), encode(b)), order(a, b))));
  equal(order(encode(false), encode(true)), -1);
});

test("encoded tuples sort element by element, a shorter prefix first", () => {
  fc.assert(
    fc.property(fc.array(text, { maxLength: 3 }), text, fc.array(text, { maxLength: 3 }), (head, next, tail) => {
      equal(order(encode(head), encode([...head, next, ...tail])), -1);
    }),
  );
  fc.assert(fc.property(fc.array(text, { maxLength: 2 }), finite, finite, text, (head, a, b, tail) => {
    equal(order(encode([...head, a, tail]), encode([...head, b, tail])), a < b ? -1 : a === b ? 0 : 1);
  }));
});

test("bigint keys around each change of length sort and round trip", () => {
  const values: bigint[] = [0n];
  for (const bits of [8n, 16n, 24n, 31n, 32n, 48n, 53n, 56n, 63n, 64n, 65n, 72n, 2040n, 2048n, 4096n]) {
    for (const delta of [-1n, 0n, 1n]) values.push((1n << bits) + delta, -((1n << bits) + delta));
  }
  values.sort((a, b) => a < b ? -1 : 1);
  for (let i = 0; i < values.length; i++) {
    equal(decode(encode(values[i]!)), values[i]);
    if (i > 0) equal(order(encode(values[i - 1]!), encode(values[i]!)), -1, `${values[i - 1]} < ${values[i]}`);
  }
});

test("no encoded key is a prefix of another", () => {
  fc.assert(fc.property(key, key, (a, b) => {
    const [x, y] = [encode(a), encode(b)];
    if (x.length > y.length || order(x, y) === 0) return;
    ok(order(x, y.subarray(0, x.length)) !== 0);
  }));
  for (const [a, b] of [["", "\0"], ["a", "a\0"], ["\0", "\0\0"], [[], [[]]], [0n, 1n]] as [Key, Key][]) {
    ok(order(encode(a), encode(b).subarray(0, encode(a).length)) !== 0);
  }
});

test("keys are equal exactly when their encodings are, across types too", () => {
  const all: Key[] = [1, 1n, "1", true, [1], ["1"], new Uint8Array([1]), "", [], new Uint8Array(0), 0, 0n, false, [[]]];
  equal(new Set(all.map((value) => encode(value).join())).size, all.length);
});

test("empty keys and keys of 64 KiB work", () => {
  const long: Key[] = [
    "",
    [],
    new Uint8Array(0),
    "x".repeat(65_536),
    "\0".repeat(65_536),
    "\u20ac".repeat(65_536),
    "\ud800".repeat(65_536),
    new Uint8Array(65_536),
    new Uint8Array(65_536).fill(7),
    Array.from({ length: 4_096 }, (_, i) => i),
    1n << 524_288n,
    -(1n << 524_287n),
  ];
  for (const value of long) {
    deepStrictEqual(decode(encode(value)), value);
    if (isComplexKey(value)) equal(String(identityOf(value)).length, encode(value).length);
  }
});

test("identityOf maps equal keys to one Map key and different keys of a kind to different ones", () => {
  fc.assert(fc.property(key, key, (a, b) => {
    const same = order(encode(a), encode(b)) === 0;
    if (isComplexKey(a) !== isComplexKey(b)) return;
    equal(new Map([[identityOf(a), 1]]).has(identityOf(b)), same);
  }));
  equal(identityOf(new Uint8Array([1, 2])), identityOf(Uint8Array.of(1, 2)));
  equal(identityOf(["a", 1]), identityOf(["a", 1]));
});

test("checkKey and writeKey refuse what is no key, name the remedy and write nothing", () => {
  class Money {}
  const cases: [unknown, RegExp][] = [
    [NaN, /NaN as a key.*finite/],
    [Infinity, /Infinity/],
    [-Infinity, /-Infinity/],
    [null, /null as a key.*filter before keyBy/],
    [undefined, /undefined as a key/],
    [{}, /an object as a key.*tuple \[a, b\]/],
    [new Money(), /an object/],
    [() => 1, /a function/],
    [Symbol("x"), /a symbol/],
    [VOID_NAMESPACE, /a symbol/],
    [new Date(0), /a Date.*use date\.getTime\(\)/],
    [new ArrayBuffer(1), /new Uint8Array\(buffer\)/],
    [new Uint16Array(1), /typed array other than Uint8Array/],
    [["a", null], /null/],
    [["a", [NaN]], /NaN/],
    [new Array(1), /undefined/],
  ];
  for (const [value, message] of cases) {
    throws(() => checkKey(value), (error) => error instanceof TypeError && message.test(error.message));
    const out = new ByteWriter();
    out.u8(7);
    // A caller without types can pass anything.
    throws(() => writeKey(out, value as Key), TypeError);
    deepStrictEqual([...out.view()], [7]);
  }
  const cyclic: Key[] = [];
  cyclic.push(cyclic);
  throws(() => checkKey(cyclic), /nested over 64 deep/);
  for (const value of ["", 0, -0, 1.5, 2n, true, new Uint8Array(1), ["a", [1]]]) checkKey(value);
});

test("readNamespace returns what writeNamespace wrote; none takes one byte and sorts first", () => {
  const out = new ByteWriter();
  writeNamespace(out, VOID_NAMESPACE);
  equal(out.length, 1);
  writeNamespace(out, [1, 2]);
  const input = new ByteReader(out.view());
  equal(readNamespace(input), VOID_NAMESPACE);
  deepStrictEqual(readNamespace(input), [1, 2]);
  fc.assert(fc.property(key, (value) => ok(encode(value)[0]! > 0x02)));
});

test("readKey of arbitrary bytes gives a key with those very bytes or a StreamError of kind corrupt", () => {
  const tag = fc.constantFrom(0x10, 0x11, 0x20, 0x30, 0x40, 0x50, 0x60, 0x60, 0x00, 0x01);
  const junk = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.tuple(tag, fc.array(fc.oneof(tag, fc.nat(255)), { maxLength: 30 }))
      .map(([first, rest]) => Uint8Array.of(first, ...rest)),
    // An encoding with one byte changed.
    fc.tuple(key, fc.nat(), fc.nat(255)).map(([value, at, byte]) => {
      const encoded = encode(value);
      encoded[at % encoded.length] = byte;
      return encoded;
    }),
    fc.tuple(key, fc.nat()).map(([value, cut]) => encode(value).subarray(0, cut % 12)),
  );
  fc.assert(
    fc.property(junk, (encoded) => {
      const input = new ByteReader(encoded);
      let value: Key;
      try {
        value = readKey(input);
      } catch (error) {
        ok(error instanceof StreamError && error.kind === "corrupt", String(error));
        return;
      }
      equal(order(encode(value), encoded.subarray(0, input.position)), 0);
    }),
    { numRuns: 2_000 },
  );
  throws(() => readKey(new ByteReader(new Uint8Array(100_000).fill(0x60))), /nested over 64 deep/);
});

test("key bytes stay as documented", () => {
  const hex = (value: Key) => Array.from(encode(value), (byte) => byte.toString(16).padStart(2, "0")).join("");
  equal(hex(false), "10");
  equal(hex(true), "11");
  equal(hex(0), "208000000000000000");
  equal(hex(1), "20bff0000000000000");
  equal(hex(-1), "20400fffffffffffff");
  equal(hex(0n), "300100");
  equal(hex(258n), "300101020102");
  equal(hex(-1n), "3000fefefe");
  equal(hex("a\0é€\ud83d\ude00"), "406100ffc3a9e282aceda0bdedb8800000");
  equal(hex(Uint8Array.of(1, 0, 2)), "500100ff020000");
  equal(hex(["a", [true]]), "60406100006011" + "0000");
});
