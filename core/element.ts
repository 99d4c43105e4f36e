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

/** Separates the records that belong to a checkpoint from those that follow; flows in-band. */
export interface Barrier {
  /** ≥ 1, strictly increasing within a job, also across restarts. */
  readonly checkpointId: number;
  /** When the coordinator made it, milliseconds since the epoch. */
  readonly timestampMs: number;
  readonly type: CheckpointType;
  /** Whether the snapshot must not refer to files of earlier checkpoints. */
  readonly full: boolean;
}

/** Tells a subtask that a checkpoint will not complete: alignment for it ends. */
export interface CancelBarrier {
  readonly checkpointId: number;
}
