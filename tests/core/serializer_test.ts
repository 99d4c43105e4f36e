import { test } from "node:test";
import { deepStrictEqual, doesNotThrow, equal, notEqual, ok, throws } from "node:assert/strict";
import fc from "fast-check";
import { auto } from "../../core/auto_serializer.ts";
import { ByteReader, ByteWriter } from "../../core/bytes.ts";
import { cbor } from "../../core/cbor_serializer.ts";
import { StreamError } from "../../core/errors.ts";
import {
  bigint,
  bool,
  bytes,
  compatibilityOf,
  f64,
  isImmutable,
  type Serializer,
  snapshotOf,
  str,
  writeValue,
} from "../../core/serializer.ts";

/** Writes among other bytes and reads back from exactly that part. */
function roundTrip<T>(serializer: Serializer<T>, value: T): T {
  const out = new ByteWriter(1);
  out.u8(0xee);
  serializer.write(value, out);
  const end = out.length;
  out.u32(0xdeadbeef);
  const snapshot = out.copy();
  const input = new ByteReader(snapshot, 1, end);
  const back = serializer.read(input);
  equal(input.position, end);
  snapshot.fill(0xaa); // What was read must not share memory with the snapshot.
  return back;
}

/**
 * The value with Maps and Sets as lists, so that they are compared in order: matching object keys in any order is
 * undecided between runtimes.
 */
function listed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(listed);
  if (value instanceof Map) return { map: [...value].map(listed) };
  if (value instanceof Set) return { set: [...value].map(listed) };
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value) || value instanceof Date) return value;
  const copy: object = Object.create(Object.getPrototypeOf(value));
  for (const [key, part] of Object.entries(value)) {
    Object.defineProperty(copy, key, { value: listed(part), enumerable: true });
  }
  return copy;
}

const text = fc.oneof(
  fc.string(),
  fc.string({ unit: "binary" }),
  fc.array(fc.oneof(fc.nat(0xffff), fc.integer({ min: 0xd800, max: 0xdfff }))).map((u) => String.fromCharCode(...u)),
);
const bare = (object: Record<string, unknown>): unknown => Object.assign(Object.create(null), object);
const leaf = fc.oneof(
  text,
  fc.double(),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.constantFrom(0, -0, NaN, Infinity, undefined, null, true, false, 2 ** 53, 2 ** 64, 0.1),
  fc.bigInt(),
  fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }),
  fc.date({ noInvalidDate: false }),
  fc.uint8Array(),
  fc.uint8ClampedArray(),
  fc.int8Array(),
  fc.uint16Array(),
  fc.int16Array(),
  fc.uint32Array(),
  fc.int32Array(),
  fc.float32Array(),
  fc.float64Array(),
  fc.bigInt64Array(),
  fc.bigUint64Array(),
);
const name = fc.oneof(text, fc.constantFrom("__proto__", "constructor", "hasOwnProperty", "toJSON", "length", "1", ""));
const plain = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    leaf,
    fc.array(tie("value"), { maxLength: 5 }),
    fc.dictionary(name, tie("value"), { maxKeys: 5, noNullPrototype: true }),
    fc.dictionary(text, tie("value"), { maxKeys: 3, noNullPrototype: true }).map(bare),
    fc.array(fc.tuple(tie("value"), tie("value")), { maxLength: 4 }).map((entries) => new Map(entries)),
    fc.array(tie("value"), { maxLength: 4 }).map((values) => new Set(values)),
  ),
})).value;

test("cbor and auto return plain data exactly as it was, -0, undefined and lone surrogates included", () => {
  fc.assert(
    fc.property(plain, (value) => {
      deepStrictEqual(listed(roundTrip(cbor<unknown>(), value)), listed(value));
      deepStrictEqual(listed(roundTrip(auto<unknown>(), value)), listed(value));
      cbor<unknown>().check?.(value, "state");
    }),
    { numRuns: 1_000 },
  );
});

