/** Each option of LSM stores has its effect on the files: what is measured is bytes, not time. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { BufferedRows } from "../../backends/embedded/buffered_rows.ts";
import { embeddedBackendFactory } from "../../backends/embedded/embedded_backend_factory.ts";
import { SlotMemory } from "../../backends/embedded/slot_memory.ts";
import { configuredLsm } from "../../backends/lsm/configured_lsm.ts";
import type { LsmOptions } from "../../backends/lsm/lsm_options.ts";
import { lsmRowStoreFactory, type LsmStore } from "../../backends/lsm/lsm_store.ts";
import { OpenRun } from "../../backends/runs/open_run.ts";
import { Configuration } from "../../core/config.ts";
import { valueState } from "../../core/descriptors.ts";
import { ingest, read, StoreRig, work } from "../contracts/store_rig.ts";
import { getRow, putRow } from "../contracts/rows_rig.ts";
import { backendContext } from "../support/backend_context.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { put, rowOf, type SampleRow, VALUES } from "../support/sample_rows.ts";

const KIB = 1024;

/** Keys whose first bytes are alike, and values that can be compressed. */
function values(from: number, to: number, text = "a value like all others"): SampleRow[] {
  return Array.from({ length: to - from }, (_, i) => put(nameOf(from + i), `${text} ${from + i}`));
}

function nameOf(i: number) {
  return rowOf(i % 64, VALUES, `a-common-beginning-${i}`);
}

interface Run {
  readonly level: number;
  readonly sizeBytes: number;
  readonly blockCount: number;
  readonly isCompressed: boolean;
  readonly memoryBytes: number;
}

/** The runs that a store with these options makes of `batches`, each flushed on its own. */
async function runsOf(options: LsmOptions, batches: readonly (readonly SampleRow[])[]): Promise<Run[]> {
  await using rig = new StoreRig({ factory: () => lsmRowStoreFactory(options), memoryBytes: 8 << 20 });
  const store = await rig.open();
  for (const batch of batches) {
    ingest(store, batch);
    work(store);
  }
  for (const i of [0, 17, 999]) equal(read(store, nameOf(i)), `a value like all others ${i}`);
  const { runs } = await rig.snapshot(store, 1);
  return await Promise.all(runs.map(async (handle) => {
    const run = await OpenRun.openSnapshot(handle, rig.snapshots);
    const { sizeBytes, isCompressed, memoryBytes, index: { blockCount } } = run;
    run.close();
    return { level: handle.level, sizeBytes, isCompressed, memoryBytes, blockCount };
  }));
}

async function runOf(options: LsmOptions): Promise<Run> {
  const [run, ...others] = await runsOf(options, [values(0, 2_000)]);
  equal(others.length, 0);
  return run!;
}

test("block.blocksize: half the size, twice the blocks", async () => {
  const large = await runOf({ blockBytes: 4 * KIB });
  const small = await runOf({ blockBytes: 2 * KIB });
  ok(Math.abs(small.blockCount / large.blockCount - 2) < 0.2, `${small.blockCount} of ${large.blockCount}`);
});

test("restartInterval: keys are stored whole more often, reads find them all the same", async () => {
  const sizes = await Promise.all([1, 4, 16, 256].map(async (restartInterval) => {
    return (await runOf({ restartInterval })).sizeBytes;
  }));
  deepEqual(sizes, sizes.toSorted((left, right) => right - left));
  ok(sizes[0]! > sizes[2]! * 1.3, `${sizes}`);
});

test("bloom-filter.bits-per-key and use-bloom-filter: memory of a run, and no reads in vain", async () => {
  const none = await runOf({ bloomBitsPerKey: 0 });
  const ten = await runOf({ bloomBitsPerKey: 10 });
  const twenty = await runOf({ bloomBitsPerKey: 20 });
  const bits = (run: Run) => ((run.memoryBytes - none.memoryBytes) * 8) / 2_000;
  ok(Math.abs(bits(ten) - 10) < 1.5 && Math.abs(bits(twenty) - 20) < 1.5, `${bits(ten)}, ${bits(twenty)}`);
  const missesOf = async (bloomBitsPerKey: number): Promise<number> => {
    await using rig = new StoreRig({ factory: () => lsmRowStoreFactory({ bloomBitsPerKey }) });
    const store = await rig.open();
    ingest(store, values(0, 2_000));
    for (let i = 0; i < 500; i++) equal(read(store, rowOf(i % 64, VALUES, `a-common-beginning-${i}-not`)), null);
    return (store as LsmStore).statistics.bloomFullPositive; // the factory makes no other without columns
  };
  ok(await missesOf(10) < 20, "a few of a hundred at most");
  equal(await missesOf(0), 500);
});

