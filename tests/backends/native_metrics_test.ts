/** Figures of LSM stores: what is counted for an operator, and what each state has in a tree of its own. */
import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { test } from "node:test";
import { embeddedBackendFactory } from "../../backends/embedded/embedded_backend_factory.ts";
import { ColumnFamilies } from "../../backends/lsm/column_families.ts";
import { LSM_STATE_METRICS, LSM_STORE_METRICS } from "../../backends/lsm/native_metrics.ts";
import { lsmRowStoreFactory, LsmStore } from "../../backends/lsm/lsm_store.ts";
import { valueState } from "../../core/descriptors.ts";
import type { KeyedStateHandle } from "../../core/snapshot.ts";
import { group, ingest, read, StoreRig, work } from "../contracts/store_rig.ts";
import { backendContext } from "../support/backend_context.ts";
import { Gauges } from "../support/gauges.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { MemoryFileSystem } from "../support/memory_file_system.ts";
import { MemorySnapshots } from "../support/memory_snapshot_store.ts";
import { MAPS, put, type RowName, rowOf, SampleRows, VALUES } from "../support/sample_rows.ts";

const ALL = [...LSM_STORE_METRICS, ...LSM_STATE_METRICS];

const name = (i: number): RowName => rowOf(i % 8, VALUES, `key-${i}`);

test("an LSM store reports the native metrics that it is asked for, and no others", async () => {
  await using rig = new StoreRig({ factory: () => lsmRowStoreFactory() });
  const none = new Gauges();
  ok(await rig.open({ metrics: none }) instanceof LsmStore);
  deepEqual(none.names(), []);

  const metrics = ["bytes-read", "no-such-metric", "num-entries-active-mem-table"];
  await using counting = new StoreRig({ factory: () => lsmRowStoreFactory({ metrics }) });
  const some = new Gauges();
  ok(await counting.open({ metrics: some }) instanceof LsmStore, "what is counted for all needs no tree for each");
  deepEqual(some.names(), ["rocksdb.bytes-read"]);
});

test("metrics of a state are named after it, or have it as a variable", async () => {
  for (const columnFamilyAsVariable of [false, true]) {
    const metrics = ["bytes-read", "num-files-at-level", "num-snapshots"];
    await using rig = new StoreRig({ factory: () => lsmRowStoreFactory({ metrics, columnFamilyAsVariable }) });
    const gauges = new Gauges();
    const store = await rig.open({ metrics: gauges });
    store.reportState!("value");
    const levels = [0, 1, 2, 3, 4, 5, 6].map((level) => `num-files-at-level${level}`);
    const ofState = [...levels, "num-snapshots"].map((metric) => `rocksdb.${metric}`);
    const prefix = columnFamilyAsVariable ? "column_family=value " : "value.";
    deepEqual(gauges.names(), [...ofState.map((metric) => prefix + metric), "rocksdb.bytes-read"].sort());
  }
});

test("states share a tree unless a metric can only be told when they do not", async () => {
  const treesWith = async (metrics: readonly string[]) => {
    await using rig = new StoreRig({ factory: () => lsmRowStoreFactory({ metrics }) });
    const store = await rig.open();
    ingest(store, [put(name(1), "a"), put(rowOf(1, MAPS, "m", "x"), "b")]);
    return store instanceof ColumnFamilies ? store.treeCount : 0;
  };
  equal(await treesWith(["block-cache-usage"]), 1);
  equal(await treesWith(["block-cache-usage", "num-snapshots"]), 5, "one of each, and one of none");
});

