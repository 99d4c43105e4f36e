import { deepEqual, equal, match } from "node:assert/strict";
import { test } from "node:test";
import {
  cborWithoutNativeAddOn,
  coreDoesNoIo,
  importsGoOneWay,
  importsOf,
  lmdbHasOneDoor,
  packagesAreListed,
} from "./import_rules.ts";
import { headersNameFiles } from "./header_rules.ts";
import { entryIsExplicit, filesAreShort, foldersAreFlat, functionsAreShort, functionsOf } from "./size_rules.ts";
import { blank, type Rule, sourceFile } from "./source_file.ts";
import {
  consoleHasOwners,
  exportsAreNamed,
  filesIntroduceThemselves,
  ignoresCarryReasons,
  logsAreTemplates,
  namesSaySomething,
  noAny,
  nothingIsLeftToDo,
  timeIsAPort,
} from "./text_rules.ts";

const LISTED = packagesAreListed({ dependencies: ["cbor-x", "@std/yaml"], devDependencies: ["fast-check"] });

/** The rule objects to the sample on that line, and the message says this. */
function objects(rule: Rule, path: string, text: string, line: number, says: RegExp): void {
  const findings = rule(sourceFile(path, text));
  equal(findings.length, 1, `${path}: ${JSON.stringify(text.slice(0, 80))} → ${JSON.stringify(findings)}`);
  equal(findings[0]?.path, path);
  equal(findings[0]?.line, line);
  match(findings[0]?.message ?? "", says);
}

/** The rule has nothing to say about the sample. */
function accepts(rule: Rule, path: string, text: string): void {
  deepEqual(rule(sourceFile(path, text)), [], `${path}: ${text.slice(0, 80)}`);
}

/** A function of that many lines. */
function long(header: string, lines: number, statement = "work();"): string {
  return `${header} {\n${`  ${statement}\n`.repeat(lines - 2)}}`;
}

test("blank() empties comments, strings, templates and regular expressions, and keeps code and lines", () => {
  const cases: [string, string][] = [
    [`a("x//y"); // b`, `a("    ");     `],
    ["/* a\nb */ c", "    \n     c"],
    ["`x${y + `z`}w` + v", "` ${y + ` `} ` + v"],
    ["`${ {a: 1} }` + b", "`${ {a: 1} }` + b"],
    ["x = /['\"`]/.test(s) ? a / b : c / d", "x =        .test(s) ? a / b : c / d"],
    [`'it\\'s' + b`, `'     ' + b`],
    ["return /[/]x/g;", "return       g;"],
  ];
  for (const [text, code] of cases) equal(blank(text), code);
});

test("importsOf() finds static, dynamic and re-exporting imports over several lines, not those in strings", () => {
  const text = [
    `import { a,`,
    `  b } from "./a.ts";`,
    `import "./b.ts";`,
    `export { c } from './c.ts';`,
    `const d = await import("./d.ts");`,
    `const e = 'import "./e.ts"'; // from "./f.ts"`,
  ].join("\n");
  deepEqual(importsOf(sourceFile("core/x.ts", text)), [
    { specifier: "./a.ts", line: 2 },
    { specifier: "./b.ts", line: 3 },
    { specifier: "./c.ts", line: 4 },
    { specifier: "./d.ts", line: 5 },
  ]);
});

test("importsGoOneWay objects to an import against the current and to an unknown folder", () => {
  const importing = (specifier: string) => `\nimport { x } from "${specifier}";`;
  objects(importsGoOneWay, "core/a.ts", importing("../runtime/b.ts"), 2, /core may import nothing/);
  objects(importsGoOneWay, "timers/a.ts", importing("../backends/b.ts"), 2, /only core; declare the contract in core/);
  objects(importsGoOneWay, "backends/heap/a.ts", importing("../../checkpoint/b.ts"), 2, /only core/);
  objects(importsGoOneWay, "checkpoint/a.ts", `const b = await import("../timers/b.ts");`, 1, /only core/);
  objects(importsGoOneWay, "runtime/a.ts", importing("../connectors/b.ts"), 2, /only core, timers/);
  objects(importsGoOneWay, "connectors/a.ts", importing("../control/b.ts"), 2, /only core, runtime/);
  objects(importsGoOneWay, "control/a.ts", importing("../mod.ts"), 2, /runtime/);
  objects(importsGoOneWay, "extras/a.ts", "", 1, /"extras" is not in the table/);
  accepts(importsGoOneWay, "backends/heap/a.ts", importing("../runs/b.ts") + importing("../../core/c.ts"));
  accepts(importsGoOneWay, "runtime/a.ts", importing("../timers/b.ts") + importing("node:fs"));
  accepts(importsGoOneWay, "mod.ts", importing("./control/b.ts"));
  accepts(importsGoOneWay, "tests/core/a_test.ts", importing("../../mod.ts"));
});

