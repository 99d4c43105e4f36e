/**
 * Knows which run files a checkpoint to come need not write again, since the last confirmed one has them.
 *
 * Called by: lsm_store.ts, column_families.ts, frozen_version.ts.
 * Calls: nothing.
 *
 * Source: Flink's incremental snapshots of RocksDB: an increment refers to files of the last confirmed checkpoint alone.
 *
 * Invariants:
 * - what a snapshot refers to was uploaded for it, or belongs to the checkpoint that was confirmed last;
 * - nothing is ever built on full snapshots, nor on files that a restored checkpoint owns: those may be the user's.
 *
 * @module
 */
import type { FileRef } from "../../core/snapshot.ts";

/** Files of one checkpoint by what they are copies of. */
export type UploadedFiles<Run> = ReadonlyMap<Run, FileRef>;

/** Uploaded files of one store. */
export class UploadedRuns<Run> {
  private confirmed: UploadedFiles<Run> = new Map();
  private confirmedId = Number.NEGATIVE_INFINITY;
  private readonly unconfirmed = new Map<number, UploadedFiles<Run>>();

  /** Number of checkpoints that may still be confirmed. */
  get unconfirmedCount(): number {
    return this.unconfirmed.size;
  }

  /** What the last confirmed checkpoint holds. */
  get basis(): UploadedFiles<Run> {
    return this.confirmed;
  }

  /** A snapshot on which later ones may build was written; `files` are all that it refers to. */
  written(checkpointId: number, files: UploadedFiles<Run>): void {
    if (checkpointId > this.confirmedId) this.unconfirmed.set(checkpointId, files);
  }

  /** The checkpoint is durable. Those before it never count any more. */
  confirm(checkpointId: number): void {
    const files = this.unconfirmed.get(checkpointId);
    if (files === undefined) return;
    this.confirmed = files;
    this.confirmedId = checkpointId;
    for (const id of this.unconfirmed.keys()) if (id <= checkpointId) this.unconfirmed.delete(id);
  }

  /** The checkpoint will never complete. */
  abort(checkpointId: number): void {
    this.unconfirmed.delete(checkpointId);
  }
}
