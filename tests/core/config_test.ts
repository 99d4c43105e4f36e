import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Configuration } from "../../core/config.ts";
import {
  booleanOption,
  doubleOption,
  durationOption,
  enumOption,
  intOption,
  isExportReference,
  isJavaClassName,
  isSecretKey,
  listOption,
  sizeOption,
  stringOption,
} from "../../core/config_option.ts";
import { formatDuration, formatSize, parseDurationMs, parseSizeBytes } from "../../core/config_units.ts";
import { StreamError } from "../../core/errors.ts";
import { editDistance, nearestName } from "../../core/nearest_name.ts";

const TIMEOUT = durationOption("demo.timeout", {
  default: 10_000,
  min: 1,
  oldNames: ["demo.wait"],
  description: "Longest wait.",
});
const COLOR = enumOption("demo.color", ["DARK_RED", "blue"], {
  default: "blue",
  oldValues: { crimson: "DARK_RED" },
  refusedValues: { green: "green comes in a later version" },
  description: "Color.",
});
const COUNT = intOption("demo.count", { default: 3, min: 1, max: 9, description: "Count." });

function invalid(pattern: RegExp): (error: unknown) => boolean {
  return (error) => {
    ok(error instanceof StreamError);
    equal(error.kind, "invalid");
    ok(pattern.test(error.message), error.message);
    return true;
  };
}

test("parseDurationMs reads the spellings that Flink reads, a plain number as milliseconds", () => {
  const cases: [string, number | undefined][] = [
    ["10 min", 600_000],
    ["500 ms", 500],
    ["1 s", 1_000],
    ["2 h", 7_200_000],
    ["3 d", 259_200_000],
    ["250", 250],
    ["1.5s", 1_500],
    ["10MIN", 600_000],
    [" 7 days ", 604_800_000],
    ["0.5 ms", undefined],
    ["-1 s", undefined],
    ["10 parsecs", undefined],
    ["constructor", undefined],
    ["5 constructor", undefined],
    ["", undefined],
  ];
  for (const [text, durationMs] of cases) equal(parseDurationMs(text), durationMs, text);
});

test("parseSizeBytes counts in powers of 1,024, a plain number as bytes", () => {
  const cases: [string, number | undefined][] = [
    ["64 mb", 64 * 1024 ** 2],
    ["20 kb", 20_480],
    ["1g", 1024 ** 3],
    ["2 TiB", 2 * 1024 ** 4],
    ["512", 512],
    ["512 bytes", 512],
    ["20 zb", undefined],
    ["kb", undefined],
  ];
  for (const [text, sizeBytes] of cases) equal(parseSizeBytes(text), sizeBytes, text);
});

test("formatDuration and formatSize write what the parsers read back as the same number", () => {
  const quantity = fc.oneof(
    fc.nat(),
    fc.nat(100_000).map((n) => n * 60_000),
    fc.nat(100_000).map((n) => n * 1024 ** 2),
  );
  fc.assert(fc.property(quantity, (n) => parseDurationMs(formatDuration(n)) === n));
  fc.assert(fc.property(quantity, (n) => parseSizeBytes(formatSize(n)) === n));
  equal(formatDuration(600_000), "10 min");
  equal(formatSize(20_480), "20 kb");
});

test("options accept values of their type and text, and refuse everything else with what they want", () => {
  equal(TIMEOUT.parse("2 min"), 120_000);
  equal(TIMEOUT.parse(250), 250);
  throws(() => TIMEOUT.parse("soon", "-D"), invalid(/"demo\.timeout" from -D: value is "soon", must be a duration/));
  throws(() => TIMEOUT.parse(0), invalid(/of at least 1 ms/));
  throws(() => TIMEOUT.parse(true), invalid(/value is true/));
  equal(COUNT.parse("7"), 7);
  for (const raw of ["7.5", 10, "0", "", null, {}, [1], Infinity, "infinite"]) {
    throws(() => COUNT.parse(raw), invalid(/a whole number in 1 \.\. 9/));
  }
  const share = doubleOption("demo.share", { default: 0.1, min: 0, max: 1, description: "Share." });
  equal(share.parse("0.25"), 0.25);
  throws(() => share.parse("1.5"), invalid(/a number in 0 \.\. 1/));
  throws(() => share.parse("0x1"), invalid(/a number/));
  const flag = booleanOption("demo.flag", { default: false, description: "Flag." });
  equal(flag.parse("TRUE"), true);
  equal(flag.parse(false), false);
  throws(() => flag.parse("yes"), invalid(/true or false/));
  const size = sizeOption("demo.size", { default: 0, max: 1024, description: "Size." });
  throws(() => size.parse("2 kb"), invalid(/of at most 1 kb/));
  const names = listOption("demo.names", { default: [], description: "Names." });
  deepEqual(names.parse("a; b,,c"), ["a", "b", "c"]);
  deepEqual(names.parse(["a", 1]), ["a", "1"]);
  throws(() => names.parse([{}]), invalid(/a list/));
  equal(stringOption("demo.name", { default: undefined, description: "Name." }).parse(17), "17");
});

