import { deepEqual, equal, match, throws } from "node:assert/strict";
import { test } from "node:test";
import { auto } from "../../core/auto_serializer.ts";
import { builtInSerializer } from "../../core/builtin_serializers.ts";
import { ByteReader, ByteWriter } from "../../core/bytes.ts";
import { cbor } from "../../core/cbor_serializer.ts";
import {
  aggregatingState,
  listState,
  mapState,
  reducingState,
  type StateDescriptor,
  type StateOptions,
  valueState,
} from "../../core/descriptors.ts";
import { StreamError } from "../../core/errors.ts";
import {
  bigint,
  bool,
  bytes,
  type Compatibility,
  compatibilityOf,
  f64,
  type Serializer,
  type SerializerSnapshot,
  snapshotOf,
  str,
} from "../../core/serializer.ts";
import { Expiry, StampedSerializer } from "../../core/stamped_value.ts";
import { stateTtl } from "../../core/state_ttl.ts";
import { compatibilityOfState, readerOf, readersOf } from "../../core/state_compatibility.ts";
import { TextNumber } from "../contracts/snapshot_sample.ts";

const by = (id: string, version = 1, schemaVersion = 1): SerializerSnapshot => ({ id, version, schemaVersion });
const AGGREGATE = {
  create: () => 0,
  add: (sum: number, input: number) => sum + input,
  result: (sum: number) => sum,
  merge: (left: number, right: number) => left + right,
};

function bytesOf<T>(serializer: Serializer<T>, value: T): ByteReader {
  const out = new ByteWriter();
  serializer.write(value, out);
  return new ByteReader(out.copy());
}

test("a state without version and serializer leaves the choice to its values, one with a version says so", () => {
  equal(valueState<number>("a").serializer, undefined);
  equal(valueState<number>("a", { serializer: f64 }).serializer, f64);
  deepEqual(snapshotOf(valueState<number>("a", { version: 3 }).serializer!), by("auto", 1, 3));
  deepEqual(snapshotOf(listState<number>("a", { version: 3, serializer: f64 }).serializer!), by("f64", 1, 3));
  const inferred = valueState("a", { version: 2, migrate: (old) => ({ sum: Number(old), count: 0 }) });
  const value: { sum: number; count: number } | null = inferred.makeDefault?.() ?? null; // the type follows migrate()
  equal(value, null);
});

test("a version that is no integer from 1 on, and a migrate() that nobody would call, are refused, for each kind", () => {
  // Wrong on purpose, as a JavaScript user may write it.
  const declare = (options: unknown) => [
    () => valueState<number>("a", options as StateOptions<number>),
    () => listState<number>("a", options as StateOptions<number>),
    () => mapState<string, number>("a", options as StateOptions<number>),
    () => reducingState<number>("a", Math.max, options as StateOptions<number>),
    () => aggregatingState<number, number, number>("a", AGGREGATE, options as StateOptions<number>),
  ];
  for (const version of [0, -1, 1.5, NaN, Infinity, "2", null, 1e15]) {
    for (const one of declare({ version })) throws(one, RangeError);
  }
  const useless =
    /Cannot declare state "a": it has migrate\(\) but version 1, below which there is none; raise version/;
  for (const one of declare({ migrate: () => 1 })) throws(one, useless);
  for (const one of declare({ version: 1, migrate: () => 1 })) throws(one, useless);
  for (const one of declare({ previousSerializers: [f64] })) throws(one, /it has previousSerializers but version 1/);
  for (const one of declare({ version: 2, migrate: 7 })) throws(one, TypeError);
});

