/** docs/state_backends.md: every statement names tests that exist, and its configurations can be used. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { loadConfiguration } from "../control/config_sources.ts";
import { KNOWN_OPTIONS, REFUSED_KEYS } from "../control/known_options.ts";
import { jobSettings } from "../runtime/job_settings.ts";
import { STATE_BACKEND } from "../runtime/options.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const PAGE = readFileSync(`${ROOT}docs/state_backends.md`, "utf8");
const PROSE = PAGE.replaceAll(/^```.*?^```$/gms, "");

interface Reference {
  readonly label: string;
  readonly path: string;
  readonly name: string;
}

function references(markdown: string): Reference[] {
  const definition = /^\[([\w-]+)\]: \.\.\/(\S+) (?:"(.*)"|'(.*)')$/gm;
  return [...markdown.matchAll(definition)].map(([, label, path, double, single]) => ({
    label: label!,
    path: path!,
    name: (double ?? single)!,
  }));
}

/** Labels that a text refers to: `[test][label]`. */
function labelsIn(text: string): string[] {
  return [...text.matchAll(/\[test\]\[([\w-]+)\]/g)].map(([, label]) => label!);
}

/** Names of the tests in a file; what changes from test to test is `…`. */
function testNames(source: string): Set<string> {
  const call = /\btest\(\s*((?:(?:"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`)\s*\+?\s*)+)/g;
  return new Set([...source.matchAll(call)].map(([, literals]) => {
    const pieces = [...literals!.matchAll(/"((?:[^"\\]|\\.)*)"|`((?:[^`\\]|\\.)*)`/g)];
    return pieces.map(([, plain, template]) => plain ?? template!.replaceAll(/\$\{[^}]*\}/g, "…")).join("")
      .replaceAll(/\\(.)/g, "$1");
  }));
}

/** What is wrong with a reference; undefined when the test is there. A suite is named by the function that registers it. */
function problemOf({ path, name }: Reference, read: (path: string) => string | undefined): string | undefined {
  const source = read(path);
  if (source === undefined) return `${path} does not exist`;
  const suite = /^suite (\w+)$/.exec(name)?.[1];
  if (suite !== undefined) return source.includes(`\n${suite}(`) ? undefined : `${path} does not run ${suite}()`;
  return testNames(source).has(name) ? undefined : `${path} has no test "${name}"`;
}

function readFile(path: string): string | undefined {
  return existsSync(ROOT + path) ? readFileSync(ROOT + path, "utf8") : undefined;
}

test("docs/state_backends.md: each test that a statement names exists", () => {
  const found = references(PAGE);
  ok(found.length > 100);
  deepEqual(found.flatMap((one) => problemOf(one, readFile) ?? []), []);
});

test("docs/state_backends.md: every statement names its tests, and every label is used and defined once", () => {
  const statements = PROSE.split(/\n(?=- )|\n\n/).filter((part) => part.startsWith("- "));
  ok(statements.length > 70);
  deepEqual(statements.filter((statement) => labelsIn(statement).length === 0), []);
  const defined = references(PAGE).map(({ label }) => label);
  equal(new Set(defined).size, defined.length);
  deepEqual([...new Set(labelsIn(PROSE))].sort(), defined.toSorted());
});

test("docs/state_backends.md: each configuration is accepted, and a job could start with it", async () => {
  const blocks = [...PAGE.matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, block]) => block!);
  ok(blocks.length >= 7);
  for (const block of blocks) {
    const { configuration } = await loadConfiguration({
      commandLine: { entries: {}, configPath: "flink-conf.yaml" },
      environment: {},
      readFile: () => Promise.resolve(new TextEncoder().encode(block)),
    });
    configuration.checkKnown(KNOWN_OPTIONS, REFUSED_KEYS);
    const interval = configuration.with({ "execution.checkpointing.interval": "1 s" });
    const { checkpointing } = jobSettings("job", interval);
    equal(configuration.get(STATE_BACKEND), /rocksdb|lsm/.test(block) ? "lsm" : "hashmap", block);
    equal(checkpointing?.directory !== null, block.includes("state.checkpoints.dir"), block);
  }
});

test("names of tests are read with their parts, and a reference to none of them is noticed", () => {
  const source = 'test("a [1]", f);\ntest(\n  `${x}: b ${y} ` +\n    "c", f);\nsuiteOf("z");\ntest("say \\"d\\"", f);';
  deepEqual([...testNames(source)], ["a [1]", "…: b … c", 'say "d"']);
  const read = (path: string) => path === "t" ? source : undefined;
  const problem = (name: string, path = "t") => problemOf({ label: "l", path, name }, read);
  equal(problem("a [1]"), undefined);
  equal(problem("suite suiteOf"), undefined);
  equal(problem("a"), 't has no test "a"');
  equal(problem("suite other"), "t does not run other()");
  equal(problem("a [1]", "u"), "u does not exist");
  deepEqual(references('[x]: ../t \'say "d"\'\n[y]: ../u "it\'s"'), [
    { label: "x", path: "t", name: 'say "d"' },
    { label: "y", path: "u", name: "it's" },
  ]);
});