test("packagesAreListed objects to unlisted packages, bare built-ins, test packages in sources and missing extensions", () => {
  objects(LISTED, "core/a.ts", `import x from "lodash";`, 1, /package\.json/);
  objects(LISTED, "core/a.ts", `import x from "fs";`, 1, /node:/);
  objects(LISTED, "core/a.ts", `import x from "fast-check";`, 1, /serve tests and benches only/);
  objects(LISTED, "core/a.ts", `import x from "./b";`, 1, /extension/);
  accepts(LISTED, "bench/a_bench.ts", `import x from "fast-check";`);
  accepts(LISTED, "tests/a_test.ts", `import x from "fast-check"; import y from "@std/yaml"; import "node:fs";`);
});

test("cborWithoutNativeAddOn objects to every entry but cbor-x/encode", () => {
  objects(cborWithoutNativeAddOn, "core/a.ts", `import { Encoder } from "cbor-x";`, 1, /import "cbor-x\/encode"/);
  objects(cborWithoutNativeAddOn, "core/a.ts", `import { Decoder } from "cbor-x/decode";`, 1, /native/);
  accepts(cborWithoutNativeAddOn, "core/a.ts", `import { Encoder } from "cbor-x/encode";`);
});

test("coreDoesNoIo objects to the file system and threads in core only", () => {
  objects(coreDoesNoIo, "core/a.ts", `import { open } from "node:fs/promises";`, 1, /declare a port/);
  objects(coreDoesNoIo, "core/a.ts", `import { Worker } from "node:worker_threads";`, 1, /no I\/O/);
  accepts(coreDoesNoIo, "core/a.ts", `import { crc32 } from "node:zlib";`);
  accepts(coreDoesNoIo, "checkpoint/a.ts", `import { open } from "node:fs/promises";`);
});

test("lmdbHasOneDoor objects to a second file, and to any outside backends/lmdb", () => {
  const importing = (path: string) => sourceFile(path, `import { open } from "lmdb";`);
  const door = importing("backends/lmdb/native.ts");
  deepEqual(lmdbHasOneDoor([door, importing("bench/a_bench.ts")]), []);
  for (const other of ["backends/lmdb/other.ts", "runtime/a.ts"]) {
    deepEqual(lmdbHasOneDoor([door, importing(other)]).map(({ path }) => path), [other]);
  }
  match(lmdbHasOneDoor([importing("mod.ts")])[0]?.message ?? "", /only one file in backends\/lmdb/);
});

test("filesAreShort objects from line 501 on", () => {
  objects(filesAreShort, "core/a.ts", "x;\n".repeat(501), 501, /split by decision, not by half/);
  accepts(filesAreShort, "core/a.ts", "x;\n".repeat(500));
});

test("functionsAreShort objects from 71 lines on, whatever the kind of function", () => {
  const headers = [
    "function a()",
    "export async function* a<T>(x: T, y = f(1)): AsyncGenerator<Map<string, { n: number }>, void>",
    "const a = (x: { n: number }): { m: number } =>",
    "const a = async () =>",
    "const a = function ()",
  ];
  for (const header of headers) {
    objects(functionsAreShort, "core/a.ts", `\n${long(header, 71)}`, 2, /has 71 lines, at most 70; name its steps/);
    accepts(functionsAreShort, "core/a.ts", long(header, 70));
  }
  for (const header of ["#m(): asserts x is string", "get m(): number | { a: 1 }", "constructor(readonly x = {})"]) {
    objects(functionsAreShort, "core/a.ts", `class A {\n${long(header, 71)}\n}`, 2, /at most 70/);
  }
});

test("functionsAreShort looks at functions only: not at classes, statements, calls, literals", () => {
  for (
    const header of ["class A", "const a =", "type A =", "for (const x of y())", "if (a(b))", "const b = c ? d(e) :"]
  ) {
    accepts(functionsAreShort, "core/a.ts", long(header, 200, "a: 1,"));
  }
  deepEqual(functionsOf("a(b);\nc(d, { e: 1 });\nx ? f(y) : { z: 1 };\ninterface I { m(a: string): { b: 1 }; }"), []);
});

