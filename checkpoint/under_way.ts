/**
 * One checkpoint while it is under way: what is known of it, and how its
 * answers become metadata on disk.
 *
 * Called by: coordinator.ts.
 * Calls: pending_checkpoint.ts, metadata.ts, the location it is written to.
 *
 * @module
 */
import type { Cancel, Clock } from "../core/clock.ts";
import type { FileRef, SubtaskSnapshot } from "../core/snapshot.ts";
import { type CompletedCheckpoint, filesOfKeyedState, type JobStart } from "./completed_checkpoint.ts";
import { encodeMetadata } from "./metadata.ts";
import type { PendingCheckpoint } from "./pending_checkpoint.ts";
import type { CheckpointLocation } from "./storage.ts";
import type { WaitingRequest } from "./trigger_schedule.ts";

/** A checkpoint or savepoint that is under way. */
export interface UnderWay {
  readonly id: number;
  readonly request: WaitingRequest;
  readonly pending: PendingCheckpoint;
  readonly location: CheckpointLocation;
  /** Latest completed checkpoint when it was triggered: its increments may build on that. */
  readonly basisId: number;
  /** Monotonic clock. */
  readonly startedMs: number;
  readonly cancelTimeout: Cancel;
  /** All have answered: it is being stored and can no longer be given up. */
  isStoring: boolean;
}

/** A checkpoint that has just become durable. */
export type StoredCheckpoint = CompletedCheckpoint & { readonly durationMs: number };

/** All subtasks have answered: makes the checkpoint durable. */
export async function storeCheckpoint(
  { pending, location, startedMs }: UnderWay,
  job: JobStart,
  clock: Clock,
): Promise<StoredCheckpoint> {
  const metadata = pending.metadata(job);
  const bytes = encodeMetadata(metadata);
  const externalPath = await location.writeMetadata(bytes);
  let incrementBytes = bytes.length;
  let fullBytes = bytes.length;
  for (const { figures } of pending.answers) {
    incrementBytes += figures.incrementBytes;
    fullBytes += figures.fullBytes;
  }
  const durationMs = Math.max(0, clock.monotonicMs() - startedMs);
  return { metadata, externalPath, incrementBytes, fullBytes, durationMs };
}

/** Lowest id that the increments of these checkpoints may build on; Infinity when none builds on any. */
export function lowestBasis(all: Iterable<UnderWay>): number {
  let lowest = Number.POSITIVE_INFINITY;
  for (const { basisId, pending } of all) if (!pending.barrier.full) lowest = Math.min(lowest, basisId);
  return lowest;
}

/** Every file that a subtask's snapshot refers to. */
export function* filesIn(snapshot: SubtaskSnapshot): Generator<FileRef> {
  for (const { keyed } of snapshot.values()) {
    if (keyed !== null) yield* filesOfKeyedState(keyed);
  }
}
