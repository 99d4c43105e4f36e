/**
 * Knows what the job may go back to, which files that needs, and what the next
 * checkpoint may build on.
 *
 * Called by: coordinator.ts.
 * Calls: completed_checkpoints.ts; does no I/O.
 *
 * Invariants:
 * - increments build on the newest completed checkpoint of the job's own folder or on nothing;
 * - after a savepoint with which the job was to stop, nothing older is gone back to.
 *
 * @module
 */
import type { FileRef } from "../core/snapshot.ts";
import type { CheckpointProperties } from "./checkpoint_properties.ts";
import type { CompletedCheckpoint } from "./completed_checkpoint.ts";
import { type Cleanup, CompletedCheckpoints } from "./completed_checkpoints.ts";

/** What a job goes on from. */
export interface RestoredCheckpoints {
  /** What was restored. */
  readonly restored: CompletedCheckpoint;
  /** Checkpoints in the job's folder that it owns, by id, ascending; `restored` is among them if it is one. */
  readonly retained: readonly CompletedCheckpoint[];
  /** Ids go on above it. */
  readonly highestId: number;
  /** Whether the next checkpoints may build on `restored`: it is the newest in the job's folder. */
  readonly isNewest: boolean;
  /** `restored` is in another place, and the job owns it all the same. */
  readonly isClaimed: boolean;
  /** Others in the job's folder, which nobody goes back to by himself: files that they share with `retained` stay. */
  readonly others: readonly CompletedCheckpoint[];
}

/** The checkpoints that one job may go back to. */
export class RestartPoints {
  readonly #completed: CompletedCheckpoints;
  /** Until a checkpoint has completed, none may refer to files of what the job comes from. */
  #mustBeFull = false;
  /** Files that the backends would build on are gone: until the next attempt, every checkpoint stands alone. */
  #isBasisLost = false;
  /** The savepoint that the job was to stop with: what it covers is committed. */
  #stoppedWith: CompletedCheckpoint | null = null;

  /** What the job was restored from, until it has a checkpoint of its own to go back to. */
  #origin: CompletedCheckpoint | null = null;

  /** @param retained How many checkpoints are kept, ≥ 1. */
  constructor(retained: number) {
    this.#completed = new CompletedCheckpoints(retained);
  }

  /** Whether the next checkpoint must stand alone. */
  get mustBeFull(): boolean {
    return this.#mustBeFull || this.#isBasisLost;
  }

  /** The newest checkpoint or savepoint to go back to; null when there is none. */
  get latest(): CompletedCheckpoint | null {
    const latest = this.#completed.latest;
    if (this.#stoppedWith === null || latest === null) return this.#stoppedWith ?? latest;
    return latest.metadata.checkpointId > this.#stoppedWith.metadata.checkpointId ? latest : this.#stoppedWith;
  }

  /** Id on which increments may build; 0 when there is no checkpoint. */
  get basisId(): number {
    return this.#completed.latest?.metadata.checkpointId ?? 0;
  }

  /** Retained checkpoints by id, ascending. */
  retained(): CompletedCheckpoint[] {
    return this.#completed.list();
  }

  /** Where everything is that the job may go back to, newest first. */
  paths(): string[] {
    const all = [this.#stoppedWith, ...this.retained().reverse(), this.#origin];
    return [...new Set(all.flatMap((one) => one === null ? [] : [one.externalPath]))];
  }

  /** Whether a checkpoint is retained. */
  has(checkpointId: number): boolean {
    return this.#completed.has(checkpointId);
  }

  /** Goes on from what was found. */
  restore({ restored, retained, isNewest, isClaimed, others }: RestoredCheckpoints): void {
    this.#completed.restore(retained, isClaimed ? restored : null);
    this.#completed.protect(others);
    this.#stoppedWith = null;
    this.#origin = restored;
    this.#mustBeFull = !isNewest;
  }

  /** An attempt begins: its backends hold nothing that is gone. */
  beginAttempt(): void {
    this.#isBasisLost = false;
  }

  /** Somebody has removed files. */
  loseBasis(): void {
    this.#isBasisLost = true;
  }

  /** A subtask has answered: its files are known from now on, whatever becomes of the checkpoint. */
  register(checkpointId: number, files: Iterable<FileRef>): void {
    this.#completed.register(checkpointId, files);
  }

  /** A checkpoint is durable. @param lowestBasisId Lowest id on which one under way may build; Infinity when none is. */
  add(checkpoint: CompletedCheckpoint, properties: CheckpointProperties, lowestBasisId: number): Cleanup {
    const cleanup = this.#completed.add(checkpoint, properties, lowestBasisId);
    if (this.latest === checkpoint) {
      this.#mustBeFull = false;
      this.#origin = null;
      this.#stoppedWith = null;
    }
    return cleanup;
  }

  /** A savepoint with which the job stops is durable. Its files are the user's. */
  stopWith(savepoint: CompletedCheckpoint): void {
    this.#stoppedWith = savepoint;
    this.#origin = null;
    this.#mustBeFull = true;
  }

  /** Gives up all checkpoints. */
  clear(): Cleanup {
    return this.#completed.clear();
  }
}
