import { deepEqual, equal, match, ok, rejects, throws } from "node:assert/strict";
import { test } from "node:test";
import { configure, type LogRecord, resetSync } from "@logtape/logtape";
import { fileSink, type FileSinkOptions, type PendingFile } from "../../connectors/file_sink.ts";
import { csvFormat } from "../../connectors/line_encoder.ts";
import { decideAtStart, parsePartName } from "../../connectors/part_names.ts";
import { StreamError } from "../../core/errors.ts";
import type { Sink, SinkContext, SinkStart, SinkWriter } from "../../core/sink.ts";
import { StreamGraph } from "../../runtime/stream_graph.ts";
import { MemoryFileSystem } from "../support/memory_file_system.ts";
import { sinkContext } from "./contexts.ts";

type Writer<T> = SinkWriter<T, readonly PendingFile[]>;

async function opened<T>(
  files: MemoryFileSystem,
  start: SinkStart,
  options: FileSinkOptions<T> = {},
  overrides: Partial<SinkContext> = {},
): Promise<Writer<T>> {
  const writer = await fileSink<T>("out", options).open(sinkContext(files, overrides));
  await writer.recover(start);
  return writer;
}

async function commit<T>(writer: Writer<T>, checkpointId: number, ...values: T[]): Promise<void> {
  for (const value of values) writer.write(value, 0);
  const committable = await writer.prepareCommit(checkpointId)();
  if (committable !== undefined) await writer.commit(committable, checkpointId);
}

const names = (files: MemoryFileSystem) => files.files("out").map((path) => path.slice("/out/".length));

const failsWith = (kind: string, message: RegExp) => (error: unknown) => {
  ok(error instanceof StreamError);
  equal(error.kind, kind);
  match(error.message, message);
  return true;
};

test("fileSink() names committed files part-<checkpoint>-<subtask>-<n> and writes them byte for byte", async () => {
  const files = new MemoryFileSystem();
  const writer = await opened<unknown>(files, { kind: "fresh" }, { rollBytes: 18 }, {
    subtaskIndex: 3,
    parallelism: 4,
  });
  await commit(writer, 7, { a: "ä" }, { b: 1 }, { c: null });
  await commit(writer, 8);
  await commit(writer, 9, "x\ny");
  await writer.close();
  deepEqual(names(files), ["part-7-3-0.jsonl", "part-7-3-1.jsonl", "part-9-3-0.jsonl"]);
  equal(files.text("out/part-7-3-0.jsonl"), '{"a":"ä"}\n{"b":1}\n');
  equal(files.text("out/part-7-3-1.jsonl"), '{"c":null}\n');
  equal(files.text("out/part-9-3-0.jsonl"), '"x\\ny"\n');
});

test("fileSink() writes lines, CSV with a header in each file, and formats of one's own", async () => {
  const files = new MemoryFileSystem();
  const lines = await opened<string>(files, { kind: "fresh" }, { format: "lines" });
  await commit(lines, 1, "one", "", "drei ä");
  equal(files.text("out/part-1-0-0.txt"), "one\n\ndrei ä\n");
  throws(
    () => lines.write("a\nb", 0),
    failsWith("invalid", /^Cannot write "a\\nb" as a line: it is of type string, mus/),
  );
  throws(() => lines.write("\ud800", 0), failsWith("invalid", /as UTF-8: .* half a surrogate pair/));

  const csvFiles = new MemoryFileSystem();
  const rows = await opened<object>(csvFiles, { kind: "fresh" }, { format: "csv", rollBytes: 25 });
  await commit(rows, 1, { name: 'a "b", c', n: 1.5 }, { name: "line\nend", n: 2n }, { n: true, name: null });
  equal(csvFiles.text("out/part-1-0-0.csv"), 'name,n\n"a ""b"", c",1.5\n"line\nend",2\n');
  equal(csvFiles.text("out/part-1-0-1.csv"), "n,name\ntrue,\n");
  throws(
    () => rows.write({ n: [] }, 0),
    failsWith("invalid", /^Cannot write an array as CSV column "n": it is of type object/),
  );

  const columnFiles = new MemoryFileSystem();
  const columns = await opened<object>(columnFiles, { kind: "fresh" }, { format: csvFormat(["n", "name"]) });
  await commit(columns, 1, { name: "x", n: 1 }, { name: "y", other: 2 });
  equal(columnFiles.text("out/part-1-0-0.csv"), "n,name\n1,x\n,y\n");

  const ownFiles = new MemoryFileSystem();
  const own = await opened<number>(ownFiles, { kind: "fresh" }, {
    format: { extension: ".tsv", header: () => "n\tdouble\n", encode: (n) => `${n}\t${2 * n}\n` },
  });
  await commit(own, 1, 1, 2);
  equal(ownFiles.text("out/part-1-0-0.tsv"), "n\tdouble\n1\t2\n2\t4\n");
});

