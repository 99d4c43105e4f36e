import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { csv } from "../../connectors/csv_source.ts";
import type { FileSourceOptions } from "../../connectors/file_source.ts";
import { jsonLines, lines } from "../../connectors/text_formats.ts";
import { StreamError } from "../../core/errors.ts";
import type { Source, SourceReader, SplitPosition } from "../../core/source.ts";
import { systemFileSystem } from "../../runtime/system_file_system.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { MemoryFileSystem } from "../support/memory_file_system.ts";
import {
  readRecords,
  restoredPositions,
  sourceContext,
  TestMetrics,
  TestOutput,
  type TestSourceContext,
} from "./contexts.ts";
import { filesWith } from "./files_with.ts";

/** All records of a bounded source. */
async function readAll<T>(
  source: Source<T>,
  files: MemoryFileSystem,
  overrides: Partial<TestSourceContext> = {},
): Promise<TestOutput<T>> {
  const context = sourceContext({ fileSystem: files, ...overrides });
  const reader = await source.open(context);
  const output = new TestOutput<T>();
  try {
    await readRecords(reader, output, context.clock);
  } finally {
    await reader.close();
  }
  equal(files.openCount, 0);
  return output;
}

/** Checks for a StreamError with that message. */
const failsWith = (kind: string, message: RegExp) => (error: unknown) => {
  ok(error instanceof StreamError);
  equal(error.kind, kind);
  match(error.message, message);
  return true;
};

test("lines() cuts any text exactly, with chunks of any size in between", async () => {
  const line = fc.string({ unit: "grapheme", maxLength: 20 }).map((text) => text.replaceAll(/[\r\n]/g, "_"));
  await fc.assert(
    fc.asyncProperty(
      fc.array(line, { minLength: 1, maxLength: 30 }),
      fc.constantFrom("\n", "\r\n"),
      fc.boolean(),
      async (texts, lineEnd, isPacked) => {
        const content = new TextEncoder().encode(texts.map((text) => `${text}${lineEnd}`).join(""));
        const path = isPacked ? "a.gz" : "a";
        const files = filesWith({ [path]: isPacked ? gzipSync(content) : content });
        const { values } = await readAll(lines(path), files);
        deepEqual(values, texts[0]?.startsWith("\ufeff") === true ? [texts[0].slice(1), ...texts.slice(1)] : texts);
      },
    ),
    { numRuns: 60 },
  );
});

test("lines() reads lines longer than its chunks, and chunks that end within a character", async () => {
  const texts = ["x".repeat(1_300_000), "é".repeat(700_001), "", "日".repeat(400_000), "end"];
  const { values } = await readAll(lines("a"), filesWith({ a: texts.join("\n") }));
  deepEqual(values.map((value) => value.length), texts.map((text) => text.length));
  deepEqual(values, texts);
});

test("jsonLines() names file, line and column of a mistake, also behind a restore", async () => {
  const files = filesWith({ "a.jsonl": '{"n":1}\n{"n":2}\n{"n" 3}\n{"n":4}\n' });
  const message = /^Cannot read "a\.jsonl" line 3, column 6: unexpected "3" in JSON; correct the file, or set onMalf/;
  await rejects(readAll(jsonLines("a.jsonl"), files), failsWith("invalid", message));
  const context = sourceContext({ fileSystem: files });
  const reader = await jsonLines("a.jsonl").open(context);
  await readRecords(reader, new TestOutput(), context.clock, 2);
  const restored = restoredPositions(reader);
  await reader.close();
  await rejects(readAll(jsonLines("a.jsonl"), files, { restored }), failsWith("invalid", message));
});

test("jsonLines() skips malformed lines and counts them, also over a restore", async () => {
  const files = filesWith({ "a.jsonl": '{"n":1}\noops\n{"n":2}\n{\n{"n":3}' });
  const metrics = new TestMetrics();
  const source = jsonLines<{ n: number }>("a.jsonl", { onMalformed: "skip" });
  const { values, malformed } = await readAll(source, files, { metrics });
  deepEqual(values, [{ n: 1 }, { n: 2 }, { n: 3 }]);
  deepEqual(malformed, []);
  equal(metrics.counter("malformedRecords").count, 2);
});

