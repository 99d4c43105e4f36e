import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import { MetricRegistry } from "../../runtime/metrics.ts";
import { type HistogramReading, Meter, type MetricReading, RecentHistogram } from "../../runtime/metric_group.ts";

function registryWithAll(): MetricRegistry {
  const registry = new MetricRegistry("job");
  registry.task("v1", 0);
  registry.operator("v1", "count", 0);
  return registry;
}

function reading(registry: MetricRegistry, kind: MetricReading["scope"]["kind"], name: string): MetricReading {
  const found = registry.snapshot().filter((metric) => metric.scope.kind === kind && metric.name === name);
  equal(found.length, 1, `${kind} ${name}`);
  return found[0]!;
}

test("MetricRegistry snapshot() says scope, name, type and value of each metric", () => {
  const registry = new MetricRegistry("flights");
  const group = registry.operator("v2", "report", 3);
  group.counter("late-lines").inc(2);
  group.gauge("mood", () => "calm");
  const scope = { kind: "operator", jobName: "flights", vertexId: "v2", operatorName: "report", subtaskIndex: 3 };
  const own = registry.snapshot().filter(({ name }) => name === "late-lines" || name === "mood");
  deepEqual(own, [
    { scope, name: "late-lines", type: "counter", value: 2 },
    { scope, name: "mood", type: "gauge", value: "calm" },
  ]);
});

test("MetricRegistry gives the same group for the same scope, and the group the same metric for the same name", () => {
  const registry = new MetricRegistry("job");
  const group = registry.operator("v", "o", 0);
  equal(registry.operator("v", "o", 0), group);
  ok(registry.operator("v", "o", 1) !== group);
  ok(registry.operator("v", "p", 0) !== group);
  ok(registry.operator("v,o", "", 0) !== registry.operator("v", "o,", 0));
  equal(registry.task("v", 0), registry.task("v", 0));
  equal(group.counter("c"), group.counter("c"));
  equal(group.histogram("h"), group.histogram("h"));
  equal(group.counter("numRecordsIn"), group.numRecordsIn);
  deepEqual(registry.operators().map(({ scope }) => scope.kind === "operator" && scope.operatorName).slice(0, 3), [
    "o",
    "o",
    "p",
  ]);
});

test("ScopedMetrics refuses an empty name and a name of another type", () => {
  const group = new MetricRegistry("job").operator("v", "o", 0);
  group.counter("c");
  throws(() => group.counter(""), TypeError);
  throws(() => group.gauge("c", () => 1), /"c" as a gauge: it is a counter already; choose another name/);
  throws(() => group.histogram("numRecordsInPerSecond"), /it is a meter already/);
  throws(() => new MetricRegistry("job", { meterWindowMs: 0 }), RangeError);
});

test("ScopedMetrics gauge() replaces the first registration by the second, and shows what a gauge throws", () => {
  const registry = new MetricRegistry("job");
  registry.job.gauge("g", () => 1);
  registry.job.gauge("g", () => {
    throw new Error("no key is set");
  });
  equal(reading(registry, "job", "g").value, "error: no key is set");
  equal(reading(registry, "job", "numRestarts").value, 0);
});

test("EventCounter counts by its field and by inc()", () => {
  const { numRecordsIn } = new MetricRegistry("job").operator("v", "o", 0);
  numRecordsIn.count++;
  numRecordsIn.inc();
  numRecordsIn.inc(5);
  equal(numRecordsIn.count, 7);
});

test("OperatorMetrics, TaskMetrics and JobMetrics gauges read the fields that the engine writes", () => {
  const registry = registryWithAll();
  const operator = registry.operator("v1", "count", 0);
  equal(reading(registry, "operator", "currentInputWatermark").value, -Infinity);
  operator.currentInputWatermark = 5;
  operator.currentOutputWatermark = 4;
  registry.task("v1", 0).isBackPressured = true;
  registry.job.lastCheckpointDuration = 12;
  equal(reading(registry, "operator", "currentInputWatermark").value, 5);
  equal(reading(registry, "operator", "currentOutputWatermark").value, 4);
  equal(reading(registry, "task", "isBackPressured").value, "true");
  equal(reading(registry, "job", "lastCheckpointDuration").value, 12);
});

test("MetricRegistry sample() turns counts into rates per second", () => {
  const registry = registryWithAll();
  const task = registry.task("v1", 0);
  equal(reading(registry, "task", "numRecordsInPerSecond").value, 0);
  task.numRecordsIn.inc(1_000); // Before the first sample: part of no rate.
  registry.sample(10_000);
  equal(reading(registry, "task", "numRecordsInPerSecond").value, 0);
  task.numRecordsIn.inc(300);
  task.busyTimeMs.count += 750.5;
  registry.sample(11_500);
  equal(reading(registry, "task", "numRecordsInPerSecond").value, 200);
  equal(reading(registry, "task", "busyTimeMsPerSecond").value, 750.5 / 1.5);
});

