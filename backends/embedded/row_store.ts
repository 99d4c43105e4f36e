/**
 * The contract of an ordered store of rows on disk, below the write buffers: what makes an embedded backend an `lsm` or
 * an `lmdb` one. `tests/contracts/row_store.ts` is its conformance suite.
 *
 * All its work is synchronous and cut into steps, so that it can be done in slices between records, or at once when
 * memory demands it. A store belongs to one operator subtask and keeps its files in a directory of its own, which is
 * disposable: checkpoints are what is durable.
 *
 * Called by: the rows of an embedded backend (flushes, reads), its snapshots.
 * Calls: nothing; implemented in ../lsm/ and ../lmdb/.
 *
 * @module
 */
import type { Clock, Random } from "../../core/clock.ts";
import type { FileSystem } from "../../core/file_system.ts";
import type { KeyGroupRange } from "../../core/key_groups.ts";
import type { MetricGroup } from "../../core/metrics.ts";
import type { KeyedStateHandle, RunHandle, SnapshotReader, SnapshotStore } from "../../core/snapshot.ts";
import type { RowCode, RunState } from "../runs/run_format.ts";
import type { OverRows } from "./over_rows.ts";
import type { SlotMemory } from "./slot_memory.ts";

/** Work in bounded steps. */
export interface Steps {
  /** Goes on for at most about a millisecond; true when all is done. Throws what makes it fail; it is over then. */
  step(): boolean;
  /** Gives it up and frees what it holds; allowed at any moment, more than once. */
  cancel(): void;
}

/** Rows in the order of a run, each row key once. */
export interface SortedRows {
  /** How many there are. */
  readonly rowCount: number;
  /** About how many bytes their keys and values have. */
  readonly sizeBytes: number;
  /** Sorts for at most about a millisecond; true when sorted: only then may `next` be called. */
  sort(): boolean;
  /** Moves to the next row; false when there are none left. */
  next(): boolean;
  /** What the current row does. */
  readonly code: RowCode;
  /** Its whole row key is `bytes[keyStart..keyEnd-1]`, its value follows up to `valueEnd-1`. */
  readonly bytes: Uint8Array;
  readonly keyStart: number;
  readonly keyEnd: number;
  readonly valueEnd: number;
}

/** Where a value was found: `bytes[start..end-1]`, valid until the next call of the store or write. */
export interface FoundValue {
  bytes: Uint8Array;
  start: number;
  end: number;
}

/** Walks rows that are alive, ascending by row key. */
export interface RowCursor {
  /** Moves to the next row; false when there are none left. */
  next(): boolean;
  /** The whole row key is `key[0..keyBytes-1]`; valid until the next call of `next`. */
  readonly key: Uint8Array;
  readonly keyBytes: number;
  /** The value is `value[valueStart..valueEnd-1]`; valid until the next call of `next`. */
  readonly value: Uint8Array;
  readonly valueStart: number;
  readonly valueEnd: number;
  /** Frees what it pins; safe to call twice. */
  close(): void;
}

/** The rows of a moment that are alive, ascending by row key; a cursor past all caches. */
export interface MomentRows extends RowCursor {
  /**
   * Makes the first row at or above `target` the next one. Rows that do not start with the first `boundBytes` bytes of
   * it are not given any more; 0: all are.
   */
  seek(target: Uint8Array, boundBytes: number): void;
}

/** What a snapshot is taken for. */
export interface StoreSnapshotRequest {
  readonly checkpointId: number;
  /** It must not refer to files of earlier checkpoints, and none will build on it. */
  readonly full: boolean;
}

/** The runs of a snapshot. */
export interface StoreSnapshot {
  /** Oldest first. */
  readonly runs: readonly RunHandle[];
  /** Bytes that were uploaded for it. */
  readonly incrementBytes: number;
}

/** What a store held at a moment. */
export interface FrozenStore {
  /**
   * Uploads what no confirmed checkpoint holds yet; called at most once. Works in slices. `signal` ends it early,
   * and so do all waits of `target`: see ../states/stoppable_store.ts.
   *
   * @throws {StreamError} If a file cannot be read or written; nothing is left open.
   */
  write(request: StoreSnapshotRequest, target: SnapshotStore, signal: AbortSignal): Promise<StoreSnapshot>;
  /**
   * All rows, to be read once, whatever is ingested meanwhile; called at most once, instead of `write`. Close it before
   * `release`.
   *
   * @throws {WorkingFileError} By its calls, if a block on disk is damaged.
   */
  rows(): MomentRows;
  /** Frees what it pins; after `write` or `rows`, or instead of them; safe to call twice. */
  release(): void;
}

