/**
 * Holds the metric groups of one job, each with the metrics that every job, subtask or operator has.
 * Their names are Flink's; docs/metrics.md lists them.
 *
 * Called by: runtime/ (takes groups), control/ (samples, reads).
 * Calls: runtime/metric_group.ts, core/element.ts.
 *
 * @module
 */
import { MIN_WATERMARK } from "../core/element.ts";
import { type EventCounter, type MetricReading, type MetricScope, ScopedMetrics } from "./metric_group.ts";

/** Time that rates are taken over unless told otherwise, milliseconds. */
const DEFAULT_METER_WINDOW_MS = 5_000;

/** Metrics of an operator within one subtask; what the engine writes are fields, so that the record path is short. */
export class OperatorMetrics extends ScopedMetrics {
  /** Records that came in. */
  readonly numRecordsIn: EventCounter = this.counter("numRecordsIn");
  /** Records that went out. */
  readonly numRecordsOut: EventCounter = this.counter("numRecordsOut");
  /** Records that came behind the watermark and were left out. */
  readonly numLateRecordsDropped: EventCounter = this.counter("numLateRecordsDropped");
  /** Timers fired. */
  readonly numFiredTimers: EventCounter = this.counter("numFiredTimers");
  /** Last watermark that came in, milliseconds since the epoch. */
  currentInputWatermark: number = MIN_WATERMARK;
  /** Last watermark that went out, milliseconds since the epoch. */
  currentOutputWatermark: number = MIN_WATERMARK;

  /** Registers what is listed above. */
  constructor(scope: MetricScope, meterWindowMs: number) {
    super(scope, meterWindowMs);
    this.meter("numRecordsInPerSecond", this.numRecordsIn);
    this.meter("numRecordsOutPerSecond", this.numRecordsOut);
    this.meter("numFiredTimersPerSecond", this.numFiredTimers);
    this.gauge("currentInputWatermark", () => this.currentInputWatermark);
    this.gauge("currentOutputWatermark", () => this.currentOutputWatermark);
  }
}

/** Metrics of one subtask: a chain of operators with one mailbox. */
export class TaskMetrics extends ScopedMetrics {
  /** Records that came in through the gate, or from the source. */
  readonly numRecordsIn: EventCounter = this.counter("numRecordsIn");
  /** Records that went out through the exchanges, or into a sink. */
  readonly numRecordsOut: EventCounter = this.counter("numRecordsOut");
  /** Milliseconds spent on work; may have a fraction. */
  readonly busyTimeMs: { count: number } = { count: 0 };
  /** Milliseconds, as part of those, that records have waited for a changelog. */
  readonly changelogBusyTimeMs: { count: number } = { count: 0 };
  /** Milliseconds spent without anything to do. */
  readonly idleTimeMs: { count: number } = { count: 0 };
  /** Milliseconds spent without credit of a receiver. */
  readonly backPressuredTimeMs: { count: number } = { count: 0 };
  /** Whether the subtask waits for credit now. */
  isBackPressured: boolean = false;
  /** Minimum of the watermarks that came in, milliseconds since the epoch. */
  currentInputWatermark: number = MIN_WATERMARK;
  /** Time between the first and the last barrier of the newest checkpoint, nanoseconds. */
  checkpointAlignmentTime: number = 0;
  /** Time between the start of the newest checkpoint and its first barrier here, nanoseconds. */
  checkpointStartDelayNanos: number = 0;

  /** Registers what is listed above. */
  constructor(scope: MetricScope, meterWindowMs: number) {
    super(scope, meterWindowMs);
    this.meter("numRecordsInPerSecond", this.numRecordsIn);
    this.meter("numRecordsOutPerSecond", this.numRecordsOut);
    this.gauge("currentInputWatermark", () => this.currentInputWatermark);
    this.meter("busyTimeMsPerSecond", this.busyTimeMs);
    this.meter("changelogBusyTimeMsPerSecond", this.changelogBusyTimeMs);
    this.meter("idleTimeMsPerSecond", this.idleTimeMs);
    this.meter("backPressuredTimeMsPerSecond", this.backPressuredTimeMs);
    this.gauge("isBackPressured", () => String(this.isBackPressured));
    this.gauge("checkpointAlignmentTime", () => this.checkpointAlignmentTime);
    this.gauge("checkpointStartDelayNanos", () => this.checkpointStartDelayNanos);
  }
}

/** Metrics of the job as a whole. -1 stands for "none yet". */
export class JobMetrics extends ScopedMetrics {
  /** Restarts since the process began. */
  numRestarts: number = 0;
  /** Id of the newest completed checkpoint. */
  lastCompletedCheckpointId: number = -1;
  /** How long it took, milliseconds. */
  lastCheckpointDuration: number = -1;
  /** Bytes that it wrote. */
  lastCheckpointSize: number = -1;
  /** Bytes that it refers to, those of earlier checkpoints too. */
  lastCheckpointFullSize: number = -1;
  /** Where it is. */
  lastCheckpointExternalPath: string = "n/a";
  /** When state was restored last, milliseconds since the epoch. */
  lastCheckpointRestoreTimestamp: number = -1;
  /** Checkpoints that run now. */
  numberOfInProgressCheckpoints: number = 0;
  /** Checkpoints that completed. */
  numberOfCompletedCheckpoints: number = 0;
  /** Checkpoints that failed. */
  numberOfFailedCheckpoints: number = 0;
  /** Checkpoints that were begun. */
  totalNumberOfCheckpoints: number = 0;

