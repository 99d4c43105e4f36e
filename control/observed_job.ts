/**
 * Declares what the terminal asks of a running job.
 *
 * Called by: control/status_line.ts, control/terminal.ts; provided by the stream environment from runtime/.
 * Calls: nothing.
 *
 * @module
 */

/** Where a job is in its life: `stopping` gracefully, `cancelling` at once. The last four are ends. */
export type JobState =
  | "starting"
  | "running"
  | "restarting"
  | "stopping"
  | "cancelling"
  | "finished"
  | "stopped"
  | "cancelled"
  | "failed";

/** A completed checkpoint, as people want to see it. */
export interface CheckpointGlance {
  /** Number of the checkpoint. */
  readonly id: number;
  /** Bytes written for it. */
  readonly sizeBytes: number;
  /** From trigger to completion. */
  readonly durationMs: number;
}

/** How far a job has come. Counters start at 0 with the process and do not go back at a restart. */
export interface JobProgress {
  /** As the script calls it. */
  readonly name: string;
  /** Where it is in its life. */
  readonly state: JobState;
  /** Records that sources have read. */
  readonly recordsIn: number;
  /** Records that sinks have been given. */
  readonly recordsOut: number;
  /** Malformed records that were skipped. */
  readonly recordsSkipped: number;
  /** The smallest watermark of all sinks, milliseconds since the epoch; undefined before the first one. */
  readonly watermarkMs: number | undefined;
  /** The newest that is complete; undefined before the first. */
  readonly lastCheckpoint: CheckpointGlance | undefined;
  /** Complete ones since the process began. */
  readonly checkpointsCompleted: number;
  /** Failed ones since the process began. */
  readonly checkpointsFailed: number;
  /** Restarts since the process began. */
  readonly restarts: number;
  /** Work of all sources in any unit, when every source knows its own; undefined otherwise. */
  readonly sources: { readonly done: number; readonly total: number } | undefined;
  /** Where output went, one text per sink that knows; empty when none does. */
  readonly outputs: readonly string[];
}

/** How a job has ended that has not failed. */
export interface JobEnd {
  /** Folder of the savepoint with which it was stopped; null when it ended in another way. */
  readonly savepointPath: string | null;
}

/** A job that somebody watches. */
export interface ObservedJob {
  /** A fresh snapshot; cheap enough for five calls a second. */
  progress(): JobProgress;
  /** Ends gracefully: sources stop, a last checkpoint is taken. Returns at once; `result` tells the end. */
  stop(): void;
  /** Ends without waiting for anything. Returns at once. */
  cancel(): void;
  /** Settles when the job has ended, rejects when it failed. `progress().state` is then one of the ends. */
  readonly result: Promise<JobEnd>;
  /** Whether a sink prints to standard output: no live line is then drawn on the same terminal. */
  readonly printsToOutput: boolean;
}
