/** A job that does nothing but what a test says: its view is set, its calls are recorded, their ends are chosen. */
import type { CompletedCheckpoint } from "../../checkpoint/completed_checkpoint.ts";
import { type CheckpointsStatistics, StatisticsLog } from "../../checkpoint/statistics.ts";
import type { MemoryReport } from "../../core/backend_memory.ts";
import { Configuration } from "../../core/config.ts";
import type { JobResult } from "../../runtime/job_progress.ts";
import { jobSettings } from "../../runtime/job_settings.ts";
import type {
  CheckpointKind,
  ControlledJob,
  JobView,
  Savepoint,
  SavepointOptions,
  StopOptions,
  SubtaskView,
} from "../../runtime/job_view.ts";
import { MetricRegistry } from "../../runtime/metrics.ts";

/** Ids that are easy to tell apart. */
export const JOB = "a".repeat(32);
export const OTHER_JOB = "b".repeat(32);
export const SOURCE = "c".repeat(32);
export const SINK = "d".repeat(32);

/** A call that reached the job. */
export type Call =
  | { readonly name: "savepoint"; readonly options: SavepointOptions }
  | { readonly name: "stop"; readonly options: StopOptions }
  | { readonly name: "checkpoint"; readonly kind: CheckpointKind }
  | { readonly name: "cancel" };

/** A promise that a test settles. */
class Settled<T> {
  readonly promise: Promise<T>;
  resolve: (value: T) => void = () => {};
  reject: (error: unknown) => void = () => {};

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.promise.catch(() => {});
  }
}

function subtask(index: number): SubtaskView {
  return { index, state: "running", enteredMs: { created: 1_000, opening: 1_010, running: 1_020 } };
}

/** Two vertices: a source of two subtasks, and a sink of one that it feeds by hash. */
export function sampleView(id = JOB, name = "sample"): JobView {
  return {
    id,
    name,
    state: "running",
    enteredMs: { starting: 1_000, running: 1_020 },
    startedMs: 1_000,
    endedMs: null,
    attempt: 0,
    settings: { ...jobSettings(name, Configuration.of({ "pipeline.job-id": id })), jobId: id },
    vertices: [
      {
        id: SOURCE,
        name: "lines -> parse",
        parallelism: 2,
        maxParallelism: 128,
        operators: [{ id: "1".repeat(32), name: "lines" }, { id: "2".repeat(32), name: "parse" }],
        inputs: [],
        subtasks: [subtask(0), subtask(1)],
      },
      {
        id: SINK,
        name: "counts -> out",
        parallelism: 1,
        maxParallelism: 128,
        operators: [{ id: "3".repeat(32), name: "counts" }, { id: "4".repeat(32), name: "out" }],
        inputs: [{ vertexId: SOURCE, partitioning: "hash" }],
        subtasks: [subtask(0)],
      },
    ],
    failures: [],
  };
}

/** The job. */
export class ScriptedJob implements ControlledJob {
  readonly id: string;
  /** What reached it, in order. */
  readonly calls: Call[] = [];
  readonly metrics: MetricRegistry;
  readonly statistics: StatisticsLog = new StatisticsLog();
  /** Shown as it is; a test replaces it. */
  view: JobView;
  /** Shown as it is; a test replaces it. */
  memory: MemoryReport = { backend: "hashmap", totalBytes: 0, usedBytes: 0, slots: [] };
  /** How each savepoint, stop and checkpoint that was asked for ends. */
  readonly savepoints: Settled<Savepoint>[] = [];
  readonly stops: Settled<Savepoint>[] = [];
  readonly checkpointsAsked: Settled<CompletedCheckpoint>[] = [];
  readonly #end = new Settled<JobResult>();

  constructor(view: JobView = sampleView()) {
    this.id = view.id;
    this.view = view;
    this.metrics = new MetricRegistry(view.name);
    for (const { id, subtasks, operators } of view.vertices) {
      for (const { index } of subtasks) {
        this.metrics.task(id, index);
        for (const { name } of operators) this.metrics.operator(id, name, index);
      }
    }
  }

  get result(): Promise<JobResult> {
    return this.#end.promise;
  }

  get checkpoints(): CheckpointsStatistics {
    return this.statistics.snapshot();
  }

  memoryReport(): MemoryReport {
    return this.memory;
  }

  status(): JobView {
    return this.view;
  }

  triggerSavepoint(options: SavepointOptions = {}): Promise<Savepoint> {
    this.calls.push({ name: "savepoint", options });
    const asked = new Settled<Savepoint>();
    this.savepoints.push(asked);
    return asked.promise;
  }

  stopWithSavepoint(options: StopOptions = {}): Promise<Savepoint> {
    this.calls.push({ name: "stop", options });
    const asked = new Settled<Savepoint>();
    this.stops.push(asked);
    return asked.promise;
  }

  triggerCheckpoint(kind: CheckpointKind = "configured"): Promise<CompletedCheckpoint> {
    this.calls.push({ name: "checkpoint", kind });
    const asked = new Settled<CompletedCheckpoint>();
    this.checkpointsAsked.push(asked);
    return asked.promise;
  }

  cancel(): void {
    this.calls.push({ name: "cancel" });
  }

  /** Ends as told, at a time. */
  end(state: "finished" | "stopped" | "cancelled" | "failed", atMs: number, error = new Error("broken")): void {
    this.view = { ...this.view, state, endedMs: atMs, enteredMs: { ...this.view.enteredMs, [state]: atMs } };
    if (state === "failed") this.#end.reject(error);
    else this.#end.resolve({ name: this.view.name, state, lastCheckpointId: null, restarts: 0, savepointPath: null });
  }
}
