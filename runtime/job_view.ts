/**
 * Declares what a job shows of itself and lets others do: what the HTTP API, the command line and scripts work with.
 *
 * Called by: control/, users; implemented by runtime/job.ts.
 * Calls: nothing.
 *
 * @module
 */
import type { CompletedCheckpoint } from "../checkpoint/completed_checkpoint.ts";
import type { MemoryReport } from "../core/backend_memory.ts";
import type { CheckpointsStatistics } from "../checkpoint/statistics.ts";
import type { SavepointFormat } from "../core/element.ts";
import type { JobResult, JobState } from "./job_progress.ts";
import type { JobSettings } from "./job_settings.ts";
import type { MetricRegistry } from "./metrics.ts";

/** How the records of an input are dealt out to subtasks: by key, or in another way. */
export type PartitioningKind = "forward" | "rebalance" | "broadcast" | "hash";

/** Where a subtask is in its life. The last three are ends. */
export type SubtaskState = "created" | "opening" | "running" | "finished" | "cancelled" | "failed";

/** One subtask of the newest attempt. */
export interface SubtaskView {
  /** 0-based. */
  readonly index: number;
  /** Where it is in its life. */
  readonly state: SubtaskState;
  /** When it came to each state, milliseconds since the epoch; absent: it was never in it. */
  readonly enteredMs: Readonly<Partial<Record<SubtaskState, number>>>;
}

/** One vertex: a chain of operators. */
export interface VertexView {
  /** 32 hex digits, stable across restarts. */
  readonly id: string;
  /** Names of its operators, joined. */
  readonly name: string;
  /** Number of subtasks. */
  readonly parallelism: number;
  /** Number of key groups. */
  readonly maxParallelism: number;
  /** Upstream first. */
  readonly operators: readonly { readonly id: string; readonly name: string }[];
  /** Vertices that it reads, and how their records are dealt out. */
  readonly inputs: readonly { readonly vertexId: string; readonly partitioning: PartitioningKind }[];
  /** By index. */
  readonly subtasks: readonly SubtaskView[];
}

/** A failure that ended an attempt. */
export interface FailureView {
  /** Milliseconds since the epoch. */
  readonly atMs: number;
  /** What was thrown, with its causes. */
  readonly error: Error;
  /** The vertex and subtask that it happened in; null when it was in none. */
  readonly subtask: { readonly vertexId: string; readonly vertexName: string; readonly index: number } | null;
}

/** A job as it is now. A copy: it never changes. */
export interface JobView {
  /** 32 lowercase hex digits. */
  readonly id: string;
  /** Name that it was started with. */
  readonly name: string;
  /** Where it is in its life. */
  readonly state: JobState;
  /** When it came to each state last, milliseconds since the epoch; absent: it was never in it. */
  readonly enteredMs: Readonly<Partial<Record<JobState, number>>>;
  /** When it was started, milliseconds since the epoch. */
  readonly startedMs: number;
  /** When it ended, milliseconds since the epoch; null while it lives. */
  readonly endedMs: number | null;
  /** Number of the newest attempt, 0-based. */
  readonly attempt: number;
  /**
   * What it runs with.
   *
   * @internal Of use inside the project alone: its form follows the engine's.
   */
  readonly settings: JobSettings;
  /** Upstream first. */
  readonly vertices: readonly VertexView[];
  /** Newest first, at most 16. */
  readonly failures: readonly FailureView[];
}

/** A savepoint that is durable. */
export interface Savepoint {
  /** Path of its folder: what `--from` takes. */
  readonly path: string;
  /** Id that it shares with the job's checkpoints. */
  readonly checkpointId: number;
  /** How it is written. */
  readonly format: SavepointFormat;
  /** Bytes of its state and its metadata; what is so small that the metadata holds it counts in both. */
  readonly sizeBytes: number;
  /** From the request to the last durable byte, milliseconds. */
  readonly durationMs: number;
}

/** How a savepoint is taken. */
export interface SavepointOptions {
  /** Folder in which it gets a folder of its own; `execution.checkpointing.savepoint-dir` when absent. */
  readonly directory?: string;
  /** `canonical` when absent. */
  readonly format?: SavepointFormat;
}

/** How a job is stopped with a savepoint. */
export interface StopOptions extends SavepointOptions {
  /** Ends the inputs first: every event-time timer fires before the savepoint. False when absent: the job is only suspended. */
  readonly drain?: boolean;
}

/**
 * What a checkpoint on demand is: `configured` as the job is configured, `full` one that stands alone, `incremental` one
 * that builds on the last if the job keeps track of changes.
 */
export type CheckpointKind = "configured" | "full" | "incremental";

/** What others may do with a job. */
export interface ControlledJob {
  /** 32 lowercase hex digits. */
  readonly id: string;
  /** Settles when the job has ended; rejects when it failed. */
  readonly result: Promise<JobResult>;
  /** Everything that is measured. */
  readonly metrics: MetricRegistry;
  /** How its checkpoints and savepoints went. */
  readonly checkpoints: CheckpointsStatistics;
  /** Who holds how many bytes of the memory for state on disk; a copy, made when it is asked for. */
  memoryReport(): MemoryReport;
  /** The job as it is now; cheap enough for a few calls a second. */
  status(): JobView;
  /**
   * Takes a savepoint while the job goes on.
   *
   * @throws {StreamError} If there is no folder for it, the job has ended or ends meanwhile, or it fails.
   */
  triggerSavepoint(options?: SavepointOptions): Promise<Savepoint>;
  /**
   * Takes a savepoint with which the job stops, and commits what it covers. If it fails before it is durable, the job
   * goes on, from its newest checkpoint if need be. If the job fails after that, the error names the savepoint.
   *
   * @throws {StreamError} As `triggerSavepoint`.
   */
  stopWithSavepoint(options?: StopOptions): Promise<Savepoint>;
  /** Takes a checkpoint now. @throws {StreamError} If checkpoints are off or it fails. */
  triggerCheckpoint(kind?: CheckpointKind): Promise<CompletedCheckpoint>;
  /** Ends without waiting for anything. Returns at once. */
  cancel(): void;
}
