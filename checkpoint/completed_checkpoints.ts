/**
 * Keeps the list of retained checkpoints, and says what may be deleted when it
 * changes.
 *
 * Called by: coordinator.ts.
 * Calls: retention.ts, shared_files.ts; does no I/O.
 *
 * Invariants:
 * - ids in the list go up;
 * - every shared file that a checkpoint in the list refers to is registered.
 *
 * @module
 */
import type { FileRef } from "../core/snapshot.ts";
import { type CheckpointProperties, PERIODIC } from "./checkpoint_properties.ts";
import { type CompletedCheckpoint, filesOf } from "./completed_checkpoint.ts";
import { ownsFiles, subsumedBy } from "./retention.ts";
import { type SharedFile, SharedFiles } from "./shared_files.ts";

/** What may be deleted. */
export interface Cleanup {
  /** Checkpoints whose own folder goes. */
  readonly checkpointIds: readonly number[];
  /** Names of files in the shared folder. */
  readonly shared: readonly string[];
  /** Snapshots in other places that the job owns. */
  readonly claimed: readonly CompletedCheckpoint[];
}

/** Nothing may. */
export const NO_CLEANUP: Cleanup = { checkpointIds: [], shared: [], claimed: [] };

/** Whether anything may. */
export function isEmpty({ checkpointIds, shared, claimed }: Cleanup): boolean {
  return checkpointIds.length + shared.length + claimed.length === 0;
}

interface Entry {
  readonly checkpointId: number;
  readonly properties: CheckpointProperties;
  readonly checkpoint: CompletedCheckpoint;
  /** It is not in the job's folder; its files are none of the job's. */
  readonly isClaimed: boolean;
}

/** Files of a list that are in the shared folder. */
export function* sharedOf(files: Iterable<FileRef>): Generator<SharedFile> {
  for (const file of files) if (file.scope === "shared") yield file;
}

/** The retained checkpoints of a job. */
export class CompletedCheckpoints {
  readonly #retained: number;
  #files = new SharedFiles();
  #entries: Entry[] = [];

  /** @param retained How many are kept, ≥ 1. */
  constructor(retained: number) {
    this.#retained = retained;
  }

  /** Newest; null when there is none. */
  get latest(): CompletedCheckpoint | null {
    return this.#entries.at(-1)?.checkpoint ?? null;
  }

  /** By id, ascending. */
  list(): CompletedCheckpoint[] {
    return this.#entries.map((entry) => entry.checkpoint);
  }

  /** Whether it is retained. */
  has(checkpointId: number): boolean {
    return this.#entries.some((entry) => entry.checkpointId === checkpointId);
  }

  /** Starts with what a recovery has found: checkpoints by id, ascending, and one that the job owns in another place. */
  restore(checkpoints: readonly CompletedCheckpoint[], claimed: CompletedCheckpoint | null = null): void {
    this.#files = new SharedFiles();
    this.#entries = [];
    for (const checkpoint of checkpoints) this.#append(checkpoint, PERIODIC, false);
    if (claimed !== null) this.#append(claimed, PERIODIC, true);
  }

  /** Files to which these refer stay for ever. */
  protect(others: readonly CompletedCheckpoint[]): void {
    for (const { metadata } of others) this.#files.register(Infinity, sharedOf(filesOf(metadata.operators)));
  }

  /** A subtask has answered: its files are known from now on, whatever becomes of the checkpoint. */
  register(checkpointId: number, files: Iterable<FileRef>): void {
    this.#files.register(checkpointId, sharedOf(files));
  }

  /**
   * Takes in a checkpoint that is durable.
   *
   * @param properties What it was taken for.
   * @param lowestBaseId Lowest id on which a checkpoint under way may build; Infinity when none is.
   */
  add(checkpoint: CompletedCheckpoint, properties: CheckpointProperties, lowestBaseId: number): Cleanup {
    this.#append(checkpoint, properties, false);
    const going = subsumedBy(this.#entries, this.#retained);
    this.#entries = this.#entries.filter((entry) => !going.includes(entry));
    const lowest = Math.min(lowestBaseId, this.#entries[0]?.checkpointId ?? Infinity);
    return this.#cleanup(going, lowest);
  }

  /** Gives up all of them. */
  clear(): Cleanup {
    const going = this.#entries;
    this.#entries = [];
    return this.#cleanup(going, Infinity);
  }

  #cleanup(going: readonly Entry[], lowestId: number): Cleanup {
    const owned = going.filter(ownsFiles);
    return {
      checkpointIds: owned.filter((entry) => !entry.isClaimed).map((entry) => entry.checkpointId),
      shared: this.#files.release(lowestId),
      claimed: owned.filter((entry) => entry.isClaimed).map((entry) => entry.checkpoint),
    };
  }

  #append(checkpoint: CompletedCheckpoint, properties: CheckpointProperties, isClaimed: boolean): void {
    const { checkpointId, operators } = checkpoint.metadata;
    if (!isClaimed) this.#files.register(checkpointId, sharedOf(filesOf(operators)));
    const at = this.#entries.findLastIndex((entry) => entry.checkpointId < checkpointId) + 1;
    this.#entries.splice(at, 0, { checkpointId, properties, checkpoint, isClaimed });
  }
}
