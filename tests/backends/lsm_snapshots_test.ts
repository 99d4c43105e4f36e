import { deepEqual, equal, ok, rejects, throws } from "node:assert/strict";
import { test } from "node:test";
import { HeapStateBackend } from "../../backends/heap/heap_backend.ts";
import type { RunState } from "../../backends/runs/run_format.ts";
import { mapState, valueState } from "../../core/descriptors.ts";
import type { FrozenStore, RowStore } from "../../backends/embedded/row_store.ts";
import { lsmRowStoreFactory, LsmStore } from "../../backends/lsm/lsm_store.ts";
import { WorkingFileError } from "../../core/errors.ts";
import { UploadedRuns } from "../../backends/lsm/uploaded_runs.ts";
import { StoppableStore } from "../../backends/states/stoppable_store.ts";
import { FilesystemStorage } from "../../checkpoint/filesystem_storage.ts";
import type { FileRef, KeyedStateHandle, SnapshotReader, SnapshotStore } from "../../core/snapshot.ts";
import { ALL, everything, ingest, read, rows, StoreRig, work } from "../contracts/store_rig.ts";
import { backendContext } from "../support/backend_context.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { MemoryFileSystem } from "../support/memory_file_system.ts";
import { SortedRowStores } from "../support/sorted_row_store.ts";
import { bytesOf, put, type RowName, rowOf, type SampleRow, VALUES } from "../support/sample_rows.ts";

const SMALL = { blockBytes: 512, targetFileBytes: 8192, levelBaseBytes: 1 << 20 };
const OWNER = { vertexId: "op", subtaskIndex: 0 };

const name = (i: number): RowName => rowOf(i % 8, VALUES, `key-${i}`);

function values(from: number, to: number, mark: string): SampleRow[] {
  return Array.from({ length: to - from }, (_, i) => put(name(from + i), `${mark}-${from + i}`.padEnd(40, ".")));
}

/** Those that the heap backend of a test has. */
const STATES: readonly RunState[] = (["value", "map"] as const)
  .map((kind, id) => ({
    id,
    name: kind,
    kind,
    serializerId: "auto",
    serializerVersion: 1,
    schemaVersion: 1,
    flags: 0,
  }));

/** A store and checkpoints on one disk, in memory. */
class DiskRig {
  readonly disk = new MemoryFileSystem();
  readonly rig: StoreRig;
  readonly storage: FilesystemStorage;

  constructor(inlineBytes = 0) {
    const ports = () => ({ fileSystem: this.disk });
    this.rig = new StoreRig({ factory: () => lsmRowStoreFactory(SMALL), ports });
    const { random } = backendContext();
    this.storage = new FilesystemStorage({
      fileSystem: this.disk,
      random,
      root: "/checkpoints",
      jobId: "job",
      inlineBytes,
    });
  }

  async open(): Promise<RowStore> {
    await this.storage.prepare();
    return await this.rig.open();
  }

  target(id: number): SnapshotStore {
    return this.storage.begin(id).store(OWNER);
  }

  async write(frozen: FrozenStore, id: number, full = false, target = this.target(id)): Promise<KeyedStateHandle> {
    const controller = new AbortController();
    try {
      const { runs, incrementBytes } = await this.rig.wait(
        frozen.write({ checkpointId: id, full }, target, controller.signal),
      );
      const fullBytes = runs.reduce((sum, { file }) => sum + file.sizeBytes, 0);
      return { keyGroups: ALL, runs, nextListNumber: 0, incrementBytes, fullBytes };
    } finally {
      frozen.release();
    }
  }

  reader(id: number): SnapshotReader {
    return this.storage.reader(`/checkpoints/job/chk-${id}`);
  }

  async restore(handle: KeyedStateHandle, id: number): Promise<RowStore> {
    const store = await this.rig.open();
    await this.rig.wait(store.restore([{ handle, keyGroups: ALL }], this.reader(id)));
    return store;
  }
}

