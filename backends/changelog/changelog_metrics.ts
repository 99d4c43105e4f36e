/**
 * Measures the changelog of one operator subtask; the names are Flink's.
 *
 * Called by: the files of this folder.
 * Calls: core/metrics.ts.
 *
 * @module
 */
import type { Counter, Histogram, MetricGroup } from "../../core/metrics.ts";

/** The metrics of one backend. */
export class ChangelogMetrics {
  readonly uploads: Counter;
  readonly uploadFailures: Counter;
  /** Number of the attempt that has succeeded. */
  readonly attemptsPerUpload: Histogram;
  /** Attempts that were begun, those beside the one that has succeeded included. */
  readonly totalAttemptsPerUpload: Histogram;
  /** Segments that are uploaded together: one. */
  readonly uploadBatchSizes: Histogram;
  readonly uploadSizes: Histogram;
  readonly uploadLatenciesNanos: Histogram;
  /** Files that could not be removed; a recovery sweeps them. */
  readonly leftBehind: Counter;
  readonly startedMaterializations: Counter;
  readonly completedMaterializations: Counter;
  readonly failedMaterializations: Counter;
  /** Milliseconds; -1 before the first. */
  lastDurationMs = -1;
  /** Bytes of the last materialization; -1 before the first. */
  lastFullBytes = -1;
  /** Bytes that it has written. */
  lastIncrementBytes = -1;
  /** Bytes of the log in the last checkpoint. */
  lastFullLogBytes = -1;
  /** Bytes of the log that it has written. */
  lastLogIncrementBytes = -1;

  constructor(group: MetricGroup) {
    this.uploads = group.counter("numberOfUploadRequests");
    this.uploadFailures = group.counter("numberOfUploadFailures");
    this.attemptsPerUpload = group.histogram("attemptsPerUpload");
    this.totalAttemptsPerUpload = group.histogram("totalAttemptsPerUpload");
    this.uploadBatchSizes = group.histogram("uploadBatchSizes");
    this.uploadSizes = group.histogram("uploadSizes");
    this.uploadLatenciesNanos = group.histogram("uploadLatenciesNanos");
    this.leftBehind = group.counter("numberOfFilesLeftBehind");
    this.startedMaterializations = group.counter("startedMaterialization");
    this.completedMaterializations = group.counter("completedMaterialization");
    this.failedMaterializations = group.counter("failedMaterialization");
    group.gauge("lastDurationOfMaterialization", () => this.lastDurationMs);
    group.gauge("lastFullSizeOfMaterialization", () => this.lastFullBytes);
    group.gauge("lastIncSizeOfMaterialization", () => this.lastIncrementBytes);
    group.gauge("lastFullSizeOfNonMaterialization", () => this.lastFullLogBytes);
    group.gauge("lastIncSizeOfNonMaterialization", () => this.lastLogIncrementBytes);
  }
}
