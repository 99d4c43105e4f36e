/**
 * How fast are sorted runs written, merged and read, and their cached blocks asked for single rows?
 *
 *     deno task bench runs/
 *
 * @module
 */
import { rmSync } from "node:fs";
import { BlockCache } from "../backends/runs/block_cache.ts";
import { LocalRunWriter } from "../backends/runs/local_run_writer.ts";
import { MergeCursor } from "../backends/runs/merge_cursor.ts";
import { FOUND, OpenRun } from "../backends/runs/open_run.ts";
import { rowHash } from "../backends/runs/row_hash.ts";
import { PUT, type RunState } from "../backends/runs/run_format.ts";
import { systemFileSystem } from "../runtime/system_file_system.ts";
import { bench, type Run, type SeededRandom } from "./harness.ts";

interface RunLoad {
  /** Rows of all runs. */
  readonly rows: number;
  readonly runs: number;
}

const KEY_GROUPS = 128;
const KEY_BYTES = 21;
const VALUE_BYTES = 100;
const BLOCK_BYTES = 4096;
const OPTIONS = {
  blockBytes: BLOCK_BYTES,
  bloomBitsPerKey: 10,
  states: [{
    id: 1,
    name: "v",
    kind: "value",
    serializerId: "bytes",
    serializerVersion: 1,
    schemaVersion: 1,
    flags: 0,
  }],
} as const satisfies { states: readonly RunState[]; blockBytes: number; bloomBitsPerKey: number };
const ALL = { start: 0, end: KEY_GROUPS - 1 };
const FOLDER = "out/bench-runs";

/** The row key of number `i` of `count`, as that of a string: key group, state 1, `key-00000042`, no namespace. */
function writeRowKey(bytes: Uint8Array, i: number, count: number): void {
  const keyGroup = Math.floor((i * KEY_GROUPS) / count);
  bytes[0] = keyGroup >> 8;
  bytes[1] = keyGroup;
  bytes[2] = 0;
  bytes[3] = 1;
  bytes[4] = 0x40;
  bytes.set(NAME, 5);
  for (let digit = 17, rest = i; digit > 8; digit--) {
    bytes[digit] = 0x30 + (rest % 10);
    rest = Math.floor(rest / 10);
  }
  bytes[18] = bytes[19] = 0;
  bytes[20] = 2;
}
const NAME = new TextEncoder().encode("key-");

/** Writes the rows, each to one of the runs in turn; opens them. */
async function makeRuns({ rows, runs }: RunLoad, random: SeededRandom, cache: BlockCache | null): Promise<OpenRun[]> {
  rmSync(FOLDER, { recursive: true, force: true });
  await systemFileSystem.makeDirectory(FOLDER);
  const writers = Array.from({ length: runs }, (_, run) => writerOf(run));
  const row = new Uint8Array(KEY_BYTES + VALUE_BYTES);
  for (let i = 0; i < rows; i++) {
    writeRowKey(row, i, rows);
    for (let at = KEY_BYTES; at < row.length; at += 4) row[at] = random() * 256;
    const writer = writers[Math.floor(random() * runs)]!;
    writer.addRow(PUT, row, KEY_BYTES, row, KEY_BYTES, row.length);
  }
  return writers.map((writer, run) =>
    OpenRun.openLocal(systemFileSystem, `${FOLDER}/${run}`, { ...writer.finish(), keyGroups: ALL }, cache)
  );
}

function writerOf(run: number | string): LocalRunWriter {
  return new LocalRunWriter(systemFileSystem.createSync(`${FOLDER}/${run}`, "exclusive"), OPTIONS);
}

function closeAll(runs: readonly OpenRun[]): void {
  for (const run of runs) run.close();
  rmSync(FOLDER, { recursive: true, force: true });
}

function walk(runs: readonly OpenRun[], count: number, writer: LocalRunWriter | null): Run {
  const start = performance.now();
  const merged = new MergeCursor(runs.map((run) => run.rows()), "all");
  let checksum = 0;
  while (merged.next()) {
    checksum = (Math.imul(checksum, 31) + merged.value[merged.valueStart]!) | 0;
    writer?.addRow(
      merged.code,
      merged.key,
      merged.keyBytes,
      merged.value,
      merged.valueStart,
      merged.valueEnd,
    );
  }
  writer?.finish();
  const elapsedMs = performance.now() - start;
  closeAll(runs);
  return { ops: count, checksum, elapsedMs };
}

for (const runs of [1, 3]) {
  bench<RunLoad>(`runs/merge/local/${runs}`, {
    smoke: { rows: 1000, runs },
    full: { rows: 1_000_000, runs },
    async run(params, random) {
      return walk(await makeRuns(params, random, null), params.rows, null);
    },
  });
}

bench<RunLoad>("runs/compact/local/3", {
  smoke: { rows: 1000, runs: 3 },
  full: { rows: 1_000_000, runs: 3 },
  async run(params, random) {
    const runs = await makeRuns(params, random, null);
    return walk(runs, params.rows, writerOf("merged"));
  },
});

for (const [name, cacheBytes] of [["cached", 256 * 1_048_576], ["uncached", 1_048_576]] as const) {
  bench<RunLoad>(`runs/get/local/${name}`, {
    smoke: { rows: 1000, runs: 3 },
    full: { rows: 1_000_000, runs: 3 },
    async run(params, random) {
      const cache = new BlockCache({ cacheBytes, highPriorityBytes: cacheBytes / 10, blockBytes: BLOCK_BYTES });
      const runs = await makeRuns(params, random, cache);
      const row = new Uint8Array(KEY_BYTES);
      const found = { bytes: row, start: 0, end: 0 };
      let checksum = 0;
      const lookUp = (i: number) => {
        writeRowKey(row, i, params.rows);
        const hash = rowHash(row, 0, KEY_BYTES);
        for (let run = runs.length - 1; run >= 0; run--) {
          if (runs[run]!.get(row, KEY_BYTES, KEY_BYTES, hash, found) !== FOUND) continue;
          checksum = (Math.imul(checksum, 31) + found.bytes[found.start]!) | 0;
          return;
        }
        throw new Error(`Cannot measure: row ${i} is missing`);
      };
      if (name === "cached") { for (let i = 0; i < params.rows; i++) lookUp(i); }
      const ops = params.rows / (name === "cached" ? 1 : 4);
      const start = performance.now();
      for (let i = 0; i < ops; i++) lookUp(Math.floor(random() * params.rows));
      const elapsedMs = performance.now() - start;
      closeAll(runs);
      return { ops, checksum, elapsedMs };
    },
  });
}