test("LsmStore hands its files over by hard link and takes them back by hard link, copying nothing", async () => {
  const one = new DiskRig();
  await using _ = one.rig;
  const store = await one.open();
  for (let part = 0; part < 6; part++) ingest(store, values(part * 100, part * 100 + 100, "a"));
  work(store);
  one.disk.journal.length = 0;
  const handle = await one.write(store.freeze(), 1);
  const operations = (verb: string) => one.disk.journal.filter((line) => line.startsWith(`${verb} `));
  equal(operations("link").length, handle.runs.length);
  deepEqual(operations("write"), []);
  equal(operations("sync").length, handle.runs.length);
  one.disk.journal.length = 0;
  const restored = await one.restore(handle, 1);
  equal(operations("link").length, handle.runs.length);
  deepEqual(operations("write"), []);
  deepEqual(everything(restored), everything(store));
  // The checkpoint outlives both.
  await one.rig.wait(store.close());
  await one.rig.wait(restored.close());
  equal(everything(await one.restore(handle, 1)).length, 600);
});

test("LsmStore: after a restore the first checkpoint refers to no file of the restored one, which may be the user's [270]", async () => {
  const one = new DiskRig();
  await using _ = one.rig;
  const store = await one.open();
  ingest(store, values(0, 500, "a"));
  const handle = await one.write(store.freeze(), 1);
  const restored = await one.restore(handle, 1);
  const first = await one.write(restored.freeze(), 2);
  equal(first.incrementBytes, first.fullBytes);
  const names = (from: KeyedStateHandle) => from.runs.map(({ file }) => file.scope === "inline" ? "" : file.name);
  equal(names(first).some((name) => names(handle).includes(name)), false);
  restored.confirm(2);
  ingest(restored, values(0, 10, "b"));
  const savepoint = await one.write(restored.freeze(), 3, true);
  equal(savepoint.incrementBytes, savepoint.fullBytes);
  const second = await one.write(restored.freeze(), 4);
  ok(second.incrementBytes < second.fullBytes / 4, `${second.incrementBytes} of ${second.fullBytes}`);
});

test("LsmStore: small runs come into the metadata, and are restored from there", async () => {
  const one = new DiskRig(1 << 16);
  await using _ = one.rig;
  const store = await one.open();
  ingest(store, values(0, 100, "a"));
  const handle = await one.write(store.freeze(), 1);
  deepEqual(handle.runs.map(({ file }) => file.scope), ["inline"]);
  store.confirm(1);
  equal((await one.write(store.freeze(), 2)).incrementBytes, 0);
  equal(read(await one.restore(handle, 1), name(7)), "a-7".padEnd(40, "."));
});

test("LsmStore: a failed upload discards what it has uploaded, and the next one is whole", async () => {
  const one = new DiskRig();
  await using _ = one.rig;
  const store = await one.open();
  for (let part = 0; part < 3; part++) ingest(store, values(part * 100, part * 100 + 100, "a"));
  for (const operation of ["link", "sync"] as const) {
    for (let after = 0; after < 3; after++) {
      one.disk.fail({ operation, path: "store-0", code: "EIO", after });
      await rejects(one.write(store.freeze(), after), (error) => (error as { code?: string }).code === "EIO"); // as thrown by the disk
      one.disk.heal();
      deepEqual(one.disk.files("/checkpoints"), []);
    }
  }
  const handle = await one.write(store.freeze(), 10);
  equal(handle.incrementBytes, handle.fullBytes);
  equal(everything(await one.restore(handle, 10)).length, 300);
});

test("LsmStore: a cancelled upload rejects at once and leaves nothing, also when the storage hangs", async () => {
  const one = new DiskRig();
  await using _ = one.rig;
  const store = await one.open();
  for (let part = 0; part < 3; part++) ingest(store, values(part * 100, part * 100 + 100, "a"));
  const controller = new AbortController();
  const real = one.target(1);
  let answer: (ref: FileRef) => void = () => {};
  let adopted = 0;
  const discarded: FileRef[] = [];
  const hanging: SnapshotStore = {
    create: real.create,
    adopt: (path, sizeBytes, scope) => {
      if (++adopted === 1) return real.adopt!(path, sizeBytes, scope);
      return new Promise((resolve) => answer = resolve);
    },
    discard: (ref) => {
      discarded.push(ref);
      return real.discard!(ref);
    },
  };
  const frozen = store.freeze();
  const stoppable = new StoppableStore(hanging, controller.signal);
  const writing = frozen.write({ checkpointId: 1, full: false }, stoppable, controller.signal);
  const reason = new Error("aborted");
  const outcome = rejects(one.rig.wait(writing), reason);
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
  equal(adopted, 3, "all at once");
  controller.abort(reason);
  await outcome;
  frozen.release();
  equal(discarded.length, 1);
  deepEqual(one.disk.files("/checkpoints"), []);
  const late: FileRef = { scope: "shared", name: "late", sizeBytes: 1 };
  answer(late);
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
  deepEqual(discarded.at(-1), late);
});