test("intOption with infinite reads and writes it as a word", () => {
  const attempts = intOption("demo.attempts", { default: Infinity, infinite: true, min: 0, description: "Attempts." });
  equal(attempts.parse("infinite"), Infinity);
  equal(attempts.format(attempts.defaultValue), "infinite");
  equal(attempts.parse("2147483647"), 2147483647);
  throws(() => attempts.parse("-1"), invalid(/not negative or "infinite"/));
});

test("enumOption ignores case and the choice of - and _, knows old values, and gives the reason for refused ones", () => {
  for (const raw of ["DARK_RED", "dark-red", "Dark_Red", "crimson"]) equal(COLOR.parse(raw), "DARK_RED");
  throws(() => COLOR.parse("green"), invalid(/green comes in a later version/));
  throws(() => COLOR.parse("pink"), invalid(/must be one of DARK_RED, blue/));
});

test("reject of a declaration says what a value must be", () => {
  const even = intOption("demo.even", {
    default: 2,
    reject: (value) => (value % 2 === 0 ? undefined : "an even number"),
    description: "Even.",
  });
  equal(even.parse("4"), 4);
  throws(() => even.parse("5"), invalid(/value is "5", must be an even number/));
});

test("Configuration gives the value of the highest layer: code over -D over environment over file over default [265]", () => {
  const file = Configuration.of({ "demo.timeout": "1 s", "demo.count": "4" }, 'file "weir.yaml"');
  const environment = Configuration.of({ "demo.timeout": "2 s" }, "environment");
  const flags = Configuration.of({ "demo.timeout": "3 s" }, "-D");
  equal(Configuration.of({}).get(TIMEOUT), 10_000);
  equal(file.get(TIMEOUT), 1_000);
  equal(environment.over(file).get(TIMEOUT), 2_000);
  const layered = flags.over(environment).over(file);
  equal(layered.get(TIMEOUT), 3_000);
  equal(layered.get(COUNT), 4);
  equal(layered.originOf(COUNT), 'file "weir.yaml"');
  equal(layered.originOf(COLOR), "default");
  const code = layered.with({ "demo.timeout": 4_000, "demo.count": undefined });
  equal(code.get(TIMEOUT), 4_000);
  equal(code.get(COUNT), 4);
  equal(layered.get(TIMEOUT), 3_000);
});

test("Configuration finds an option under an old name and says the new one once", () => {
  const configuration = Configuration.of({ "demo.wait": "2 s" }, 'file "weir.yaml"');
  deepEqual(configuration.notices, []);
  equal(configuration.get(TIMEOUT), 2_000);
  equal(configuration.get(TIMEOUT), 2_000);
  ok(configuration.has(TIMEOUT));
  deepEqual(configuration.notices, ['Option "demo.wait" (file "weir.yaml") has a new name: "demo.timeout"']);
  // A higher layer wins whatever the spelling, and in one layer the new name does.
  equal(configuration.with({ "demo.timeout": "3 s" }).get(TIMEOUT), 3_000);
  equal(Configuration.of({ "demo.wait": "2 s", "demo.timeout": "5 s" }).get(TIMEOUT), 5_000);
});

