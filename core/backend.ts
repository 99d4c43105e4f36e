/**
 * The contract between the runtime and the places where keyed state lives.
 * `tests/contracts/state_backend.ts` is its conformance suite.
 *
 * Called by: runtime/ (one backend per operator subtask); implemented in backends/.
 * Calls: nothing.
 *
 * Life: create → open (restores) → states are declared → records, snapshots → close.
 *
 * @module
 */
import type { MemoryReport } from "./backend_memory.ts";
import type { Clock, Random } from "./clock.ts";
import type {
  AggregatingStateDescriptor,
  ListStateDescriptor,
  MapStateDescriptor,
  ReducingStateDescriptor,
  StateDescriptor,
  ValueStateDescriptor,
} from "./descriptors.ts";
import type { FileSystem } from "./file_system.ts";
import type { KeyGroupRange } from "./key_groups.ts";
import type { Key, Namespace } from "./key.ts";
import type { MetricGroup } from "./metrics.ts";
import type { OrderedRows } from "./ordered_rows.ts";
import type { KeyedStateHandle, RowSource, SnapshotReader, SnapshotStore } from "./snapshot.ts";
import type {
  AggregatingState,
  KeyContext,
  ListState,
  MapState,
  MergingState,
  Namespaced,
  ReducingState,
  ValueState,
} from "./state.ts";

/** What a backend is made for. */
export interface StateBackendContext {
  /** Names the operator in errors. */
  readonly operatorName: string;
  /** Keys of other groups are not this backend's. */
  readonly keyGroups: KeyGroupRange;
  /** Number of key groups of the operator, 1..32768. */
  readonly maxParallelism: number;
  /** Time, and turns of the event loop for asynchronous work. */
  readonly clock: Clock;
  /** Names for files. */
  readonly random: Random;
  /** Where a backend on disk works. */
  readonly fileSystem: FileSystem;
  /** Subtasks with the same number share a slot, and so its memory. */
  readonly slotIndex: number;
  /** Statistics of the store go here. */
  readonly metrics: MetricGroup;
  /** Whether to keep track of changes, so that a snapshot can hold only those. */
  readonly incremental: boolean;
  /** Writes files that checkpoints share, at any time between them; absent: files are written for a checkpoint alone. */
  readonly sharedStore?: SnapshotStore;
}

/** Makes backends; one per operator subtask. */
export interface StateBackendFactory {
  /** As in `state.backend.type`. */
  readonly name: string;
  /** Makes the backend of one operator subtask; `open` is called next. */
  create(context: StateBackendContext): StateBackend;
  /** Who holds how many bytes of the memory that the configuration limits; absent: nothing is limited, as on the heap. */
  memoryReport?(): MemoryReport;
  /** Called once, when the job has ended and every backend is closed: removes what the factory itself has made. */
  close?(): Promise<void>;
}

/** What a snapshot is taken for. */
export interface SnapshotRequest {
  /** The id that `confirm` or `abort` will name. */
  readonly checkpointId: number;
  /** The snapshot must stand alone: all its files are `exclusive`, and none will build on it. */
  readonly full: boolean;
  /**
   * Only with `full`: one run whose bytes follow from the state alone. States are numbered by the order of their names,
   * elements of each list from 0; only puts, no filter, no compression, blocks of the default size. Every backend writes
   * the same bytes for the same state. Absent: in files of the backend's own.
   */
  readonly canonical?: boolean;
}

/** A snapshot whose synchronous part is done: it holds exactly the writes made before. */
export interface PendingSnapshot {
  /**
   * The asynchronous part; called once. Works in slices of a few milliseconds
   * and gives way to records between them.
   *
   * @returns Null when there is no state at all.
   */
  write(store: SnapshotStore): Promise<KeyedStateHandle | null>;
  /** Ends a write early (its promise rejects, its file is discarded) or a snapshot whose write was never called. */
  cancel(reason: Error): void;
}

