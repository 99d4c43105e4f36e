/**
 * Keeps keyed state as rows of bytes: in write buffers first, in a store on disk at length. It is the same for every
 * such store.
 *
 * Called by: runtime/, through the contract in core/backend.ts.
 * Calls: core/, ../states/ and the files beside it.
 *
 * Invariants:
 * - a snapshot holds exactly the writes made before `snapshot()`;
 * - values are serialized when they are written, so whoever wrote or read one may change it.
 *
 * @module
 */
import type { PendingSnapshot, SnapshotRequest, StateBackend, StateBackendContext } from "../../core/backend.ts";
import { ByteWriter } from "../../core/bytes.ts";
import type {
  AggregatingStateDescriptor,
  ListStateDescriptor,
  MapStateDescriptor,
  ReducingStateDescriptor,
  StateDescriptor,
  ValueStateDescriptor,
} from "../../core/descriptors.ts";
import { StreamError } from "../../core/errors.ts";
import { checkKey, type Key, type Namespace, VOID_NAMESPACE, writeNamespace } from "../../core/key.ts";
import { intersect, keyGroupOf } from "../../core/key_groups.ts";
import type { OrderedRows } from "../../core/ordered_rows.ts";
import type { KeyedStateHandle, RowSource, RunHandle, SnapshotReader } from "../../core/snapshot.ts";
import type {
  AggregatingState,
  ListState,
  MapState,
  MergingState,
  Namespaced,
  ReducingState,
  ValueState,
} from "../../core/state.ts";
import {
  checkOwnKey,
  checkRequest,
  closedReason,
  refuseClosed,
  refuseCurrentKey,
  refuseSnapshot,
} from "../states/access_checks.ts";
import { AggregatingHandle, ReducingHandle } from "../states/folding_handles.ts";
import { Slices } from "../states/slices.ts";
import { AttachedRows } from "./attached_rows.ts";
import { type CanonicalRows, canonicalRows } from "./canonical_rows.ts";
import { EmbeddedSnapshot } from "./embedded_snapshot.ts";
import type { EmbeddedState } from "./embedded_state.ts";
import { KeyedRows } from "./keyed_rows.ts";
import { ListRows } from "./list_rows.ts";
import { MapRows } from "./map_rows.ts";
import { OverRows } from "./over_rows.ts";
import type { RowStore } from "./row_store.ts";
import type { Rows } from "./rows.ts";
import { StateSlot } from "./state_slot.ts";
import { StateTable } from "./state_table.ts";
import { StateWalk } from "./state_walk.ts";
import { StoredRowSet } from "./stored_row_set.ts";
import { ValueRow } from "./value_row.ts";

/** What the backend tells its store of its states. */
export interface StoreStates {
  /** See `StoreContext.states`. */
  readonly states: () => ReturnType<StateTable["states"]>;
  /** See `StoreContext.restoredStateId`. */
  readonly restoredStateId: (...run: Parameters<StateTable["restoredId"]>) => number;
  /** See `StoreContext.overRows`. */
  readonly overRows: () => OverRows | undefined;
}

/** Settings of an embedded backend. */
export interface EmbeddedBackendOptions {
  /** Makes the store; called once, by `open`. */
  readonly openStore: (states: StoreStates) => Promise<RowStore>;
  /** Puts write buffers in front of it, once it is restored. @param states The state table, now and later. */
  readonly bufferRows: (store: RowStore, states: StoreStates["states"]) => Rows;
  /** Told of each state whose rows may be in the store, by its name, once: of one that is restored or declared. */
  readonly onState?: (name: string) => void;
  /** Called once, when the backend has been closed. */
  readonly onClosed?: () => void;
  /** Whether each current key is checked to be of this backend's key groups; costs a hash per record. Default false. */
  readonly checkKeyGroups?: boolean;
}

/** The backends `lsm` and `lmdb`. */
export class EmbeddedBackend implements StateBackend {
  readonly storesBytes = true;
  private readonly table: StateTable;
  private readonly attached: AttachedRows;
  private readonly rowSets = new Map<string, StoredRowSet>();
  /** Names of states that were told of. */
  private readonly noted = new Set<string>();
  private readonly running = new Set<EmbeddedSnapshot>();
  private readonly checkKeyGroups: boolean;
  /** Undefined until it is open. */
  private base: KeyedRows | undefined;
  /** The same, for the path of records; undefined also while restored values are to be written anew. */
  private keyed: KeyedRows | undefined;
  /** Undefined until `open` has made it. */
  private store: RowStore | undefined;
  private closed = false;

