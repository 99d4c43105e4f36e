import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { LSM_METRIC_NAMES } from "../../backends/lsm/lsm_statistics.ts";
import { lsmRowStoreFactory } from "../../backends/lsm/lsm_store.ts";
import type { MetricGroup } from "../../core/metrics.ts";
import { ingest, read, StoreRig, work } from "../contracts/store_rig.ts";
import { backendContext } from "../support/backend_context.ts";
import { put, type RowName, rowOf, VALUES } from "../support/sample_rows.ts";

const name = (i: number): RowName => rowOf(i % 8, VALUES, `key-${i}`);

/** Keeps the gauges that a store registers. */
function gauges(): { readonly metrics: MetricGroup; readonly values: Map<string, () => number | string> } {
  const values = new Map<string, () => number | string>();
  const { metrics } = backendContext();
  return {
    values,
    metrics: {
      counter: (name) => metrics.counter(name),
      histogram: (name) => metrics.histogram(name),
      gauge: (name, read) => values.set(name, read),
    },
  };
}

test("LsmStore reports the native metrics that it is asked for, and no others", async () => {
  for (const wanted of [[], ["bytes-read", "num-files-at-level", "no-such-metric"]]) {
    await using rig = new StoreRig({ factory: () => lsmRowStoreFactory({ metrics: wanted }) });
    const { metrics, values } = gauges();
    await rig.open({ metrics });
    deepEqual([...values.keys()], wanted.slice(0, 2).map((metric) => `rocksdb.${metric}`));
  }
});

test("LsmStore statistics tell of reads, writes, filters, compactions, files and snapshots", async () => {
  await using rig = new StoreRig({ factory: () => lsmRowStoreFactory({ metrics: LSM_METRIC_NAMES, blockBytes: 512 }) });
  const { metrics, values } = gauges();
  const store = await rig.open({ metrics });
  const value = (metric: string) => values.get(`rocksdb.${metric}`)!();
  for (const metric of LSM_METRIC_NAMES) ok(value(metric) === 0 || !metric.startsWith("num-running"), metric);
  for (let part = 0; part < 4; part++) {
    ingest(store, Array.from({ length: 200 }, (_, i) => put(name(part * 200 + i), "x".repeat(50))));
  }
  equal(value("num-files-at-level"), "4");
  equal(value("estimate-num-keys"), 800);
  equal(value("compaction-pending"), 1);
  ok(Number(value("estimate-pending-compaction-bytes")) > 0);
  const written = Number(value("bytes-written"));
  ok(written > 800 * 50 && written < 800 * 100, `${written}`);
  for (let i = 0; i < 900; i++) equal(read(store, name(i)) !== null, i < 800);
  equal(value("bytes-read"), 800 * 50);
  equal(value("bloom-filter-full-true-positive"), 800);
  ok(Number(value("bloom-filter-useful")) > 1000);
  ok(Number(value("block-cache-hit")) > 0 && Number(value("block-cache-miss")) > 0);
  const frozen = store.freeze();
  equal(value("num-snapshots"), 1);
  const before = Number(value("total-sst-files-size"));
  equal(value("live-sst-files-size"), before);
  work(store);
  equal(value("num-files-at-level"), "0 1");
  equal(value("num-live-versions"), 2);
  equal(value("compaction-read-bytes"), before);
  ok(Number(value("total-sst-files-size")) > before);
  frozen.release();
  equal(value("num-snapshots"), 0);
  equal(value("num-live-versions"), 1);
  equal(value("compaction-write-bytes"), value("live-sst-files-size"));
  equal(value("total-sst-files-size"), value("live-sst-files-size"));
  ok(Number(value("estimate-table-readers-mem")) > 0);
  equal(value("background-errors"), 0);
});