test("compatibilityOfState tells the outcome and the reason for descriptors and serializers [77] [78] [79]", () => {
  const migrate = () => 1;
  const text = new TextNumber(2);
  const reader = (): Serializer<number> => ({ ...wrap(f64), compatibilityWith: () => "as-is" });
  const adapting: Serializer<number> = {
    ...wrap(f64),
    compatibilityWith: () => "reconfigured",
    reconfigure: reader,
  };
  const broken: Serializer<number> = { ...wrap(f64), compatibilityWith: () => "reconfigured" };
  const boasting: Serializer<number> = { ...wrap(f64), compatibilityWith: () => "migrate" };
  const outcomes: readonly [Parameters<typeof compatibilityOfState>, Compatibility, RegExp][] = [
    [[valueState("a"), { ...by("auto"), kind: "value" }], "as-is", /read as they are/],
    [[valueState("a"), { ...by("auto"), kind: "list" }], "incompatible", /list state there and value state here/],
    [
      [valueState("a"), by("f64")],
      "incompatible",
      /which it cannot read; declare the state with a serializer that can/,
    ],
    [[valueState("a", { version: 2 }), by("auto", 1, 2)], "as-is", /as they are/],
    [[valueState("a", { version: 2 }), by("auto")], "incompatible", /for which no migrate\(\) is declared/],
    [[valueState("a", { version: 2, migrate }), by("auto")], "migrate", /from version 1 to 2/],
    [[valueState("a", { version: 2, migrate }), by("f64")], "migrate", /from version 1 to 2/],
    [
      [valueState("a", { version: 2, migrate }), by("f64", 2)],
      "incompatible",
      /hand the serializer that wrote them to/,
    ],
    [[valueState("a", { version: 2, migrate }), by("f64", 1, 2)], "incompatible", /which it cannot read; .* raise its/],
    [[valueState("a", { version: 2, migrate }), by("auto", 1, 3)], "incompatible", /later than 2; start a program/],
    [[valueState("a", { version: 2, migrate }), by("text-number")], "incompatible", /previousSerializers/],
    [[valueState("a", { version: 2, migrate, previousSerializers: [text] }), by("text-number")], "migrate", /1 to 2/],
    [[text, by("text-number")], "migrate", /the serializer migrates its own values/],
    [[text, by("text-number", 3)], "incompatible", /which it cannot read/],
    [[f64, by("f64", 1, 2)], "incompatible", /later than 1/],
    [[adapting, by("other")], "reconfigured", /reconfigures itself/],
    [[broken, by("other")], "incompatible", /it has no reconfigure\(\); correct the serializer/],
    [[boasting, by("other")], "incompatible", /it has no migrate\(\); correct the serializer/],
    [[listState("a", { version: 2, serializer: adapting }), by("x", 1, 2)], "reconfigured", /reconfigures itself/],
    [[listState("a", { version: 2, serializer: broken }), by("x", 1, 2)], "incompatible", /which it cannot read/],
  ];
  for (const [[declared, written], outcome, reason] of outcomes) {
    const answer = compatibilityOfState(declared, written);
    equal(answer.outcome, outcome, `${JSON.stringify(written)}: ${answer.detail}`);
    match(answer.detail, reason);
    const serializer = "kind" in declared ? declared.serializer ?? auto<unknown>() : declared;
    if (outcome !== "incompatible") readerOf(serializer, written, 'state "a"');
    else if (!("kind" in written)) {
      throws(() => readerOf(serializer, written, 'state "a"'), /^StreamError: Cannot restore/);
    }
  }
});

/** The members of a serializer as own properties. */
function wrap(serializer: Serializer<number>): Serializer<number> {
  const { id, version, immutable } = serializer;
  return {
    id,
    version,
    immutable,
    write: (value, out) => serializer.write(value, out),
    read: (input) => serializer.read(input),
    compatibilityWith: (previous) => serializer.compatibilityWith(previous),
  };
}

