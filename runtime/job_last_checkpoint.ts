/**
 * Makes durable and visible what an attempt has done, at the end of a job that finishes or is stopped.
 *
 * Called by: runtime/job_run.ts.
 * Calls: runtime/attempt.ts, checkpoint/coordinator.ts.
 *
 * @module
 */
import type { CheckpointProperties } from "../checkpoint/checkpoint_properties.ts";
import type { CheckpointCoordinator } from "../checkpoint/coordinator.ts";
import { CheckpointFailedError } from "../checkpoint/failure.ts";
import type { Cancel, Clock } from "../core/clock.ts";
import type { Attempt } from "./attempt.ts";
import type { CheckpointingSettings } from "./job_settings.ts";

/** What the end of a job needs. */
export interface LastCheckpoint {
  readonly coordinator: CheckpointCoordinator;
  readonly clock: Clock;
  /** Null: everything is committed at once. */
  readonly checkpointing: CheckpointingSettings | null;
}

/** Everything has been read: makes it durable and visible. */
export async function finishAttempt(attempt: Attempt, job: LastCheckpoint): Promise<void> {
  // What a user's function did at the very end may have failed the attempt after its last record.
  await Promise.race([attempt.failure, Promise.resolve()]);
  if (job.checkpointing === null) await attempt.commitSinks(job.coordinator.takeId());
  else await takeLast(attempt, job, job.checkpointing, { isFinal: true });
}

/** Reads no more, and makes durable and visible what was read. */
export async function stopAttempt(attempt: Attempt, job: LastCheckpoint): Promise<void> {
  if (job.checkpointing === null) {
    attempt.cutSourcesShort();
    await attempt.ended;
    await attempt.commitSinks(job.coordinator.takeId());
    return;
  }
  attempt.stopSources();
  await takeLast(attempt, job, job.checkpointing, {});
}

/** Takes the last checkpoint and commits what it covers; tries again as long as failed checkpoints are tolerated. */
async function takeLast(
  attempt: Attempt,
  { coordinator, clock }: LastCheckpoint,
  { intervalMs }: CheckpointingSettings,
  properties: Partial<CheckpointProperties>,
): Promise<void> {
  for (;;) {
    try {
      await Promise.race([coordinator.trigger(properties), attempt.failure]);
      return await attempt.settleNotices();
    } catch (error) {
      if (!(error instanceof CheckpointFailedError)) throw error;
      // One failure too many fails the attempt.
      await waitFor(intervalMs, clock, attempt.failure);
    }
  }
}

/** Waits so long, or until `interruption` has settled; rejects as that does. */
export async function waitFor(delayMs: number, clock: Clock, interruption: Promise<unknown>): Promise<void> {
  let cancel: Cancel = () => {};
  const waited = new Promise<void>((resolve) => cancel = clock.schedule(delayMs, resolve));
  await Promise.race([waited, interruption]).finally(() => cancel());
}
