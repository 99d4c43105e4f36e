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
  equal(run.reads.missCount, run.index.blockCount);
  equal(run.reads.hitCount, run.index.blockCount * 2);
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
  equal(run.reads.missCount, 2);
  files.truncate("work/run", run.index.offsetOf(3) - 1);
  throws(() => cache.load(run, 2), (error) => {
    return error instanceof SnapshotCorruptError && error.path === "work/run" &&
      error.offset === run.index.offsetOf(2);
  });
  equal(cache.usageBytes - cache.chargedBytes > 0, true);
  run.close();
  equal(cache.usageBytes, 0);
});

test("BlockCache keeps blocks that are used again when it is full, and lets new ones in", () => {
  const files = fileSystem();
  const cache = new BlockCache({ cacheBytes: 131_072, highPriorityBytes: 4096, blockBytes: BLOCK_BYTES });
  const rows = rowsOf(0, 4000).filter(({ value }) => value.length === 30);
  const run = openRun(files, "work/run", rows, cache, { blockBytes: BLOCK_BYTES });
  const { blockCount } = run.index;
  const missesOf = (first: number, end: number): number => {
    const before = run.reads.missCount;
    for (let block = first; block < end; block++) cache.load(run, block);
    return run.reads.missCount - before;
  };
  const fits = 200;
  equal(missesOf(0, fits), fits);
  equal(missesOf(0, fits), 0);
  ok(missesOf(fits, blockCount) > fits * 2);
  ok(missesOf(0, fits) < fits / 2, "blocks that were used once have pushed out those that were used twice");
  const last = blockCount - fits;
  for (let turn = 0; turn < 40; turn++) missesOf(last, blockCount);
  ok(missesOf(last, blockCount) < fits / 4, "blocks that are used again and again have not come in");
  run.close();
});

test("SlotTable is a Map", () => {
  const step = fc.record({ removes: fc.boolean(), slot: fc.nat(30), run: fc.nat(5), block: fc.nat(9) });
  fc.assert(fc.property(fc.array(step, { minLength: 100, maxLength: 400, size: "max" }), (steps) => {
    const table = new SlotTable(31);
    const slots = new Map<string, number>();
    for (const { removes, slot, run, block } of steps) {
      const name = `${run} ${block}`;
      if (!removes && table.runOf(slot) < 0 && !slots.has(name)) {
        table.insert(slot, run, block);
        slots.set(name, slot);
      } else if (removes && table.runOf(slot) >= 0) {
        table.remove(slot);
        for (const [other, held] of slots) if (held === slot) slots.delete(other);
      }
      equal(table.find(run, block), slots.get(name) ?? -1);
      for (const [other, held] of slots) {
        const [heldRun, heldBlock] = other.split(" ").map(Number);
        equal(table.find(heldRun!, heldBlock!), held);
      }
    }
  }));
});

test("RecencyList is two arrays", () => {
  const step = fc.record({ does: fc.constantFrom("load", "load", "use", "remove", "retire"), slot: fc.nat(47) });
  fc.assert(fc.property(fc.array(step, { minLength: 100, maxLength: 400, size: "max" }), (steps) => {
    const recency = new RecencyList(48);
    /** Next to be taken first. */
    const proved = Array.from({ length: 48 }, (_, i) => i);
    for (const slot of proved.toReversed()) recency.retire(slot);
    const onTrial: number[] = [];
    const removed = new Map<number, "proved" | "onTrial">();
    const empty = new Set(proved);
    const take = (slot: number): void => {
      for (const ring of [proved, onTrial]) if (ring.includes(slot)) ring.splice(ring.indexOf(slot), 1);
    };
    let newcomers = 0;
    for (const { does, slot } of steps) {
      const isIn = !removed.has(slot);
      if (does === "load") {
        const isFull = !(proved.length > 0 && empty.has(proved[0]!));
        const needsTrial = isFull && ++newcomers % 16 !== 0;
        const chosen = (needsTrial && onTrial.length >= 3 ? undefined : proved[0]) ?? onTrial[0] ?? -1;
        equal(recency.choose(isFull), chosen);
        if (chosen < 0) continue;
        take(chosen);
        recency.retire(chosen);
        recency.add(chosen);
        (needsTrial ? onTrial : proved).push(chosen);
        empty.delete(chosen);
      } else if (does === "use" && !empty.has(slot)) {
        recency.use(slot);
        if (!isIn) removed.set(slot, "proved");
        else {
          take(slot);
          proved.push(slot);
        }
      } else if (does === "remove" && isIn && !empty.has(slot)) {
        removed.set(slot, onTrial.includes(slot) ? "onTrial" : "proved");
        take(slot);
        recency.remove(slot);
      } else if (does === "remove" && !isIn) {
        (removed.get(slot) === "onTrial" ? onTrial : proved).push(slot);
        removed.delete(slot);
        recency.putBack(slot);
      } else if (does === "retire" && isIn) {
        take(slot);
        proved.unshift(slot);
        empty.add(slot);
        recency.retire(slot);
      }
      equal(recency.oldest, proved[0] ?? -1);
    }
  }));
});
