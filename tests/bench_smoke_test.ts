import { ok } from "node:assert/strict";
import { test } from "node:test";
import { loadBenches } from "../bench/registry.ts";

const benches = await loadBenches();

test("bench/ has benches", () => ok(benches.length > 0));

for (const bench of benches) {
  test(`bench ${bench.name} runs in smoke size and does the work of its baseline`, { timeout: 60_000 }, async () => {
    const { ops, opsPerSecond, ratio } = await bench.measure("smoke");
    ok(ops > 0, `ops is ${ops}`);
    ok(opsPerSecond > 0, `opsPerSecond is ${opsPerSecond}`);
    ok(ratio === undefined || ratio > 0, `ratio is ${ratio}`);
  });
}
