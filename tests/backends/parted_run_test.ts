/** Runs whose index and filter are in memory by parts answer as those that have all of them there. */
import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { SlotMemory } from "../../backends/embedded/slot_memory.ts";
import { lsmRowStoreFactory } from "../../backends/lsm/lsm_store.ts";
import { slotCache } from "../../backends/lsm/slot_cache.ts";
import { BlockCache } from "../../backends/runs/block_cache.ts";
import { FOUND, type OpenRun } from "../../backends/runs/open_run.ts";
import { PartPool } from "../../backends/runs/part_pool.ts";
import { rowHash } from "../../backends/runs/row_hash.ts";
import type { RunCursor } from "../../backends/runs/run_cursor.ts";
import { SnapshotCorruptError } from "../../core/errors.ts";
import { ingest, read, StoreRig, work } from "../contracts/store_rig.ts";
import { MemoryFileSystem } from "../support/memory_file_system.ts";
import { anyRun, everyKey, everyPrefix, openRun } from "../support/run_rows.ts";
import { put, rowOf, VALUES } from "../support/sample_rows.ts";

const OPTIONS = fc.record({
  blockBytes: fc.constantFrom(32, 100),
  bloomBitsPerKey: fc.constantFrom(0, 10, 30),
  compression: fc.constantFrom("none" as const, "zstd" as const),
});

function cacheOf(indexPartBytes: number | undefined, highPriorityBytes: number): BlockCache {
  return new BlockCache({ cacheBytes: 4096, highPriorityBytes, blockBytes: 100, indexPartBytes });
}

function fileSystem(): MemoryFileSystem {
  const files = new MemoryFileSystem();
  files.put("work/other", "");
  return files;
}

function answersOf(run: OpenRun): unknown[] {
  const found = { bytes: new Uint8Array(0), start: 0, end: 0 };
  return everyKey().map(([key, prefixBytes]) => {
    const hash = rowHash(key, 0, prefixBytes);
    const answer = run.get(key, key.length, prefixBytes, hash, found);
    return [
      answer,
      run.mayHold(hash),
      answer === FOUND ? [...found.bytes.subarray(found.start, found.end)] : [],
      run.index.blockOf(key, key.length),
    ];
  });
}

function drain(cursor: RunCursor): string[] {
  const rows: string[] = [];
  while (cursor.next()) {
    rows.push(`${cursor.key.slice(0, cursor.keyBytes)} ${cursor.value.slice(cursor.valueStart, cursor.valueEnd)}`);
  }
  return rows;
}

test("a run by parts gives the answers of a whole one: lookups, filters, index, cursors, however small its parts and its memory", () => {
  fc.assert(
    fc.property(
      anyRun(),
      OPTIONS,
      fc.constantFrom(64, 128, 4096),
      fc.constantFrom(1, 300, 5000),
      (rows, options, size, limit) => {
        const files = fileSystem();
        const whole = openRun(files, "work/run", rows, cacheOf(undefined, 64), options);
        const cache = cacheOf(size, limit);
        const parted = openRun(files, "work/parted", rows, cache, options);
        deepEqual(answersOf(parted), answersOf(whole));
        const { blockCount } = whole.index;
        equal(parted.index.blockCount, blockCount);
        deepEqual([parted.firstKey, parted.lastKey], [whole.firstKey, whole.lastKey]);
        for (let block = 0; block < blockCount; block++) {
          deepEqual(
            [parted.index.offsetOf(block), parted.index.sizeOf(block), parted.index.lastKeyOf(block)],
            [whole.index.offsetOf(block), whole.index.sizeOf(block), whole.index.lastKeyOf(block)],
          );
        }
        equal(parted.index.offsetOf(blockCount), whole.index.offsetOf(blockCount));
        deepEqual(drain(parted.rows()), drain(whole.rows()));
        const [one, other] = [parted.scan(), whole.scan()];
        for (const target of everyPrefix()) {
          one.seek(target, target.length, 4);
          other.seek(target, target.length, 4);
          deepEqual(drain(one), drain(other));
        }
        one.close();
        parted.close();
        equal(cache.usageBytes, 0);
        equal(cache.parts?.heldBytes, 0);
      },
    ),
    { numRuns: 60 },
  );
});