test("functionsAreShort counts the tests inside a suite apart, in tests/ only", () => {
  const suite = `function suite() {\n${`${long("test('x', () =>", 30)});\n`.repeat(4)}}`;
  accepts(functionsAreShort, "tests/contracts/a.ts", suite);
  objects(functionsAreShort, "core/a.ts", suite, 1, /function suite has 122 lines/);
  const flat = long("function a()", 71);
  objects(functionsAreShort, "tests/a_test.ts", flat, 1, /71 lines/);
});

test("entryIsExplicit objects to declarations, several names a line and more than 250 lines in mod.ts", () => {
  objects(entryIsExplicit, "mod.ts", `export const a = 1;`, 1, /is not one explicit export/);
  objects(entryIsExplicit, "mod.ts", `export * from "./a.ts";`, 1, /one name a line/);
  objects(entryIsExplicit, "mod.ts", `export { a, b } from "./a.ts";`, 1, /one name a line/);
  const name = (n: number) => `export { a${n} } from "./a.ts";\n`;
  objects(
    entryIsExplicit,
    "mod.ts",
    Array.from({ length: 251 }, (_, n) => name(n)).join(""),
    251,
    /an entry of its own/,
  );
  accepts(
    entryIsExplicit,
    "mod.ts",
    `/** x */\nexport {\n  a,\n  type B,\n  c as d,\n} from "./a.ts";\nexport type { E } from "./e.ts";`,
  );
  accepts(entryIsExplicit, "core/a.ts", `export const a = 1;`);
});

test("foldersAreFlat objects to a fourth folder", () => {
  objects(foldersAreFlat, "a/b/c/d/e.ts", "", 1, /4 folders deep/);
  accepts(foldersAreFlat, "a/b/c/e.ts", "");
});

test("timeIsAPort objects to each raw clock, timer and random, outside their owners", () => {
  const raw = [
    "Date.now()",
    "new Date()",
    "Date()",
    "performance.now()",
    "setTimeout(f, 1)",
    "globalThis.setInterval(f)",
    "setImmediate(f)",
    "Math.random()",
    "crypto.randomUUID()",
    "crypto.getRandomValues(a)",
    "process.hrtime.bigint()",
    "Temporal.Now.instant()",
    "AbortSignal.timeout(5)",
    "Bun.sleep(1)",
    `import { scheduler } from "node:timers/promises"`,
  ];
  for (const expression of raw) {
    for (const path of ["core/a.ts", "runtime/subtask.ts", "tests/core/a_test.ts", "examples/a.ts"]) {
      objects(timeIsAPort, path, `a();\n${expression};`, 2, /Clock or a Random of core\/clock\.ts/);
    }
    for (const path of ["runtime/system_clock.ts", "bench/a.ts", "tests/process/a_test.ts"]) {
      accepts(timeIsAPort, path, expression);
    }
  }
});

test("timeIsAPort accepts ports, parsed dates, comments and strings", () => {
  accepts(
    timeIsAPort,
    "core/a.ts",
    `clock.nowMs(); clock.setTimeout(f); new Date(ms); Date.parse(s); Date.UTC(1); random.next();
    // Date.now() is banned
    const text = "Math.random()"; type T = Date;`,
  );
});

test("consoleHasOwners objects to console outside control/terminal*, examples, bench and process tests", () => {
  objects(consoleHasOwners, "runtime/a.ts", `console.log("x");`, 1, /console\.log; log through/);
  objects(consoleHasOwners, "control/http.ts", `console.error("x");`, 1, /terminal/);
  for (const path of ["control/terminal_status.ts", "examples/a.ts", "bench/main.ts", "tests/process/child.ts"]) {
    accepts(consoleHasOwners, path, `console.log("x");`);
  }
});

test("logsAreTemplates objects to a text that holds values already", () => {
  objects(
    logsAreTemplates,
    "runtime/a.ts",
    "a();\nlog.error(`${reason}; restarting`);",
    2,
    /braces in it would be lost/,
  );
  objects(logsAreTemplates, "runtime/a.ts", "log.warn(notice);", 1, /not constant/);
  objects(logsAreTemplates, "runtime/a.ts", "log.info(\n  `a`,\n);", 1, /not constant/);
  accepts(
    logsAreTemplates,
    "runtime/a.ts",
    `log.error("{reason}", { reason: \`\${a}\` });\nlog.info(\n  '"{name}"', { name });`,
  );
});

