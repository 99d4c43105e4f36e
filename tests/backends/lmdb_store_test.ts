import { deepEqual, equal, match, ok, rejects, throws } from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { FrozenStore, RowStore } from "../../backends/embedded/row_store.ts";
import { lmdbRowStoreFactory } from "../../backends/lmdb/lmdb_store_factory.ts";
import { StreamError } from "../../core/errors.ts";
import type { FileSystem } from "../../core/file_system.ts";
import type { FileRef, FileScope, KeyedStateHandle } from "../../core/snapshot.ts";
import { systemFileSystem } from "../../runtime/system_file_system.ts";
import { systemClock } from "../../runtime/system_clock.ts";
import { rowStoreContract } from "../contracts/row_store.ts";
import { drive, everything, ingest, read, StoreRig, type StoreSubject } from "../contracts/store_rig.ts";
import { MemorySnapshots } from "../support/memory_snapshot_store.ts";
import { nativeFolder } from "../support/native_folder.ts";
import {
  cleared,
  gone,
  MAPS,
  put,
  type RowName,
  rowOf,
  type SampleRow,
  SampleRows,
  VALUES,
} from "../support/sample_rows.ts";

const folder = nativeFolder("lmdb");
let stores = 0;

/** Snapshots that take local files over. */
class AdoptingSnapshots extends MemorySnapshots {
  readonly adopted: string[] = [];
  readonly removed: FileRef[] = [];
  /** Thrown by the next `adopt`. */
  failure: Error | undefined;

  async adopt(path: string, sizeBytes: number, scope: FileScope): Promise<FileRef> {
    if (this.failure !== undefined && this.adopted.length > 0) throw this.failure;
    this.adopted.push(path);
    const file = await this.create(scope);
    await file.write(readFileSync(path));
    const ref = await file.finish();
    equal(ref.sizeBytes, sizeBytes);
    return ref;
  }

  discard(file: FileRef): Promise<void> {
    this.removed.push(file);
    return Promise.resolve();
  }
}

function subject(
  { fileSystem = systemFileSystem, snapshots }: { fileSystem?: FileSystem; snapshots?: MemorySnapshots } = {},
): StoreSubject {
  return {
    factory: () => lmdbRowStoreFactory(),
    ports: () => ({ fileSystem, clock: systemClock, directory: join(folder, `${stores++}`) }),
    noWorkBecause: "a B+tree is always in order",
    ...(snapshots === undefined ? {} : { snapshots: () => snapshots }),
  };
}

rowStoreContract("LmdbStore", subject());

const value = (i: number): RowName => rowOf(i % 8, VALUES, `key-${i}`);

function values(from: number, to: number, mark: string): SampleRow[] {
  return Array.from({ length: to - from }, (_, i) => put(value(from + i), `${mark}-${from + i}`));
}

/** The working folder of the store that was opened last. */
function lastFolder(): string {
  const open = readdirSync(folder).map(Number).sort((a, b) => a - b);
  return join(folder, `${open.at(-1)}`);
}

function runsOf(directory: string): string[] {
  return readdirSync(directory).filter((name) => name.endsWith(".run"));
}

test("LmdbStore gives increments by taking over local runs, and removes those that a confirmed checkpoint has", async () => {
  const snapshots = new AdoptingSnapshots();
  await using rig = new StoreRig(subject({ snapshots }));
  const store = await rig.open();
  const directory = lastFolder();
  ingest(store, values(0, 2_000, "a"));
  equal(runsOf(directory).length, 0, "no snapshot can ask for what came before the first one");
  await rig.snapshot(store, 1);
  ingest(store, values(0, 10, "b"));
  store.confirm(1);
  ingest(store, values(10, 20, "c"));
  equal(runsOf(directory).length, 2);
  const second = await rig.snapshot(store, 2);
  equal(second.runs.length, 3);
  deepEqual(snapshots.adopted.map((path) => path.startsWith(directory)), [true, true]);
  store.abort(2);
  equal(runsOf(directory).length, 2);
  const third = await rig.snapshot(store, 3);
  equal(snapshots.adopted.length, 4, "what was uploaded for an aborted checkpoint is uploaded again");
  store.confirm(3);
  equal(runsOf(directory).length, 0);
  deepEqual(everything(await rig.restored([third])), everything(store));
  await store.close();
  equal(existsSync(directory), false);
});

