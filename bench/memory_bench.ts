/**
 * Does state on disk stay inside the memory that it may take? State of ten times a cap of 64 MiB, and ten million timers,
 * against the same work over 1,000 keys; each in a process of its own.
 *
 * Run: deno task bench memory/
 *
 * Figures: `overMiB`, by how much the most memory held exceeds that of the small job (all of it for LSM; what is not the
 * pages of a file for LMDB, whose files the system maps); `allMiB` and `anonymousMiB`, the same for both ways of counting;
 * `diskMiB`, the working files when all keys are in.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { bench, type Run } from "./harness.ts";
import type { Held } from "./held_memory.ts";

const MIB = 1024 * 1024;
/** Keys of the work that is compared with. */
const FEW = 1_000;

/** Runs a script in a process and says what it has held. */
function run(script: string, kind: string, numbers: readonly number[]): Held {
  const folder = mkdtempSync(join(tmpdir(), "weir-bench-"));
  const path = fileURLToPath(new URL(script, import.meta.url));
  try {
    // What the system says of a process may be read with all permissions only.
    const permissions = "Deno" in globalThis ? ["run", "--allow-all"] : [];
    const args = [...permissions, path, kind, ...numbers.map(String), folder];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
    if (status !== 0) throw new Error(`${path} ended with ${status}: ${stderr}`);
    // The script's last line is this.
    return JSON.parse(stdout.trim().split("\n").at(-1)!) as Held;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Compares the work over many keys with the same over few. */
function compare(script: string, kind: string, ops: number, many: readonly number[], few: readonly number[]): Run {
  const startMs = performance.now();
  const large = run(script, kind, many);
  const elapsedMs = performance.now() - startMs;
  const small = run(script, kind, few);
  const allMiB = (large.peakBytes - small.peakBytes) / MIB;
  const anonymousMiB = (large.peakAnonymousBytes - small.peakAnonymousBytes) / MIB;
  return {
    ops,
    elapsedMs,
    figures: {
      overMiB: kind === "lsm" ? allMiB : anonymousMiB,
      allMiB,
      anonymousMiB,
      diskMiB: large.diskBytes / MIB,
      largePeakMiB: large.peakBytes / MIB,
      smallPeakMiB: small.peakBytes / MIB,
    },
  };
}

for (const kind of ["lsm", "lmdb"] as const) {
  bench(`memory/cap/${kind}`, {
    smoke: { keys: 2_000, changes: 1_000 },
    // The values alone are more than ten times the cap, whatever else is in the files.
    full: { keys: 7_000_000, changes: 1_000_000 },
    rounds: 1,
    run: ({ keys, changes }) =>
      compare("memory_job.ts", kind, keys + changes, [keys, changes], [FEW, keys + changes - FEW]),
  });
  bench(`memory/timers/${kind}`, {
    smoke: { timers: 2_000, fires: 1_000 },
    full: { timers: 10_000_000, fires: 1_000_000 },
    rounds: 1,
    run: ({ timers, fires }) =>
      compare("memory_timers_job.ts", kind, timers + fires, [timers, timers, fires], [FEW, timers, fires]),
  });
}