test("fileSink() refuses what JSON cannot say", async () => {
  const writer = await opened<unknown>(new MemoryFileSystem(), { kind: "fresh" });
  throws(
    () => writer.write(undefined, 0),
    failsWith("invalid", /^Cannot write undefined as JSON: it is of type undefi/),
  );
});

test("fileSink() refuses what JSON would lose in silence, and names the field", async () => {
  const writer = await opened<unknown>(new MemoryFileSystem(), { kind: "fresh" });
  const lost: [unknown, RegExp][] = [
    [
      { a: { b: [1, Number.NaN] } },
      /^Cannot write field "a\.b\[1\]" as JSON: it is NaN, which JSON does not have; map it/,
    ],
    [Infinity, /^Cannot write the record as JSON: it is Infinity/],
    [{ n: 1n }, /^Cannot write field "n" as JSON: it is a bigint, .*; map it with String\(\) or Number\(\) first$/],
    [{ seen: new Map([[1, 2]]) }, /^Cannot write field "seen" as JSON: it is a Map; map it with Object\.fromEntries/],
    [[new Set([1])], /^Cannot write field "\[0\]" as JSON: it is a Set; map it with Array\.from\(\) first$/],
    [{ bytes: new Uint8Array(2) }, /it is a binary array/],
    [() => 1, /of type function/],
  ];
  for (const [value, message] of lost) throws(() => writer.write(value, 0), failsWith("invalid", message));
  const round: { self?: unknown } = {};
  round.self = round;
  throws(() => writer.write(round, 0), failsWith("invalid", /^Cannot write an object as JSON: .*c/));
});

test("fileSink() writes as JSON what JSON can say, with nulls, empty objects and dates", async () => {
  const files = new MemoryFileSystem();
  const writer = await opened<unknown>(files, { kind: "fresh" });
  const own = new Map();
  Object.assign(own, { toJSON: () => "own" });
  const record = {
    none: null,
    empty: {},
    at: new Date(0),
    never: new Date(NaN),
    text: "null {}",
    lost: undefined,
    own,
    0: 1,
  };
  await commit<unknown>(writer, 1, record, null, [], { 0: {} });
  equal(
    files.text("out/part-1-0-0.jsonl"),
    `${JSON.stringify(record)}\nnull\n[]\n{"0":{}}\n`,
  );
});

test("fileSink() writes large output in pieces, and asks records to wait while its file is being made", async () => {
  const files = new MemoryFileSystem();
  const writer = await opened<string>(files, { kind: "fresh" }, { format: "lines" });
  const line = "x".repeat(9_999);
  for (let count = 0; count < 110; count++) writer.write(line, 0);
  const wait = writer.backpressure?.();
  ok(wait instanceof Promise);
  await wait;
  equal(writer.backpressure?.(), undefined);
  for (let count = 0; count < 100; count++) writer.write(line, 0);
  await commit(writer, 1);
  equal(files.text("out/part-1-0-0.txt"), `${line}\n`.repeat(210));
  const writes = files.journal.filter((entry) => entry.startsWith("write ")).length;
  ok(writes > 10 && writes < 30, `${writes} writes`);
});

