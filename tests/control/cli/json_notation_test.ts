import { deepEqual, equal, match, throws } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseKey, toJson } from "../../../control/cli/json_notation.ts";
import { UsageError } from "../../../control/usage_error.ts";
import { ByteWriter } from "../../../core/bytes.ts";
import { type Key, writeKey } from "../../../core/key.ts";

test("toJson() says every value that a built-in serializer writes", () => {
  const cases: [unknown, string][] = [
    [1.5, "1.5"],
    ["a\u0000", '"a\\u0000"'],
    [null, "null"],
    [true, "true"],
    [undefined, '{"$undefined":true}'],
    [-0, '{"$number":"-0"}'],
    [NaN, '{"$number":"NaN"}'],
    [-Infinity, '{"$number":"-Infinity"}'],
    [-12n, '{"$bigint":"-12"}'],
    [Uint8Array.of(0, 255), '{"$bytes":"AP8="}'],
    [Uint8Array.of(9, 0, 255, 9).subarray(1, 3), '{"$bytes":"AP8="}'],
    [new Date(5), '{"$date":5}'],
    [new Date(NaN), '{"$date":null}'],
    [new Map([[1n, "x"]]), '{"$map":[[{"$bigint":"1"},"x"]]}'],
    [new Set([1, NaN]), '{"$set":[1,{"$number":"NaN"}]}'],
    [Float64Array.of(1, NaN), '{"$array":["Float64Array",1,{"$number":"NaN"}]}'],
    [BigInt64Array.of(1n), '{"$array":["BigInt64Array",{"$bigint":"1"}]}'],
    [[1, [2n]], '[1,[{"$bigint":"2"}]]'],
    [{ a: 1, b: { c: NaN } }, '{"a":1,"b":{"c":{"$number":"NaN"}}}'],
    [{ $date: 1 }, '{"$object":[["$date",1]]}'],
    [JSON.parse('{"__proto__":1}'), '{"__proto__":1}'],
  ];
  for (const [value, expected] of cases) equal(JSON.stringify(toJson(value)), expected);
});

test("parseKey() reads back each key that toJson() has said", () => {
  const { key } = fc.letrec<{ key: Key }>((tie) => ({
    key: fc.oneof(
      { maxDepth: 3 },
      fc.string({ unit: "binary" }),
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((number) => number + 0),
      fc.bigInt(),
      fc.boolean(),
      fc.uint8Array({ maxLength: 5 }),
      fc.array(tie("key"), { maxLength: 3 }),
    ),
  }));
  const bytesOf = (one: Key) => {
    const out = new ByteWriter();
    writeKey(out, one);
    return out.copy();
  };
  fc.assert(fc.property(key, (one) => {
    deepEqual(bytesOf(parseKey(JSON.stringify(toJson(one)), "key")), bytesOf(one));
  }));
});

test("parseKey() takes what is no JSON as a string, and refuses JSON that is no key", () => {
  deepEqual([parseKey("ORD", "key"), parseKey('"12"', "key"), parseKey("12", "key")], ["ORD", "12", 12]);
  for (const text of ["null", "{}", '{"a":1}', "[null]", '{"$bigint":"x"}', '{"$bytes":1}']) {
    throws(() => parseKey(text, "key"), (error: Error) => {
      match(error.message, /^Cannot use --key .*as a key/);
      return error instanceof UsageError;
    });
  }
});
