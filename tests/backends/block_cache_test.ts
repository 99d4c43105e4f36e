/** The block cache against the files: never a wrong block, never more than it may take, pinned blocks stay. */
import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BlockCache } from "../../backends/runs/block_cache.ts";
import type { OpenRun } from "../../backends/runs/open_run.ts";
import { PUT } from "../../backends/runs/run_format.ts";
import { RecencyList } from "../../backends/runs/recency_list.ts";
import { SlotTable } from "../../backends/runs/slot_table.ts";
import { SnapshotCorruptError, StreamError } from "../../core/errors.ts";
import { MemoryFileSystem } from "../support/memory_file_system.ts";
import { openRun, type TestRow } from "../support/run_rows.ts";

const BLOCK_BYTES = 256;

function fileSystem(): MemoryFileSystem {
  const files = new MemoryFileSystem();
  files.put("work/other", "");
  return files;
}

/** Rows of one value state; each hundredth is larger than a slot, one is larger than what large blocks may take. */
function rowsOf(run: number, count: number): TestRow[] {
  return Array.from({ length: count }, (_, i) => ({
    code: PUT,
    key: Uint8Array.from([0, 1, 0, 0, 0x20, i >> 8, i & 0xff, 0, 0, 0, 0, 0, 0, 2]),
    prefixBytes: 14,
    value: new Uint8Array(i === 77 ? 9000 : i % 100 === 50 ? 1000 : 30).fill(run * 31 + i),
  }));
}

function payload(cache: BlockCache): Uint8Array {
  return cache.bytes.slice(cache.start, cache.rowsEnd);
}

test("BlockCache gives the blocks of the files, whatever was loaded, pinned and closed, within its bytes", () => {
  const step = fc.record({ does: fc.nat(19), run: fc.nat(3), block: fc.nat(200) });
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 400 }),
      fc.constantFrom("none" as const, "zstd" as const),
      (steps, compression) => {
        const files = fileSystem();
        const cache = new BlockCache({ cacheBytes: 32_768, highPriorityBytes: 2048, blockBytes: BLOCK_BYTES });
        const huge = new BlockCache({ cacheBytes: 10_000_000, highPriorityBytes: 10, blockBytes: 100_000 });
        const options = { blockBytes: BLOCK_BYTES, compression };
        const runs: { run: OpenRun; truth: OpenRun }[] = [];
        let made = 0;
        const make = () => {
          const rows = rowsOf(made, 250);
          const path = `work/run-${made++}`;
          const run = openRun(files, path, rows, cache, options);
          return { run, truth: openRun(files, `${path}-truth`, rows, huge, options) };
        };
        for (let i = 0; i < 4; i++) runs.push(make());
        const pinned: { slot: number; bytes: Uint8Array; start: number; expected: Uint8Array }[] = [];
        for (const { does, run: which, block: wanted } of steps) {
          const { run, truth } = runs[which]!;
          if (does === 0) {
            run.close();
            truth.close();
            runs[which] = make();
            continue;
          }
          if (does === 1) cache.unpin(pinned.shift()?.slot ?? -1);
          const block = wanted % run.index.blockCount;
          cache.load(run, block);
          huge.load(truth, block);
          const expected = payload(huge);
          deepEqual(payload(cache), expected);
          equal(cache.restartCount, huge.restartCount);
          if (does < 6 && pinned.length < 12) {
            cache.pin(cache.slot);
            pinned.push({ slot: cache.slot, bytes: cache.bytes, start: cache.start, expected });
          }
          for (const { bytes, start, expected } of pinned) {
            deepEqual(bytes.slice(start, start + expected.length), expected);
          }
          ok(cache.heldBytes <= cache.capacityBytes + 12 * 2048, `holds ${cache.heldBytes}`);
          ok(cache.usageBytes <= cache.heldBytes, `uses ${cache.usageBytes}`);
        }
        for (const { slot } of pinned) {
          cache.unpin(slot);
        }
        for (const { run } of runs) run.close();
        equal(cache.usageBytes, 0);
        equal(cache.pinnedBytes, 0);
      },
    ),
    { numRuns: 30 },
  );
});