test("LsmStore: a frozen store is written once, and not after its release", async () => {
  const one = new DiskRig();
  await using _ = one.rig;
  const store = await one.open();
  ingest(store, values(0, 10, "a"));
  const frozen = store.freeze();
  await one.write(frozen, 1);
  await rejects(one.write(frozen, 2), /it was written already/);
  const released = store.freeze();
  released.release();
  await rejects(one.write(released, 3), /it was released/);
});

test("LsmStore: reading all rows of a frozen store leaves the block cache as it was, and gives back what it held", async () => {
  const settings = { blockBytes: 512, targetFileBytes: 4096, levelBaseBytes: 16_384 };
  await using rig = new StoreRig({ factory: () => lsmRowStoreFactory(settings) });
  const store = await rig.open();
  if (!(store instanceof LsmStore)) throw new TypeError("the factory makes no other stores");
  for (let i = 0; i < 6; i++) ingest(store, values(i * 100, 3_000, `${i}`));
  work(store);
  ingest(store, values(0, 50, "new"));
  ok(store.filesAtLevels().some((files, level) => level > 0 && files > 1), `${store.filesAtLevels()}`);
  for (let i = 0; i < 20; i++) read(store, name(i));
  const before = store.cache();
  const frozen = store.freeze();
  const all = frozen.rows();
  let count = 0;
  while (all.next()) count++;
  all.close();
  frozen.release();
  equal(count, 3_000);
  deepEqual(store.cache(), before);
});

test("LsmStore: damage that reading all rows of a frozen store comes upon is told as that of a working file", async () => {
  await using rig = new StoreRig({ factory: () => lsmRowStoreFactory(SMALL) });
  const disk = new MemoryFileSystem();
  const store = await rig.open({ fileSystem: disk, directory: "/damaged" });
  ingest(store, values(0, 2_000, "a"));
  const [path] = disk.files("/damaged");
  disk.flipBit(path!, 5_000);
  const frozen = store.freeze();
  const all = frozen.rows();
  throws(() => {
    while (all.next());
  }, WorkingFileError);
  all.close();
  frozen.release();
});

test("LsmStore restores the chain of increments of another backend by linking its files, also with other state ids", async () => {
  const one = new StoreRig({ factory: () => lsmRowStoreFactory(SMALL) });
  await using _ = one;
  const context = backendContext({ incremental: true });
  const clock = new ManualClock({ tickMs: 0.4 });
  await using heap = new HeapStateBackend({ ...context, clock });
  await heap.open([], one.snapshots);
  const count = valueState<number>("count");
  const cells = mapState<string, number>("cells");
  let handle: KeyedStateHandle | null = null;
  for (let id = 1; id <= 5; id++) {
    for (let i = id; i < 300; i += id === 1 ? 1 : id * 9) {
      heap.setCurrentKey(`key-${i}`);
      heap.state(count).update(i * id);
      if (i % 7 === 0) heap.state(cells).clear();
      heap.state(cells).set(`cell-${i % 3}`, id);
      if (i % 50 === 0) heap.state(count).clear();
    }
    handle = await clock.runUntil(heap.snapshot({ checkpointId: id, full: false }).write(one.snapshots));
    heap.confirm(id);
  }
  ok(handle !== null && handle.runs.length > 2);
  const plain = new StoreRig({ factory: () => new SortedRowStores(), snapshots: () => one.snapshots });
  await using __ = plain;
  for (const shift of [0, 7]) {
    const idOf = (id: number) => Math.abs(shift - id);
    const options = {
      states: (): RunState[] => STATES.map((state) => ({ ...state, id: idOf(state.id) })),
      restoredStateId: ({ id }: RunState) => idOf(id),
    };
    const restored = await one.restored([handle], ALL, options);
    const expected = await plain.restored([handle], ALL, options);
    for (let round = 0; round < 2; round++) {
      let rowCount = 0;
      for (let group = 0; group < 128; group++) {
        for (const state of [0, 1, 6, 7]) {
          const all = rows(expected, group, state);
          deepEqual(rows(restored, group, state), all);
          rowCount += all.length;
          for (const [key, value] of all) {
            equal(read(restored, { key: bytesOf(key), prefixBytes: prefixBytesOf(key) }), value);
          }
        }
      }
      ok(rowCount > 500, `${rowCount} rows`);
      work(restored);
    }
  }
});

