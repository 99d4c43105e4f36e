/**
 * How long does a pipeline script take to start and end, over a script that does nothing?
 *
 * Run: deno task bench startup
 *
 * Figures: `overEmptyMs`, median of the scripts' wall times minus that of an empty script, both warm.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { bench } from "./harness.ts";

const WORD_COUNT = fileURLToPath(new URL("../examples/word_count.ts", import.meta.url));

function wallMs(script: string): number {
  const startMs = performance.now();
  const { status, stderr } = spawnSync(process.execPath, ["run", script], { encoding: "utf8" });
  if (status !== 0) throw new Error(`${script} ended with ${status}: ${stderr}`);
  return performance.now() - startMs;
}

function medianMs(script: string, runs: number): number {
  wallMs(script); // Warms the caches.
  return Array.from({ length: runs }, () => wallMs(script)).sort((a, b) => a - b)[runs >> 1]!;
}

bench<{ readonly runs: number }>("startup/word_count", {
  smoke: { runs: 1 },
  full: { runs: 5 },
  rounds: 1,
  run({ runs }) {
    const folder = mkdtempSync(join(tmpdir(), "weir-bench-"));
    try {
      const empty = join(folder, "empty.ts");
      writeFileSync(empty, "export {};\n");
      const emptyMs = medianMs(empty, runs);
      const elapsedMs = medianMs(WORD_COUNT, runs);
      return { ops: 1, elapsedMs, figures: { emptyMs, overEmptyMs: elapsedMs - emptyMs } };
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
});