test("fileSink() fails a checkpoint when the disk is full, keeps its records, and commits them with the next", async () => {
  const steps = ["create", "write", "sync", "close", "rename", "syncDirectory"] as const;
  for (const operation of steps) {
    for (const code of ["ENOSPC", "EIO"]) {
      const files = new MemoryFileSystem();
      const writer = await opened<number>(files, { kind: "fresh" });
      await commit(writer, 1, 1);
      writer.write(2, 0);
      writer.write(3, 0);
      // A file that could not be made is tried again at once.
      files.fail({ operation, code, tornBytes: 3, times: operation === "create" ? 2 : 1 });
      await rejects(
        writer.prepareCommit(2)(),
        failsWith(
          "unavailable",
          new RegExp(
            `^Cannot [a-z ]+ "out.*\\(${code}\\); .*start again, with --from latest where checkpoints are on$`,
          ),
        ),
      );
      deepEqual(names(files).filter((name) => !name.startsWith(".")), ["part-1-0-0.jsonl"]);
      writer.write(4, 0);
      await commit(writer, 3);
      const visible = names(files);
      deepEqual(visible, ["part-1-0-0.jsonl", "part-3-0-0.jsonl", "part-3-0-1.jsonl"], `${operation} ${code}`);
      equal(visible.map((name) => files.text(`out/${name}`)).join(""), "1\n2\n3\n4\n");
      files.crash();
      deepEqual(names(files), visible);
      equal(visible.map((name) => files.text(`out/${name}`)).join(""), "1\n2\n3\n4\n");
    }
  }
});

test("fileSink() fails a write when the disk is full, before records pile up in memory", async () => {
  const files = new MemoryFileSystem();
  const writer = await opened<string>(files, { kind: "fresh" });
  writer.write("first", 0);
  await writer.backpressure?.();
  await Promise.resolve();
  files.fail({ operation: "write", code: "ENOSPC", times: Infinity });
  const fill = () => {
    for (let count = 0; count < 1000; count++) writer.write("x".repeat(1000), 0);
  };
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  throws(fill, failsWith("unavailable", /^Cannot write "out\/\.inprogress-0-.*\.jsonl": the disk is full \(ENOSPC\)/));
});

test("fileSink() names a folder that cannot be made", async () => {
  const files = new MemoryFileSystem();
  files.put("out", "a file");
  await rejects(
    opened(files, { kind: "fresh" }),
    failsWith("invalid", /^Cannot (make folder|list) "out": a part of the/),
  );
});

test("fileSink() never overwrites: not a part of the same name, nor one that was taken back before", async () => {
  const files = new MemoryFileSystem();
  const writer = await opened<number>(files, { kind: "fresh" });
  writer.write(1, 0);
  const committable = await writer.prepareCommit(1)();
  files.put("out/part-1-0-0.jsonl", "foreign");
  await rejects(
    async () => await writer.commit(committable ?? [], 1),
    failsWith(
      "invalid",
      /^Cannot commit "out\/part-1-0-0\.jsonl": another file of that name is there already; give each sink a f/,
    ),
  );
  equal(files.text("out/part-1-0-0.jsonl"), "foreign");
});

test("fileSink() never overwrites what appears between a look and the commit, and a disk without links is looked at", async () => {
  for (const code of [null, "ENOTSUP", "EPERM"]) {
    const files = new MemoryFileSystem();
    const writer = await opened<number>(files, { kind: "fresh" });
    writer.write(1, 0);
    const committable = await writer.prepareCommit(1)() ?? [];
    if (code !== null) files.fail({ operation: "link", code });
    files.onOperation = (operation) => {
      if (operation === "link") files.put("out/part-1-0-0.jsonl", "foreign");
    };
    await rejects(async () => await writer.commit(committable, 1), failsWith("invalid", /another file of that name/));
    files.onOperation = null;
    equal(files.text("out/part-1-0-0.jsonl"), "foreign");
    equal(files.text(`out/${committable[0]?.from}`), "1\n");
    await files.remove("out/part-1-0-0.jsonl");
    if (code !== null) files.fail({ operation: "link", code });
    await writer.commit(committable, 1);
    await writer.commit(committable, 1);
    deepEqual(names(files), ["part-1-0-0.jsonl"]);
  }
});

