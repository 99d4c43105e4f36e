/**
 * Finds the benches: every file `bench/*_bench.ts` registers its own by calling `bench`.
 *
 * Called by: bench/main.ts, tests/bench_smoke_test.ts.
 * Calls: bench/harness.ts and the bench files.
 *
 * @module
 */
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Bench, registeredBenches } from "./harness.ts";

/** Loads all bench files. */
export async function loadBenches(): Promise<Bench[]> {
  const folder = new URL("./", import.meta.url);
  const files = readdirSync(fileURLToPath(folder)).filter((file) => file.endsWith("_bench.ts")).sort();
  for (const file of files) await import(new URL(file, folder).href);
  return registeredBenches();
}