  /** Registers what is listed above. */
  constructor(scope: MetricScope, meterWindowMs: number) {
    super(scope, meterWindowMs);
    this.gauge("numRestarts", () => this.numRestarts);
    this.gauge("lastCompletedCheckpointId", () => this.lastCompletedCheckpointId);
    this.gauge("lastCheckpointDuration", () => this.lastCheckpointDuration);
    this.gauge("lastCheckpointSize", () => this.lastCheckpointSize);
    this.gauge("lastCheckpointFullSize", () => this.lastCheckpointFullSize);
    this.gauge("lastCheckpointExternalPath", () => this.lastCheckpointExternalPath);
    this.gauge("lastCheckpointRestoreTimestamp", () => this.lastCheckpointRestoreTimestamp);
    this.gauge("numberOfInProgressCheckpoints", () => this.numberOfInProgressCheckpoints);
    this.gauge("numberOfCompletedCheckpoints", () => this.numberOfCompletedCheckpoints);
    this.gauge("numberOfFailedCheckpoints", () => this.numberOfFailedCheckpoints);
    this.gauge("totalNumberOfCheckpoints", () => this.totalNumberOfCheckpoints);
  }
}

/** Options of a registry. */
export interface MetricRegistryOptions {
  /** Time that rates are taken over, milliseconds, > 0. Default: 5,000. */
  readonly meterWindowMs?: number;
}

/** All metrics of one job. */
export class MetricRegistry {
  /** Name of the job. */
  readonly jobName: string;
  readonly #job: JobMetrics;
  readonly #meterWindowMs: number;
  #reportJob: (metrics: JobMetrics) => void = () => {};
  #reportTasks: (() => void)[] = [];
  readonly #tasks = new Map<string, TaskMetrics>();
  readonly #operators = new Map<string, OperatorMetrics>();

  /**
   * Makes the group of the job.
   *
   * @param jobName Part of every scope.
   * @throws {RangeError} If the window is not > 0.
   */
  constructor(jobName: string, options: MetricRegistryOptions = {}) {
    const { meterWindowMs = DEFAULT_METER_WINDOW_MS } = options;
    if (!(Number.isFinite(meterWindowMs) && meterWindowMs > 0)) {
      throw new RangeError(`Cannot keep metrics: meterWindowMs must be > 0, current value is ${meterWindowMs}`);
    }
    this.jobName = jobName;
    this.#meterWindowMs = meterWindowMs;
    this.#job = new JobMetrics({ kind: "job", jobName }, meterWindowMs);
  }

  /** Metrics of the job as a whole. */
  get job(): JobMetrics {
    this.#reportJob(this.#job);
    return this.#job;
  }

  /** Metrics of a subtask. @param subtaskIndex 0-based. */
  task(vertexId: string, subtaskIndex: number): TaskMetrics {
    const id = JSON.stringify([vertexId, subtaskIndex]);
    let group = this.#tasks.get(id);
    if (group === undefined) {
      group = new TaskMetrics({ kind: "task", jobName: this.jobName, vertexId, subtaskIndex }, this.#meterWindowMs);
      this.#tasks.set(id, group);
    }
    return group;
  }

  /** Metrics of an operator within a subtask. @param subtaskIndex 0-based. */
  operator(vertexId: string, operatorName: string, subtaskIndex: number): OperatorMetrics {
    const id = JSON.stringify([vertexId, operatorName, subtaskIndex]);
    let group = this.#operators.get(id);
    if (group === undefined) {
      const scope = { kind: "operator" as const, jobName: this.jobName, vertexId, operatorName, subtaskIndex };
      group = new OperatorMetrics(scope, this.#meterWindowMs);
      this.#operators.set(id, group);
    }
    return group;
  }

  /** Brings the metrics of the job up to date; called before they are read. */
  beforeJobIsRead(report: (metrics: JobMetrics) => void): void {
    this.#reportJob = report;
  }

  /** Brings metrics of subtasks and operators up to date; called before they are read, until `endTasks()`. */
  beforeTasksAreRead(report: () => void): void {
    this.#reportTasks.push(report);
  }

  /** Groups of all subtasks, in the order in which they were first asked for. */
  tasks(): readonly TaskMetrics[] {
    this.#update();
    return [...this.#tasks.values()];
  }

  /** Groups of all operators, in the order in which they were first asked for. */
  operators(): readonly OperatorMetrics[] {
    this.#update();
    return [...this.#operators.values()];
  }

  /** An attempt has ended: its last figures stay to be read until `forgetTasks()`. */
  endTasks(): void {
    this.#update();
    this.#reportTasks = [];
  }

  /** Forgets subtasks and operators before the next attempt: their counts begin anew. */
  forgetTasks(): void {
    this.#tasks.clear();
    this.#operators.clear();
    this.#reportTasks = [];
  }

  /** Lets every meter read its count; called once or a few times a second. @param nowMs Any clock that never goes back. */
  sample(nowMs: number): void {
    for (const group of this.#groups()) group.sample(nowMs);
  }

  /** Every metric as it is now: those of the job, of its subtasks, of their operators. */
  snapshot(): readonly MetricReading[] {
    return this.#groups().flatMap((group) => group.read());
  }

  #update(): void {
    for (const report of this.#reportTasks) report();
  }

  #groups(): ScopedMetrics[] {
    this.#update();
    return [this.job, ...this.#tasks.values(), ...this.#operators.values()];
  }
}
