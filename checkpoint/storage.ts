/**
 * The contracts of the places where checkpoints and savepoints are kept.
 * `tests/contracts/checkpoint_storage.ts` is the conformance suite of the first.
 *
 * Called by: coordinator.ts, recovery.ts, runtime/; implemented by
 * filesystem_storage.ts, memory_storage.ts and savepoint_storage.ts.
 * Calls: nothing.
 *
 * @module
 */
import type { SnapshotReader, SnapshotStore } from "../core/snapshot.ts";
import type { CompletedCheckpoint } from "./completed_checkpoint.ts";

/** Names one subtask of a job. */
export interface SubtaskRef {
  /** Stable within the job: the id of the first operator of the chain. */
  readonly vertexId: string;
  /** 0-based. */
  readonly subtaskIndex: number;
}

/** Where one checkpoint is being written. */
export interface CheckpointLocation {
  /** Where a subtask writes its files. Refuses to create any after `discard`. */
  store(owner: SubtaskRef): SnapshotStore;
  /**
   * Makes all files and names of the checkpoint durable, then its metadata: from then on it is complete.
   *
   * @returns The external path of the checkpoint.
   * @throws {StreamError} If there is metadata already.
   */
  writeMetadata(bytes: Uint8Array): Promise<string>;
  /** Removes what belongs to this checkpoint alone; files in the shared folder stay. */
  discard(): Promise<void>;
}

/** Metadata as it was found. */
export interface StoredMetadata {
  readonly bytes: Uint8Array;
  /** Path of the metadata, for messages. */
  readonly path: string;
  /** Path of the checkpoint. */
  readonly externalPath: string;
}

/** What a sweep has removed. */
export interface SweepReport {
  /** Paths of folders without metadata. */
  readonly unfinished: readonly string[];
  /** Names of files in the shared folder that nothing refers to. */
  readonly shared: readonly string[];
}

/**
 * Which checkpoints of a folder belong together: a start from somewhere else than the newest one begins a new lineage,
 * and recovery must never fall back to an older one.
 */
export interface Lineage {
  /** Checkpoints up to this id belong to earlier lineages. */
  readonly above: number;
  /** Path of the checkpoint or savepoint that it began from; null when it began without state. */
  readonly origin: string | null;
}

/** Where one savepoint is being written. */
export interface SavepointLocation extends CheckpointLocation {
  /** Folder of the savepoint; there, empty and durable. */
  readonly path: string;
  /** Removes the folder, unless its metadata is durable: from then on it is the user's. */
  discard(): Promise<void>;
}

/** Keeps savepoints, in whatever folders users want them, and reads snapshots from any path. */
export interface SavepointStorage {
  /** Makes a folder for a savepoint in `directory`, which is made as well. @throws {StreamError} If it cannot. */
  create(directory: string): Promise<SavepointLocation>;
  /** @param pointer Path of the folder of a checkpoint or savepoint, or of its metadata. @throws {StreamError} If there is none. */
  readMetadata(pointer: string): Promise<StoredMetadata>;
  /** Opens files of a checkpoint or savepoint. @param externalPath As in `StoredMetadata` or returned by `writeMetadata`. */
  reader(externalPath: string): SnapshotReader;
  /** Removes a snapshot that the job owns wherever it is: what its metadata lists, and its folder when that is empty then. */
  remove(snapshot: CompletedCheckpoint): Promise<void>;
}

/** Keeps the checkpoints of one job. */
export interface CheckpointStorage {
  /** As in `execution.checkpointing.storage`. */
  readonly name: string;
  /** Where it is, for messages. */
  readonly path: string;
  /** Makes what all checkpoints need; called before the first `begin`, safe to call again. */
  prepare(): Promise<void>;
  /** Starts a checkpoint; does nothing on disk yet. */
  begin(checkpointId: number): CheckpointLocation;
  /**
   * Writes files to the shared folder at any time after `prepare`: durable when they are finished, named by the first
   * checkpoint that refers to them. Absent where snapshots are not files.
   */
  sharedStore?(): SnapshotStore;
  /** Ids of checkpoints that have metadata, newest first, readable or not. */
  completedIds(): Promise<number[]>;
  /** Highest id that has left any trace; 0 when there is none. */
  highestId(): Promise<number>;
  /** The lineage that was begun last; one of all checkpoints, without state, when none was. @throws {SnapshotCorruptError} */
  lineage(): Promise<Lineage>;
  /**
   * Begins a lineage, durably; before its first checkpoint.
   *
   * @param options `committed`: what its origin covers is going to be committed by this job, as with a savepoint that
   * stops it, so a start without state is refused from now on.
   */
  beginLineage(lineage: Lineage, options?: { readonly committed?: boolean }): Promise<void>;
  /** Whether a checkpoint was ever completed here, whatever became of it. */
  hasEverCompleted(): Promise<boolean>;
  /** @param pointer Id of a checkpoint of this job, or a path to a checkpoint's folder or metadata. @throws {StreamError} If there is none. */
  readMetadata(pointer: number | string): Promise<StoredMetadata>;
  /** Whether a checkpoint is one in the folder of this job. @param externalPath As in `StoredMetadata`. */
  owns(checkpointId: number, externalPath: string): Promise<boolean>;
  /** Opens files of a checkpoint. @param externalPath As in `StoredMetadata` or returned by `writeMetadata`. */
  reader(externalPath: string): SnapshotReader;
  /** Removes a completed or unfinished checkpoint; files in the shared folder stay. No error when there is none. */
  deleteCheckpoint(checkpointId: number): Promise<void>;
  /** Removes files from the shared folder. No error for those that are not there. */
  deleteShared(names: readonly string[]): Promise<void>;
  /** Renames a damaged checkpoint so that it is never found again. @returns Where it is now. */
  setAside(checkpointId: number): Promise<string>;
  /** Removes what no completed checkpoint needs. @param referenced Names of shared files that stay. Not while a checkpoint is being written. */
  sweep(referenced: ReadonlySet<string>): Promise<SweepReport>;
}
