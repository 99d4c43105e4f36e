/**
 * Names what a snapshot consists of: handles to immutable files, the state of
 * one operator subtask, and the ports through which bytes are written and read.
 *
 * Called by: backends (write and read runs), timers (rows), checkpoint
 * (storages, coordinator, metadata), runtime.
 * Calls: nothing.
 *
 * @module
 */
import type { ByteWriter } from "./bytes.ts";
import type { KeyGroupRange } from "./key_groups.ts";
import type { SerializerSnapshot } from "./serializer.ts";

/**
 * Where a file of a checkpoint lives: `exclusive` beside its `_metadata`,
 * `shared` in the job's shared folder, `inline` within `_metadata` itself.
 */
export type FileRef =
  | { readonly scope: "exclusive" | "shared"; readonly name: string; readonly sizeBytes: number }
  | { readonly scope: "inline"; readonly bytes: Uint8Array; readonly sizeBytes: number };

/** How much of a checkpoint later ones may use. */
export type FileScope = "exclusive" | "shared";

/** One sorted run of a snapshot. Rows of key groups outside `keyGroups` are never read. */
export interface RunHandle {
  /** Where its bytes are. */
  readonly file: FileRef;
  /** Age class, 0 = newest. Within a snapshot's list later runs hide earlier ones. */
  readonly level: number;
  /** Its rows of other key groups are not this subtask's. */
  readonly keyGroups: KeyGroupRange;
  /** All rows of the file, puts and deletes. */
  readonly rowCount: number;
  /** CRC-32 of the run's footer; every other byte of the run is covered by a CRC inside it. */
  readonly footerCrc32: number;
}

/** A piece of a changelog: changes in the order in which they were made. Those of key groups outside `keyGroups` are never read. */
export interface LogSegment {
  /** Where its bytes are. */
  readonly file: FileRef;
  /** Its changes of other key groups are not this subtask's. */
  readonly keyGroups: KeyGroupRange;
  /** All changes in the file. */
  readonly entryCount: number;
  /** CRC-32 of the segment's footer; every other byte of it is covered by a CRC inside it. */
  readonly footerCrc32: number;
}

/** Keyed state of one operator subtask: its runs, oldest first, and what was changed since. */
export interface KeyedStateHandle {
  /** Key groups of the subtask that wrote it. */
  readonly keyGroups: KeyGroupRange;
  /** Oldest first: later ones hide rows of earlier ones. */
  readonly runs: readonly RunHandle[];
  /** Changes made after the runs were written, oldest first; absent: none. Whoever restores turns them into runs first. */
  readonly log?: readonly LogSegment[];
  /** First number that a new list element may take; above every list number in the runs. */
  readonly nextListNumber: number;
  /** Bytes that this checkpoint wrote. */
  readonly incrementBytes: number;
  /** Bytes of all runs, and of the log. */
  readonly fullBytes: number;
}

/** How a list of operator state is dealt out when the parallelism changes. */
export type ListDistribution = "split" | "union" | "broadcast";

/** One named list of non-keyed state, each item already serialized. */
export interface OperatorList {
  /** How it is dealt out when the parallelism changes. */
  readonly distribution: ListDistribution;
  /** One element each, as bytes of the serializer. */
  readonly items: readonly Uint8Array[];
  /** Who wrote the items. */
  readonly serializer: SerializerSnapshot;
}

/** Everything one operator subtask has in a checkpoint. */
export interface OperatorSnapshot {
  /** Null when the operator has no keyed state. */
  readonly keyed: KeyedStateHandle | null;
  /** Source positions, pending commits, watermarks, …, by name. */
  readonly lists: Readonly<Record<string, OperatorList>>;
}

/** What one subtask answers to a barrier: the snapshot of each operator in its chain, by operator id. */
export type SubtaskSnapshot = ReadonlyMap<string, OperatorSnapshot>;