test("compression.per.level: each level is compressed as the list says, files that move to another as well", async () => {
  const options: LsmOptions = { levelBaseBytes: 20_000, targetFileBytes: 4 * KIB, levelRatio: 2 };
  const batches = Array.from({ length: 12 }, (_, i) => values(i * 400, i * 400 + 400));
  for (const words of [["none"], ["zstd"], ["none", "none", "zstd"], ["zstd", "none"]] as const) {
    const runs = await runsOf({ ...options, compressionPerLevel: words }, [...batches, values(0, 10)]);
    const levels = [...new Set(runs.map(({ level }) => level))].sort();
    ok(levels.length >= 3, `levels ${levels}`);
    for (const { level, isCompressed } of runs) {
      equal(isCompressed, words[Math.min(level, words.length - 1)] === "zstd");
    }
  }
  const sizes = await Promise.all(
    (["none", "zstd"] as const).map(async (one) => (await runOf({ compressionPerLevel: [one] })).sizeBytes),
  );
  ok(sizes[1]! < sizes[0]! / 2, `${sizes}`);
});

test("compaction.level.target-file-size-base: merging begins a new file at this size", async () => {
  const batches = Array.from({ length: 4 }, (_, i) => values(i * 1_000, i * 1_000 + 1_000));
  const sizesOf = async (targetFileBytes: number) =>
    (await runsOf({ targetFileBytes }, batches)).map(({ sizeBytes }) => sizeBytes);
  equal((await sizesOf(1 << 20)).length, 1);
  const many = await sizesOf(16 * KIB);
  ok(many.length > 5 && many.slice(0, -1).every((size) => size > 16 * KIB && size < 26 * KIB), `${many}`);
});

test("compaction.level.max-size-level-base: the first level gives away what is more", async () => {
  const batches = Array.from({ length: 12 }, (_, i) => values(i * 400, i * 400 + 400));
  const levelOne = async (levelBaseBytes: number) => {
    const runs = await runsOf({ levelBaseBytes, targetFileBytes: 4 * KIB }, batches);
    return runs.filter(({ level }) => level === 1).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  };
  ok(await levelOne(30_000) < 31_000);
  ok(await levelOne(1 << 20) > 100_000);
});

test("compaction.style UNIVERSAL keeps all in level 0, NONE all files as they were flushed", async () => {
  const batches = Array.from({ length: 20 }, (_, i) => values(i * 100, i * 100 + 100));
  const levels = async (compactionStyle: "LEVEL" | "UNIVERSAL" | "NONE") =>
    (await runsOf({ compactionStyle, levelBaseBytes: 10_000 }, batches)).map(({ level }) => level);
  deepEqual(new Set(await levels("UNIVERSAL")), new Set([0]));
  ok((await levels("UNIVERSAL")).length < 8);
  deepEqual(await levels("NONE"), new Array<number>(20).fill(0));
  ok((await levels("LEVEL")).some((level) => level > 0));
});

/** Rows of an operator whose memory is its own, as the options say; `settle` does the work that is due. */
async function ownRows(entries: Readonly<Record<string, unknown>>) {
  const { column, memory: own, maxBufferBytes } = configuredLsm(Configuration.of(entries), {});
  const memory = new SlotMemory(own);
  const clock = new ManualClock({ tickMs: 0.4 });
  const { fileSystem, metrics, random } = backendContext();
  const store = await lsmRowStoreFactory(column).open({
    operatorName: "op",
    keyGroups: { start: 0, end: 127 },
    clock,
    random,
    fileSystem,
    directory: "/store",
    incremental: false,
    memory,
    metrics,
    states: () => [{
      id: VALUES,
      name: "v",
      kind: "value",
      serializerId: "b",
      serializerVersion: 1,
      schemaVersion: 1,
      flags: 0,
    }],
    restoredStateId: ({ id }) => id,
  });
  const rows = new BufferedRows({ operatorName: "op", backendName: "lsm", store, memory, clock, maxBufferBytes });
  return { rows, memory, clock, [Symbol.asyncDispose]: () => clock.runUntil(rows.close()) };
}