test("PartPool keeps what was used since, within its limit, and one part in any case", () => {
  const pool = new PartPool(10, 64);
  const [first, second] = [pool.addOwner(), pool.addOwner()];
  const kept = () => [0, 1, 2, 3, 4].filter((number) => pool.find(first, number) !== undefined);
  for (const number of [0, 1, 2]) pool.keep(first, number, `part ${number}`, 3);
  equal(pool.find(first, 0), "part 0");
  pool.keep(first, 3, "part 3", 3);
  equal(pool.find(first, 1), undefined, "the oldest that was not used");
  deepEqual(kept(), [0, 2, 3]);
  equal(pool.heldBytes, 9);
  pool.keep(first, 4, "large", 100);
  deepEqual(kept(), [4]);
  pool.keep(second, 4, "of another", 3);
  deepEqual([pool.find(first, 4), pool.find(second, 4)], [undefined, "of another"]);
  pool.removeOwner(first);
  equal(pool.heldBytes, 3);
  pool.removeOwner(second);
  equal(pool.heldBytes, 0);
});

test("a part that has changed since the run was opened is found out, and not used", () => {
  const files = fileSystem();
  const cache = cacheOf(64, 1);
  const rows = fc.sample(anyRun(), { seed: 5, numRuns: 20 }).sort((left, right) => right.length - left.length)[0]!;
  const run = openRun(files, "work/run", rows, cache, { blockBytes: 32, bloomBitsPerKey: 30 });
  const { blockCount } = run.index;
  ok(blockCount > 8, `${blockCount} blocks`);
  const end = run.index.offsetOf(blockCount);
  // Into the entries of the first block, whose part has long been given up.
  files.flipBit("work/run", end + 4);
  throws(() => run.index.offsetOf(0), (error) => {
    return error instanceof SnapshotCorruptError && /part of the index or filter has changed/.test(error.message);
  });
  run.close();
});

const ROWS = Array.from({ length: 20_000 }, (_, i) => put(rowOf(i % 64, VALUES, `key-${i}`), `value ${i}`));

test("memory.partitioned-index-filters: indexes and filters stay within their share of the cache, where they would not", async () => {
  const cacheOfStore = async (indexPartBytes: number | undefined) => {
    const factory = () => lsmRowStoreFactory({ blockBytes: 512, indexPartBytes });
    await using rig = new StoreRig({ factory, memoryBytes: 131_072 });
    const store = await rig.open();
    for (let i = 0; i < ROWS.length; i += 5_000) ingest(store, ROWS.slice(i, i + 5_000));
    work(store);
    for (let i = 0; i < ROWS.length; i += 7) equal(read(store, rowOf(i % 64, VALUES, `key-${i}`)), `value ${i}`);
    equal(read(store, rowOf(1, VALUES, "key-none")), null);
    const cache = slotCache(rig.memory, 512);
    const { heldBytes, indexBytes } = cache;
    return { indexBytes, heldBytes, memory: rig.memory };
  };
  const whole = await cacheOfStore(undefined);
  ok(whole.indexBytes > whole.memory.cacheBytes / 2, `${whole.indexBytes} of ${whole.memory.cacheBytes}`);
  const parted = await cacheOfStore(512);
  const { highPriorityBytes, cacheBytes } = parted.memory;
  ok(parted.indexBytes < highPriorityBytes + 4_096, `${parted.indexBytes}, share ${highPriorityBytes}`);
  ok(parted.heldBytes <= cacheBytes, `${parted.heldBytes} of ${cacheBytes}`);
});

test("SlotMemory of a slot has one cache, of the kind that was asked for first", () => {
  const memory = new SlotMemory({ bytes: 1 << 20, writeBufferRatio: 0.5, highPriorityPoolRatio: 0.1 });
  const cache = slotCache(memory, 4096, 100);
  equal(slotCache(memory, 128), cache);
  equal(cache.parts?.partBytes, 128, "a multiple of 64");
});
