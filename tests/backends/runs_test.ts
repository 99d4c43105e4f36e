/** The sorted run: round trips, order, ranges, damage of every byte, golden file. */
import { deepEqual, equal, ok, rejects, throws } from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { OpenRun } from "../../backends/runs/open_run.ts";
import { MergeCursor } from "../../backends/runs/merge_cursor.ts";
import { RowOrder } from "../../backends/runs/row_order.ts";
import { RowBatch } from "../../backends/runs/row_batch.ts";
import { DELETE, DELETE_PREFIX, PUT, type RowCode, type RunState } from "../../backends/runs/run_format.ts";
import { RunWriter } from "../../backends/runs/run_writer.ts";
import { compareBytes } from "../../core/bytes.ts";
import { SnapshotCorruptError } from "../../core/errors.ts";
import type { KeyGroupRange } from "../../core/key_groups.ts";
import type { RunHandle } from "../../core/snapshot.ts";
import { MemorySnapshots } from "../support/memory_snapshot_store.ts";

/** A row whose key is state id and more, without the key group. */
interface Row {
  readonly group: number;
  readonly code: RowCode;
  readonly key: readonly number[];
  readonly value: readonly number[];
}

const ALL: KeyGroupRange = { start: 0, end: 32_767 };
const STATES: readonly RunState[] = [
  { id: 0, name: "count", kind: "value", serializerId: "f64", serializerVersion: 1, schemaVersion: 1, flags: 0 },
  { id: 1, name: "items é", kind: "list", serializerId: "auto", serializerVersion: 1, schemaVersion: 1, flags: 0 },
  { id: 2, name: "timers", kind: "rows", serializerId: "", serializerVersion: 0, schemaVersion: 1, flags: 0 },
];

async function write(files: MemorySnapshots, rows: readonly Row[], blockBytes = 256): Promise<RunHandle> {
  const writer = new RunWriter(await files.create("exclusive"), { blockBytes });
  for (const { group, code, key, value } of rows) {
    const bytes = Uint8Array.from([...key, ...value]);
    writer.add(group, code, bytes, 0, key.length, bytes.length);
    if (writer.wantsFlush) await writer.flush();
  }
  return { ...(await writer.finish(STATES)), level: 0, keyGroups: ALL };
}

function drain(run: OpenRun, range: KeyGroupRange = ALL): Row[] {
  const cursor = run.rows(range);
  const rows: Row[] = [];
  while (cursor.next()) {
    rows.push({
      group: cursor.keyGroup,
      code: cursor.code,
      key: [...cursor.key.subarray(2, cursor.keyBytes)],
      value: [...cursor.value.subarray(cursor.valueStart, cursor.valueEnd)],
    });
  }
  return rows;
}

async function readAll(files: MemorySnapshots, handle: RunHandle): Promise<Row[]> {
  const run = await OpenRun.openSnapshot(handle, files);
  try {
    return drain(run);
  } finally {
    run.close();
  }
}

/** Rows over five key groups; two states. */
function sample(count: number): Row[] {
  const rows: Row[] = [];
  for (let i = 0; i < count; i++) {
    const group = Math.floor((i * 5) / count) * 3 + 1;
    const code = i % 11 === 3 ? DELETE : PUT;
    rows.push({ group, code, key: [0, 1, 0x40, i >> 8, i & 0xff, 0], value: code === PUT ? [1, 2, i & 0xff] : [] });
  }
  return rows;
}

test("a run gives back the rows that were written, over many blocks and flushes", async () => {
  const files = new MemorySnapshots();
  const rows = sample(20_000);
  const handle = await write(files, rows);
  deepEqual(await readAll(files, handle), rows);
  equal(handle.rowCount, rows.length);
  const run = await OpenRun.openSnapshot(handle, files);
  deepEqual(run.states, STATES);
  run.close();
  equal(files.openForRead, 0);
});

