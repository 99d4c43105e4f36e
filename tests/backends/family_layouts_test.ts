/** Snapshots go from any layout of column families to any other: to one tree, to other families, rescaled. */
import { deepEqual, equal, ok, rejects, throws } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { columnOptions } from "../../backends/lsm/column_options.ts";
import { ColumnFamilies } from "../../backends/lsm/column_families.ts";
import type { LsmOptions } from "../../backends/lsm/lsm_options.ts";
import { lsmRowStoreFactory } from "../../backends/lsm/lsm_store.ts";
import { LSM_STATE_METRICS } from "../../backends/lsm/native_metrics.ts";
import { OpenRun } from "../../backends/runs/open_run.ts";
import type { RowStoreFactory } from "../../backends/embedded/row_store.ts";
import { SnapshotCorruptError } from "../../core/errors.ts";
import type { KeyGroupRange } from "../../core/key_groups.ts";
import type { FileRef, KeyedStateHandle, SnapshotStore } from "../../core/snapshot.ts";
import { ALL, drive, everything, group, ingest, read, rows, StoreRig, work } from "../contracts/store_rig.ts";
import { Gauges } from "../support/gauges.ts";
import { MemoryFileSystem } from "../support/memory_file_system.ts";
import {
  applyRows,
  cleared,
  gone,
  LISTS,
  MAPS,
  modelRows,
  put,
  type RowModel,
  rowOf,
  type SampleRow,
  SampleRows,
  TIMERS,
  VALUES,
} from "../support/sample_rows.ts";
import { scaled } from "../support/scale.ts";

/** Small enough that flushes, compactions and cuts happen in milliseconds. */
const SMALL = { blockBytes: 512, targetFileBytes: 4096, levelBaseBytes: 16_384 };
const COLUMN = columnOptions(SMALL);
const OTHER = columnOptions({ ...SMALL, blockBytes: 256, restartInterval: 4, bloomBitsPerKey: 0 });
const THIRD = columnOptions({ ...SMALL, compressionPerLevel: ["none", "zstd"] });

/** How states are dealt to trees. */
const LAYOUTS: Readonly<Record<string, LsmOptions>> = {
  one: SMALL,
  two: { ...SMALL, column: (name) => name === "map" || name === "rows" ? OTHER : COLUMN },
  other: { ...SMALL, column: (name) => name === "map" || name === "value" ? THIRD : COLUMN },
  three: { ...SMALL, column: (name) => name === "list" ? THIRD : name === "value" ? COLUMN : OTHER },
  each: { ...SMALL, metrics: LSM_STATE_METRICS },
};
const layout = fc.constantFrom(...Object.keys(LAYOUTS));

/** Makes stores of the layout that is set when one is opened. */
class Layouts implements RowStoreFactory {
  readonly name = "lsm";
  current = "one";
  open(...context: Parameters<RowStoreFactory["open"]>): ReturnType<RowStoreFactory["open"]> {
    return lsmRowStoreFactory(LAYOUTS[this.current]!).open(...context);
  }
}

function rigOf(): { readonly rig: StoreRig; readonly layouts: Layouts } {
  const layouts = new Layouts();
  return { rig: new StoreRig({ factory: () => layouts }), layouts };
}

/** Number of states that have rows in a run. */
async function statesIn(rig: StoreRig, { runs }: KeyedStateHandle): Promise<number[]> {
  const counts: number[] = [];
  for (const run of runs) {
    const open = await OpenRun.openSnapshot(run, rig.snapshots);
    const cursor = open.rows();
    const states = new Set<number>();
    while (cursor.next()) states.add((cursor.key[2]! << 8) | cursor.key[3]!);
    cursor.close();
    open.close();
    counts.push(states.size);
  }
  return counts;
}

function sample(keys: number, mark: string): SampleRow[] {
  return Array.from({ length: keys }, (_, i) => [
    put(rowOf(i % 8, VALUES, `v${i}`), `${mark}${i}`.padEnd(40, ".")),
    put(rowOf(i % 8, LISTS, `l${i % 9}`, i), `${mark}${i}`),
    put(rowOf(i % 8, MAPS, `m${i % 9}`, `e${i}`), `${mark}${i}`),
    put(rowOf(i % 8, TIMERS, `t${i}`), ""),
  ]).flat();
}