  constructor(private readonly context: StateBackendContext, private readonly options: EmbeddedBackendOptions) {
    this.table = new StateTable(context.keyGroups, context.operatorName);
    this.attached = new AttachedRows(context);
    this.checkKeyGroups = options.checkKeyGroups ?? false;
  }

  async open(handles: readonly KeyedStateHandle[], reader: SnapshotReader): Promise<void> {
    const { table } = this;
    const store = await this.options.openStore({
      states: () => table.states(),
      overRows: () => OverRows.of(table.declared.values(), "compaction"),
      restoredStateId: (state, path) => {
        const id = table.restoredId(state, path);
        this.noteState(state.name);
        return id;
      },
    });
    this.store = store;
    const wanted = handles.flatMap((handle) => {
      const keyGroups = intersect(handle.keyGroups, this.context.keyGroups);
      return keyGroups === undefined || handle.runs.length === 0 ? [] : [{ handle, keyGroups }];
    });
    if (wanted.length > 0) await store.restore(wanted, reader);
    const keyed = new KeyedRows(this.options.bufferRows(store, () => table.states()), this.context.maxParallelism);
    for (const { nextListNumber } of handles) keyed.nextListNumber = Math.max(keyed.nextListNumber, nextListNumber);
    this.base = this.keyed = keyed;
  }

  private noteState(name: string): void {
    if (this.noted.has(name)) return;
    this.noted.add(name);
    this.store?.reportState?.(name);
    this.options.onState?.(name);
  }

  /** What it stands on, ready for use. @throws {StreamError} If it is not open, has been closed, or cannot migrate. */
  private opened(): KeyedRows {
    const keyed = this.anchored();
    if (this.keyed === undefined) {
      this.table.changeSome(() => false);
      this.keyed = keyed;
    }
    return keyed;
  }

  /** What it stands on. @throws {StreamError} If it is not open, or has been closed. */
  private anchored(): KeyedRows {
    if (this.base !== undefined && !this.closed) return this.base;
    if (this.closed) refuseClosed(this.context.operatorName);
    throw new StreamError(
      "invalid",
      `Cannot use the state of operator "${this.context.operatorName}": its backend is not open; await open() first`,
    );
  }

  async finishRestore(): Promise<void> {
    const keyed = this.anchored();
    const slices = new Slices(this.context.clock);
    while (this.table.changeSome(() => slices.isDue())) {
      await slices.pause();
      await keyed.rows.backpressure();
      this.anchored();
      if (keyed.rows.failure !== undefined) throw keyed.rows.failure;
      slices.restart();
    }
    this.keyed = keyed;
  }

  setCurrentKey(key: Key): void {
    if (typeof key !== "string") checkKey(key);
    if (this.checkKeyGroups) checkOwnKey(this.context, key, keyGroupOf(key, this.context.maxParallelism));
    const keyed = this.keyed ?? this.opened();
    const failure = keyed.rows.failure;
    if (failure !== undefined) throw failure;
    keyed.setKey(key);
  }

  leaveKey(): void {
    this.keyed?.setKey(undefined);
  }

  currentKey(): Key {
    const key = this.keyed?.key;
    return key !== undefined ? key : refuseCurrentKey(this.context.operatorName);
  }

  state<T>(descriptor: ValueStateDescriptor<T>): ValueState<T> & Namespaced;
  state<T>(descriptor: ListStateDescriptor<T>): ListState<T> & MergingState;
  state<K, V>(descriptor: MapStateDescriptor<K, V>): MapState<K, V> & Namespaced;
  state<T>(descriptor: ReducingStateDescriptor<T>): ReducingState<T> & MergingState;
  state<I, A, O>(descriptor: AggregatingStateDescriptor<I, A, O>): AggregatingState<I, O> & MergingState;
  state(descriptor: StateDescriptor): unknown {
    const state = this.declare(descriptor);
    const keyed = this.anchored();
    const slot = new StateSlot(keyed, state);
    switch (descriptor.kind) {
      case "value":
        return new ValueRow(slot, descriptor);
      case "list":
        return new ListRows(slot, new StateSlot(keyed, state));
      case "map":
        return new MapRows(slot);
      case "reducing":
        return new ReducingHandle(slot, new StateSlot(keyed, state), descriptor);
      case "aggregating":
        return new AggregatingHandle(slot, new StateSlot(keyed, state), descriptor);
    }
  }