test("an empty run and a run of one large row can be read", async () => {
  const files = new MemorySnapshots();
  deepEqual(await readAll(files, await write(files, [])), []);
  const large: Row = {
    group: 32_767,
    code: PUT,
    key: [0, 0, ...new Array(5000).fill(7)],
    value: new Array(70_000).fill(9),
  };
  deepEqual(await readAll(files, await write(files, [large])), [large]);
});

test("a range of key groups is read without the others [65]", async () => {
  const files = new MemorySnapshots();
  const rows = sample(5000);
  const handle = await write(files, rows);
  const run = await OpenRun.openSnapshot(handle, files);
  for (let start = 0; start < 16; start++) {
    for (let end = start; end < 16; end++) {
      deepEqual(drain(run, { start, end }), rows.filter(({ group }) => group >= start && group <= end));
    }
  }
  run.close();
  const narrow = await OpenRun.openSnapshot({ ...handle, keyGroups: { start: 4, end: 7 } }, files);
  deepEqual(drain(narrow), rows.filter(({ group }) => group >= 4 && group <= 7));
  narrow.close();
});

test("RunWriter refuses rows that do not ascend", async () => {
  const writer = new RunWriter(await new MemorySnapshots().create("exclusive"));
  const add = (group: number, ...key: number[]) =>
    writer.add(group, PUT, Uint8Array.from(key), 0, key.length, key.length);
  add(1, 0, 0, 5);
  throws(() => add(1, 0, 0, 5), /not above/);
  throws(() => add(1, 0, 0, 4), /not above/);
  throws(() => add(0, 0, 0, 9), /not above/);
});

test("each flipped byte of a run is noticed, and named with its file", async () => {
  const files = new MemorySnapshots();
  const rows = sample(300);
  const handle = await write(files, rows);
  const [name, bytes] = [...files.files][0]!;
  for (let at = 0; at < bytes.length; at++) {
    for (const flip of [0x01, 0x80, 0xff]) {
      bytes[at]! ^= flip;
      await rejects(readAll(files, handle), (error) => error instanceof SnapshotCorruptError && error.path === name);
      bytes[at]! ^= flip;
    }
  }
  deepEqual(await readAll(files, handle), rows);
  equal(files.openForRead, 0);
});

test("a run cut at any length is noticed, whatever the metadata says of its size", async () => {
  const files = new MemorySnapshots();
  const handle = await write(files, sample(300));
  const [name, bytes] = [...files.files][0]!;
  for (let size = 0; size < bytes.length; size++) {
    files.files.set(name, bytes.slice(0, size));
    await rejects(readAll(files, handle), SnapshotCorruptError);
    await rejects(
      readAll(files, { ...handle, file: { scope: "exclusive", name, sizeBytes: size } }),
      SnapshotCorruptError,
    );
  }
  files.files.set(name, Uint8Array.from([...bytes, 0]));
  const longer: RunHandle = { ...handle, file: { scope: "exclusive", name, sizeBytes: bytes.length + 1 } };
  await rejects(readAll(files, longer), SnapshotCorruptError);
});

test("a run that is sound but another one is noticed", async () => {
  const files = new MemorySnapshots();
  const handle = await write(files, sample(300));
  const other = await write(files, sample(301));
  await rejects(readAll(files, { ...other, footerCrc32: handle.footerCrc32 }), SnapshotCorruptError);
  await rejects(readAll(files, { ...other, rowCount: 5 }), SnapshotCorruptError);
});

