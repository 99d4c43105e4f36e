import { deepEqual, equal, fail } from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { KNOWN_OPTIONS, REFUSED_KEYS } from "../../control/known_options.ts";
import { intOption } from "../../core/config_option.ts";
import { FLINK_OPTIONS, type FlinkOption } from "./flink_options.ts";
import { optionDisagreements, type OptionRow, optionRowsOf } from "./option_map.ts";

const MAP = fileURLToPath(new URL("../../docs/flink_map.md", import.meta.url));

test("each option of Flink's has its row in docs/flink_map.md, and the code does what the row says", () => {
  const rows = optionRowsOf(readFileSync(MAP, "utf8"));
  const problems = optionDisagreements(FLINK_OPTIONS, rows, { known: KNOWN_OPTIONS, refused: REFUSED_KEYS });
  if (problems.length > 0) fail(problems.join("\n"));
});

test("the list of Flink's options names none twice and has all of them", () => {
  const names = FLINK_OPTIONS.map(({ key }) => key);
  deepEqual(names.filter((name, index) => names.indexOf(name) !== index), []);
  const count = (prefix: string) => names.filter((name) => name.startsWith(prefix)).length;
  equal(count("state.backend.rocksdb.metrics."), 39);
  equal(count("state.backend.rocksdb."), 39 + 46);
  equal(count("state.backend.forst."), 21);
  equal(count("state.changelog."), 19);
  equal(names.length, 171);
});

test("rows of options are read with their spellings, and with what becomes of them", () => {
  const text = "| `a.b` | `c.d`, `e.f` | `1` | same |\n| `a.c`   |  | `none` | adapted: it counts | \n" +
    "| `a.c` | | `none` | refused: it does not exist |\n| `a.e` | | `1` | ignored but for `x`, `y`: it is slow |\n| `a.d` | | `x` | perhaps |\n| no key | | `x` | same |";
  deepEqual(optionRowsOf(text), [
    { key: "a.b", oldNames: ["c.d", "e.f"], default: "1", kind: "same", butFor: [], words: "" },
    { key: "a.c", oldNames: [], default: "none", kind: "refused", butFor: [], words: "it does not exist" },
    { key: "a.e", oldNames: [], default: "1", kind: "ignored", butFor: ["x", "y"], words: "it is slow" },
    { key: "a.d", oldNames: [], default: "x", kind: "unclear", butFor: [], words: "" },
  ]);
});

test("objects to each way in which a row, Flink's list and the code disagree", () => {
  const flink: FlinkOption = { key: "a.b", oldNames: ["c.d"], type: "int", values: [], default: "3" };
  const row = (change: Partial<OptionRow> = {}): OptionRow => ({
    key: "a.b",
    oldNames: ["c.d"],
    default: "3",
    kind: "same",
    butFor: [],
    words: "",
    ...change,
  });
  const option = (value: number, oldNames = ["c.d"]) =>
    intOption("a.b", { default: value, description: "A number.", oldNames });
  const reason = "there are no numbers here; leave it out";
  const refused = [{ keyPattern: "a.b", reason }, { keyPattern: "c.*", reason }];
  const has = (rows: readonly OptionRow[], known: readonly ReturnType<typeof option>[], refusals = refused) =>
    optionDisagreements([flink], rows, { known, refused: known.length > 0 ? [] : refusals });
  deepEqual(has([row()], [option(3)]), []);
  deepEqual(has([], [option(3)]), ["a.b has no row"]);
  deepEqual(has([row(), row()], [option(3)]), ["a key has two rows"]);
  deepEqual(has([row(), row({ key: "z.z" })], [option(3)]), ["z.z has a row, but is no option of Flink's list"]);
  deepEqual(has([row({ oldNames: [] })], [option(3)]), ["a.b: the row must name c.d"]);
  deepEqual(has([row({ default: "4" })], [option(3)]), ["a.b: the row must give Flink's default, 3"]);
  deepEqual(has([row()], [option(4)]), ["a.b: its default is 4, Flink's is 3"]);
  deepEqual(has([row()], [option(3, [])]), ["a.b: not every spelling is accepted for the same option"]);
  deepEqual(has([row()], []), ["a.b: the row says same, but there is no such option"]);
  deepEqual(has([row({ kind: "unclear" })], [option(3)]), ["a.b: the row must say same, adapted or refused"]);
  const adapted = row({ kind: "adapted", words: "it is `4` here, as four is better" });
  deepEqual(has([adapted], [option(4)]), []);
  deepEqual(has([{ ...adapted, words: "it is larger here, which is better" }], [option(4)]), [
    "a.b: the row must name the default here, `4`",
  ]);
  deepEqual(has([row({ kind: "refused", words: reason })], []), []);
  deepEqual(has([row({ kind: "refused", words: "because" })], [])[0], `a.b: the row must say "refused: ${reason}"`);
  deepEqual(has([row({ kind: "refused", words: reason })], [], []).length, 2);
  deepEqual(
    has([row({ kind: "refused", words: reason })], [option(3)])[0],
    [
      "a.b: the row says refused, but there is such an option",
    ][0],
  );
  const choice: FlinkOption = { ...flink, values: ["3", "x"] };
  deepEqual(optionDisagreements([choice], [row()], { known: [option(3)], refused: [] }), ["a.b: it does not take x"]);
});
