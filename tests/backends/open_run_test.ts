/** Open runs: point reads, seeks and ranges against a sorted array; damage and failures of the disk. */
import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { BlockCache } from "../../backends/runs/block_cache.ts";
import { FOUND, HIDDEN, type Lookup, OpenRun, UNKNOWN } from "../../backends/runs/open_run.ts";
import { rowHash } from "../../backends/runs/row_hash.ts";
import type { RunCursor } from "../../backends/runs/run_cursor.ts";
import { DELETE_PREFIX, PUT } from "../../backends/runs/run_format.ts";
import { SnapshotCorruptError, StreamError } from "../../core/errors.ts";
import { MemoryFileSystem } from "../support/memory_file_system.ts";
import {
  ALL,
  anyRun,
  compareKeys,
  everyKey,
  everyPrefix,
  openRun,
  rowKey,
  startsWith,
  type TestRow,
} from "../support/run_rows.ts";

const OPTIONS = fc.record({
  blockBytes: fc.constantFrom(32, 100, 4096),
  bloomBitsPerKey: fc.constantFrom(0, 10),
  compression: fc.constantFrom("none" as const, "zstd" as const),
});

function smallCache(): BlockCache {
  return new BlockCache({ cacheBytes: 2048, highPriorityBytes: 64, blockBytes: 100 });
}

function fileSystem(): MemoryFileSystem {
  const files = new MemoryFileSystem();
  files.put("work/other", "");
  return files;
}

function expected(rows: readonly TestRow[], key: Uint8Array): [Lookup, number[]] {
  const row = rows.find((one) => compareKeys(one.key, key) === 0);
  if (row !== undefined) return row.code === PUT ? [FOUND, [...row.value]] : [HIDDEN, []];
  const hidden = rows.some((one) => one.code === DELETE_PREFIX && startsWith(key, one.key));
  return [hidden ? HIDDEN : UNKNOWN, []];
}

function lookUp(run: OpenRun, key: Uint8Array, prefixBytes: number): [Lookup, number[]] {
  const found = { bytes: new Uint8Array(0), start: 0, end: 0 };
  const answer = run.get(key, key.length, prefixBytes, rowHash(key, 0, prefixBytes), found);
  return [answer, [...found.bytes.subarray(found.start, found.end)]];
}

function drain(cursor: RunCursor): TestRow[] {
  const rows: TestRow[] = [];
  while (cursor.next()) {
    rows.push({
      code: cursor.code,
      key: cursor.key.slice(0, cursor.keyBytes),
      prefixBytes: 0,
      value: cursor.value.slice(cursor.valueStart, cursor.valueEnd),
    });
  }
  return rows;
}

const withoutPrefix = (rows: readonly TestRow[]) => rows.map((row) => ({ ...row, prefixBytes: 0 }));

test("OpenRun.get tells found, hidden and unknown as a list of rows does, whatever the options", () => {
  fc.assert(
    fc.property(anyRun(), OPTIONS, (rows, options) => {
      const run = openRun(fileSystem(), "work/run", rows, smallCache(), options);
      for (const [key, prefixBytes] of everyKey()) deepEqual(lookUp(run, key, prefixBytes), expected(rows, key));
      run.close();
    }),
    { numRuns: 60 },
  );
});

test("OpenRun sees no rows of key groups outside of its range", () => {
  fc.assert(
    fc.property(anyRun(), fc.nat(3), fc.nat(3), OPTIONS, (rows, start, length, options) => {
      const keyGroups = { start, end: start + length };
      const run = openRun(fileSystem(), "work/run", rows, smallCache(), { ...options, keyGroups });
      const inside = rows.filter(({ key }) => key[1]! >= start && key[1]! <= start + length);
      for (const [key, prefixBytes] of everyKey()) deepEqual(lookUp(run, key, prefixBytes), expected(inside, key));
      deepEqual(drain(run.rows()), withoutPrefix(inside));
      deepEqual(
        drain(run.rows({ start: 1, end: 2 })),
        withoutPrefix(inside.filter(({ key }) => [1, 2].includes(key[1]!))),
      );
      const cursor = run.scan();
      deepEqual(drain(cursor), withoutPrefix(inside));
      cursor.seek(Uint8Array.from([0, 0]), 2, 0);
      deepEqual(drain(cursor), withoutPrefix(inside));
      run.close();
    }),
    { numRuns: 60 },
  );
});