test("RowBatch sorts any keys as bytes and keeps the put of equal keys", () => {
  const key = fc.array(fc.constantFrom(0, 1, 64, 107, 255), { maxLength: 14 });
  fc.assert(fc.property(fc.array(key, { maxLength: 400 }), fc.boolean(), (keys, prefixed) => {
    const batch = new RowBatch();
    const shared = prefixed ? [1, 2, 3, 4, 5, 6, 7, 8] : [];
    const expected = new Map<string, RowCode>();
    keys.forEach((tail, i) => {
      const code = i % 3 === 0 ? DELETE : PUT;
      batch.startRow();
      batch.out.bytes(Uint8Array.from([...shared, ...tail]));
      batch.endKey();
      batch.endRow(code);
      const name = tail.join();
      if (expected.get(name) !== PUT) expected.set(name, code);
    });
    const order = batch.sorted(new RowOrder());
    equal(order.length, expected.size);
    const names = [...order].map((row) => {
      const tail = [...batch.out.buffer.subarray(batch.keyStarts[row]! + shared.length, batch.keyEnds[row]!)];
      equal(batch.codeOf(row), expected.get(tail.join()));
      return tail;
    });
    for (let i = 1; i < names.length; i++) {
      const [left, right] = [Uint8Array.from(names[i - 1]!), Uint8Array.from(names[i]!)];
      ok(compareBytes(left, 0, left.length, right, 0, right.length) < 0);
    }
  }));
});

test("MergeCursor gives the newest put of each key that nothing newer hides", async () => {
  const at = (...key: number[]) => [0, 0, ...key];
  const files = new MemorySnapshots();
  const put = (key: number[], value: number): Row => ({ group: 3, code: PUT, key, value: [value] });
  const oldest = await write(files, [
    put(at(1, 1), 1),
    put(at(1, 2), 1),
    put(at(2, 1), 1),
    put(at(3), 1),
    put(at(5), 1),
  ]);
  const middle = await write(files, [
    { group: 3, code: DELETE_PREFIX, key: at(1), value: [] },
    put(at(1, 2), 2),
    put(at(2, 1), 2),
    { group: 3, code: DELETE, key: at(3), value: [] },
  ]);
  const newest = await write(files, [
    { group: 3, code: DELETE_PREFIX, key: at(2), value: [] },
    put(at(2, 2), 3),
    put(at(3), 3),
  ]);
  const runs = [];
  for (const handle of [oldest, middle, newest]) runs.push(await OpenRun.openSnapshot(handle, files));
  const merged = new MergeCursor(runs.map((run) => run.rows(ALL)));
  const alive: unknown[] = [];
  while (merged.next()) {
    alive.push([[...merged.key.subarray(4, merged.keyBytes)], merged.value[merged.valueStart], merged.runIndex]);
  }
  deepEqual(alive, [[[1, 2], 2, 1], [[2, 2], 3, 2], [[3], 3, 2], [[5], 1, 0]]);
  for (const run of runs) run.close();
});

const GOLDEN = fileURLToPath(new URL("../golden/run_v1.bin", import.meta.url));

/** The rows of the golden file: never change them. */
function goldenRows(): Row[] {
  const rows: Row[] = [{ group: 0, code: DELETE_PREFIX, key: [0, 1, 0x40, 0x61, 0, 0, 2], value: [] }];
  for (let i = 0; i < 40; i++) {
    rows.push({ group: 0, code: PUT, key: [0, 1, 0x40, 0x61, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, i], value: [4, i * 2] });
  }
  rows.push({ group: 5, code: DELETE, key: [0, 0, 0x40, 0x62, 0, 0, 2], value: [] });
  rows.push({
    group: 127,
    code: PUT,
    key: [0, 0, 0x40, 0x63, 0, 0, 2],
    value: [0x40, 9, 0x21, 0xfb, 0x54, 0x44, 0x2d, 0x18],
  });
  rows.push({ group: 127, code: PUT, key: [0, 2, 0x20, 0x80, 0, 0, 0, 0, 0, 0, 0, 0x11, 2], value: [] });
  return rows;
}

test("the golden run of version 1 stays readable, and is written the same byte for byte", async () => {
  const files = new MemorySnapshots();
  const handle = await write(files, goldenRows());
  const written = [...files.files.values()][0]!;
  const golden = new Uint8Array(readFileSync(GOLDEN));
  deepEqual([...written], [...golden]);
  equal(handle.footerCrc32, 2_222_845_795);
  files.files.set("run-0", golden);
  deepEqual(await readAll(files, handle), goldenRows());
});
