/**
 * Stops an attempt with a savepoint.
 *
 *     suspend   folder → sources pause → savepoint
 *     drain     folder → inputs end, event time with them → all is processed, every timer has fired → savepoint
 *
 * The barrier of the savepoint is the last thing that subtasks process; when it is durable, sinks commit what it covers.
 * Checkpoints are held off meanwhile: one that shows an input drained must not count when the savepoint fails.
 *
 * Called by: runtime/job_run.ts.
 * Calls: runtime/attempt.ts, checkpoint/coordinator.ts.
 *
 * @module
 */
import type { CompletedCheckpoint } from "../checkpoint/completed_checkpoint.ts";
import type { CheckpointCoordinator } from "../checkpoint/coordinator.ts";
import { StreamError } from "../core/errors.ts";
import type { Attempt } from "./attempt.ts";
import type { SavepointStop } from "./job_end_requests.ts";

/** What came of it. */
export type StopOutcome =
  /** The savepoint is durable, what it covers is committed. */
  | { readonly kind: "stopped"; readonly savepoint: CompletedCheckpoint }
  /** No savepoint, and nothing is drained: the attempt goes on where it was. */
  | { readonly kind: "goes-on"; readonly error: unknown }
  /** No savepoint, and the inputs are drained: the job must go on from its newest checkpoint. */
  | { readonly kind: "drained"; readonly error: unknown }
  /** The attempt has failed. With a savepoint: it is durable, and what it covers may be committed. */
  | { readonly kind: "failed"; readonly error: unknown; readonly savepoint: CompletedCheckpoint | null };

/** Tries to. Never fails: see {@link StopOutcome}. */
export async function stopWithSavepoint(
  { properties, drain }: SavepointStop,
  attempt: Attempt,
  coordinator: CheckpointCoordinator,
): Promise<StopOutcome> {
  let isDrained = false;
  // Only when the savepoint has a folder: until then the job is what it was.
  const readNoMore = async () => {
    if (!drain) return attempt.stopSources();
    isDrained = true;
    attempt.drainSources();
    await attempt.ended;
  };
  try {
    await Promise.race([coordinator.hold(), attempt.failure]);
  } catch (error) {
    return { kind: "failed", error, savepoint: null };
  }
  const taking = coordinator.trigger({ ...properties, synchronous: true, isFinal: drain }, readNoMore);
  let savepoint: CompletedCheckpoint;
  try {
    savepoint = await Promise.race([taking, attempt.failure]);
  } catch (error) {
    if (attempt.firstFailure !== null) {
      // It may be on its way to the disk: only when that has ended it is known whether it counts.
      await coordinator.stop("job-failed", error);
      return { kind: "failed", error, savepoint: await taking.catch(() => null) };
    }
    if (isDrained) return { kind: "drained", error };
    attempt.resume();
    coordinator.release();
    return { kind: "goes-on", error };
  }
  try {
    await attempt.settleNotices();
  } catch (error) {
    return { kind: "failed", error, savepoint };
  }
  return { kind: "stopped", savepoint };
}

/** Ends an attempt on the user's wish. */
export class CancelledError extends StreamError {
  override readonly name = "CancelledError";

  constructor(jobName: string) {
    super("unavailable", `Cannot go on with "${jobName}": it was cancelled; start it again`);
  }
}

/** The inputs were drained for a savepoint that has failed: the job goes on from its newest checkpoint. */
export class DrainedError extends Error {
  override readonly name = "DrainedError";

  /** @param cause Why there is no savepoint. */
  constructor(cause: unknown) {
    super("the inputs were drained", { cause });
  }
}