test("fileSink() goes on after a crash between the two steps of a commit", async () => {
  const files = new MemoryFileSystem();
  const writer = await opened<number>(files, { kind: "fresh" });
  writer.write(1, 0);
  const committable = await writer.prepareCommit(1)() ?? [];
  files.fail({ operation: "remove", code: "EIO" });
  await rejects(async () => await writer.commit(committable, 1), failsWith("unavailable", /EIO/));
  equal(names(files).length, 2);
  await writer.commit(committable, 1);
  deepEqual(names(files), ["part-1-0-0.jsonl"]);
});

test("fileSink() keeps few files open, however many a checkpoint covers", async () => {
  const files = new MemoryFileSystem();
  const writer = await opened<number>(files, { kind: "fresh" }, { rollBytes: 1 });
  let most = 0;
  for (let count = 0; count < 200; count++) {
    writer.write(count, 0);
    if (count % 10 === 9) await writer.backpressure?.();
    most = Math.max(most, files.openCount);
  }
  ok(most <= 20, `${most} files are open`);
  await commit(writer, 1);
  equal(names(files).length, 200);
  equal(files.text("out/part-1-0-199.jsonl"), "199\n");
  equal(files.openCount, 0);
});

test("fileSink() makes a file durable with the checkpoint when that failed as it was full", async () => {
  for (const operation of ["create", "write", "sync", "close"] as const) {
    const files = new MemoryFileSystem();
    const writer = await opened<number>(files, { kind: "fresh" }, { rollBytes: 1 });
    files.fail({ operation, path: /inprogress/, code: "EIO" });
    writer.write(1, 0);
    writer.write(2, 0);
    await writer.backpressure?.();
    await commit(writer, 1);
    deepEqual(names(files).map((name) => files.text(`out/${name}`)), ["1\n", "2\n"], operation);
  }
});

test("fileSink() says where it writes, so that a pipeline with two sinks in one folder is refused", () => {
  const graph = new StreamGraph();
  const add = (name: string, { destination, ownsDestination = false }: Sink<unknown>) =>
    graph.add({ name, label: "sink", kind: "sink", inputs: [], destination, ownsDestination, make: notMade });
  const notMade = () => {
    throw new Error("no operator is made");
  };
  add("first", fileSink("out/a"));
  add("third", fileSink("out/b"));
  for (const same of ["out/a", "./out/a/", "out//a", "out/b/../a"]) {
    throws(
      () => add("second", fileSink(same)),
      failsWith("invalid", /^Cannot add sink "second": it writes to "out\/a" like sink "first", must have a place/),
    );
  }
});

test("fileSink() of a job that goes on into another folder commits what is pending where it waits, once", async () => {
  for (const isCommitted of [false, true]) {
    for (const isMoved of [false, true]) {
      const files = new MemoryFileSystem();
      const before = await opened<string>(files, { kind: "fresh" }, { format: "lines" });
      before.write("before", 0);
      const pending = (await before.prepareCommit(1)())!;
      if (isCommitted) await before.commit(pending, 1);
      await before.close();
      if (isMoved) await files.rename("out", "new");
      const after = await fileSink<string>("new", { format: "lines" }).open(sinkContext(files));
      await after.recover({ kind: "restore", checkpointId: 1 });
      await after.commit(pending, 1);
      await after.commit(pending, 1);
      await commit(after, 2, "after");
      await after.close();
      const old = isMoved ? "/new" : "/out";
      deepEqual(files.files("/").sort(), ["/new/part-2-0-0.txt", `${old}/part-1-0-0.txt`].sort());
      equal(files.text(`${old}/part-1-0-0.txt`), "before\n");
      equal(files.text("/new/part-2-0-0.txt"), "after\n");
    }
  }
});