test("cbor returns what CBOR libraries are known to change", () => {
  const many: Record<string, number> = {};
  for (let i = 0; i < 70_000; i++) many[`k${i}`] = i;
  const padded = new Float64Array([9, 1, 2, 9]).subarray(1, 3);
  const shared = new Uint8Array(new SharedArrayBuffer(4));
  const values: unknown[] = [
    -0,
    { a: [-0] },
    "\ud800",
    { "\udc00": "\ud83d" },
    JSON.parse('{"__proto__":{"polluted":1},"a":2}'),
    { constructor: "x", hasOwnProperty: 1 },
    bare({ a: 1 }),
    new Map([["a", undefined]]),
    new Map<unknown, unknown>([[{ k: 1 }, [new Map()]]]),
    new Date(8.64e15),
    new Date(-8.64e15),
    new Date(NaN),
    2n ** 64n,
    -(2n ** 64n),
    -(2n ** 64n) - 1n,
    0n,
    padded,
    many,
    Array.from({ length: 70_000 }, (_, i) => i),
    "x".repeat(100_000),
    "é".repeat(100_000),
  ];
  for (const value of values) deepStrictEqual(roundTrip(cbor<unknown>(), value), value);
  deepStrictEqual(roundTrip(cbor<unknown>(), shared), new Uint8Array(4));
  equal(({} as { polluted?: unknown }).polluted, undefined);
});

test("reading typed arrays copies: neither side sees a change of the other", () => {
  for (const serializer of [cbor<Uint8Array>(), auto<Uint8Array>(), bytes]) {
    const value = Uint8Array.of(1, 2, 3);
    const out = new ByteWriter();
    serializer.write(value, out);
    value.fill(9);
    const snapshot = out.copy();
    const back = serializer.read(new ByteReader(snapshot));
    deepStrictEqual([...back], [1, 2, 3]);
    back.fill(7);
    deepStrictEqual([...serializer.read(new ByteReader(snapshot))], [1, 2, 3]);
    notEqual(back.buffer, snapshot.buffer);
  }
});

test("a value that would not come back as it is is refused, naming the state and the field", () => {
  class Money {
    amount = 1;
  }
  const cyclic: unknown[] = [];
  cyclic.push({ self: cyclic });
  const cases: [unknown, string, RegExp][] = [
    [{ items: [0, 1, 2, { price: new Money() }] }, ".items[3].price", /an instance of Money.*plain object/],
    [() => 1, "it", /a function/],
    [{ a: { "b c": () => 1 } }, '.a["b c"]', /a function/],
    [[Symbol("x")], "[0]", /a symbol/],
    [new ArrayBuffer(2), "it", /ArrayBuffer.*Uint8Array/],
    [{ view: new DataView(new ArrayBuffer(2)) }, ".view", /DataView.*Uint8Array/],
    [{ cause: new RangeError("x") }, ".cause", /RangeError.*\{ name, message \}/],
    [/x/g, "it", /RegExp.*source and flags/],
    [new Array(3), "it", /holes/],
    [{ match: /a(b)/.exec("ab") }, ".match", /named properties/],
    [new Map([["k", [new Money()]]]), '.get("k")[0]', /Money/],
    [new Map([[new Money(), 1]]), ".keys()", /Money/],
    [new Set([1, new Money()]), ".values()[1]", /Money/],
    [{ [Symbol("x")]: 1 }, "it", /symbol properties/],
    [Object.assign(new Map(), { extra: 1 }), "it", /instance of Map/],
    [new (class Bag extends Map {})(), "it", /instance of Bag/],
    [new (class Rows extends Array {})(), "it", /instance of Rows/],
    [new (class Wide extends Uint8Array {})(1), "it", /instance of Wide.*new Uint8Array/],
    [Object.create({ inherited: 1 }), "it", /instance of/],
    [new WeakMap(), "it", /WeakMap/],
    [Promise.resolve(), "it", /Promise/],
    [Object("boxed"), "it", /String/],
    [cyclic, "[0].self[0].self", /cycle/],
  ];
  for (const [value, path, message] of cases) {
    const named = (where: string) => (error: unknown) => {
      ok(error instanceof StreamError, String(error));
      equal(error.kind, "invalid");
      ok(error.message.startsWith(`Cannot store a value in ${where}: ${path}`), error.message);
      ok(message.test(error.message), error.message);
      return true;
    };
    for (const serializer of [cbor<unknown>(), auto<unknown>()]) {
      throws(() => serializer.check?.(value, 'state "total"'), named('state "total"'));
      const out = new ByteWriter();
      out.u8(1);
      throws(() => writeValue(serializer, value, out, 'state "total"'), named('state "total"'));
      equal(out.length, 1);
      throws(() => serializer.write(value, new ByteWriter()), named("state"));
    }
  }
});