const WRITE = { "state.backend.lsm.writebuffer.size": "64 kb", "state.backend.lsm.block.cache-size": "32 kb" };

test("writebuffer.size, writebuffer.count and block.cache-size are the memory of an operator that shares none", async () => {
  await using two = await ownRows(WRITE);
  deepEqual([two.memory.writeBytes, two.memory.cacheBytes], [128 * KIB, 32 * KIB]);
  await using five = await ownRows({ ...WRITE, "state.backend.lsm.writebuffer.count": 5 });
  deepEqual([five.memory.writeBytes, five.memory.cacheBytes], [320 * KIB, 32 * KIB]);
});

test("writebuffer.size: a buffer is written to a file from this size on, and not before", async () => {
  await using one = await ownRows(WRITE);
  const { rows } = one;
  let i = 0;
  for (; rows.frozenBytes === 0; i++) putRow(rows, nameOf(i), "v".repeat(50));
  ok(rows.frozenBytes >= 64 * KIB && rows.frozenBytes < 68 * KIB, `${rows.frozenBytes}`);
  equal(getRow(rows, nameOf(0)), "v".repeat(50));
});

test("writebuffer.count: writers wait when all buffers are full, not while there is another", async () => {
  const writtenOf = async (count: number): Promise<number> => {
    await using one = await ownRows({ ...WRITE, "state.backend.lsm.writebuffer.count": count });
    let i = 0;
    for (; one.rows.backpressure() === undefined; i++) putRow(one.rows, nameOf(i), "v".repeat(50));
    equal(one.rows.syncFlushCount, 0);
    return one.memory.usedBytes;
  };
  const [two, four] = [await writtenOf(2), await writtenOf(4)];
  ok(two > 96 * KIB && two <= 128 * KIB, `${two}`);
  ok(four > 208 * KIB && four <= 256 * KIB, `${four}`);
});

test("writebuffer.number-to-merge: so many buffers make one file, and rows that were replaced meanwhile are not in it", async () => {
  const filesOf = async (numberToMerge: number) => {
    await using one = await ownRows({
      ...WRITE,
      "state.backend.lsm.writebuffer.count": 4,
      "state.backend.lsm.writebuffer.number-to-merge": numberToMerge,
    });
    const { rows, clock } = one;
    // Each value once more when it is one buffer old.
    for (let i = 0; i < 6_000; i++) {
      putRow(rows, nameOf(i), "v".repeat(50));
      if (i >= 600) putRow(rows, nameOf(i - 600), "w".repeat(50));
      while (!rows.isIdle) clock.runDeferred();
    }
    return rows.flushCount;
  };
  const [one, three] = [await filesOf(1), await filesOf(3)];
  ok(three * 3 < one * 0.9, `${three} files, without merging ${one}`);
});

test("memory that is not managed is not shared: each operator has its own, and gives it back", async () => {
  const { column, memory, sharesMemory } = configuredLsm(Configuration.of(WRITE), {});
  equal(sharesMemory, false);
  const factory = embeddedBackendFactory(lsmRowStoreFactory(column), { memory, sharesMemory, directory: "/state" });
  const context = backendContext({ clock: new ManualClock({ tickMs: 0.4 }) });
  const backends = [factory.create(context), factory.create({ ...context, operatorName: "other" })];
  const clock = context.clock as ManualClock; // made above
  const snapshots = { open: () => Promise.reject(new Error("there is nothing to restore")) };
  for (const backend of backends) {
    await clock.runUntil(backend.open([], snapshots));
    const state = backend.state(valueState<string>("v"));
    // More than an operator's share of a common memory would hold without a flush.
    for (let i = 0; i < 500; i++) {
      backend.setCurrentKey(`key-${i}`);
      state.update("v".repeat(50));
    }
  }
  for (const backend of backends) {
    backend.setCurrentKey("key-7");
    equal(backend.state(valueState<string>("v")).value(), "v".repeat(50));
    await clock.runUntil(backend.close());
  }
});