test("RunCursor.seek goes to the first row at or above its target, forth and back, and stops at its bound", () => {
  fc.assert(
    fc.property(anyRun(), OPTIONS, fc.boolean(), (rows, options, cached) => {
      const cache = smallCache();
      const run = openRun(fileSystem(), "work/run", rows, cache, options);
      const cursor = cached ? run.scan() : run.rows();
      const targets = [...everyKey().map(([key]) => key), ...everyPrefix()];
      for (const target of [...targets, ...targets.toReversed()]) {
        cursor.seek(target, target.length, 0);
        const above = withoutPrefix(rows.filter(({ key }) => compareKeys(key, target) >= 0));
        deepEqual(cursor.next() ? cursor.key.slice(0, cursor.keyBytes) : undefined, above[0]?.key);
        cursor.seek(target, target.length, 0);
        deepEqual(drain(cursor), above);
        for (const size of [4, target.length]) {
          cursor.seek(target, target.length, size);
          deepEqual(drain(cursor), above.filter(({ key }) => startsWith(key, target.subarray(0, size))));
        }
      }
      cursor.close();
      equal(cache.pinnedBytes, cache.chargedBytes);
      run.close();
      equal(cache.usageBytes, 0);
    }),
    { numRuns: 30 },
  );
});

/** A run with everything in it that runs can have. */
function sample(): TestRow[] {
  const rows = everyKey().map(([key, prefixBytes], i): TestRow => ({
    code: PUT,
    key,
    prefixBytes,
    value: new Uint8Array(i % 40).fill(i),
  }));
  const [key, prefixBytes] = rowKey(2, 1, 9);
  rows.push({ code: DELETE_PREFIX, key, prefixBytes, value: new Uint8Array(0) });
  return rows.sort((a, b) => compareKeys(a.key, b.key));
}

for (const compression of ["none", "zstd"] as const) {
  test(`OpenRun notices each flipped byte, and never gives a wrong value, compression ${compression}`, () => {
    const files = fileSystem();
    const rows = sample().filter((_, i) => i % 6 === 0);
    const options = { blockBytes: 300, bloomBitsPerKey: 10, compression };
    const facts = factsOf(openRun(files, "work/run", rows, null, options));
    const bytes = files.content("work/run");
    for (let at = 0; at < bytes.length; at++) {
      for (const flip of [0x01, 0x80]) {
        bytes[at]! ^= flip;
        files.put("work/run", bytes);
        bytes[at]! ^= flip;
        const isDamage = (error: unknown) => error instanceof SnapshotCorruptError && error.path === "work/run";
        throws(() => drain(OpenRun.openLocal(files, "work/run", facts, null).rows()), isDamage);
        if (flip !== 0x80) continue;
        for (const row of rows.slice(at % 7, (at % 7) + 1).concat(rows.slice(-3))) {
          try {
            const run = OpenRun.openLocal(files, "work/run", facts, smallCache());
            deepEqual(lookUp(run, row.key, row.prefixBytes), expected(rows, row.key));
          } catch (error) {
            ok(isDamage(error), `${error}`);
          }
        }
      }
    }
  });
}

function factsOf(run: OpenRun): { rowCount: number; footerCrc32: number; keyGroups: typeof ALL } {
  const footer = new Uint8Array(4);
  run.input.read(footer, run.sizeBytes - 4);
  run.close();
  return { rowCount: run.rowCount, footerCrc32: new DataView(footer.buffer).getUint32(0), keyGroups: ALL };
}

/** Row keys of three key groups of one state: few different bytes, so that many share long prefixes and tie for long. */
function likeKeys(): fc.Arbitrary<Uint8Array[]> {
  const tail = fc.array(fc.constantFrom(0, 1, 0xff), { minLength: 1, maxLength: 9 });
  return fc.array(fc.tuple(fc.nat(2), fc.constantFrom([], [7, 7, 7]), tail), { minLength: 1, maxLength: 80 })
    .map((parts) => parts.map(([group, start, end]) => Uint8Array.from([0, group, 0, 0, 0x20, ...start, ...end])));
}