  private declare(descriptor: StateDescriptor): EmbeddedState {
    const keyed = this.anchored();
    const state = this.table.declare(descriptor, keyed);
    this.noteState(state.name);
    if (this.table.hasChanges) {
      this.keyed = undefined;
      // A handle that has a key may be used at once.
      if (keyed.key !== undefined) this.opened();
    }
    return state;
  }

  orderedRows(name: string): OrderedRows {
    const known = this.rowSets.get(name);
    if (known !== undefined) return known;
    const { rows } = this.opened();
    const made = new StoredRowSet(rows, this.table.own(name).id);
    this.noteState(name);
    this.rowSets.set(name, made);
    return made;
  }

  backpressure(): Promise<void> | undefined {
    return this.base?.rows.backpressure();
  }

  attach(source: RowSource): void {
    const { rows } = this.opened();
    this.attached.attach(source, this.table.own(source.name), rows);
  }

  snapshot(request: SnapshotRequest): PendingSnapshot {
    if (this.closed) refuseSnapshot(this.context.operatorName);
    checkRequest(request);
    const { rows, nextListNumber } = this.opened();
    // Nothing builds on a full snapshot, so it need not bring forward what is to be flushed.
    const { ticket, copy } = request.full ? rows.freezeApart() : { ticket: rows.freeze(), copy: undefined };
    const isCanonical = request.canonical === true;
    const snapshot = new EmbeddedSnapshot({
      request,
      rows,
      ticket,
      copy,
      attached: isCanonical ? undefined : this.attached.freeze(request, nextListNumber),
      canonical: isCanonical ? this.canonicalRows(request.checkpointId) : undefined,
      states: this.table.states(),
      keyGroups: this.context.keyGroups,
      nextListNumber,
      onEnd: (ended, attachedRuns) => this.onEnd(ended, attachedRuns, request),
    });
    this.running.add(snapshot);
    return snapshot;
  }

  private canonicalRows(checkpointId: number): CanonicalRows {
    const { context, table, attached } = this;
    const over = OverRows.of(table.declared.values(), "fullSnapshot")?.look();
    return canonicalRows(context, [...table.formatsByState()], attached.freezeAll(checkpointId), over);
  }

  private onEnd(
    snapshot: EmbeddedSnapshot,
    attachedRuns: readonly RunHandle[] | undefined,
    { checkpointId, full }: SnapshotRequest,
  ): void {
    this.running.delete(snapshot);
    if (attachedRuns !== undefined) this.attached.runs.written(checkpointId, attachedRuns);
    if (full) this.attached.forget(checkpointId);
  }

  confirm(checkpointId: number): void {
    this.store?.confirm(checkpointId);
    this.attached.confirm(checkpointId);
  }

  abort(checkpointId: number): void {
    this.store?.abort(checkpointId);
    this.attached.abort(checkpointId);
  }

  *keys(descriptor: StateDescriptor, namespace: Namespace = VOID_NAMESPACE): Iterable<Key> {
    const wanted = new ByteWriter(16);
    writeNamespace(wanted, namespace);
    const bytes = wanted.copy();
    const walk = this.walk(this.declare(descriptor));
    try {
      while (walk.nextFirst()) if (walk.hasNamespace(bytes)) yield walk.key();
    } finally {
      walk.close();
    }
  }

  *keysAndNamespaces(descriptor: StateDescriptor): Iterable<readonly [Key, Namespace]> {
    const walk = this.walk(this.declare(descriptor));
    try {
      while (walk.nextFirst()) yield [walk.key(), walk.namespace()];
    } finally {
      walk.close();
    }
  }

  private walk(state: EmbeddedState): StateWalk {
    return new StateWalk(this.opened().rows, this.context.keyGroups, state);
  }

  applyToAllKeys(descriptor: StateDescriptor, namespace: Namespace, callback: (key: Key) => void): void {
    const keyed = this.opened();
    const former = keyed.key;
    try {
      for (const key of this.keys(descriptor, namespace)) {
        this.setCurrentKey(key);
        callback(key);
      }
    } finally {
      keyed.setKey(former);
    }
  }

  get entryCount(): number {
    let count = 0;
    for (const state of this.table.declared.values()) {
      const walk = this.walk(state);
      try {
        while (walk.nextFirst()) count++;
      } finally {
        walk.close();
      }
    }
    return count;
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    const reason = closedReason();
    for (const snapshot of this.running) snapshot.cancel(reason);
    this.base?.setKey(undefined);
    this.table.stopChanges();
    try {
      await this.base?.rows.close();
    } finally {
      try {
        await this.store?.close();
      } finally {
        this.options.onClosed?.();
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