test("native metrics tell of reads, writes, filters, compactions, files and snapshots", async () => {
  await using rig = new StoreRig({ factory: () => lsmRowStoreFactory({ metrics: ALL, blockBytes: 512 }) });
  const gauges = new Gauges();
  const store = await rig.open({ metrics: gauges });
  store.reportState!("value");
  store.reportState!("map");
  const ofState = (metric: string) => gauges.read(`value.rocksdb.${metric}`);
  const ofStore = (metric: string) => gauges.read(`rocksdb.${metric}`);
  for (const metric of LSM_STORE_METRICS) equal(ofStore(metric), 0, metric);
  const rowBytes = (row: RowName) => row.key.length + 50;
  let written = 0;
  for (let part = 0; part < 4; part++) {
    const rows = Array.from({ length: 200 }, (_, i) => name(part * 200 + i));
    for (const row of rows) written += rowBytes(row);
    ingest(store, rows.map((row) => put(row, "x".repeat(50))));
  }
  equal(ofState("num-files-at-level0"), 4);
  equal(ofState("estimate-num-keys"), 800);
  equal(ofState("compaction-pending"), 1);
  equal(ofState("estimate-pending-compaction-bytes"), ofState("live-sst-files-size"));
  equal(ofStore("bytes-written"), written);
  for (let i = 0; i < 900; i++) equal(read(store, name(i)) !== null, i < 800);
  equal(ofStore("bytes-read"), 800 * 50);
  equal(ofStore("bloom-filter-full-true-positive"), 800);
  // Newest first, a value is in one of four files, and a hundred are in none.
  const asked = 200 * (1 + 2 + 3 + 4) + 100 * 4;
  equal(Number(ofStore("bloom-filter-useful")) + Number(ofStore("bloom-filter-full-positive")), asked);
  ok(Number(ofStore("bloom-filter-full-positive")) < 800 + asked / 20);
  ok(Number(ofStore("block-cache-hit")) > 0 && Number(ofStore("block-cache-miss")) > 0);
  const frozen = store.freeze();
  equal(ofState("num-snapshots"), 1);
  const before = ofState("total-sst-files-size");
  equal(ofState("live-sst-files-size"), before);
  work(store);
  equal(ofState("num-files-at-level0"), 0);
  equal(ofState("num-files-at-level1"), 1);
  equal(ofState("num-live-versions"), 2);
  equal(ofStore("compaction-read-bytes"), before);
  equal(ofState("total-sst-files-size"), Number(before) + Number(ofState("live-sst-files-size")));
  frozen.release();
  equal(ofState("num-snapshots"), 0);
  equal(ofState("num-live-versions"), 1);
  equal(ofStore("compaction-write-bytes"), ofState("live-sst-files-size"));
  equal(ofState("total-sst-files-size"), ofState("live-sst-files-size"));
  ok(Number(ofState("estimate-table-readers-mem")) > 0);
  equal(ofState("background-errors"), 0);
});

test("native metrics tell what one state has, whatever others have, and count for the operator what all have", async () => {
  await using rig = new StoreRig({ factory: () => lsmRowStoreFactory({ metrics: ALL, blockBytes: 512 }) });
  const gauges = new Gauges();
  const store = await rig.open({ metrics: gauges });
  for (const state of ["value", "map", "list"]) store.reportState!(state);
  const entries = Array.from({ length: 300 }, (_, i) => rowOf(i % 4, MAPS, "m", `entry-${i}`));
  const batch = [...entries.map((row) => put(row, "12345678")), put(name(3), "1234")];
  const steps = store.ingest(new SampleRows(batch));
  const read3 = (metric: string) => ["value", "map", "list"].map((state) => gauges.read(`${state}.rocksdb.${metric}`));
  while (read3("num-running-flushes")[1] === 0) equal(steps.step(), false);
  while (!steps.step());
  deepEqual(read3("num-running-flushes"), [0, 0, 0]);
  deepEqual(read3("estimate-num-keys"), [1, 300, 0]);
  deepEqual(read3("num-files-at-level0"), [1, 1, 0]);
  const [ofValue, ofMap, ofList] = read3("total-sst-files-size").map(Number);
  ok(ofValue! > 0 && ofMap! > ofValue! && ofList === 0);
  const all = [...entries, name(3)].reduce((sum, { key }) => sum + key.length, 0) + 300 * 8 + 4;
  equal(gauges.read("rocksdb.bytes-written"), all);
  const rows = [0, 1, 2, 3].flatMap((keyGroup) => group(store, rowOf(keyGroup, MAPS, "m")));
  equal(rows.length, 300);
  equal(gauges.read("rocksdb.iter-bytes-read"), entries.reduce((sum, { key }) => sum + key.length + 8, 0));
  equal(read(store, name(3)), "1234");
  equal(gauges.read("rocksdb.bytes-read"), 4);
  const capacity = read3("block-cache-capacity");
  deepEqual(capacity, [rig.memory.cacheBytes, rig.memory.cacheBytes, rig.memory.cacheBytes]);
  const [usage, pinned] = [read3("block-cache-usage"), read3("block-cache-pinned-usage")];
  ok(Number(usage[0]) > Number(pinned[0]) && Number(pinned[0]) > 0);
});