test("jsonLines() puts malformed lines aside with place, text and reason", async () => {
  const files = filesWith({ "a.jsonl": `{"n":1}\n{"n":tru}\n${"x".repeat(2000)}\n` });
  const { values, malformed } = await readAll(jsonLines("a.jsonl", { onMalformed: "side-output" }), files);
  deepEqual(values, [{ n: 1 }]);
  deepEqual(malformed, [
    { location: "a.jsonl:2:6", text: '{"n":tru}', reason: 'unexpected "t" in JSON' },
    { location: "a.jsonl:3:1", text: "x".repeat(1000), reason: 'unexpected "x" in JSON' },
  ]);
});

test("jsonLines() stops at a malformed line when there is room for no more of them", async () => {
  const context = sourceContext({ fileSystem: filesWith({ "a.jsonl": "x\n".repeat(10) }) });
  const reader = await jsonLines("a.jsonl", { onMalformed: "side-output" }).open(context);
  const output = new TestOutput();
  await readRecords(reader, output, context.clock, 3);
  equal(output.malformed.length, 3);
  await readRecords(reader, output, context.clock);
  deepEqual(output.malformed.map(({ location }) => location), output.malformed.map((_, i) => `a.jsonl:${i + 1}:1`));
  equal(output.malformed.length, 10);
  await reader.close();
});

test("jsonLines() takes what `parse` refuses as malformed, and what it returns as the record", async () => {
  const parse = (value: unknown): number => {
    if (typeof value !== "number") throw new Error("not a number");
    return value * 2;
  };
  const { values, malformed } = await readAll(
    jsonLines("a", { parse, onMalformed: "side-output" }),
    filesWith({ a: '1\n"2"\n3\n' }),
  );
  deepEqual(values, [2, 6]);
  deepEqual(malformed, [{ location: "a:2:1", text: '"2"', reason: "not a number" }]);
});

test("lines() takes bytes that are no UTF-8 as malformed", async () => {
  const bytes = new Uint8Array([...new TextEncoder().encode("ok\nab"), 0xff, 0x63, 0x0a, 0x64]);
  const { values, malformed } = await readAll(lines("a", { onMalformed: "side-output" }), filesWith({ a: bytes }));
  deepEqual(values, ["ok", "d"]);
  deepEqual(malformed, [{ location: "a:2:3", text: "ab\ufffdc", reason: "it is not valid UTF-8" }]);
});

test("csv() names line and column of a mistake within a row of several lines", async () => {
  const rows = (...lines: string[]) => filesWith({ "a.csv": `x,y\n${lines.join("\n")}\n` });
  const read = (files: MemoryFileSystem) => readAll(csv("a.csv"), files);
  await rejects(read(rows("1,2", "3")), failsWith("invalid", /line 3, column 1: it has 1 fields, the header has 2;/));
  await rejects(
    read(rows("1,2", '"a', 'b"c,3')),
    failsWith("invalid", /line 4, column 3: text follows a closing quote;/),
  );
  await rejects(
    read(rows("1,2", "3,4", '5,"6')),
    failsWith("invalid", /line 4, column 3: a quote is opened and never/),
  );
  await rejects(read(rows('1,5"')), failsWith("invalid", /line 2, column 4: a quote is inside a field that does not/));
});

test("csv() loses only the malformed row when a quote is in the middle of a field", async () => {
  const files = filesWith({ "a.csv": 'x,y\n1,5" pipe\n2,b\n' });
  const { values, malformed } = await readAll(csv("a.csv", { onMalformed: "side-output" }), files);
  deepEqual(values, [{ x: "2", y: "b" }]);
  equal(malformed.length, 1);
});

test("csv() fails on a mistake in a header under every policy", async () => {
  for (const onMalformed of ["fail", "skip", "side-output"] as const) {
    const twice = readAll(csv("a.csv", { onMalformed }), filesWith({ "a.csv": "x,x\n1,2\n" }));
    await rejects(
      twice,
      failsWith("invalid", /"a\.csv" line 1, column 1: the header names column "x" twice; correct the/),
    );
    const columns = { x: String, z: Number };
    const missing = readAll(csv("a.csv", { onMalformed, columns }), filesWith({ "a.csv": "x,y\n1,2\n" }));
    await rejects(missing, failsWith("invalid", /the header does not name column "z"; correct the file$/));
  }
});

