/**
 * Names what flows between operators besides values: timestamps, watermarks
 * and checkpoint barriers.
 *
 * Called by: timers, checkpoint, runtime, connectors.
 * Calls: nothing.
 *
 * @module
 */

/** Timestamp of a record that has none. */
export const NO_TIMESTAMP: number = Number.NEGATIVE_INFINITY;

/** Watermark before the first one: nothing is late yet. */
export const MIN_WATERMARK: number = Number.NEGATIVE_INFINITY;

/** Watermark after the last record of a bounded input: every event-time timer fires. */
export const MAX_WATERMARK: number = Number.POSITIVE_INFINITY;

/** What a checkpoint is taken for. A savepoint is owned by the user, never subsumed and always full. */
export type CheckpointType = "checkpoint" | "savepoint";

/**
 * How the state in a savepoint is written: `canonical` in one sorted run per subtask whose bytes follow from the state
 * alone, whatever backend wrote it; `native` in the backend's own files, which is faster.
 */
export type SavepointFormat = "canonical" | "native";

/** Separates the records that belong to a checkpoint from those that follow; flows in-band. */
export interface Barrier {
  /** ≥ 1, strictly increasing within a job, also across restarts. */
  readonly checkpointId: number;
  /** When the coordinator made it, milliseconds since the epoch. */
  readonly timestampMs: number;
  readonly type: CheckpointType;
  /** Whether the snapshot must not refer to files of earlier checkpoints. Every savepoint's must not. */
  readonly full: boolean;
  /** Null unless it is a savepoint. */
  readonly format: SavepointFormat | null;
  /** The job stops with it: nothing that comes behind it is processed. Absent otherwise. */
  readonly stops?: true;
}

/** Tells a subtask that a checkpoint will not complete: alignment for it ends. */
export interface CancelBarrier {
  readonly checkpointId: number;
}