test("MetricRegistry forgetTasks() begins subtasks and operators anew and keeps the job", () => {
  const registry = registryWithAll();
  registry.job.numRestarts = 1;
  registry.operator("v1", "count", 0).numRecordsIn.inc(9);
  registry.forgetTasks();
  ok(registry.snapshot().every(({ scope }) => scope.kind === "job"));
  equal(reading(registry, "job", "numRestarts").value, 1);
  equal(registry.operator("v1", "count", 0).numRecordsIn.count, 0);
});

test("Meter takes the rate over its window and forgets what is older", () => {
  const counted = { count: 0 };
  const meter = new Meter(counted, 1_000);
  for (let nowMs = 0; nowMs <= 10_000; nowMs += 500) {
    meter.sample(nowMs);
    counted.count += nowMs < 5_000 ? 100 : 1;
  }
  equal(meter.rate, 2);
});

test("Meter stays within the growth that it saw, however often it is sampled", () => {
  const steps = fc.array(fc.tuple(fc.integer({ min: 0, max: 400 }), fc.nat(1_000)), { maxLength: 300 });
  fc.assert(fc.property(steps, (all) => {
    const counted = { count: 0 };
    const meter = new Meter(counted, 1_000);
    let nowMs = 0;
    for (const [stepMs, growth] of all) {
      nowMs += stepMs;
      counted.count += growth;
      meter.sample(nowMs);
      ok(meter.rate >= 0 && Number.isFinite(meter.rate), `rate ${meter.rate}`);
    }
  }));
});

test("Meter is exact for steady growth, also when it is sampled every millisecond", () => {
  const counted = { count: 0 };
  const meter = new Meter(counted, 5_000);
  for (let nowMs = 0; nowMs < 20_000; nowMs++) {
    meter.sample(nowMs);
    if (nowMs > 0) equal(Math.round(meter.rate), 3_000);
    counted.count += 3;
  }
});

test("RecentHistogram quantile() lies between the two nearest samples", () => {
  const histogram = new RecentHistogram();
  equal(histogram.quantile(0.5), NaN);
  for (const value of [4, 1, 3, 2]) histogram.update(value);
  deepEqual([0, 1 / 3, 0.5, 0.75, 1].map((q) => histogram.quantile(q)), [1, 2, 2.5, 3.25, 4]);
  throws(() => histogram.quantile(1.01), /q must be in 0\.\.1, current value is 1\.01/);
  throws(() => histogram.quantile(NaN), RangeError);
});

test("RecentHistogram keeps the last 128 samples and counts all", () => {
  const registry = new MetricRegistry("job");
  const histogram = registry.job.histogram("latency");
  const empty = reading(registry, "job", "latency").value as HistogramReading; // It is a histogram.
  deepEqual(empty, { count: 0, min: NaN, max: NaN, mean: NaN, median: NaN, p95: NaN, p99: NaN });
  for (let value = 1; value <= 1_000; value++) histogram.update(value);
  const full = reading(registry, "job", "latency").value as HistogramReading; // It is a histogram.
  deepEqual(full, { count: 1_000, min: 873, max: 1_000, mean: 936.5, median: 936.5, p95: 993.65, p99: 998.73 });
});

test("RecentHistogram quantiles are ordered and within the samples", () => {
  fc.assert(fc.property(fc.array(fc.double({ noNaN: true, min: -1e9, max: 1e9 }), { minLength: 1 }), (values) => {
    const histogram = new RecentHistogram();
    for (const value of values) histogram.update(value);
    const recent = values.slice(-128);
    equal(histogram.quantile(0), Math.min(...recent));
    equal(histogram.quantile(1), Math.max(...recent));
    ok(histogram.quantile(0.25) <= histogram.quantile(0.75));
  }));
});

test("docs/metrics.md lists exactly what is registered", () => {
  const registered = registryWithAll().snapshot().map(({ scope, name, type }) => `${scope.kind} ${name} ${type}`);
  const listed: string[] = [];
  let kind = "";
  for (const line of readFileSync(new URL("../../docs/metrics.md", import.meta.url), "utf8").split("\n")) {
    if (line.startsWith("## ")) kind = line.slice(3);
    const row = /^\| `(\w+)` \| (\w+) \|/.exec(line);
    // Those of a changelog: tests/backends/changelog_test.ts.
    if (row !== null && kind !== "operator with a changelog") listed.push(`${kind} ${row[1]} ${row[2]}`);
  }
  deepEqual(listed.toSorted(), registered.toSorted());
});