test("readerOf reads values of every built-in serializer for migrate(), whatever the state has now [77] [84]", () => {
  const samples: readonly [Serializer<unknown>, unknown][] = [
    // Each is only given its own values.
    [f64 as Serializer<unknown>, -0.5],
    [str as Serializer<unknown>, "tea"],
    [bytes as Serializer<unknown>, Uint8Array.of(1, 2)],
    [bool as Serializer<unknown>, true],
    [bigint as Serializer<unknown>, -(2n ** 70n)],
    [auto(), { a: [1, "b"] }],
    [cbor(), new Map([["k", 1]])],
  ];
  for (const [before, value] of samples) {
    equal(builtInSerializer(before.id, before.version), before);
    for (const [now] of samples) {
      const state = valueState<unknown>("a", { version: 4, serializer: now, migrate: (old, from) => [old, from] });
      const reader = readerOf(state.serializer!, { ...snapshotOf(before), schemaVersion: 3 }, 'state "a"');
      equal(reader.outcome, "migrate");
      deepEqual(reader.read(bytesOf(before, value)), [value, 3]);
    }
  }
  equal(builtInSerializer("f64", 2), undefined);
});

test("a value with bytes behind it is damage, and never reaches migrate() [77]", () => {
  const state = valueState<unknown>("a", { version: 2, migrate: () => throws(() => {}) });
  const reader = readerOf(state.serializer!, by("bool"), 'state "a"');
  throws(
    () => reader.read(new ByteReader(Uint8Array.of(1, 1))),
    (error) => error instanceof StreamError && error.kind === "corrupt",
  );
});

test("migrate() may give null for a map's value, nowhere undefined, and null nowhere else [77]", () => {
  const give = (value: unknown) => ({ version: 2, migrate: () => value });
  const read = (serializer: Serializer<unknown> | undefined) =>
    readerOf(serializer!, by("f64"), 'state "a"').read(bytesOf(f64, 1));
  equal(read(mapState<string, unknown>("a", give(null)).serializer), null);
  throws(() => read(mapState<string, unknown>("a", give(undefined)).serializer), /has returned undefined, it must/);
  for (const make of [valueState<unknown>, listState<unknown>]) {
    throws(() => read(make("a", give(null)).serializer), /has returned null, it must return a value/);
  }
});

test("a reconfigured serializer must do for all writers; one that never has enough is refused [78]", () => {
  /** Reads one version, and with a memory those that it has read before; becomes the one for what it meets. */
  const only = (version: number, hasMemory: boolean, also: readonly number[] = []): Serializer<number> => ({
    ...wrap(f64),
    id: "only",
    version,
    read: (input) => f64.read(input) + version / 10,
    compatibilityWith: (previous) =>
      previous.version === version || also.includes(previous.version) ? "as-is" : "reconfigured",
    reconfigure: (previous) => only(previous.version, hasMemory, hasMemory ? [...also, version] : []),
  });
  const one = readerOf(only(3, true), by("only", 2), 'state "a"');
  equal(one.serializer.version, 2);
  equal(one.read(bytesOf(f64, 7)), 7.2);
  const both = readersOf(only(3, true), [by("only", 1), by("only", 2)], 'state "a"');
  deepEqual([both.serializer.version, both.readers.length], [2, 2]);
  throws(
    () => readersOf(only(3, false), [by("only", 1), by("only", 2)], 'state "a"'),
    /it asks to be reconfigured again and again; correct its compatibilityWith\(\)/,
  );
});

test("compatibilityOf looks at the version of what values mean too [77]", () => {
  const serializer = { id: "point", version: 2, schemaVersion: 3 };
  equal(compatibilityOf(serializer, by("point", 2, 3)), "as-is");
  equal(compatibilityOf(serializer, by("point", 2, 2)), "incompatible");
  equal(compatibilityOf({ ...serializer, migrate: () => 1 }, by("point", 2, 2)), "migrate");
  equal(compatibilityOf({ ...serializer, migrate: () => 1 }, by("point", 1, 4)), "incompatible");
});

test("a time to live comes and goes without a question of the serializer [86]", () => {
  const expiry = new Expiry(stateTtl({ time: 1 }), { nowMs: 0, tick: 0, baseMs: 0 }, () => 0);
  const serializer = new StampedSerializer(f64, expiry, false);
  const declared: StateDescriptor = { kind: "list", name: "a", serializer };
  equal(compatibilityOfState(declared, { kind: "list", ...by("f64") }).outcome, "as-is");
  equal(compatibilityOfState(declared, { kind: "list", ...by("str") }).outcome, "incompatible");
});
