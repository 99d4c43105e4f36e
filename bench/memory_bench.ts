/**
 * Does state on disk stay inside the memory that it may take? State of ten times a cap of 64 MiB, against the same job over
 * 1,000 keys; each in a process of its own.
 *
 * Run: deno task bench memory/cap
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
import { bench } from "./harness.ts";

const JOB = fileURLToPath(new URL("memory_job.ts", import.meta.url));
const MIB = 1024 * 1024;

interface Held {
  readonly peakBytes: number;
  readonly peakAnonymousBytes: number;
  readonly diskBytes: number;
}

/** Runs the job and says what it has held. */
function run(kind: string, keys: number, changes: number): Held {
  const folder = mkdtempSync(join(tmpdir(), "weir-bench-"));
  try {
    // What the system says of a process may be read with all permissions only.
    const permissions = "Deno" in globalThis ? ["run", "--allow-all"] : [];
    const args = [...permissions, JOB, kind, String(keys), String(changes), folder];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
    if (status !== 0) throw new Error(`${JOB} ended with ${status}: ${stderr}`);
    // The job's last line is this.
    return JSON.parse(stdout.trim().split("\n").at(-1)!) as Held;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

for (const kind of ["lsm", "lmdb"] as const) {
  bench(`memory/cap/${kind}`, {
    smoke: { keys: 2_000, changes: 1_000 },
    // The values alone are more than ten times the cap, whatever else is in the files.
    full: { keys: 7_000_000, changes: 1_000_000 },
    rounds: 1,
    run({ keys, changes }) {
      const startMs = performance.now();
      const large = run(kind, keys, changes);
      const elapsedMs = performance.now() - startMs;
      const small = run(kind, 1_000, keys + changes - 1_000);
      const allMiB = (large.peakBytes - small.peakBytes) / MIB;
      const anonymousMiB = (large.peakAnonymousBytes - small.peakAnonymousBytes) / MIB;
      return {
        ops: keys + changes,
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
    },
  });
}
