/**
 * What the ledger pipeline has put out when it was drained on its way.
 *
 * Called by: tests of stops with a drain.
 * Calls: tests/support/ledger_pipeline.ts.
 */
import { deepEqual } from "node:assert/strict";
import { oracle, type Page, pagesIn } from "./ledger_pipeline.ts";
import { COUNT, type LedgerRuns } from "./ledger_runs.ts";

const EXPECTED = oracle(COUNT);

/** The pages that readers see. */
export function pagesOf(runs: LedgerRuns): Page[] {
  return pagesIn(runs.world.fileSystem).map((line): Page => JSON.parse(line));
}

/** Every entry was seen once; a window that was open at a drain has several pages, which together hold what the one would. */
export function checkDrained(runs: LedgerRuns, context: string): void {
  const merged = new Map<string, Page>();
  for (const page of pagesOf(runs)) {
    const id = `${page.key} ${page.endMs}`;
    const { count = 0, sum = 0, total = 0 } = merged.get(id) ?? {};
    const together = { count: count + page.count, sum: sum + page.sum, total: Math.max(total, page.total) };
    merged.set(id, { key: page.key, endMs: page.endMs, ...together });
  }
  deepEqual([...merged.values()].map((page) => JSON.stringify(page)).sort(), EXPECTED.pages, context);
  deepEqual([...runs.seen.values].sort((a, b) => a - b), EXPECTED.seen, context);
}
