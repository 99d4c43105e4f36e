import { deepEqual, fail } from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import {
  disagreements,
  itemsIn,
  itemsOfTests,
  type MapRow,
  rowsOf,
  suitesThatNeverRun,
  type TestText,
} from "./conformance/item_map.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
/** This test: its samples look like the names of tests. */
const OWN = "tests/conformance";
/** Numbers of Flink's behaviours that exist here so far; docs/flink_map.md has the words. */
const WANTED = itemsIn("1-172, 184-271");

function testFiles(folder = "tests/"): TestText[] {
  return readdirSync(ROOT + folder, { withFileTypes: true }).flatMap((entry) => {
    const path = folder + entry.name;
    if (entry.isDirectory()) return testFiles(`${path}/`);
    return path.endsWith(".ts") && !path.startsWith(OWN) ? [{ path, text: readFileSync(ROOT + path, "utf8") }] : [];
  });
}

const FILES = testFiles();

test("conformance: every item is covered by a named test or excused in docs/flink_map.md, and not both", () => {
  const rows = rowsOf(readFileSync(`${ROOT}docs/flink_map.md`, "utf8"));
  const problems = disagreements(WANTED, rows, itemsOfTests(FILES));
  if (problems.length > 0) fail(problems.join("\n"));
});

test("conformance: every suite with items is run by a test file", () => {
  const tagged = new Set([...itemsOfTests(FILES).values()].flatMap((paths) => [...paths]));
  deepEqual(suitesThatNeverRun(FILES).filter((path) => tagged.has(path)), []);
});

test("conformance: items are read from the ends of names, one, several and ranges", () => {
  const text = 'test("a [1]", f); test(`${x}: b [2, 4-6] [8]`, f); const c = "d [9] e"; list["[7]"];';
  deepEqual([...itemsOfTests([{ path: "t", text }]).keys()], [1, 2, 4, 5, 6, 8]);
});

test("conformance: rows are read with their places, excuses with their reasons", () => {
  const map = "| item | x | y |\n| ---- | - | - |\n" +
    "| 1    | what holds | `tests/a.ts`, `tests/b.ts` |\n| 2 | what else | not here: because |\n";
  deepEqual(rowsOf(map), [
    { item: 1, words: "what holds", kind: "covered", places: ["tests/a.ts", "tests/b.ts"], reason: "" },
    { item: 2, words: "what else", kind: "not here", places: [], reason: "because" },
  ]);
});

test("conformance: objects to each way in which map and tests disagree", () => {
  const row = (item: number, change: Partial<MapRow> = {}): MapRow => ({
    item,
    words: "half a line of words",
    kind: "covered",
    places: ["t"],
    reason: "",
    ...change,
  });
  const excused = { kind: "not here", places: [], reason: "a reason that says enough" } as const;
  const tests = new Map([[1, new Set(["t"])]]);
  const samples: [readonly MapRow[], string[]][] = [
    [[row(1)], []],
    [[], ["item 1 is not in the map; give it a row with its place, t"]],
    [[row(1), row(1)], ["item 1 is in the map twice"]],
    [[row(1, { words: "" })], ["item 1 has no words in the map"]],
    [[row(1, { places: [] })], ["item 1 has no place in the map"]],
    [[row(1, { places: ["u"] })], ['item 1 is not named by any test in "u"']],
    [[row(1, excused)], ["item 1 is excused, but t covers it; give it a place in the map"]],
    [[row(1, { ...excused, kind: "differs" })], []],
    [[row(1), row(2, excused)], []],
    [[row(1), row(2, { ...excused, reason: "no" })], ["item 2 has no reason in the map"]],
    [[row(1), row(2)], ["item 2 is covered by no test, but the map says so; test it, or excuse it"]],
  ];
  for (const [rows, expected] of samples) deepEqual(disagreements([1], rows, tests), expected);
  deepEqual(disagreements([3], [row(1)], tests), ["item 3 is neither covered by a test nor excused in the map"]);
});

test("conformance: a suite runs if a test file imports it, directly or through another", () => {
  const files = [
    { path: "tests/a_test.ts", text: 'import { s } from "./contracts/s.ts";' },
    { path: "tests/contracts/s.ts", text: 'import { t } from "./t.ts";' },
    { path: "tests/contracts/t.ts", text: "" },
    { path: "tests/contracts/u.ts", text: "" },
  ];
  deepEqual(suitesThatNeverRun(files), ["tests/contracts/u.ts"]);
});