/** What a store is made with. */
export interface StoreContext {
  /** Names the operator in errors. */
  readonly operatorName: string;
  readonly keyGroups: KeyGroupRange;
  readonly clock: Clock;
  /** Names for files. */
  readonly random: Random;
  readonly fileSystem: FileSystem;
  /** Folder of this store alone; not there yet. The store makes and removes it. */
  readonly directory: string;
  /** Whether to keep what increments need. */
  readonly incremental: boolean;
  /** The slot's memory: cached blocks, indexes and filters are charged to it. */
  readonly memory: SlotMemory;
  readonly metrics: MetricGroup;
  /** The state table now: goes into the footer of every run. */
  states(): readonly RunState[];
  /** The id that a state of a restored run has here; asked for each state of each run. @param path Of the run, for errors. */
  restoredStateId(state: RunState, path: string): number;
  /** The rows that may be left out when files are merged, since they are over; undefined: none. */
  overRows?(): OverRows | undefined;
}

/** Makes stores: what a backend of this kind adds to the embedded backend. */
export interface RowStoreFactory {
  /** As in `state.backend.type`. */
  readonly name: string;
  /** Makes the store of one operator subtask, empty; its directory exists when the promise resolves. */
  open(context: StoreContext): Promise<RowStore>;
}

/** An ordered store of rows. Row keys begin with key group (u16) and state id (u16). */
export interface RowStore {
  /**
   * Takes back the wanted rows of `handles`; called once, on an empty store. Runs of one handle are merged by age; rows
   * of different handles, which have different key groups, never are. Rows whose state has another id here (see
   * `StoreContext.restoredStateId`) are rewritten.
   *
   * @throws {SnapshotCorruptError} If a file is damaged.
   */
  restore(handles: readonly RestorableHandle[], reader: SnapshotReader): Promise<void>;

  /**
   * The value of a row. `row[0..prefixBytes-1]` names the value, list or map that it belongs to (the whole row unless
   * it is a list element or map entry), and `prefixHash` is the `rowHash` of that.
   *
   * @throws {WorkingFileError} If a block that is read is damaged; never returns a wrong value.
   */
  get(row: Uint8Array, rowBytes: number, prefixBytes: number, prefixHash: number, found: FoundValue): boolean;

  /**
   * The rows alive now whose keys start with `prefix[0..prefixBytes-1]`, from `from` on if it is given (a whole row key
   * that has the prefix). Goes on over the same rows whatever is ingested meanwhile.
   *
   * @param prefixHash `rowHash` of the prefix when it names one list or map, so that filters can be asked; else null.
   */
  scan(prefix: Uint8Array, prefixBytes: number, prefixHash: number | null, from?: Uint8Array): RowCursor;

  /** Adds rows, which hide all there are of the same keys. One at a time; reads find them when it is done, not before. */
  ingest(rows: SortedRows): Steps;

  /** The next work that makes later reads and writes cheaper (compaction), if any is due; one at a time, beside an ingest too. */
  nextWork(): Steps | null;

  /** Whether so much of that work is due that writers should wait for it. */
  readonly isBehind: boolean;

  /** Bytes of indexes and filters that it holds in the slot's memory; absent: it has none there. */
  indexBytes?(): number;

  /** O(1): fixes what is there now. Not while an `ingest` is under way. */
  freeze(): FrozenStore;

  /** Reports figures of a state from now on, by its name; absent: the store has none for each state. */
  reportState?(name: string): void;

  /** Checkpoint `checkpointId` is durable: later snapshots build on it. */
  confirm(checkpointId: number): void;
  /** Checkpoint `checkpointId` will never complete. */
  abort(checkpointId: number): void;

  /** Frees everything and removes the working directory; safe to call twice. */
  close(): Promise<void>;
}

/** A handle to restore. */
export interface RestorableHandle {
  readonly handle: KeyedStateHandle;
  /** The part of its key groups that is wanted; not empty. */
  readonly keyGroups: KeyGroupRange;
}
