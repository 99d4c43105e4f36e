/**
 * Fills the metrics of a job from the statistics of its checkpoints, and lets the meters of all metrics read their
 * counts once a second.
 *
 * Called by: runtime/job.ts, runtime/job_run.ts.
 * Calls: the clock, runtime/metrics.ts.
 *
 * @module
 */
import type { CheckpointsStatistics } from "../checkpoint/statistics.ts";
import type { Cancel, Clock } from "../core/clock.ts";
import type { JobMetrics, MetricRegistry } from "./metrics.ts";

/** Milliseconds between two samples of the meters. */
const SAMPLE_INTERVAL_MS = 1_000;

/** Samples now and once a second. @returns Ends it. */
export function sampleEverySecond(registry: MetricRegistry, clock: Clock): Cancel {
  let cancel: Cancel = () => {};
  const sample = () => {
    registry.sample(clock.monotonicMs());
    cancel = clock.schedule(SAMPLE_INTERVAL_MS, sample);
  };
  sample();
  return () => cancel();
}

/** Brings the metrics of a job up to date. */
export function reportJob(metrics: JobMetrics, restarts: number, statistics: CheckpointsStatistics): void {
  metrics.numRestarts = restarts;
  const { counts, latestCompleted, restored } = statistics;
  metrics.numberOfInProgressCheckpoints = counts.inProgress;
  metrics.numberOfCompletedCheckpoints = counts.completed;
  metrics.numberOfFailedCheckpoints = counts.failed;
  metrics.totalNumberOfCheckpoints = counts.total;
  if (restored !== null) metrics.lastCheckpointRestoreTimestamp = restored.atMs;
  if (latestCompleted === null) return;
  metrics.lastCompletedCheckpointId = latestCompleted.checkpointId ?? -1;
  metrics.lastCheckpointDuration = latestCompleted.durationMs ?? -1;
  metrics.lastCheckpointSize = latestCompleted.incrementBytes;
  metrics.lastCheckpointFullSize = latestCompleted.fullBytes;
  metrics.lastCheckpointExternalPath = latestCompleted.externalPath ?? "n/a";
}
