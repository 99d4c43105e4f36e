/** The merge of runs against plain lists: of what is alive, of compaction above others, of scans that begin anywhere. */
import { deepEqual, equal, throws } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BlockCache } from "../../backends/runs/block_cache.ts";
import { MergeCursor } from "../../backends/runs/merge_cursor.ts";
import type { OpenRun } from "../../backends/runs/open_run.ts";
import { DELETE, DELETE_PREFIX, PUT, type RowCode } from "../../backends/runs/run_format.ts";
import { MemoryFileSystem } from "../support/memory_file_system.ts";
import {
  aliveRows,
  anyRun,
  compareKeys,
  everyKey,
  everyPrefix,
  openRun,
  rowKey,
  startsWith,
  type TestRow,
} from "../support/run_rows.ts";

const RUNS = fc.array(anyRun(40), { maxLength: 7 });

function fileSystem(): MemoryFileSystem {
  const files = new MemoryFileSystem();
  files.put("work/other", "");
  return files;
}

function openAll(files: MemoryFileSystem, runs: readonly (readonly TestRow[])[], cache: BlockCache | null): OpenRun[] {
  return runs.map((rows, i) => openRun(files, `work/run-${i}`, rows, cache, { blockBytes: 100, bloomBitsPerKey: 10 }));
}

function drain(merged: MergeCursor): TestRow[] {
  const rows: TestRow[] = [];
  while (merged.next()) {
    rows.push({
      code: merged.code,
      key: merged.key.slice(0, merged.keyBytes),
      prefixBytes: 0,
      value: merged.value.slice(merged.valueStart, merged.valueEnd),
    });
  }
  equal(merged.next(), false);
  return rows;
}

const pairs = (rows: readonly TestRow[]) => rows.map(({ key, value }): [Uint8Array, Uint8Array] => [key, value]);

test("MergeCursor gives what is alive in any number of runs", () => {
  fc.assert(
    fc.property(RUNS, (runs) => {
      const open = openAll(fileSystem(), runs, null);
      deepEqual(pairs(drain(new MergeCursor(open.map((run) => run.rows())))), aliveRows(runs));
      for (const run of open) run.close();
    }),
    { numRuns: 150 },
  );
});

test("a merge that keeps deletes stands for its runs, whatever is below and above", () => {
  fc.assert(
    fc.property(RUNS, fc.nat(6), fc.nat(6), (runs, from, count) => {
      const files = fileSystem();
      const open = openAll(files, runs, null);
      const merged = drain(new MergeCursor(open.slice(from, from + count).map((run) => run.rows()), "all"));
      for (let i = 1; i < merged.length; i++) equal(compareKeys(merged[i - 1]!.key, merged[i]!.key) < 0, true);
      // Written and read back: a run that the encoder takes.
      const rewritten = drain(new MergeCursor([openRun(files, "work/merged", merged, null).rows()], "all"));
      deepEqual(rewritten, merged);
      deepEqual(aliveRows([...runs.slice(0, from), merged, ...runs.slice(from + count)]), aliveRows(runs));
    }),
    { numRuns: 150 },
  );
});

test("a merge that keeps deletes leaves out what a newer delete-prefix row hides", () => {
  const [prefix] = rowKey(1, 1, 0);
  const row = (code: RowCode, key: Uint8Array, fill: number): TestRow => ({
    code,
    key,
    prefixBytes: 0,
    value: code === PUT ? Uint8Array.from([fill]) : new Uint8Array(0),
  });
  const item = (i: number) => rowKey(1, 1, 0, i)[0];
  const runs = [
    [row(DELETE_PREFIX, prefix, 0), row(PUT, item(0), 1), row(DELETE, item(1), 1)],
    [row(DELETE_PREFIX, prefix, 0), row(PUT, item(2), 2)],
    [row(DELETE, item(3), 3)],
  ];
  const open = openAll(fileSystem(), runs, null);
  const merged = drain(new MergeCursor(open.map((run) => run.rows()), "all"));
  deepEqual(merged, [runs[1]![0], runs[1]![1], runs[2]![0]]);
});

test("MergeCursor.seek gives what is alive from any place on, with and without the cache", () => {
  fc.assert(
    fc.property(RUNS, fc.boolean(), (runs, cached) => {
      const cache = new BlockCache({ cacheBytes: 4096, highPriorityBytes: 64, blockBytes: 100 });
      const open = openAll(fileSystem(), runs, cached ? cache : null);
      const alive = aliveRows(runs);
      const merged = new MergeCursor(open.map((run) => cached ? run.scan() : run.rows()));
      for (const prefix of everyPrefix()) {
        merged.seek(prefix, prefix.length, prefix.length);
        deepEqual(pairs(drain(merged)), alive.filter(([key]) => startsWith(key, prefix)));
      }
      for (const [from] of everyKey().filter((_, i) => i % 3 === 0)) {
        merged.seek(from, from.length, 4);
        const rest = alive.filter(([key]) => compareKeys(key, from) >= 0 && startsWith(key, from.subarray(0, 4)));
        deepEqual(pairs(drain(merged)), rest);
      }
      merged.close();
      merged.close();
      equal(cache.pinnedBytes, cache.chargedBytes);
      for (const run of open) run.close();
    }),
    { numRuns: 60 },
  );
});

test("MergeCursor refuses to drop a delete-prefix row under a newer row of the same key", () => {
  const [key] = rowKey(1, 1, 0);
  const none = new Uint8Array(0);
  const runs: TestRow[][] = [
    [{ code: DELETE_PREFIX, key, prefixBytes: key.length, value: none }],
    [{ code: DELETE, key, prefixBytes: key.length, value: none }],
  ];
  const open = openAll(fileSystem(), runs, null);
  throws(() => drain(new MergeCursor(open.map((run) => run.rows()), "all")), /has the key of a newer row/);
});
