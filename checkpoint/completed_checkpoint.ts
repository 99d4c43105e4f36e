/**
 * Names what a completed checkpoint consists of: the content of its
 * `_metadata`, and what is known about it besides.
 *
 * Called by: metadata.ts, coordinator.ts, recovery.ts, rescaling.ts, runtime/.
 * Calls: nothing.
 *
 * @module
 */
import type { CheckpointType, SavepointFormat } from "../core/element.ts";
import type { FileRef, KeyedStateHandle, OperatorSnapshot } from "../core/snapshot.ts";

/** The run of the job that has taken a checkpoint. */
export interface JobStart {
  /** 32 lowercase hex digits, or whatever the user has set. */
  readonly id: string;
  /** Name that the job was started with. */
  readonly name: string;
  /** When the process started the job, milliseconds since the epoch. */
  readonly startedMs: number;
  /** Checkpoint that the process started from; null after a fresh start. */
  readonly restoredFrom: number | null;
}

/** What one subtask of an operator has in a checkpoint. */
export interface SubtaskEntry {
  /** The subtask had finished; `snapshot` is its last state. */
  readonly finished: boolean;
  /** Null when it has no state. */
  readonly snapshot: OperatorSnapshot | null;
}

/** What one operator has in a checkpoint. */
export interface OperatorCheckpoint {
  /** The operator's identity across restarts. */
  readonly id: string;
  /** For messages. */
  readonly name: string;
  /** Subtasks that it had. */
  readonly parallelism: number;
  /** Key groups that it had; a restore keeps them. */
  readonly maxParallelism: number;
  /** All subtasks had finished. */
  readonly finished: boolean;
  /** By subtask index; as many as `parallelism`. */
  readonly subtasks: readonly SubtaskEntry[];
}

/** Content of `_metadata`. */
export interface CheckpointMetadata {
  /** Grows over the life of a job, restarts included. */
  readonly checkpointId: number;
  /** When its barrier was made, milliseconds since the epoch. */
  readonly timestampMs: number;
  /** Whether the engine owns it or the user. */
  readonly type: CheckpointType;
  /** How a savepoint is written; null for a checkpoint. */
  readonly format: SavepointFormat | null;
  /** Taken after all input had ended: restoring it needs nothing but to commit what is pending. */
  readonly isFinal: boolean;
  /** The run of the job that has taken it. */
  readonly job: JobStart;
  /** By operator id, ascending. */
  readonly operators: readonly OperatorCheckpoint[];
}

/** A checkpoint that is durable. */
export interface CompletedCheckpoint {
  /** What it consists of. */
  readonly metadata: CheckpointMetadata;
  /** Where it is: path of the folder that holds `_metadata`. */
  readonly externalPath: string;
  /** Bytes that were written for it. */
  readonly incrementBytes: number;
  /** Bytes of all files it refers to, and of `_metadata`. */
  readonly fullBytes: number;
  /** Making of the barrier to durable metadata, milliseconds; null for a restored one. */
  readonly durationMs: number | null;
}

/** The keyed state of every subtask. */
export function* keyedStatesOf(operators: readonly OperatorCheckpoint[]): Generator<KeyedStateHandle> {
  for (const operator of operators) {
    for (const { snapshot } of operator.subtasks) {
      if (snapshot?.keyed) yield snapshot.keyed;
    }
  }
}

/** Every file of a keyed state: those of its runs, then those of its log. */
export function* filesOfKeyedState({ runs, log = [] }: KeyedStateHandle): Generator<FileRef> {
  for (const { file } of runs) yield file;
  for (const { file } of log) yield file;
}

/** Every file of a checkpoint; one that several subtasks share comes several times. */
export function* filesOf(operators: readonly OperatorCheckpoint[]): Generator<FileRef> {
  for (const keyed of keyedStatesOf(operators)) yield* filesOfKeyedState(keyed);
}