test("restoring another layout rewrites only runs whose rows belong to several families", async () => {
  const { rig, layouts } = rigOf();
  await using _ = rig;
  const single = await rig.open();
  ingest(single, sample(200, "a"));
  ingest(single, Array.from({ length: 50 }, (_, i) => put(rowOf(i % 8, VALUES, `v${i}`), "new")));
  const mixed = await rig.snapshot(single, 1);
  deepEqual(await statesIn(rig, mixed), [4, 1]);

  layouts.current = "two";
  const divided = await rig.restored([mixed], ALL);
  deepEqual(everything(divided), everything(single));
  const second = await rig.snapshot(divided, 2);
  const counts = await statesIn(rig, second);
  ok(counts.length >= 3 && Math.max(...counts) === 2, `states in the runs: ${counts}`);
  const lastOf = ({ runs }: KeyedStateHandle) => runs.find(({ rowCount }) => rowCount === 50)!;
  equal(lastOf(second).footerCrc32, lastOf(mixed).footerCrc32, "it was linked");

  const again = await rig.restored([second], ALL);
  const third = await rig.snapshot(again, 3);
  const crcs = ({ runs }: KeyedStateHandle) => runs.map(({ footerCrc32 }) => footerCrc32).sort();
  deepEqual(crcs(third), crcs(second), "to the same families everything is linked");

  layouts.current = "one";
  const back = await rig.restored([third], ALL);
  deepEqual(everything(back), everything(single));
  deepEqual(crcs(await rig.snapshot(back, 4)), crcs(third), "to one tree everything is linked");
});

test("deletes, clears and rows of other key groups survive a change of families", async () => {
  const { rig, layouts } = rigOf();
  await using _ = rig;
  const single = await rig.open();
  ingest(single, sample(120, "a"));
  const first = await rig.snapshot(single, 1);
  const low = await rig.restored([first], { start: 0, end: 3 });
  ingest(low, [
    cleared({ key: rowOf(1, MAPS, "m1").key, prefixBytes: 0 }),
    gone(rowOf(2, VALUES, "v2")),
    cleared({ key: new Uint8Array([0, 3, 0, TIMERS]), prefixBytes: 4 }),
    put(rowOf(3, TIMERS, "again"), ""),
  ]);
  const expected = everything(low);
  const second = await rig.snapshot(low, 2, { keyGroups: { start: 0, end: 3 } });
  for (const name of ["two", "three", "each"]) {
    layouts.current = name;
    const restored = await rig.restored([second], { start: 0, end: 3 });
    deepEqual(everything(restored), expected, name);
    equal(read(restored, rowOf(2, VALUES, "v2")), null);
    deepEqual(group(restored, rowOf(1, MAPS, "m1")), []);
    equal(rows(restored, 3, TIMERS).length, 1);
    const part = await rig.restored([second], { start: 2, end: 2 });
    deepEqual(everything(part), expected.filter(([key]) => key.charCodeAt(1) === 2), `${name}: a part`);
  }
});

test("rows of a flush appear in all families at once, and a flush that fails leaves none of its files", async () => {
  const { rig, layouts } = rigOf();
  await using _ = rig;
  layouts.current = "each";
  const fileSystem = new MemoryFileSystem();
  const metrics = new Gauges();
  const store = await rig.open({ fileSystem, metrics, directory: "/families" });
  store.reportState!("value");
  ingest(store, sample(100, "old"));
  const old = everything(store);
  const files = () => fileSystem.files("/families").length;
  equal(files(), 4);
  const steps = store.ingest(new SampleRows(sample(100, "new")));
  for (let i = 0; i < 404; i++) {
    equal(steps.step(), false);
    if (i % 20 === 0 || i > 400) deepEqual(everything(store), old);
  }
  steps.cancel();
  deepEqual(everything(store), old);
  await Promise.resolve(); // Files are removed behind its back.
  equal(files(), 4);
  equal(metrics.read("value.rocksdb.num-running-flushes"), 0);
  drive(store.ingest(new SampleRows(sample(100, "new"))));
  equal(read(store, rowOf(3, VALUES, "v3")), "new3".padEnd(40, "."));
  equal(files(), 8);
});

test("a flush that cannot make the file of its last family leaves those of the others unseen", async () => {
  const { rig, layouts } = rigOf();
  await using _ = rig;
  layouts.current = "each";
  const fileSystem = new MemoryFileSystem();
  const store = await rig.open({ fileSystem, directory: "/families" });
  ingest(store, sample(100, "old"));
  const old = everything(store);
  fileSystem.fail({ operation: "create", code: "ENOSPC", after: 3 });
  throws(() => drive(store.ingest(new SampleRows(sample(100, "new")))), { kind: "unavailable" });
  fileSystem.heal();
  deepEqual(everything(store), old);
  equal(fileSystem.files("/families").length, 4);
  ingest(store, sample(100, "new"));
  equal(read(store, rowOf(3, VALUES, "v3")), "new3".padEnd(40, "."));
});

