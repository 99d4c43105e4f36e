/**
 * Declares what the coordinator of checkpoints asks of the job, and what it
 * tells those who watch.
 *
 * Called by: coordinator.ts; provided by runtime/.
 * Calls: nothing.
 *
 * @module
 */
import type { Clock } from "../core/clock.ts";
import type { Barrier, CheckpointType } from "../core/element.ts";
import type { SubtaskStatus } from "./checkpoint_plan.ts";
import type { CompletedCheckpoint, JobStart } from "./completed_checkpoint.ts";
import type { CheckpointFailedError } from "./failure.ts";
import type { CheckpointRetention } from "./options.ts";
import type { CheckpointStorage, SavepointStorage, SubtaskRef } from "./storage.ts";

/** The subtasks of the job, as the coordinator needs them. Calls may answer at once. */
export interface CheckpointTasks {
  /** All subtasks of the current attempt, in a stable order. */
  subtasks(): readonly SubtaskStatus[];
  /** Gives the barrier to a subtask, between two records; it answers with `acknowledge` or `decline`. */
  trigger(task: SubtaskRef, barrier: Barrier): void;
  /** Tells every subtask that a checkpoint is durable: sinks commit. */
  notifyComplete(checkpointId: number): void;
  /** Tells every subtask that a checkpoint will never complete. @param latestCompletedId Null when there is none. */
  notifyAborted(checkpointId: number, latestCompletedId: number | null): void;
  /** Too many checkpoints have failed. */
  failJob(error: Error): void;
}

/** What happened; for logs and the status line. */
export type CheckpointEvent =
  | {
    readonly kind: "triggered";
    readonly checkpointId: number;
    readonly type: CheckpointType;
    readonly isFinal: boolean;
  }
  | { readonly kind: "completed"; readonly checkpoint: CompletedCheckpoint }
  /** `counted`: it counts against the tolerated failures. */
  | { readonly kind: "failed"; readonly error: CheckpointFailedError; readonly counted: boolean }
  /** Files of an old or failed checkpoint are gone. */
  | { readonly kind: "deleted"; readonly checkpointIds: readonly number[]; readonly sharedFileCount: number }
  /** They could not be deleted and stay until the next recovery sweeps them. */
  | { readonly kind: "cleanup-failed"; readonly checkpointIds: readonly number[]; readonly error: unknown };

/** When and how checkpoints are taken. */
export interface CoordinatorSettings {
  /** Start of one periodic checkpoint to the next, milliseconds, > 0; null: only on demand. */
  readonly intervalMs: number | null;
  /** Longest duration, milliseconds, > 0. */
  readonly timeoutMs: number;
  /** End of one checkpoint to the start of the next periodic one, milliseconds, ≥ 0. */
  readonly minPauseMs: number;
  /** Checkpoints under way at once, ≥ 1. */
  readonly maxConcurrent: number;
  /** Failures in a row that the job survives, ≥ 0; may be Infinity. */
  readonly tolerableFailures: number;
  /** Completed checkpoints kept, ≥ 1. */
  readonly retained: number;
  readonly checkpointsAfterTasksFinish: boolean;
  /** Whether snapshots may refer to files of earlier checkpoints. */
  readonly incremental: boolean;
  /** Checkpoints of which details are remembered, ≥ 0; 10 when absent. */
  readonly historyLength?: number;
  /** What a cancelled job does with its checkpoints. */
  readonly retention: CheckpointRetention;
}

/** What a coordinator is made of. */
export interface CoordinatorOptions {
  readonly storage: CheckpointStorage;
  /** Where savepoints are kept. */
  readonly savepoints: SavepointStorage;
  readonly tasks: CheckpointTasks;
  readonly clock: Clock;
  /** Goes into the metadata. */
  readonly job: JobStart;
  readonly settings: CoordinatorSettings;
  /** Must not throw. */
  readonly listener?: (event: CheckpointEvent) => void;
}