test("f64, str, bytes, bool and bigint return what was written", () => {
  fc.assert(fc.property(fc.double(), (value) => deepStrictEqual(roundTrip(f64, value), value)));
  fc.assert(fc.property(text, (value) => equal(roundTrip(str, value), value)));
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (value) => deepStrictEqual(roundTrip(bytes, value), value)));
  fc.assert(fc.property(fc.boolean(), (value) => equal(roundTrip(bool, value), value)));
  fc.assert(fc.property(fc.bigInt(), (value) => equal(roundTrip(bigint, value), value)));
  for (const value of ["", "x".repeat(5_000), "é".repeat(5_000), "\ud83d\ude00".repeat(5_000), "\ud800".repeat(33)]) {
    equal(roundTrip(str, value), value);
  }
});

test("a built-in serializer refuses a value of another type, naming the state", () => {
  const cases: [Serializer<never>, unknown, RegExp][] = [
    [f64 as Serializer<never>, "1", /type string, must be a number for serializer "f64"/],
    [str as Serializer<never>, 1, /type number, must be a string/],
    [bytes as Serializer<never>, [1], /an array, must be a Uint8Array/],
    [bool as Serializer<never>, null, /null, must be a boolean/],
    [bigint as Serializer<never>, 1, /type number, must be a bigint/],
  ];
  for (const [serializer, value, message] of cases) {
    const write = () => writeValue(serializer, value as never, new ByteWriter(), 'state "n"');
    throws(write, (error) => error instanceof StreamError && error.kind === "invalid" && message.test(error.message));
    throws(write, /state "n"/);
    throws(() => serializer.write(value as never, new ByteWriter()), StreamError);
  }
});

test("writeValue wraps the error of a user's serializer, keeps its cause and takes back what it wrote [35]", () => {
  const cause = new Error("no such currency");
  const failing: Serializer<string> = {
    id: "money",
    version: 1,
    immutable: false,
    write: (_value, out) => {
      out.u32(1);
      throw cause;
    },
    read: () => "",
    compatibilityWith: (previous) => compatibilityOf(failing, previous),
  };
  const out = new ByteWriter();
  throws(() => writeValue(failing, "x", out, 'state "price"'), (error) => {
    ok(error instanceof StreamError && error.kind === "invalid" && error.cause === cause);
    ok(/state "price".*"money".*no such currency/.test(error.message), error.message);
    return true;
  });
  equal(out.length, 0);
});

test("auto keeps primitives small", () => {
  const table: [unknown, number][] = [
    [0, 2],
    [-1, 2],
    [63, 2],
    [64, 3],
    [2 ** 31 - 1, 6],
    [-(2 ** 31), 6],
    [2 ** 31, 9],
    [-0, 9],
    [0.5, 9],
    ["abc", 4],
    [true, 1],
    [null, 1],
    [undefined, 1],
    [0n, 2],
  ];
  for (const [value, size] of table) {
    const out = new ByteWriter();
    auto<unknown>().write(value, out);
    equal(out.length, size, String(value));
    deepStrictEqual(roundTrip(auto<unknown>(), value), value);
  }
});