test("headersNameFiles objects to a header with the name of a file that is not there", () => {
  const file = (path: string, text: string) => sourceFile(path, `/**\n * Called by: ${text}.\n *\n * @module\n */\n`);
  const job = file("runtime/job.ts", "tests");
  deepEqual(headersNameFiles([job, file("runtime/a.ts", "runtime/job.ts, job.ts")]), []);
  deepEqual(headersNameFiles([job, file("core/a.ts", "runtime/run.ts, job.ts")]), [
    { path: "core/a.ts", line: 2, message: "names runtime/run.ts, which does not exist; name the file that it means" },
  ]);
});

test("exportsAreNamed objects to export *", () => {
  objects(exportsAreNamed, "core/a.ts", `export * from "./b.ts";`, 1, /name each export/);
  objects(exportsAreNamed, "core/a.ts", `export * as b from "./b.ts";`, 1, /name each export/);
  objects(exportsAreNamed, "core/a.ts", `export type * from "./b.ts";`, 1, /name each export/);
  accepts(exportsAreNamed, "core/a.ts", `export { b } from "./b.ts";\nexport function* c() {}`);
});

test("noAny objects to the type, not to the word", () => {
  for (const use of ["a: any", "Map<string, any>", "a as any", "type A = any;", "x: any[]", "() => any", "A | any"]) {
    objects(noAny, "core/a.ts", use, 1, /write unknown/);
  }
  accepts(noAny, "core/a.ts", `// any: any\nPromise.any(x); const a = { any: 1 }; any(b); anyOf(c); "x: any";`);
});

test("nothingIsLeftToDo objects to the marks of unfinished work", () => {
  objects(nothingIsLeftToDo, "core/a.ts", `a();\n// ${"TO"}DO later`, 2, /do it, or file it/);
  objects(nothingIsLeftToDo, "core/a.ts", `/* ${"FIX"}ME */`, 1, /do it/);
  accepts(nothingIsLeftToDo, "core/a.ts", `const mastodon = 1;`);
});

test("ignoresCarryReasons objects to a rule that is switched off in silence", () => {
  const ignore = "// deno-lint-" + "ignore no-console";
  objects(ignoresCarryReasons, "core/a.ts", ignore, 1, /without a reason/);
  objects(ignoresCarryReasons, "core/a.ts", "// @ts-" + "ignore", 1, /make the types true/);
  accepts(ignoresCarryReasons, "core/a.ts", `${ignore} -- the terminal is ours`);
});

test("filesIntroduceThemselves objects to a file without its header", () => {
  objects(filesIntroduceThemselves, "core/a.ts", `export const a = 1;`, 1, /@module/);
  objects(filesIntroduceThemselves, "core/a.ts", `/** Says a. */\nexport const a = 1;`, 1, /@module/);
  objects(filesIntroduceThemselves, "bench/a.ts", `run();`, 1, /what it does/);
  accepts(filesIntroduceThemselves, "core/a.ts", `/**\n * Says a.\n *\n * @module\n */\n`);
  accepts(filesIntroduceThemselves, "examples/a.ts", `#!/usr/bin/env deno\n/** Counts words. */\n`);
  accepts(filesIntroduceThemselves, "tests/core/a_test.ts", `import "x";`);
});

test("namesSaySomething objects to banned words in paths and exports, to index.ts and to camelCase files", () => {
  objects(namesSaySomething, "core/string_util.ts", "", 1, /"util" in its path/);
  objects(namesSaySomething, "runtime/common/a.ts", "", 1, /"common" in its path/);
  objects(namesSaySomething, "core/index.ts", "", 1, /index\.ts/);
  objects(namesSaySomething, "core/timerService.ts", "", 1, /snake_case/);
  objects(namesSaySomething, "core/a.ts", `\nexport class SlotManager {}`, 2, /exports "SlotManager"; "Manager"/);
  objects(namesSaySomething, "core/a.ts", `export abstract class BaseSource {}`, 1, /"Base"/);
  objects(namesSaySomething, "core/a.ts", `export const JOB_INFO = 1;`, 1, /"INFO"/);
  objects(namesSaySomething, "core/a.ts", `export { a as rowData } from "./b.ts";`, 1, /"Data"/);
  accepts(namesSaySomething, "runtime/data_stream.ts", `export class KeyedDataStream {}`);
  accepts(namesSaySomething, "core/metadata.ts", `export function database() {}; export type Information = 1;`);
});