test("fileSink() names a transaction whose file is gone", async () => {
  const writer = await opened<number>(new MemoryFileSystem(), { kind: "restore", checkpointId: 3 });
  const lost = [{ from: ".pending-3-0-0-0f.jsonl", to: "part-3-0-0.jsonl" }];
  await rejects(
    async () => await writer.commit(lost, 3),
    failsWith(
      "invalid",
      /^Cannot commit "out\/part-3-0-0\.jsonl": its content "out\/\.pending-3-0-0-0f\.jsonl" is gone/,
    ),
  );
});

test("fileSink() moves what later checkpoints have committed to .superseded, says so, and keeps every version", async () => {
  const records: LogRecord[] = [];
  await configure({
    sinks: { memory: (record) => records.push(record) },
    loggers: [{ category: ["weir"], sinks: ["memory"], lowestLevel: "warning" }, {
      category: ["logtape", "meta"],
      sinks: [],
    }],
  });
  try {
    const files = new MemoryFileSystem();
    const first = await opened<string>(files, { kind: "fresh" });
    for (const checkpointId of [1, 2, 3]) await commit(first, checkpointId, `first ${checkpointId}`);
    await first.close();
    const second = await opened<string>(files, { kind: "restore", checkpointId: 1 });
    await commit(second, 3, "second 3");
    await second.close();
    await opened(files, { kind: "restore", checkpointId: 1 });
    deepEqual(names(files), [
      ".superseded/part-2-0-0.jsonl",
      ".superseded/part-3-0-0.jsonl",
      ".superseded/part-3-0-0.jsonl.1",
      "part-1-0-0.jsonl",
    ]);
    equal(files.text("out/.superseded/part-3-0-0.jsonl.1"), '"second 3"\n');
    deepEqual(records.map((record) => [record.category.join("."), record.level, record.properties["count"]]), [
      ["weir.file-sink", "warning", 2],
      ["weir.file-sink", "warning", 1],
    ]);
  } finally {
    resetSync();
  }
});

test("fileSink() leaves alone what it does not know and what belongs to other subtasks", async () => {
  const files = new MemoryFileSystem();
  const foreign = [".hidden", ".inprogress-1-0a.jsonl", ".pending-9-3-0-0a.jsonl", "notes.txt", "part-9-1-0.jsonl"];
  for (const name of foreign) files.put(`out/${name}`, name);
  const own = [".inprogress-0-0a.jsonl", ".inprogress-2-0a.jsonl", ".pending-5-2-0-0a.jsonl"];
  for (const name of own) files.put(`out/${name}`, name);
  files.put("out/.pending-4-2-0-0b.jsonl", "kept: checkpoint 4 may name it");
  const restored = await opened(files, { kind: "restore", checkpointId: 4 }, {}, { subtaskIndex: 0, parallelism: 2 });
  deepEqual(names(files), [...foreign, ".pending-4-2-0-0b.jsonl"].sort());
  await restored.close();
});

test("decideAtStart() has a decision for each kind of file and of start", () => {
  const decide = (name: string, start: SinkStart) => decideAtStart(name, start, 0, 1);
  const kinds: SinkStart[] = [{ kind: "fresh" }, { kind: "restart" }, { kind: "restore", checkpointId: 5 }];
  const table: Record<string, string[]> = {
    "part-5-0-0.jsonl": ["refuse", "refuse", "keep"],
    "part-6-0-0.jsonl": ["refuse", "refuse", "supersede"],
    ".pending-5-0-0-0a.jsonl": ["remove", "remove", "keep"],
    ".pending-6-0-0-0a": ["remove", "remove", "remove"],
    ".inprogress-0-0a.csv": ["remove", "remove", "remove"],
    "part-x-0-0.jsonl": ["keep", "keep", "keep"],
    ".superseded": ["keep", "keep", "keep"],
  };
  for (const [name, decisions] of Object.entries(table)) {
    deepEqual(kinds.map((start) => decide(name, start)), decisions, name);
  }
  deepEqual(parsePartName("part-12-3-4"), { kind: "committed", checkpointId: 12, subtask: 3 });
});