test("csv() takes a column whose conversion throws as malformed", async () => {
  const columns = {
    n: (text: string): bigint => BigInt(text),
  };
  const files = filesWith({ "a.csv": "n,other\n12,x\nzwölf,y\n" });
  const { values, malformed } = await readAll(csv("a.csv", { columns, onMalformed: "side-output" }), files);
  deepEqual(values, [{ n: 12n }]);
  match(malformed[0]?.reason ?? "", /^column "n": /);
});

test("csv() takes what is no number as malformed, and names the column of the field that holds it", async () => {
  const columns = { a: String, n: Number };
  const rows = 'a,n,b\n1,abc,x\n"a,\n""b""",,y\nx,x,x\nx,-1e3,\n';
  const files = filesWith({ "a.csv": rows });
  const { values, malformed } = await readAll(csv("a.csv", { columns, onMalformed: "side-output" }), files);
  deepEqual(values, [{ a: "x", n: -1000 }]);
  deepEqual(malformed.map(({ location, reason }) => `${location} ${reason}`), [
    'a.csv:2:3 column "n": "abc" is not a number',
    'a.csv:4:8 column "n": "" is not a number',
    'a.csv:5:3 column "n": "x" is not a number',
  ]);
  await rejects(
    readAll(csv("a.csv", { columns }), files),
    failsWith("invalid", /^Cannot read "a\.csv" line 2, column 3: column "n": "abc" is not a number; correct the file/),
  );
});

async function positionAfter(files: MemoryFileSystem, count: number, options: FileSourceOptions = {}) {
  const context = sourceContext({ fileSystem: files });
  const reader = await lines("a", options).open(context);
  await readRecords(reader, new TestOutput<string>(), context.clock, count);
  const restored = restoredPositions(reader);
  await reader.close();
  return restored;
}

test("lines() refuses to go on in a file that has shrunk, is gone or is another one", async () => {
  const restored = await positionAfter(filesWith({ a: "one\ntwo\nthree\n" }), 2);
  const read = (content: Record<string, string>) => readAll(lines("a"), filesWith(content), { restored });
  await rejects(
    read({ a: "one\n" }),
    failsWith("invalid", /^Cannot go on reading "a": it ends before byte 8, up to wh/),
  );
  await rejects(
    read({ a: "eleven\ntwelve\n" }),
    failsWith("invalid", /byte 7 does not end a line, so it is not the fi/),
  );
  await rejects(
    read({ a: "uno\ndos\ntercero\n" }),
    failsWith(
      "invalid",
      /^Cannot go on reading "a": what it holds before byte 8 is not what was read before, so it is/,
    ),
  );
  await rejects(read({}), failsWith("invalid", /^Cannot open "a": there is no such file or folder; check the path$/));
  deepEqual((await read({ a: "one\ntwo\nthree\nfour" })).values, ["three", "four"]);
});

test("lines() does not open a file again that it had read to its end", async () => {
  const restored = await positionAfter(filesWith({ a: "one\ntwo" }), 3);
  deepEqual((await readAll(lines("a"), filesWith({}), { restored })).values, []);
});

test("lines() names a path that leads nowhere, and a file that is given twice", async () => {
  const files = filesWith({ "in/a.txt": "1\n" });
  await rejects(
    readAll(lines("none"), files),
    failsWith("invalid", /^Cannot read "none": there is no such file or fold/),
  );
  await rejects(
    readAll(lines("in/*.log"), files),
    failsWith("invalid", /^Cannot read "in\/\*\.log": there is no file tha/),
  );
  await rejects(readAll(lines(["in", "in/a.txt"]), files), failsWith("invalid", /"in\/a\.txt": it is given twice/));
});

test("lines() reports a packed file that is damaged or cut, and refuses to follow one", async () => {
  const packed = gzipSync(new TextEncoder().encode("one\ntwo\n".repeat(1000)));
  const cut = readAll(lines("a.gz"), filesWith({ "a.gz": packed.subarray(0, packed.length - 9) }));
  await rejects(cut, failsWith("invalid", /^Cannot unpack "a\.gz": unexpected end of file; pack it again$/));
  const follow = readAll(lines("a.gz", { follow: true }), filesWith({ "a.gz": packed }));
  await rejects(follow, failsWith("invalid", /^Cannot follow "a\.gz": it is packed/));
});