test("BlockCache counts what it reads, and reads a block that is kept once", () => {
  const files = fileSystem();
  const cache = new BlockCache({ cacheBytes: 1_000_000, highPriorityBytes: 2048, blockBytes: BLOCK_BYTES });
  const run = openRun(files, "work/run", rowsOf(0, 100), cache, { blockBytes: BLOCK_BYTES });
  for (let i = 0; i < 3; i++) for (let block = 0; block < run.index.blockCount; block++) cache.load(run, block);
  equal(cache.missCount, run.index.blockCount);
  equal(cache.hitCount, run.index.blockCount * 2);
  equal(cache.readBytes, run.index.offsetOf(run.index.blockCount) - 8);
});

test("BlockCache makes room for indexes and filters, and takes it back", () => {
  const files = fileSystem();
  const cache = new BlockCache({ cacheBytes: 65_536, highPriorityBytes: 4096, blockBytes: BLOCK_BYTES });
  const run = openRun(files, "work/run", rowsOf(0, 2000), cache, { blockBytes: BLOCK_BYTES });
  const loadAll = () => {
    for (let block = 0; block < run.index.blockCount; block++) cache.load(run, block);
    return cache.heldBytes;
  };
  ok(loadAll() > 40_000, `${cache.heldBytes}`);
  const charged = cache.chargedBytes;
  const other = cache.register(50_000 - charged);
  ok(cache.heldBytes <= cache.capacityBytes, `${cache.heldBytes}`);
  ok(loadAll() <= cache.capacityBytes, `${cache.heldBytes}`);
  cache.unregister(other, 50_000 - charged);
  ok(loadAll() > 40_000, `${cache.heldBytes}`);
  run.close();
});

test("BlockCache keeps no block that could not be read or is damaged", () => {
  const files = fileSystem();
  const cache = new BlockCache({ cacheBytes: 65_536, highPriorityBytes: 4096, blockBytes: BLOCK_BYTES });
  const run = openRun(files, "work/run", rowsOf(0, 40), cache, { blockBytes: BLOCK_BYTES });
  files.fail({ operation: "read", code: "EIO" });
  throws(() => cache.load(run, 1), StreamError);
  cache.load(run, 1);
  equal(cache.missCount, 2);
  files.truncate("work/run", run.index.offsetOf(3) - 1);
  throws(() => cache.load(run, 2), (error) => {
    return error instanceof SnapshotCorruptError && error.path === "work/run" &&
      error.offset === run.index.offsetOf(2);
  });
  equal(cache.usageBytes - cache.chargedBytes > 0, true);
  run.close();
  equal(cache.usageBytes, 0);
});

test("SlotTable and RecencyList are a Map and an array", () => {
  const step = fc.record({ does: fc.nat(4), slot: fc.nat(30), run: fc.nat(5), block: fc.nat(9) });
  fc.assert(fc.property(fc.array(step, { minLength: 100, maxLength: 400, size: "max" }), (steps) => {
    const table = new SlotTable(31);
    const recency = new RecencyList(31);
    const slots = new Map<string, number>();
    let order: number[] = [];
    for (const { does, slot, run, block } of steps) {
      const name = `${run} ${block}`;
      if (does !== 1 && table.runOf(slot) < 0 && !slots.has(name)) {
        table.insert(slot, run, block);
        slots.set(name, slot);
      } else if (does === 1 && table.runOf(slot) >= 0) {
        table.remove(slot);
        for (const [other, held] of slots) if (held === slot) slots.delete(other);
      }
      equal(table.find(run, block), slots.get(name) ?? -1);
      for (const [other, held] of slots) {
        const [heldRun, heldBlock] = other.split(" ").map(Number);
        equal(table.find(heldRun!, heldBlock!), held);
      }
      order = order.filter((one) => one !== slot);
      if (does === 1) recency.remove(slot);
      else if (does === 2) recency.retire(slot);
      else recency.use(slot);
      if (does === 2) order.push(slot);
      else if (does !== 1) order.unshift(slot);
      equal(recency.oldest, order.at(-1) ?? -1);
    }
  }));
});