test("LmdbStore discards the files of an increment that fails, and the next one has all", async () => {
  const snapshots = new AdoptingSnapshots();
  await using rig = new StoreRig(subject({ snapshots }));
  const store = await rig.open();
  ingest(store, values(0, 2_000, "a"));
  await rig.snapshot(store, 1);
  store.confirm(1);
  for (const mark of ["b", "c"]) ingest(store, values(0, 20, mark));
  snapshots.failure = new Error("no space");
  await rejects(rig.snapshot(store, 2), snapshots.failure);
  equal(snapshots.removed.length, 1);
  store.abort(2);
  snapshots.failure = undefined;
  deepEqual(everything(await rig.restored([await rig.snapshot(store, 3)])), everything(store));
});

test("LmdbStore starts a new chain after sixteen checkpoints, and uploads a tenth of the state in the mean", async () => {
  await using rig = new StoreRig(subject());
  const store = await rig.open();
  ingest(store, values(0, 4_000, "0"));
  let uploaded = 0;
  let longest = 0;
  let last: KeyedStateHandle | undefined;
  for (let id = 1; id <= 100; id++) {
    ingest(store, values(id * 37, id * 37 + 40, `${id}`));
    last = await rig.snapshot(store, id);
    store.confirm(id);
    uploaded += last.incrementBytes;
    longest = Math.max(longest, last.runs.length);
  }
  const full = (await rig.snapshot(store, 101, { full: true })).fullBytes;
  ok(longest === 16, `${longest} runs`);
  ok(uploaded / 100 <= full / 10, `${uploaded / 100} bytes of ${full}`);
  deepEqual(everything(await rig.restored([last!])), everything(store));
});

test("LmdbStore refuses to be frozen, or to start another ingest, while an ingest is under way", async () => {
  await using rig = new StoreRig(subject());
  const store = await rig.open();
  const steps = store.ingest(new SampleRows(values(0, 3_000, "a")));
  steps.step();
  throws(() => store.freeze(), /Cannot freeze the state of "op": an ingest is under way/);
  throws(() => store.ingest(new SampleRows([])), /under way/);
  drive(steps);
  throws(() => steps.step(), /it is over/);
  store.freeze().release();
});

test("LmdbStore fails an ingest whose run cannot be written, keeps what was there, and goes on", async () => {
  let room = Number.POSITIVE_INFINITY;
  const fileSystem: FileSystem = {
    ...systemFileSystem,
    createSync: (path, mode) => {
      const file = systemFileSystem.createSync(path, mode);
      const writeSync = file.writeSync.bind(file);
      file.writeSync = (bytes) => {
        if ((room -= bytes.length) < 0) throw Object.assign(new Error("ENOSPC: no space"), { code: "ENOSPC" });
        writeSync(bytes);
      };
      return file;
    },
  };
  await using rig = new StoreRig(subject({ fileSystem }));
  const store = await rig.open();
  const directory = lastFolder();
  ingest(store, values(0, 2_000, "old"));
  await rig.snapshot(store, 1);
  store.confirm(1);
  room = 0;
  const rows = [...values(0, 1_900, "new"), ...[1950, 1960].map((i) => gone(value(i)))];
  throws(() => ingest(store, rows), (error) => {
    ok(error instanceof StreamError);
    equal(error.kind, "unavailable");
    match(error.message, /^Cannot write ".*\.run": the disk is full; free space/);
    return true;
  });
  equal(runsOf(directory).length, 0);
  for (const i of [0, 7, 1899, 1950]) equal(read(store, value(i)), `old-${i}`);
  room = Number.POSITIVE_INFINITY;
  ingest(store, values(0, 5, "later"));
  equal(read(store, value(3)), "later-3");
  for (const i of [7, 1899, 1950]) equal(read(store, value(i)), `old-${i}`);
  const restored = await rig.restored([await rig.snapshot(store, 2)]);
  deepEqual(everything(restored), everything(store));
});