test("checkKnown names the nearest key, the wanted type and the place of an unknown key", () => {
  const configuration = Configuration.of({ "demo.timout": "2 s" }, "environment");
  throws(
    () => configuration.checkKnown([COUNT, TIMEOUT]),
    invalid(/"demo\.timout" from environment: there is no such option; did you mean "demo\.timeout" \(a duration such/),
  );
  throws(() => Configuration.of({ "x.y": 1 }).checkKnown([COUNT]), invalid(/no such option; see docs/));
});

test("checkKnown reports every ill-typed value, also one that a higher layer hides", () => {
  const configuration = Configuration.of({ "demo.count": "5" }, "-D")
    .over(Configuration.of({ "demo.count": "many", "demo.timeout": "soon" }, 'file "weir.yaml"'));
  throws(() => configuration.checkKnown([COUNT, TIMEOUT]), (error) => {
    ok(error instanceof StreamError);
    equal(error.message.split("\n").length, 2);
    ok(/"demo\.count" from file "weir\.yaml": value is "many"/.test(error.message));
    return true;
  });
});

test("checkKnown gives the reason for keys that Flink has and Weir refuses", () => {
  const refused = [{ keyPattern: "demo.later.*", reason: "comes in a later version" }];
  throws(
    () => Configuration.of({ "demo.later.on": true }).checkKnown([COUNT], refused),
    invalid(/"demo\.later\.on" from code: comes in a later version/),
  );
  Configuration.of({ "demo.count": 2 }).checkKnown([COUNT], refused);
});

test("checkKnown collects the notices of old names", () => {
  const configuration = Configuration.of({ "demo.wait": "2 s" });
  configuration.checkKnown([TIMEOUT]);
  equal(configuration.notices.length, 1);
});

test("secret values are shown to nobody: not in shown(), not in errors", () => {
  for (const key of ["a.password", "a.secret-key", "a.token", "a.credentials", "a.apiKey", "a.api-key"]) {
    ok(isSecretKey(key), key);
  }
  const token = intOption("rest.token", { default: undefined, description: "Token." });
  const configuration = Configuration.of({ "rest.token": "hunter2", "demo.count": 4 }, "-D")
    .over(Configuration.of({ "demo.count": 5, "demo.names": ["a", "b"] }, "environment"));
  deepEqual(configuration.shown(), [
    { key: "demo.count", value: "4", origin: "-D" },
    { key: "demo.names", value: "a;b", origin: "environment" },
    { key: "rest.token", value: "******", origin: "-D" },
  ]);
  throws(() => configuration.get(token), (error) => {
    ok(error instanceof StreamError && !error.message.includes("hunter2"));
    return true;
  });
});

test("editDistance counts insertions, deletions, replacements and swaps", () => {
  const cases: [string, string, number][] = [
    ["", "", 0],
    ["", "abc", 3],
    ["abc", "abc", 0],
    ["abc", "acb", 1],
    ["abc", "abd", 1],
    ["kitten", "sitting", 3],
  ];
  for (const [left, right, distance] of cases) equal(editDistance(left, right), distance, `${left} ${right}`);
  fc.assert(fc.property(fc.string(), fc.string(), (left, right) => {
    const distance = editDistance(left, right);
    return distance === editDistance(right, left) && distance <= Math.max(left.length, right.length) &&
      distance >= Math.abs(left.length - right.length);
  }));
});

test("nearestName folds case and separators, knows the last part of a key, and offers nothing far away", () => {
  const keys = ["execution.checkpointing.interval", "execution.checkpointing.timeout", "state.backend.type"];
  equal(nearestName("execution.checkpointing.intervall", keys), keys[0]);
  equal(nearestName("EXECUTION_CHECKPOINTING_TIMEOUT", keys), keys[1]);
  equal(nearestName("timeout", keys), keys[1]);
  equal(nearestName("zzz", keys), undefined);
  equal(nearestName("m", ["n"]), undefined);
  equal(nearestName("rat", ["rate", "from"]), "rate");
});

test("a value is taken for a reference, a class of Java or neither", () => {
  const references = ["./a.ts#b", "../a.ts", "/a/b", "a.ts#b", "file:///a.ts", "a/b.mjs#c", "a.tsx"];
  deepEqual(references.filter((value) => !isExportReference(value) || isJavaClassName(value)), []);
  const classes = ["org.apache.flink.runtime.state.hashmap.HashMapStateBackend", "a.B", "org.x.Outer$Inner"];
  deepEqual(classes.filter((value) => !isJavaClassName(value) || isExportReference(value)), []);
  deepEqual(["hashmap", "lsm", "a.b", "Rocksdb", ""].filter((v) => isJavaClassName(v) || isExportReference(v)), []);
});