test("lines() reports a disk that fails", async () => {
  const files = filesWith({ a: "1\n" });
  files.fail({ operation: "read", code: "EIO" });
  await rejects(readAll(lines("a"), files), failsWith("unavailable", /^Cannot read "a": the device failed \(EIO\)/));
});

/** What a followed file gives within one look at it. */
async function look(reader: SourceReader<string>, output: TestOutput<string>, clock: ManualClock): Promise<string[]> {
  output.values.length = 0;
  for (let turn = 0; turn < 4; turn++) {
    const status = reader.read(Object.assign(output, { room: Infinity }));
    await clock.settle();
    clock.advance(50);
    await status;
  }
  return [...output.values];
}

test("lines() that follow wait for the end of a last line, and take turns between files", async () => {
  const files = filesWith({ "in/a": "1\n2", "in/b": "x\n" });
  const clock = new ManualClock();
  const reader = await lines("in", { follow: true, pollIntervalMs: 50 }).open(
    sourceContext({ fileSystem: files, clock }),
  );
  const output = new TestOutput<string>();
  deepEqual((await look(reader, output, clock)).sort(), ["1", "x"]);
  deepEqual(await look(reader, output, clock), []);
  await append(files, "in/a", "3\n4\n");
  deepEqual(await look(reader, output, clock), ["23", "4"]);
  await append(files, "in/b", "y\nz\n");
  deepEqual(await look(reader, output, clock), ["y", "z"]);
  files.truncate("in/b", 1);
  await rejects(look(reader, output, clock), failsWith("invalid", /^Cannot follow "in\/b": it has shrunk to 1 bytes/));
  await reader.close();
  equal(files.openCount, 0);
  equal(clock.scheduledCount, 0);
});

test("lines() that follow never lose lines in silence when a file is rotated or written anew", async () => {
  const long = Array.from({ length: 500 }, (_, n) => `line ${n}\n`).join("");
  for (const first of ["1\n2\n3", long]) {
    const rotations: [string, (files: MemoryFileSystem) => Promise<void>, RegExp][] = [
      ["renamed", async (files) => {
        await files.rename("a", "a.1");
        files.put("a", `${first}\nmore\n`);
      }, /^Cannot follow "a": another file has taken its place; followed files must only grow: put the old/],
      [
        "written anew",
        (files) => write(files, "a", "truncate", `new\n${first}\nmore\n`),
        /what it held before byte \d+ has/,
      ],
      [
        "of the same size",
        (files) => write(files, "a", "truncate", `${first.replaceAll("1", "7")}\nlast\n`),
        /it was written anew, what/,
      ],
    ];
    for (const [name, rotate, message] of rotations) {
      let nowMs = 0;
      const files = new MemoryFileSystem(() => ++nowMs);
      files.put("a", first);
      const clock = new ManualClock();
      const open = (restored: SplitPosition[] | null) =>
        lines("a", { follow: true, pollIntervalMs: 50 }).open(sourceContext({ fileSystem: files, clock, restored }));
      const reader = await open(null);
      const output = new TestOutput<string>();
      deepEqual((await look(reader, output, clock)).length, first.split("\n").length - 1, name);
      deepEqual(await look(reader, output, clock), []);
      await append(files, "a", "\nlast\n");
      equal((await look(reader, output, clock)).at(-1), "last");
      await write(files, "a", "truncate", `${first}\nlast\n`);
      deepEqual(await look(reader, output, clock), [], "written again as it was");
      const restored = restoredPositions(reader);
      await rotate(files);
      await rejects(look(reader, output, clock), failsWith("invalid", message), name);
      await reader.close();
      const restarted = await open(restored);
      await rejects(look(restarted, output, clock), failsWith("invalid", /^Cannot go on reading "a": /), name);
      await restarted.close();
      equal(files.openCount, 0);
    }
  }
});

