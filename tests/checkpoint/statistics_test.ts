import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { PERIODIC } from "../../checkpoint/checkpoint_properties.ts";
import { StatisticsLog } from "../../checkpoint/statistics.ts";
import { percentile, RollingSummary } from "../../checkpoint/statistics_summary.ts";
import { NO_FIGURES, SAVEPOINT, SimulatedJob, STOP } from "./simulated_job.ts";

test("percentile() lies between the nearest figures, and never outside them", () => {
  const cases: [readonly number[], number, number][] = [
    [[7], 0.5, 7],
    [[7], 0.999, 7],
    [[1, 3], 0.5, 2],
    [[1, 2, 3, 4], 0.5, 2.5],
    [[1, 2, 3], 0.01, 1],
    [[1, 2, 3], 0.99, 3],
    [Array.from({ length: 99 }, (_, i) => i + 1), 0.9, 90],
    [Array.from({ length: 9 }, (_, i) => i + 1), 0.95, 9],
  ];
  for (const [sorted, share, expected] of cases) ok(Math.abs(percentile(sorted, share) - expected) < 1e-9);
});

test("RollingSummary has extremes and mean of all figures, percentiles of the last few", () => {
  const summary = new RollingSummary(3);
  deepEqual(summary.snapshot(), { min: 0, max: 0, avg: 0, p50: 0, p90: 0, p95: 0, p99: 0, p999: 0 });
  for (const figure of [100, 1, 5, 6, 7]) summary.add(figure);
  deepEqual(summary.snapshot(), { min: 1, max: 100, avg: 23.8, p50: 6, p90: 7, p95: 7, p99: 7, p999: 7 });
});

test("statistics() tells checkpoints from savepoints, with their format and whether they stand alone", async () => {
  const job = new SimulatedJob({ retained: 1 });
  job.coordinator.start();
  await job.take();
  await job.take({ full: true });
  await job.take({ ...SAVEPOINT, format: "native" });
  await job.take({ ...STOP, isFinal: true });
  const { history, latestCompleted, latestSavepoint } = job.coordinator.statistics();
  deepEqual(
    history.map(({ checkpointId, type, format, stops, full, isFinal, isDiscarded }) => [
      checkpointId,
      type,
      format,
      stops,
      full,
      isFinal,
      isDiscarded,
    ]),
    [
      [4, "savepoint", "canonical", true, true, true, false],
      [3, "savepoint", "native", false, true, false, false],
      [2, "checkpoint", null, false, true, false, false],
      [1, "checkpoint", null, false, false, false, true],
    ],
  );
  deepEqual([latestCompleted!.checkpointId, latestSavepoint!.checkpointId], [2, 4]);
  equal(history[0]!.externalPath!.startsWith("/savepoints/savepoint-abcdef-"), true);
});

test("statistics() has the time of the last answer and sums up what has completed", async () => {
  const job = new SimulatedJob({ tolerableFailures: 9 });
  job.coordinator.start();
  for (const [durationMs, bytes] of [[10, 100], [20, 50], [30, 300]] as const) {
    await job.begin();
    const { checkpointId } = job.barriers.at(-1)!;
    job.clock.advance(durationMs);
    const figures = { ...NO_FIGURES, incrementBytes: bytes, fullBytes: 2 * bytes };
    for (const task of job.tasks) job.coordinator.acknowledge(task, checkpointId, new Map(), figures);
    await job.settle();
  }
  await job.begin();
  job.coordinator.decline(job.tasks[0]!, 4, new Error("no"));
  await job.settle();
  const { summary, history } = job.coordinator.statistics();
  deepEqual([summary.durationMs.min, summary.durationMs.max, summary.durationMs.avg, summary.durationMs.p50], [
    10,
    30,
    20,
    20,
  ]);
  const sizes = history.filter(({ status }) => status === "completed").map(({ incrementBytes }) => incrementBytes);
  deepEqual([summary.incrementBytes.min, summary.incrementBytes.max], [Math.min(...sizes), Math.max(...sizes)]);
  ok(sizes.every((size) => size > 100), "the metadata is counted");
  ok(summary.fullBytes.max > summary.incrementBytes.max);
  equal(history[0]!.latestAnswerMs, null);
  equal(history[1]!.latestAnswerMs, 1_000_060);
});

test("StatisticsLog forgets no checkpoint that is under way, however short its history", () => {
  for (const length of [0, 2]) {
    const log = new StatisticsLog(length);
    const start = { properties: PERIODIC, full: false, triggeredMs: 0, subtaskCount: 1 };
    for (let id = 1; id <= 5; id++) log.triggered(id, start);
    log.triggered(null, start);
    log.failed(null, { reason: "io-error", message: "no", atMs: 1 });
    log.failed(2, { reason: "declined", message: "no", atMs: 3 });
    const { history, latestFailed, counts } = log.snapshot();
    deepEqual(history.map(({ checkpointId }) => checkpointId), [null, 5].slice(0, length));
    equal(latestFailed!.checkpointId, 2);
    deepEqual([counts.total, counts.inProgress, counts.failed], [6, 4, 2]);
  }
});