test("blocks are counted for the operator whose files they are of, though a slot has one cache", async () => {
  await using rig = new StoreRig({ factory: () => lsmRowStoreFactory({ metrics: ALL, blockBytes: 512 }) });
  const [first, second] = [new Gauges(), new Gauges()];
  const store = await rig.open({ metrics: first });
  const other = await rig.open({ metrics: second });
  ingest(store, [put(name(1), "a"), put(rowOf(1, MAPS, "m", "x"), "b")]);
  ingest(other, [put(name(1), "a")]);
  for (let i = 0; i < 5; i++) equal(read(store, name(1)), "a");
  equal(read(store, rowOf(1, MAPS, "m", "x")), "b");
  equal(read(other, name(1)), "a");
  const blocks = (of: Gauges) => ["miss", "hit"].map((what) => of.read(`rocksdb.block-cache-${what}`));
  deepEqual([blocks(first), blocks(second)], [[2, 4], [1, 0]]);
});

test("compactions, flushes and failures that are under way show, in the state that they are of", async () => {
  const fileSystem = new MemoryFileSystem();
  await using rig = new StoreRig({ factory: () => lsmRowStoreFactory({ metrics: ALL, blockBytes: 512 }) });
  const gauges = new Gauges();
  const store = await rig.open({ metrics: gauges, fileSystem });
  for (const state of ["value", "map"]) store.reportState!(state);
  const both = (metric: string) => ["value", "map"].map((state) => gauges.read(`${state}.rocksdb.${metric}`));
  ingest(store, [put(rowOf(1, MAPS, "m", "x"), "b")]);
  for (let i = 0; i < 4; i++) ingest(store, Array.from({ length: 900 }, (_, k) => put(name(k), `${i}`)));
  deepEqual(both("compaction-pending"), [1, 0]);
  ok(Number(both("estimate-pending-compaction-bytes")[0]) > 0);
  equal(both("estimate-pending-compaction-bytes")[1], 0);
  deepEqual(both("estimate-live-data-size"), both("live-sst-files-size"));
  const steps = store.nextWork()!;
  equal(steps.step(), false);
  deepEqual(both("num-running-compactions"), [1, 0]);
  steps.cancel();
  deepEqual(both("num-running-compactions"), [0, 0]);
  equal(gauges.read("rocksdb.compaction-write-bytes"), 0);

  const flush = store.ingest(new SampleRows(Array.from({ length: 2_000 }, (_, k) => put(name(k), "new"))));
  while (both("num-running-flushes")[0] === 0) equal(flush.step(), false);
  deepEqual(both("num-running-flushes"), [1, 0]);
  fileSystem.fail({ operation: "write", code: "ENOSPC" });
  throws(() => {
    while (!flush.step());
  }, { kind: "unavailable" });
  deepEqual(both("num-running-flushes"), [0, 0]);
  deepEqual(both("background-errors"), [1, 0]);
});

test("a state is reported from its declaration on, a restored one from the restore on, though nobody declares it", async () => {
  const clock = new ManualClock({ tickMs: 1 });
  const files = new MemorySnapshots();
  const factory = embeddedBackendFactory(lsmRowStoreFactory({ metrics: ["estimate-num-keys"] }), {
    memory: { bytes: 1 << 20, writeBufferRatio: 0.5, highPriorityPoolRatio: 0.1 },
    directory: "/state",
    metrics: ["num-entries-active-mem-table"],
  });
  const open = async (handles: readonly KeyedStateHandle[]) => {
    const gauges = new Gauges();
    const backend = factory.create(backendContext({ clock, metrics: gauges }));
    await clock.runUntil(backend.open(handles, files));
    return { backend, gauges };
  };
  const { backend, gauges } = await open([]);
  await using _ = backend;
  deepEqual(gauges.names(), []);
  const totals = backend.state(valueState<number>("totals"));
  const ofTotals = ["totals.rocksdb.estimate-num-keys", "totals.rocksdb.num-entries-active-mem-table"];
  deepEqual(gauges.names(), ofTotals);
  for (const key of ["a", "b", "c"]) {
    backend.setCurrentKey(key);
    totals.update(1);
  }
  deepEqual(ofTotals.map((name) => gauges.read(name)), [0, 3]);
  const handle = await clock.runUntil(backend.snapshot({ checkpointId: 1, full: false }).write(files));
  deepEqual(ofTotals.map((name) => gauges.read(name)), [3, 0]);

  const restored = await open([handle!]);
  await using __ = restored.backend;
  deepEqual(restored.gauges.names(), ofTotals);
  deepEqual(ofTotals.map((name) => restored.gauges.read(name)), [3, 0]);
});