test("LmdbStore names the folder and the remedy when it cannot be opened", async () => {
  writeFileSync(join(folder, "file"), "");
  mkdirSync(join(folder, "taken", "rows.mdb"), { recursive: true });
  const failure = async (directory: string): Promise<StreamError> => {
    await using rig = new StoreRig(subject());
    const error: unknown = await rig.open({ directory: join(folder, directory) }).then(() => null, (error) => error);
    ok(error instanceof StreamError);
    equal(error.kind, "unavailable");
    return error;
  };
  match(
    (await failure("file/below")).message,
    /^Cannot make the working folder ".*below" of "op": .*state\.backend\.lmdb\.localdir/,
  );
  match((await failure("taken")).message, /^Cannot open the LMDB database ".*rows\.mdb": .*; make sure that/);
});

test("LmdbStore does not write a snapshot that was released, also while it is under way", async () => {
  await using rig = new StoreRig(subject());
  const store = await rig.open();
  ingest(store, values(0, 3_000, "a"));
  const signal = new AbortController().signal;
  const write = (frozen: FrozenStore) => frozen.write({ checkpointId: 1, full: true }, rig.snapshots, signal);
  const early = store.freeze();
  early.release();
  await rejects(write(early), /it was released/);
  const late = store.freeze();
  const writing = write(late);
  late.release();
  await rejects(writing, /it was released/);
  await rejects(write(late), /it was written already/);
  equal(rig.snapshots.openForWrite, 0);
});

test("lmdbRowStoreFactory refuses a map size that is none", () => {
  for (const mapBytes of [0, -1, 1.5, Number.NaN]) throws(() => lmdbRowStoreFactory({ mapBytes }), RangeError);
  equal(lmdbRowStoreFactory({ mapBytes: 1 << 20 }).name, "lmdb");
});

test("LmdbStore grows beyond the map that it began with, also beside open cursors and snapshots", async () => {
  await using rig = new StoreRig({ ...subject(), factory: () => lmdbRowStoreFactory({ mapBytes: 1 << 20 }) });
  const store: RowStore = await rig.open();
  ingest(store, values(0, 100, "small"));
  const cursor = store.scan(new Uint8Array([0, 3, 0, VALUES]), 4, null);
  const frozen = store.freeze();
  for (let i = 0; i < 16; i++) ingest(store, [put(value(i), "x".repeat(1_000_000))]);
  let count = 0;
  while (cursor.next()) count++;
  equal(count, 13);
  for (let i = 0; i < 16; i++) equal(read(store, value(i))?.length, 1_000_000);
  const restored = await rig.restored([await rig.snapshot(store, 1, { frozen, full: true })]);
  equal(read(restored, value(7)), "small-7");
});

test("LmdbStore takes back an ingest that was given up in the middle of a clear, and of puts with long keys", async () => {
  await using rig = new StoreRig(subject());
  const store = await rig.open();
  const entry = (i: number): RowName => rowOf(3, MAPS, "m", `entry-${i}`);
  const long = (i: number): RowName => rowOf(4, VALUES, `${"k".repeat(3_000)}${i}`);
  const entries = Array.from({ length: 2_000 }, (_, i) => put(entry(i), `${i}`));
  ingest(store, [...values(0, 50, "old"), ...entries, put(long(1), "old"), put(long(2), "old")]);
  const before = everything(store);
  const rows = [
    ...values(0, 60, "never"),
    cleared(rowOf(3, MAPS, "m")),
    put(entry(7), "never"),
    put(long(1), "never"),
    gone(long(2)),
    put(long(3), "never"),
    ...Array.from({ length: 600 }, (_, i) => put(rowOf(5, VALUES, `more-${i}`), "never")),
  ];
  const total = drive((await rig.open()).ingest(new SampleRows(rows)));
  for (let count = rows.length + 2; count < rows.length + total + 8; count++) {
    const steps = store.ingest(new SampleRows(rows));
    let left = count;
    while (left > 0 && !steps.step()) left--;
    if (left > 0) break;
    steps.cancel();
    deepEqual(everything(store), before);
    ingest(store, [put(value(1), "old-1")]);
    deepEqual(everything(store), before);
    deepEqual(everything(await rig.restored([await rig.snapshot(store, count)])), before);
  }
  ingest(store, rows);
  deepEqual([read(store, entry(7)), read(store, entry(8)), read(store, long(2)), read(store, long(3))], [
    "never",
    null,
    null,
    "never",
  ]);
});
