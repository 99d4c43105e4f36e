import { deepEqual, equal, match, ok } from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import process from "node:process";
import type { QueryFigures } from "../../bench/nexmark/settings.ts";

const MAIN = fileURLToPath(new URL("../../bench/nexmark/main.ts", import.meta.url));

/** Runs the command. */
function nexmark(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const deno = "Deno" in globalThis ? ["run", "--allow-all"] : [];
  return spawnSync(process.execPath, [...deno, MAIN, ...args], { encoding: "utf8" });
}

test("nexmark --json prints what each query took, one JSON line a query", { timeout: 60_000 }, () => {
  const { status, stdout, stderr } = nexmark("--query", "q0,q17", "--events", "5_000", "--backend", "lsm", "--json");
  equal(status, 0, stderr);
  // What the command prints.
  const figures = stdout.trim().split("\n").map((line) => JSON.parse(line) as QueryFigures);
  deepEqual(figures.map(({ query, backend, events, results }) => [query, backend, events, results]), [
    ["q0", "lsm", 5_000, 4_600],
    ["q17", "lsm", 5_000, 4_600],
  ]);
  for (const { eventsPerSecond, eventsPerCpuSecond, peakBytes, checkpointsFailed, streamed } of figures) {
    ok(eventsPerSecond > 0 && eventsPerCpuSecond > 0 && peakBytes > 0);
    deepEqual([checkpointsFailed, streamed], [0, false]);
  }
});

test("nexmark names the queries that there are when one is asked for that there is not", { timeout: 60_000 }, () => {
  const { status, stderr } = nexmark("--query", "q6");
  equal(status, 2);
  match(stderr, /Cannot run query "q6": there is none; choose from q0, q1, .*q22\nusage/);
});