/** Keyed state of one operator subtask. */
export interface StateBackend extends KeyContext, AsyncDisposable {
  /** Whether an object may be changed after it was handed to state, since only its bytes are kept. */
  readonly storesBytes: boolean;

  /**
   * Takes back the rows of `handles` that fall into this backend's key groups; called once, before any state is declared.
   *
   * @throws {SnapshotCorruptError} If a file is damaged.
   */
  open(handles: readonly KeyedStateHandle[], reader: SnapshotReader): Promise<void>;

  /** The handle of a state; the same logical state for the same name. @throws {StreamError} For the same name with another kind or an incompatible serializer. */
  state<T>(descriptor: ValueStateDescriptor<T>): ValueState<T> & Namespaced;
  /** The handle of a list state; see the first overload. */
  state<T>(descriptor: ListStateDescriptor<T>): ListState<T> & MergingState;
  /** The handle of a map state; see the first overload. */
  state<K, V>(descriptor: MapStateDescriptor<K, V>): MapState<K, V> & Namespaced;
  /** The handle of a reducing state; see the first overload. */
  state<T>(descriptor: ReducingStateDescriptor<T>): ReducingState<T> & MergingState;
  /** The handle of an aggregating state; see the first overload. */
  state<I, A, O>(descriptor: AggregatingStateDescriptor<I, A, O>): AggregatingState<I, O> & MergingState;

  /**
   * Reads, or writes anew in the format of today, what was restored of the declared states, in slices that give way to
   * the event loop; to be awaited once, when all state is declared and before the first record. Whoever uses state
   * before has it done at once.
   *
   * @throws {StreamError} If a value cannot be read or migrated; the backend must not be used then.
   */
  finishRestore?(): Promise<void>;

  /** Whether `prefetch` is worth the trouble now: there is more state than the processor's caches hold. Asked per record. */
  readonly looksAhead?: boolean;

  /** From here on there is no current key: state that is used before the next `setCurrentKey` is refused. */
  leaveKey?(): void;

  /**
   * A hint: the first `count` of `keys` are the next current keys, in this order. May bring nearer what they hold;
   * changes nothing that can be seen.
   */
  prefetch?(keys: readonly Key[], count: number): void;

  /**
   * Rows of another owner (timers) that are kept in the backend's own ordered store; the same for the same name. Only
   * backends that have such a store offer it; before the first record.
   *
   * @throws {StreamError} If the name belongs to a state.
   */
  orderedRows?(name: string): OrderedRows;

  /** Not undefined while writers must wait between two records, since the memory of the slot is full: resolves when there is room. */
  backpressure?(): Promise<void> | undefined;

  /** Whether what `backpressure` makes writers wait for is a changelog, which counts as busy time. Absent: it never is. */
  readonly waitsForChangelog?: boolean;

  /** Lets rows that live elsewhere (heap timers) travel in the snapshots; restored rows are loaded at once. */
  attach(rows: RowSource): void;

  /** The synchronous part: O(1), never O(state). */
  snapshot(request: SnapshotRequest): PendingSnapshot;
  /** Checkpoint `checkpointId` is durable. */
  confirm(checkpointId: number): void;
  /** Checkpoint `checkpointId` will never complete. */
  abort(checkpointId: number): void;

  /** Each key that has this state in the namespace, once. */
  keys(descriptor: StateDescriptor, namespace?: Namespace): Iterable<Key>;
  /** Each (key, namespace) that has this state, once. */
  keysAndNamespaces(descriptor: StateDescriptor): Iterable<readonly [Key, Namespace]>;
  /** Calls back for each key that has this state, with the current key set to it; restores the former current key. */
  applyToAllKeys(descriptor: StateDescriptor, namespace: Namespace, callback: (key: Key) => void): void;
  /**
   * Number of (key, namespace, state) triples of declared states that hold something; map entries and list elements are
   * not counted one by one. May walk all of the state.
   */
  readonly entryCount: number;

  /** Cancels running snapshots and frees everything; safe to call twice. */
  close(): Promise<void>;
}