test("every family appends to lists and clears one map alone, as it does without families [269]", async () => {
  const { rig, layouts } = rigOf();
  await using _ = rig;
  for (const name of Object.keys(LAYOUTS)) {
    layouts.current = name;
    const store = await rig.open();
    for (let round = 0; round < 5; round++) {
      ingest(store, [
        put(rowOf(2, LISTS, "l", round), `${round}`),
        put(rowOf(2, LISTS, "other", round), `${round}`),
        put(rowOf(2, MAPS, "m", `e${round}`), `${round}`),
        put(rowOf(2, MAPS, "ma", `e${round}`), `${round}`),
      ]);
    }
    const texts = (found: [string, string][]) => found.map(([, text]) => text);
    deepEqual(texts(group(store, rowOf(2, LISTS, "l"))), ["0", "1", "2", "3", "4"], name);
    ingest(store, [cleared(rowOf(2, MAPS, "m")), cleared(rowOf(2, LISTS, "l"))]);
    for (let i = 0; i < 2; i++) {
      deepEqual(group(store, rowOf(2, MAPS, "m")), [], name);
      deepEqual(group(store, rowOf(2, LISTS, "l")), [], name);
      deepEqual(texts(group(store, rowOf(2, MAPS, "ma"))), ["0", "1", "2", "3", "4"], name);
      deepEqual(texts(group(store, rowOf(2, LISTS, "other"))), ["0", "1", "2", "3", "4"], name);
      work(store);
    }
  }
});

test("closing removes the directory with the files of all families though a snapshot is being written [271]", async () => {
  for (const name of ["one", "three", "each"]) {
    const { rig, layouts } = rigOf();
    await using _ = rig;
    layouts.current = name;
    const fileSystem = new MemoryFileSystem();
    const store = await rig.open({ fileSystem, directory: "/families" });
    ingest(store, sample(400, "a"));
    ok(fileSystem.files("/families").length > 0);
    const stop = new AbortController();
    const frozen = store.freeze();
    const written = frozen.write({ checkpointId: 1, full: false }, rig.snapshots, stop.signal);
    const refused = rejects(written);
    const rows = store.freeze();
    rows.rows().next();
    await rig.wait(store.close());
    equal(await fileSystem.status("/families"), null, name);
    stop.abort(new Error("the backend is closed"));
    await rig.wait(refused);
    frozen.release();
    rows.release();
    equal(await fileSystem.status("/families"), null, name);
    equal(rig.snapshots.openForWrite, 0);
  }
});

test("a snapshot that fails in its second family leaves no file and is not built upon", async () => {
  const { rig, layouts } = rigOf();
  await using _ = rig;
  layouts.current = "each";
  const store = await rig.open();
  ingest(store, sample(100, "a"));
  let created = 0;
  const discarded: FileRef[] = [];
  const target: SnapshotStore = {
    create: (scope) => ++created === 3 ? Promise.reject(new Error("the disk is full")) : rig.snapshots.create(scope),
    discard: (file) => Promise.resolve(void discarded.push(file)),
  };
  const frozen = store.freeze();
  const signal = new AbortController().signal;
  await rejects(rig.wait(frozen.write({ checkpointId: 1, full: false }, target, signal)), /the disk is full/);
  frozen.release();
  const names = discarded.map((file) => file.scope === "inline" ? "" : file.name);
  deepEqual(names.sort(), [...rig.snapshots.files.keys()].sort());
  ok(names.length >= 2, "those of the families before it, and what was being written beside it");
  equal(rig.snapshots.openForWrite, 0);
  store.confirm(1);
  const next = await rig.snapshot(store, 2);
  equal(next.incrementBytes, next.fullBytes);
  deepEqual(everything(await rig.restored([next])), everything(store));
});

test("a damaged run of several families is a SnapshotCorruptError, and no working file is left", async () => {
  const { rig, layouts } = rigOf();
  await using _ = rig;
  const store = await rig.open();
  ingest(store, sample(200, "a"));
  const handle = await rig.snapshot(store, 1);
  const [file, bytes] = [...rig.snapshots.files].at(-1)!;
  rig.snapshots.files.set(file, bytes.map((byte, i) => i === 900 ? byte ^ 0x10 : byte));
  layouts.current = "two";
  const fileSystem = new MemoryFileSystem();
  const restored = await rig.open({ fileSystem, directory: "/families" });
  await rejects(rig.wait(restored.restore([{ handle, keyGroups: ALL }], rig.snapshots)), SnapshotCorruptError);
  equal(fileSystem.files("/families").length, 0);
  equal(rig.snapshots.openForRead, 0);
});