test("compatibilityOf: same version as-is, older with migrate migrate, all else incompatible [77]", () => {
  const v2 = { id: "point", version: 2, schemaVersion: 1 };
  const migrating = { ...v2, migrate: () => 0 };
  equal(compatibilityOf(v2, { id: "point", version: 2, schemaVersion: 1 }), "as-is");
  equal(compatibilityOf(v2, { id: "point", version: 1, schemaVersion: 1 }), "incompatible");
  equal(compatibilityOf(migrating, { id: "point", version: 1, schemaVersion: 1 }), "migrate");
  equal(compatibilityOf(migrating, { id: "point", version: 3, schemaVersion: 1 }), "incompatible");
  equal(compatibilityOf(migrating, { id: "other", version: 2, schemaVersion: 1 }), "incompatible");
  const all = [f64, str, bytes, bool, bigint, cbor(), auto()] as Serializer<never>[]; // only ids and versions are used
  for (const a of all) {
    for (const b of all) {
      equal(a.compatibilityWith(snapshotOf(b)), a === b ? "as-is" : "incompatible");
    }
  }
});

test("isImmutable holds for primitives only, and serializers of primitives say so", () => {
  for (const value of [1, "a", 1n, true, null, undefined, Symbol("x")]) ok(isImmutable(value));
  for (const value of [{}, [], () => 1, new Uint8Array(1)]) ok(!isImmutable(value));
  const immutable = [f64, str, bytes, bool, bigint, cbor(), auto()].map((serializer) => serializer.immutable);
  deepStrictEqual(immutable, [true, true, false, true, true, false, false]);
});

test("reading arbitrary bytes gives a value or a StreamError of kind corrupt", () => {
  // Only read from, so the type of what they write does not matter.
  const all = [f64, str, bytes, bool, bigint, cbor(), auto()] as Serializer<unknown>[];
  const tag = fc.constantFrom(0x04, 0x07, 0x08, 0x09);
  const junk = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.tuple(tag, fc.uint8Array({ maxLength: 40 })).map(([first, rest]) => Uint8Array.of(first, ...rest)),
    fc.tuple(fc.array(fc.nat(0x0d), { maxLength: 30 })).map(([rest]) => Uint8Array.of(0x09, ...rest)),
  );
  fc.assert(
    fc.property(junk, fc.constantFrom(...all), (encoded, serializer) => {
      try {
        serializer.read(new ByteReader(encoded));
      } catch (error) {
        ok(error instanceof StreamError && error.kind === "corrupt", String(error));
      }
    }),
    { numRuns: 3_000 },
  );
  throws(
    () => cbor().read(new ByteReader(Uint8Array.of(0x09, ...new Array(2_000).fill([7, 1]).flat()))),
    /over 512 deep/,
  );
  throws(() => cbor().read(new ByteReader(Uint8Array.of(0x09, 0x01, 0x01))), /bytes follow/);
  throws(() => cbor().read(new ByteReader(Uint8Array.of(0x08, 0x01, 0x01))), StreamError);
  doesNotThrow(() => cbor().read(new ByteReader(Uint8Array.of(0x09, 0x01))));
});

test("cbor works on after a failed read and after a refused write", () => {
  throws(() => cbor().read(new ByteReader(Uint8Array.of(0x08, 0x82))), StreamError);
  throws(() => cbor<unknown>().write({ a: () => 1 }, new ByteWriter()), StreamError);
  deepStrictEqual(roundTrip(cbor<unknown>(), { a: [1, { b: "c" }] }), { a: [1, { b: "c" }] });
});

test("values nested 500 deep work", () => {
  let deep: unknown = 1;
  for (let i = 0; i < 500; i++) deep = i % 2 === 0 ? [deep] : { d: deep };
  deepStrictEqual(roundTrip(cbor<unknown>(), deep), deep);
  deepStrictEqual(roundTrip(cbor<unknown>(), [deep, -0]), [deep, -0]);
});
