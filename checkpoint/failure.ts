/**
 * Names the reasons for which a checkpoint fails, with the error that says so.
 *
 * Called by: coordinator.ts and its decisions, runtime/.
 * Calls: core/errors.ts, core/file_system.ts.
 *
 * @module
 */
import type { CheckpointType } from "../core/element.ts";
import { StreamError, type StreamErrorKind } from "../core/errors.ts";
import { errorCode } from "../core/file_system.ts";

/** Why a checkpoint did not complete. */
export type CheckpointFailureReason =
  /** A subtask could not take part. */
  | "declined"
  /** The asynchronous part of a subtask's snapshot failed. */
  | "async-failure"
  /** Not all answers came within the timeout. */
  | "expired"
  /** The storage could not be prepared. */
  | "io-error"
  /** All answered, but the checkpoint could not be stored. */
  | "finalize-failed"
  /** A newer checkpoint has completed before. */
  | "subsumed"
  /** The coordinator was stopped. */
  | "stopped"
  /** Not all subtasks that must take part are running. */
  | "tasks-not-running"
  /** An input ended during alignment and checkpoints with finished subtasks are off. */
  | "input-ended"
  /** Too many requests are waiting. */
  | "too-many-requests"
  /** The job has failed meanwhile. */
  | "job-failed";

const COUNTED: ReadonlySet<CheckpointFailureReason> = new Set([
  "declined",
  "async-failure",
  "expired",
  "io-error",
  "finalize-failed",
]);

/** Whether a failure counts against the tolerated number of consecutive failures. */
export function isCounted(reason: CheckpointFailureReason): boolean {
  return COUNTED.has(reason);
}

/** Whether the error, or one that led to it, says that a file or folder is not there. */
export function isMissing(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) if (errorCode(at) === "ENOENT") return true;
  return false;
}

/** A checkpoint was not taken; {@link CheckpointFailedError.reason} says why. */
export class CheckpointFailedError extends StreamError {
  /** Name of the class, as printed before the message. */
  override readonly name = "CheckpointFailedError";
  /** Null when it failed before it had an id. */
  readonly checkpointId: number | null;
  /** Why it failed. */
  readonly reason: CheckpointFailureReason;

  /**
   * @param checkpointId Null when it failed before it had an id.
   * @param reason Why it failed.
   * @param detail Completes "Cannot complete checkpoint <id>: ".
   * @param options `cause`: the error that led here; `type`: a checkpoint unless it says otherwise.
   */
  constructor(
    checkpointId: number | null,
    reason: CheckpointFailureReason,
    detail: string,
    options: { readonly cause?: unknown; readonly kind?: StreamErrorKind; readonly type?: CheckpointType } = {},
  ) {
    const { type = "checkpoint" } = options;
    const subject = checkpointId === null ? `start a ${type}` : `complete ${type} ${checkpointId}`;
    super(
      options.kind ?? "unavailable",
      `Cannot ${subject}: ${detail}`,
      "cause" in options ? { cause: options.cause } : {},
    );
    this.checkpointId = checkpointId;
    this.reason = reason;
  }
}