test("families have a tree each and no more: equal options share one", async () => {
  const { rig, layouts } = rigOf();
  await using _ = rig;
  const treesOf = async (name: string) => {
    layouts.current = name;
    const store = await rig.open();
    ingest(store, sample(10, "a"));
    return store instanceof ColumnFamilies ? store.treeCount : 0;
  };
  deepEqual(
    [await treesOf("one"), await treesOf("two"), await treesOf("three"), await treesOf("each")],
    [0, 2, 3, 5],
    "the last has one for rows of no state",
  );
});

const keyGroup = fc.integer({ min: 0, max: 3 });
const letter = fc.constantFrom("a", "b", "ab");
const ofValue = fc.tuple(keyGroup, letter).map(([kg, key]) => rowOf(kg, VALUES, key));
const ofTimer = fc.tuple(keyGroup, letter).map(([kg, key]) => rowOf(kg, TIMERS, key));
const ofMap = fc.tuple(keyGroup, letter, letter).map(([kg, key, entry]) => rowOf(kg, MAPS, key, entry));
const ofList = fc.tuple(keyGroup, letter, fc.nat(9)).map(([kg, key, n]) => rowOf(kg, LISTS, key, n));
const ofAll = fc.tuple(keyGroup, fc.constantFrom(LISTS, MAPS), letter).map(([kg, state, key]) => rowOf(kg, state, key));
const row: fc.Arbitrary<SampleRow> = fc.oneof(
  fc.tuple(fc.oneof(ofValue, ofTimer, ofMap, ofList), fc.string({ maxLength: 60 })).map(([name, text]) =>
    put(name, text.replace(/[^ -~]/g, "."))
  ),
  fc.oneof(ofValue, ofTimer, ofMap).map(gone),
  ofAll.map(cleared),
);
const batch = fc.array(row, { maxLength: 30 }).map((all) => [
  ...new Map(all.map((one) => [String(one.key), one])).values(),
]);
const act = fc.oneof(
  { weight: 4, arbitrary: batch.map((rows) => ({ act: "ingest" as const, rows })) },
  { weight: 2, arbitrary: fc.record({ act: fc.constant("restore" as const), layout, full: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({ act: fc.constant("rescale" as const), layout, at: fc.integer({ min: 0, max: 2 }) }),
  },
  { weight: 1, arbitrary: fc.constant({ act: "work" as const }) },
);

/** Rows in the range that a model has. */
function within(model: RowModel, { start, end }: KeyGroupRange): [string, string][] {
  return modelRows(model, new Uint8Array(0)).filter(([key]) => {
    const group = (key.charCodeAt(0) << 8) | key.charCodeAt(1);
    return group >= start && group <= end;
  });
}

test(
  "rows go through any sequence of layouts, rescalings, writes and merges unchanged",
  { timeout: 60_000 },
  async () => {
    await fc.assert(
      fc.asyncProperty(layout, fc.array(act, { maxLength: 14 }), async (first, acts) => {
        const { rig, layouts } = rigOf();
        await using _ = rig;
        layouts.current = first;
        const model: RowModel = new Map();
        let store = await rig.open();
        let id = 0;
        for (const step of acts) {
          if (step.act === "ingest") {
            ingest(store, step.rows);
            applyRows(model, step.rows);
          } else if (step.act === "work") {
            work(store);
          } else {
            const full = step.act === "restore" && step.full;
            const handle = await rig.snapshot(store, ++id, { full });
            store.confirm(id);
            layouts.current = step.layout;
            if (step.act === "restore") {
              store = await rig.restored([handle]);
            } else {
              const ranges = [{ start: 0, end: step.at }, { start: step.at + 1, end: 127 }];
              const parts: KeyedStateHandle[] = [];
              for (const keyGroups of ranges) {
                const part = await rig.restored([handle], keyGroups);
                deepEqual(everything(part), within(model, keyGroups));
                parts.push(await rig.snapshot(part, ++id, { keyGroups }));
              }
              store = await rig.restored(parts);
            }
          }
          deepEqual(everything(store), within(model, ALL));
          const frozen = store.freeze();
          const all = frozen.rows();
          let count = 0;
          while (all.next()) count++;
          equal(count, model.size);
          all.close();
          frozen.release();
        }
      }),
      { numRuns: scaled(60, 600) },
    );
  },
);
