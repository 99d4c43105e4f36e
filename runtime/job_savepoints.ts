/**
 * Turns what a user wants of a savepoint or checkpoint into what the coordinator takes, and what came of it into what
 * the user sees.
 *
 * Called by: runtime/job.ts, runtime/job_run.ts.
 * Calls: nothing.
 *
 * @module
 */
import type { CheckpointProperties } from "../checkpoint/checkpoint_properties.ts";
import type { CompletedCheckpoint } from "../checkpoint/completed_checkpoint.ts";
import { messageOf, StreamError } from "../core/errors.ts";
import { isEnd, type JobState } from "./job_progress.ts";
import type { JobSettings } from "./job_settings.ts";
import type { CheckpointKind, Savepoint, SavepointOptions } from "./job_view.ts";
import type { StreamGraph } from "./stream_graph.ts";

/**
 * What the coordinator is asked for.
 *
 * @throws {StreamError} If the job has no folder for savepoints, or a source that could not go on from one.
 * @throws {TypeError} If there is no such format.
 */
export function savepointProperties(
  { directory, format = "canonical" }: SavepointOptions,
  settings: JobSettings,
  { nodes }: StreamGraph,
): Partial<CheckpointProperties> {
  const source = nodes.find((node) => !node.isReplayable);
  if (source !== undefined) {
    throw new StreamError(
      "invalid",
      `Cannot take a savepoint of "${settings.name}": its source "${source.name}" cannot go back to a position, every ` +
        "source must; declare it replayable if it can, or read from something that can be read again",
    );
  }
  // Scripts without types may ask for anything.
  if (format !== "canonical" && format !== "native") {
    throw new TypeError(
      `Cannot take a savepoint of "${settings.name}": its format is "${format}", must be "canonical" or "native"`,
    );
  }
  const target = directory ?? settings.savepoints.directory;
  if (target === null || target === "") {
    throw new StreamError(
      "invalid",
      `Cannot take a savepoint of "${settings.name}": no folder is given for it; ` +
        "name one in the request, or set execution.checkpointing.savepoint-dir",
    );
  }
  return { type: "savepoint", full: true, format, directory: target };
}

/** @throws {StreamError} If the job takes no checkpoints. */
export function checkpointProperties(kind: CheckpointKind, { name, checkpointing }: JobSettings): {
  readonly full: boolean;
} {
  if (checkpointing !== null) return { full: kind === "full" };
  throw new StreamError(
    "invalid",
    `Cannot take a checkpoint of "${name}": checkpoints are off; set execution.checkpointing.interval`,
  );
}

/** The savepoint for its user. @param askedMs When it was asked for, milliseconds since the epoch. */
export function savepointOf(checkpoint: CompletedCheckpoint, askedMs: number): Savepoint {
  const { metadata, externalPath, fullBytes } = checkpoint;
  return {
    path: externalPath,
    checkpointId: metadata.checkpointId,
    // A savepoint has a format.
    format: metadata.format!,
    sizeBytes: fullBytes,
    durationMs: Math.max(0, metadata.timestampMs - askedMs) + (checkpoint.durationMs ?? 0),
  };
}

/** Why a job that is in this state cannot do what it is asked for; it must be running. */
export function notRunning(action: string, name: string, state: JobState, isFinishing: boolean): StreamError {
  if (isEnd(state)) {
    return new StreamError("invalid", `Cannot ${action} "${name}": it has ended (${state}); start it again`);
  }
  const is = isFinishing ? "all its input has ended, and it finishes" : `it is ${state}`;
  const remedy = state === "starting" || state === "restarting"
    ? "try again later"
    : "start it again when it has ended";
  return new StreamError("unavailable", `Cannot ${action} "${name}": ${is}, it must be running; ${remedy}`);
}

/** The failure of a job behind a savepoint with which it was to stop. */
export function failedAfter(savepoint: CompletedCheckpoint, name: string, cause: unknown): StreamError {
  const path = savepoint.externalPath;
  return new StreamError(
    cause instanceof StreamError ? cause.kind : "unavailable",
    `Cannot stop "${name}" as asked: its savepoint "${path}" is complete, and then the job failed: ` +
      `${messageOf(cause)}; go on from the savepoint, with --from "${path}"`,
    { cause },
  );
}