test("RunIndex.blockOf gives the first block that does not end below a key, however alike the keys are", () => {
  fc.assert(fc.property(likeKeys(), likeKeys(), fc.constantFrom(16, 64), (some, others, blockBytes) => {
    const sorted = some.toSorted(compareKeys).filter((key, i, all) => i === 0 || compareKeys(all[i - 1]!, key) !== 0);
    const rows: TestRow[] = sorted.map((key) => ({
      code: PUT,
      key,
      prefixBytes: key.length,
      value: new Uint8Array(3),
    }));
    const { index } = openRun(fileSystem(), "work/run", rows, null, { blockBytes });
    const lasts = Array.from({ length: index.blockCount }, (_, block) => index.lastKeyOf(block));
    for (
      const key of [...sorted, ...others, Uint8Array.of(0, 1), Uint8Array.of(0, 1, 0, 0, 0x20), Uint8Array.of(0, 9)]
    ) {
      const wanted = lasts.findIndex((last) => compareKeys(last, key) >= 0);
      equal(index.blockOf(key, key.length), wanted < 0 ? lasts.length : wanted, `${key} in ${lasts.join(" ")}`);
    }
  }));
});

test("OpenRun notices a run cut at any length, also while it is open", () => {
  const files = fileSystem();
  const rows = sample();
  const facts = factsOf(openRun(files, "work/run", rows, null, { blockBytes: 300, bloomBitsPerKey: 10 }));
  const bytes = files.content("work/run");
  const last = rows.at(-1)!;
  for (let size = 0; size < bytes.length; size += size > 100 ? 3 : 1) {
    files.put("work/run", bytes);
    const run = OpenRun.openLocal(files, "work/run", facts, smallCache());
    files.truncate("work/run", size);
    throws(() => OpenRun.openLocal(files, "work/run", facts, null), SnapshotCorruptError);
    const block = run.index.blockOf(last.key, last.key.length);
    if (size < run.index.offsetOf(block + 1)) {
      throws(() => lookUp(run, last.key, last.prefixBytes), SnapshotCorruptError);
    }
    run.close();
  }
  equal(files.openCount, 0);
});

test("OpenRun tells a disk that fails, and a file that is gone, with the path and what to do", () => {
  const files = fileSystem();
  const run = openRun(files, "work/run", sample(), smallCache(), { blockBytes: 300 });
  const [key, prefixBytes] = everyKey()[0]!;
  files.fail({ operation: "read", code: "EIO" });
  const isTyped = (pattern: RegExp) => (error: unknown) => {
    ok(error instanceof StreamError && error.kind === "unavailable");
    ok(pattern.test(error.message), error.message);
    ok(error.cause !== undefined);
    return true;
  };
  throws(() => lookUp(run, key, prefixBytes), isTyped(/^Cannot read "work\/run": .*EIO/));
  equal(lookUp(run, key, prefixBytes)[0], FOUND);
  const facts = factsOf(run);
  files.removeSync("work/run");
  throws(
    () => OpenRun.openLocal(files, "work/run", facts, null),
    isTyped(/^Cannot read "work\/run": the file is gone/),
  );
  equal(files.openCount, 0);
});

test("OpenRun closes its file when it is damaged", () => {
  const files = fileSystem();
  files.put("work/run", "WEIRRUN, or not");
  throws(
    () => OpenRun.openLocal(files, "work/run", { rowCount: 0, footerCrc32: 0, keyGroups: ALL }, null),
    StreamError,
  );
  equal(files.openCount, 0);
});

const GOLDEN = fileURLToPath(new URL("../golden/run_v1_filter.bin", import.meta.url));

test("the golden run with filter, compressed blocks and deletes stays readable", () => {
  const files = fileSystem();
  const golden = new Uint8Array(readFileSync(GOLDEN));
  files.put("work/golden", golden);
  const rows = sample();
  const facts = {
    rowCount: rows.length,
    footerCrc32: new DataView(golden.buffer).getUint32(golden.length - 4),
    keyGroups: ALL,
  };
  const run = OpenRun.openLocal(files, "work/golden", facts, smallCache());
  ok(run.isCompressed && run.hidesGroups && !run.mayHold(12_345));
  deepEqual(drain(run.rows()), withoutPrefix(rows));
  for (const { key, prefixBytes } of rows) deepEqual(lookUp(run, key, prefixBytes), expected(rows, key));
  run.close();
});