/** What one subtask's snapshot has cost. */
export interface SnapshotFigures {
  /** Milliseconds in which no record could be processed. */
  readonly syncMs: number;
  /** Milliseconds from then until the last byte was durable. */
  readonly asyncMs: number;
  /** First to last barrier, milliseconds. */
  readonly alignmentMs: number;
  /** Barrier creation to first arrival, milliseconds. */
  readonly startDelayMs: number;
  /** Bytes written for this checkpoint. */
  readonly incrementBytes: number;
  /** Bytes of everything the snapshot refers to. */
  readonly fullBytes: number;
}

/** A file of a snapshot that is being written. */
export interface SnapshotFile {
  /** Appends; the chunk may be reused once the promise has resolved. */
  write(chunk: Uint8Array): Promise<void>;
  /** Makes the file durable (or decides that it goes inline) and says where it is. */
  finish(): Promise<FileRef>;
  /** Removes it; allowed at any moment before `finish`. */
  discard(): Promise<void>;
}

/** Where one subtask writes the files of one checkpoint. */
export interface SnapshotStore {
  /** Starts a file under a name that is unique for ever. */
  create(scope: FileScope): Promise<SnapshotFile>;
  /**
   * Takes over the content of a local file that nobody changes any more: by a hard link where the file system and the
   * configuration allow it, else by a copy, and within the metadata if it is small. Durable when it resolves. Absent
   * where snapshots are not files: write a copy then.
   *
   * @param path Its name here; the caller may remove it afterwards.
   * @param sizeBytes Its size; a file of another size is an error.
   */
  adopt?(path: string, sizeBytes: number, scope: FileScope): Promise<FileRef>;
  /** Removes a finished file that no snapshot will refer to, since the one that it was for has failed. */
  discard?(file: FileRef): Promise<void>;
}

/** A file of a snapshot that is open for reading. */
export interface SnapshotInput {
  /** Names the file in errors. */
  readonly path: string;
  /** Size of the whole file. */
  readonly sizeBytes: number;
  /** Reads a part. @throws {SnapshotCorruptError} If the file is shorter than it must be. */
  read(offset: number, length: number): Uint8Array;
  /** Safe to call twice. */
  close(): void;
}

/** Opens the files that a checkpoint refers to. */
export interface SnapshotReader {
  /** Opens a file. @throws {SnapshotCorruptError} If the file is missing or its size differs. */
  open(file: FileRef): Promise<SnapshotInput>;
  /**
   * Gives the content of a file the local name `path` too, which must be free: by a hard link where possible, else by a
   * copy. Nobody may change what is there. Absent where snapshots are not files: read a copy then.
   *
   * @throws {SnapshotCorruptError} If the file is missing or its size differs.
   */
  fetch?(file: FileRef, path: string): Promise<void>;
}

/** Rows of version 1 of the sorted run. */
export type RowKind = "put" | "delete" | "delete-prefix";

/** One row that is being made; its owner reuses it for the next. */
export interface RowDraft {
  /** What the row does. */
  kind: RowKind;
  /** First part of the row key. */
  keyGroup: number;
  /** What follows (key group, state id) in the row key. */
  readonly key: ByteWriter;
  /** Empty unless the row is a put. */
  readonly value: ByteWriter;
}

/** Rows as they were at a freeze, whatever happened since. */
export interface FrozenRows {
  /** Writes the next row; false when there are none left. Work per call is bounded. Rows come in any order, each row key once. */
  next(row: RowDraft): boolean;
  /** Ends the freeze; allowed at any moment. */
  release(): void;
}

/**
 * State that lives outside the backend's tables and travels in its snapshots:
 * timers on the heap.
 */
export interface RowSource {
  /** Name in the state table of the run. */
  readonly name: string;
  /** O(1). With `full` every row, else what changed since the last confirmed checkpoint (puts and deletes). */
  freeze(checkpointId: number, full: boolean): FrozenRows;
  /** Takes back a row of a snapshot; `key` is what follows (key group, state id). */
  load(keyGroup: number, key: Uint8Array, value: Uint8Array): void;
  /** The checkpoint is durable: later increments build on it. */
  confirm(checkpointId: number): void;
  /** The checkpoint failed: what was in it belongs to the next increment again. */
  abort(checkpointId: number): void;
}
