/**
 * Names what kinds of checkpoints there are and how they differ.
 *
 * Called by: coordinator.ts and its decisions.
 * Calls: nothing.
 *
 * @module
 */
import type { CheckpointType, SavepointFormat } from "../core/element.ts";

/** What a checkpoint is taken for. */
export interface CheckpointProperties {
  readonly type: CheckpointType;
  /** A savepoint after which the job stops: it commits, which a plain one does not. */
  readonly synchronous: boolean;
  /** All input has ended: nothing comes after it. Of a savepoint: it was taken with a drain. */
  readonly isFinal: boolean;
  /** The user wants it to stand alone. Savepoints do anyway. */
  readonly full: boolean;
  /** Null unless it is a savepoint. */
  readonly format: SavepointFormat | null;
  /** Folder in which a savepoint gets a folder of its own; null unless it is a savepoint. */
  readonly directory: string | null;
}

/** A checkpoint as the interval asks for it. */
export const PERIODIC: CheckpointProperties = {
  type: "checkpoint",
  synchronous: false,
  isFinal: false,
  full: false,
  format: null,
  directory: null,
};

/** Started whatever else is under way, and never given up because a newer one has completed. */
export function isForced({ type }: CheckpointProperties): boolean {
  return type === "savepoint";
}

/** Whether its completion commits: subtasks are told and older checkpoints under way are given up. */
export function commits({ type, synchronous }: CheckpointProperties): boolean {
  return type === "checkpoint" || synchronous;
}

/** Whether the coordinator goes on to own it. A savepoint is the user's. */
export function isRetained({ type }: CheckpointProperties): boolean {
  return type === "checkpoint";
}

/** Whether the job stops with it: nothing may be taken after it, and nothing older gone back to once it is complete. */
export function isStopping({ type, synchronous }: CheckpointProperties): boolean {
  return type === "savepoint" && synchronous;
}