test("lines() that follow notice a file that is written anew between two pieces of it", async () => {
  const files = filesWith({ a: `${"x".repeat(99)}\n`.repeat(20_000) });
  const clock = new ManualClock();
  const reader = await lines("a", { follow: true }).open(sourceContext({ fileSystem: files, clock }));
  let reads = 0;
  files.onOperation = (operation) => {
    if (operation === "read" && ++reads === 4) files.put("b", "");
    if (operation !== "read" || reads !== 4) return;
    const size = files.content("a").byteLength;
    for (let offset = 0; offset < size; offset += 100) files.flipBit("a", offset);
  };
  await rejects(
    readRecords(reader, new TestOutput<string>(), clock, 30_000),
    failsWith("invalid", /it was written anew/),
  );
  await reader.close();
});

test("lines() goes on behind any line of a file, also with a byte order mark", async () => {
  const files = filesWith({ a: `\ufeff${Array.from({ length: 300 }, (_, n) => `line ${n}\n`).join("")}` });
  for (const count of [1, 2, 150, 299]) {
    const restored = await positionAfter(files, count);
    const rest = await readAll(lines("a"), files, { restored });
    deepEqual([rest.values.length, rest.values[0]], [300 - count, `line ${count}`]);
  }
});

async function write(
  files: MemoryFileSystem,
  path: string,
  mode: "truncate",
  text: string,
): Promise<void> {
  const file = await files.create(path, mode);
  await file.write(new TextEncoder().encode(text));
  await file.close();
}

async function append(files: MemoryFileSystem, path: string, text: string): Promise<void> {
  const file = await files.create(path, "append");
  await file.write(new TextEncoder().encode(text));
  await file.close();
}

test("lines() that follow end their wait when they are closed", async () => {
  const files = filesWith({ a: "1\n" });
  const clock = new ManualClock();
  const reader = await lines("a", { follow: true, pollIntervalMs: 50 }).open(
    sourceContext({ fileSystem: files, clock }),
  );
  const output = new TestOutput<string>();
  await look(reader, output, clock);
  const waiting = reader.read(output);
  ok(waiting instanceof Promise);
  await clock.settle();
  equal(clock.scheduledCount, 1);
  await reader.close();
  await waiting;
  equal(clock.scheduledCount, 0);
});

test("ratePerSecond keeps the rate over all subtasks and wakes a subtask at most every 10 ms", async () => {
  const files = filesWith({ "in/a": "x\n".repeat(20_000), "in/b": "x\n".repeat(20_000) });
  for (const parallelism of [1, 2, 4]) {
    let emitted = 0;
    let wakes = 0;
    for (let subtaskIndex = 0; subtaskIndex < parallelism; subtaskIndex++) {
      const clock = new ManualClock();
      const context = sourceContext({ fileSystem: files, clock, subtaskIndex, parallelism });
      const reader = await lines("in", { ratePerSecond: 10_000 }).open(context);
      const output = new TestOutput<string>();
      while (clock.nowMs() < 1000) {
        const status = reader.read(output);
        if (status === "ended") break;
        await clock.settle();
        const before = clock.nowMs();
        if (clock.scheduledCount > 0) {
          clock.advance(10);
          wakes++;
        }
        await status;
        ok(clock.nowMs() >= before);
      }
      emitted += output.values.length;
      await reader.close();
    }
    ok(emitted >= 9_900 && emitted <= 10_200, `${emitted} records at parallelism ${parallelism}`);
    ok(wakes <= 100 * Math.min(parallelism, 2));
  }
});

test("a source refuses a rate, an interval or a delimiter that makes no sense", () => {
  for (const ratePerSecond of [0, -1, NaN, Infinity]) {
    let error: unknown;
    try {
      lines("a", { ratePerSecond });
    } catch (thrown) {
      error = thrown;
    }
    ok(error instanceof RangeError);
  }
});

test("lines() reads from this machine's disk", async () => {
  const folder = mkdtempSync(join(tmpdir(), "weir-lines-"));
  try {
    writeFileSync(join(folder, "a.txt"), "one\ntwo\n");
    writeFileSync(join(folder, "b.txt.gz"), gzipSync("three\nfour"));
    const context = sourceContext({ fileSystem: systemFileSystem });
    const reader = await lines(pathToFileURL(`${folder}/`)).open(context);
    const output = new TestOutput<string>();
    await readRecords(reader, output, context.clock);
    deepEqual(output.values, ["one", "two", "three", "four"]);
    await reader.close();
  } finally {
    rmSync(folder, { recursive: true });
  }
});