/** Of a row of the states above: key and namespace, which is none. */
function prefixBytesOf(key: string): number {
  return key.indexOf("\0\0\x02", 4) + 3;
}

test("UploadedRuns builds on the last confirmed checkpoint alone, whatever comes late or never", () => {
  const runs = new UploadedRuns<string>();
  const ref = (name: string): FileRef => ({ scope: "shared", name, sizeBytes: 1 });
  const holding = (...names: string[]) => new Map(names.map((name) => [name, ref(name)]));
  const basis = () => [...runs.basis.keys()].join("");
  runs.written(1, holding("a"));
  equal(basis(), "");
  runs.written(2, holding("a", "b"));
  runs.confirm(1);
  equal(basis(), "a");
  runs.abort(2);
  runs.confirm(2);
  equal(basis(), "a");
  runs.written(4, holding("c"));
  runs.written(5, holding("d"));
  runs.confirm(5);
  equal(basis(), "d");
  equal(runs.unconfirmedCount, 0);
  runs.confirm(4);
  runs.written(3, holding("late"));
  runs.confirm(3);
  equal(basis(), "d");
  equal(runs.unconfirmedCount, 0);
});

test("LsmStore: an upload of many files has at most four under way, and ends with the first failure when the others have ended", async () => {
  const one = new DiskRig();
  await using _ = one.rig;
  const store = await one.open();
  for (let part = 0; part < 6; part++) ingest(store, values(part * 100, part * 100 + 100, "a"));
  const real = one.target(1);
  const failure = new Error("no");
  let underWay = 0;
  let most = 0;
  let adopted = 0;
  const discarded: FileRef[] = [];
  const target: SnapshotStore = {
    create: real.create,
    adopt: async (path, sizeBytes, scope) => {
      most = Math.max(most, ++underWay);
      const isFirst = ++adopted === 1;
      try {
        await null;
        if (isFirst) throw failure;
        return await real.adopt!(path, sizeBytes, scope);
      } finally {
        underWay--;
      }
    },
    discard: (ref) => {
      discarded.push(ref);
      return real.discard!(ref);
    },
  };
  const frozen = store.freeze();
  const writing = frozen.write({ checkpointId: 1, full: false }, target, new AbortController().signal);
  await rejects(one.rig.wait(writing), failure);
  frozen.release();
  equal(most, 4);
  equal(adopted, 4, "none is begun after a failure");
  equal(discarded.length, 3);
  deepEqual(one.disk.files("/checkpoints"), []);
});

test("LsmStore merges as it goes, so a chain of sixty increments names no more runs than one of twenty", async () => {
  await using rig = new StoreRig({ factory: () => lsmRowStoreFactory(SMALL) });
  const store = await rig.open();
  const counts: number[] = [];
  for (let id = 1; id <= 60; id++) {
    ingest(store, values(id * 40, id * 40 + 60, `${id}`));
    if (id % 4 === 0) work(store);
    counts.push((await rig.snapshot(store, id)).runs.length);
    store.confirm(id);
  }
  ok(Math.max(...counts.slice(40)) <= 20, `runs: ${counts.join(" ")}`);
});
