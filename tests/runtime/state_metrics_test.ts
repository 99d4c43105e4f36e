/** Metrics of state on disk, in whole jobs. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { NATIVE_METRICS } from "../../backends/lsm/options.ts";
import { type BackendKind, LMDB, LSM } from "../support/backend_kinds.ts";
import { TestWorld } from "../support/job_harness.ts";
import { ledger } from "../support/ledger_pipeline.ts";

/** Metrics of state of the operator `pages` in the middle of a job, by name. */
async function stateMetrics(
  { options }: BackendKind,
  config: Readonly<Record<string, boolean>> = {},
): Promise<Map<string, unknown>> {
  const world = new TestWorld({ ...options.config, ...config });
  const process = await world.start((env) => ledger(env, { count: 300, perMs: 4 }), options);
  await process.until(() => (process.job.checkpoints?.counts.completed ?? 0) >= 2);
  equal(process.outcome, null);
  const all = process.job.metrics.snapshot().filter(({ scope, name }) =>
    scope.kind === "operator" && scope.operatorName === "pages" && name.includes(".")
  );
  const outcome = await process.end();
  equal(outcome.kind, "ended");
  for (const { type } of all) equal(type, "gauge");
  return new Map(all.map(({ name, value }) => [name, value]));
}

/** Names in docs/metrics.md that begin so. */
function listed(prefix: string): string[] {
  const page = readFileSync(new URL("../../docs/metrics.md", import.meta.url), "utf8");
  const names = [...page.matchAll(/^\| `([<>\w.-]+)` \| gauge \|/gm)].map((match) => match[1]!);
  return names.filter((name) => name.startsWith(prefix)).sort();
}

/** Of the operator `pages`. */
const STATES = [
  "counts",
  "numbers",
  "total",
  ...["event", "processing"].map((time) => `_timer_state/${time}_user-timers`),
];

/** As docs/metrics.md lists it. */
function ofAnyState(name: string): string {
  const state = STATES.find((one) => name.startsWith(`${one}.`));
  return (state === undefined ? name : `<state>${name.slice(state.length)}`).replace(/at-level\d$/, "at-level<level>");
}

test("every native metric of lsm whose option is on is reported by a running job, and is in docs/metrics.md", async () => {
  const on = Object.fromEntries(NATIVE_METRICS.map(({ isOn }) => [isOn.key, true]));
  const metrics = await stateMetrics(LSM, on);
  const reported = [...new Set([...metrics.keys()].map(ofAnyState))].sort();
  deepEqual(reported, [...listed("<state>.rocksdb."), ...listed("rocksdb.")]);
  const names = reported.map((name) => name.replace("<state>.", "").replace("<level>", "").slice("rocksdb.".length));
  deepEqual(names.sort(), NATIVE_METRICS.map(({ name }) => name).sort());
  for (
    const name of ["rocksdb.bytes-written", "total.rocksdb.live-sst-files-size", "total.rocksdb.block-cache-capacity"]
  ) {
    ok(Number(metrics.get(name)) > 0, `${name} is ${metrics.get(name)}`);
  }
  for (const state of STATES) equal(metrics.get(`${state}.rocksdb.background-errors`), 0, state);
});

test("native metrics of lsm are reported one by one, and none unless it is asked for", async () => {
  deepEqual([...(await stateMetrics(LSM)).keys()], []);
  const one = { "state.backend.rocksdb.metrics.cur-size-active-mem-table": true };
  const names = STATES.map((state) => `${state}.rocksdb.cur-size-active-mem-table`);
  deepEqual([...(await stateMetrics(LSM, one)).keys()].sort(), names.sort());
});

test("native metrics of lsm have the state as a variable when the configuration says so", async () => {
  const metrics = await stateMetrics(LSM, {
    "state.backend.rocksdb.metrics.column-family-as-variable": true,
    "state.backend.rocksdb.metrics.estimate-num-keys": true,
    "state.backend.rocksdb.metrics.bytes-written": true,
  });
  const names = STATES.map((state) => `column_family.${state}.rocksdb.estimate-num-keys`);
  deepEqual([...metrics.keys()].sort(), [...names, "rocksdb.bytes-written"].sort());
});

test("the metrics of lmdb are those in docs/metrics.md", async () => {
  const metrics = await stateMetrics(LMDB);
  deepEqual([...metrics.keys()].sort(), listed("lmdb."));
  ok(Number(metrics.get("lmdb.entries")) > 0);
  ok(Number(metrics.get("lmdb.page-size")) >= 4096);
});
