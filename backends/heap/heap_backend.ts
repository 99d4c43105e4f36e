/**
 * Keeps keyed state as live values in columns; a snapshot is taken in O(1) and written while records go on.
 *
 * Called by: runtime/, through the contract in core/backend.ts.
 * Calls: core/, ../states/ and the files beside it.
 *
 * Invariants:
 * - a snapshot holds exactly the writes made before `snapshot()`, objects changed in place included, provided that they
 *   were handed out (`value()`, `get()`) after it;
 * - an object that was handed out counts as written for the next increment.
 *
 * @module
 */
import type {
  PendingSnapshot,
  SnapshotRequest,
  StateBackend,
  StateBackendContext,
  StateBackendFactory,
} from "../../core/backend.ts";
import type {
  AggregatingStateDescriptor,
  ListStateDescriptor,
  MapStateDescriptor,
  ReducingStateDescriptor,
  StateDescriptor,
  ValueStateDescriptor,
} from "../../core/descriptors.ts";
import { checkKey, type Key, type Namespace, VOID_NAMESPACE } from "../../core/key.ts";
import { keyGroupOf } from "../../core/key_groups.ts";
import type { KeyedStateHandle, RowSource, SnapshotReader } from "../../core/snapshot.ts";
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
import type { RunState } from "../runs/run_format.ts";
import { CanonicalStates } from "../states/canonical_states.ts";
import { ListNumbers } from "../states/list_numbers.ts";
import { ExpirySweep } from "./expiry_sweep.ts";
import { type CarriedRows, HeapSnapshot } from "./heap_snapshot.ts";
import { KeyGroupBatches } from "../states/key_group_batches.ts";
import { Slices } from "../states/slices.ts";
import { Increments } from "./increments.ts";
import { Ledger } from "./ledger.ts";
import { ListHandle } from "./list_handle.ts";
import { MapHandle } from "./map_handle.ts";
import type { HeapState } from "./heap_state.ts";
import { restoreHandle } from "./restore.ts";
import { RowSlot } from "./row_slot.ts";
import { StampedValueHandle } from "./stamped_value_handle.ts";
import { StateRegistry } from "./state_registry.ts";
import { ValueHandle } from "./value_handle.ts";

/** Settings of a heap backend. */
export interface HeapBackendOptions {
  /** Whether each current key is checked to be of this backend's key groups; costs a hash per record. Default false. */
  readonly checkKeyGroups?: boolean;
  /** Rows that a snapshot handles between two looks at the clock, ≥ 1. Default 64. */
  readonly rowsPerLook?: number;
  /** Tables of at least this many rows keep what records change during a snapshot in a column. Default 1024. */
  readonly columnRows?: number;
  /** With so many rows records look ahead: as a whole they are not in the processor's caches. Default 8192. */
  readonly lookAheadRows?: number;
  /** Tables of at least this many rows find strings without a Map. Default 131,072. */
  readonly indexedRows?: number;
}

/** The backend `hashmap`. */
export class HeapStateBackend implements StateBackend {
  readonly storesBytes = false;
  private readonly ledger = new Ledger();
  private readonly increments: Increments;
  private readonly registry: StateRegistry;
  private readonly running = new Set<HeapSnapshot>();
  private readonly checkKeyGroups: boolean;
  /** Whether a current key is more than set: it is checked, or restored rows must be read before it is used. */
  private isGuarded: boolean;
  private readonly rowsPerLook: number;
  private readonly columnRows: number;
  private readonly lookAheadRows: number;
  /** Memory of the last snapshot, for the next one: making it anew would call for the garbage collector. */
  private spareBatches: KeyGroupBatches | undefined;
  private snapshotCount = 0;
  private closed = false;
  /** Keeps the compiler from leaving out what `prefetch` reads. */
  private prefetched = 0;

  constructor(private readonly context: StateBackendContext, options: HeapBackendOptions = {}) {
    const tables = {
      indexedRows: options.indexedRows ?? 131_072,
      hashSeed: Math.floor(context.random.next() * 0x1_0000_0000) | 0,
    };
    this.increments = new Increments(this.ledger, context.incremental);
    this.registry = new StateRegistry(context.operatorName, this.ledger, tables, () => this.increments.invalidate());
    this.isGuarded = this.checkKeyGroups = options.checkKeyGroups ?? false;
    this.rowsPerLook = options.rowsPerLook ?? 64;
    this.lookAheadRows = options.lookAheadRows ?? 8192;
    this.columnRows = options.columnRows ?? 1024;
  }

  async open(handles: readonly KeyedStateHandle[], reader: SnapshotReader): Promise<void> {
    for (const handle of handles) {
      await restoreHandle(handle, this.context.keyGroups, reader, this.registry);
      this.ledger.nextListNumber = Math.max(this.ledger.nextListNumber, handle.nextListNumber);
    }
  }

  setCurrentKey(key: Key): void {
    if (typeof key !== "string") checkKey(key);
    if (this.isGuarded) this.guard(key);
    const ledger = this.ledger;
    ledger.key = key;
    ledger.fetchIndex++;
    ledger.version++;
  }

  leaveKey(): void {
    this.ledger.key = undefined;
    this.ledger.version++;
  }

  get looksAhead(): boolean {
    return this.ledger.entryCount >= this.lookAheadRows;
  }

  prefetch(keys: readonly Key[], count: number): void {
    let seen = 0;
    for (const { voidTable: table } of this.registry.declared.values()) {
      if (table.size >= this.lookAheadRows) seen += table.prefetch(keys, count);
    }
    this.ledger.fetchIndex = -1;
    this.prefetched = seen;
  }

  private guard(key: Key): void {
    this.readRestored();
    if (this.checkKeyGroups) checkOwnKey(this.context, key, keyGroupOf(key, this.context.maxParallelism));
  }

  private declare(descriptor: StateDescriptor): HeapState {
    const state = this.registry.declare(descriptor);
    if (this.registry.isUnread) {
      this.isGuarded = true;
      // A handle that has a key may be used at once.
      if (this.ledger.key !== undefined) this.readRestored();
    }
    return state;
  }

  /** Reads at once what is left to read. */
  private readRestored(): void {
    this.registry.readSome(() => false);
    this.isGuarded = this.checkKeyGroups;
  }

  async finishRestore(): Promise<void> {
    const slices = new Slices(this.context.clock);
    while (this.registry.readSome(() => slices.isDue())) {
      await slices.pause();
      if (this.closed) refuseClosed(this.context.operatorName);
    }
    this.isGuarded = this.checkKeyGroups;
  }

  currentKey(): Key {
    const key = this.ledger.key;
    return key !== undefined ? key : refuseCurrentKey(this.context.operatorName);
  }

  state<T>(descriptor: ValueStateDescriptor<T>): ValueState<T> & Namespaced;
  state<T>(descriptor: ListStateDescriptor<T>): ListState<T> & MergingState;
  state<K, V>(descriptor: MapStateDescriptor<K, V>): MapState<K, V> & Namespaced;
  state<T>(descriptor: ReducingStateDescriptor<T>): ReducingState<T> & MergingState;
  state<I, A, O>(descriptor: AggregatingStateDescriptor<I, A, O>): AggregatingState<I, O> & MergingState;
  state(descriptor: StateDescriptor): unknown {
    const slot = new RowSlot(this.ledger, this.declare(descriptor));
    const { expiry } = slot.state;
    if (expiry !== undefined) {
      expiry.sweeper ??= new ExpirySweep(this.ledger, slot.state, expiry, () => this.registry.isUnread);
    }
    switch (descriptor.kind) {
      case "value":
        return slot.state.keepsStamps ? new StampedValueHandle(slot) : new ValueHandle(slot, descriptor);
      case "list":
        return new ListHandle(slot);
      case "map":
        return new MapHandle(slot);
      case "reducing":
        return new ReducingHandle(slot, new RowSlot(this.ledger, slot.state), descriptor);
      case "aggregating":
        return new AggregatingHandle(slot, new RowSlot(this.ledger, slot.state), descriptor);
    }
  }

  attach(rows: RowSource): void {
    this.registry.attach(rows);
  }

  snapshot(request: SnapshotRequest): PendingSnapshot {
    if (this.closed) refuseSnapshot(this.context.operatorName);
    checkRequest(request);
    this.readRestored();
    const { epoch, plan } = this.increments.begin(request.checkpointId, request.full);
    const full = plan === null;
    const { keyGroups, maxParallelism, clock, incremental } = this.context;
    const batches = this.spareBatches ?? new KeyGroupBatches(keyGroups, maxParallelism);
    this.spareBatches = undefined;
    const { nextListNumber } = this.ledger;
    const canonical = request.canonical === true ? this.canonicalStates() : undefined;
    const named = (state: RunState): RunState => canonical === undefined ? state : canonical.renamed(state);
    const snapshot = new HeapSnapshot({
      scope: {
        number: ++this.snapshotCount,
        epoch,
        baseEpoch: full ? -1 : plan.basis.order,
        listNumber: nextListNumber,
        baseListNumber: full ? 0 : plan.basis.mark.listNumber,
      },
      changes: full ? null : plan.changes,
      states: [...this.registry.declared.values()],
      carried: this.carried().map(({ state, rows }) => ({ state: named(state), rows })),
      frozen: this.registry.attached.map(({ state, source }) => ({
        state: named(state),
        rows: source.freeze(request.checkpointId, full),
      })),
      ...(canonical === undefined ? {} : { canonical }),
      olderRuns: full ? [] : plan.basis.runs,
      listNumbers: canonical === undefined ? nextListNumber : new ListNumbers(canonical.lines),
      fileScope: incremental && !request.full ? "shared" : "exclusive",
      keyGroups,
      batches,
      clock,
      takenAtMs: clock.nowMs(),
      rowsPerLook: this.rowsPerLook,
      columnRows: this.columnRows,
      onCaptured: (captured) => this.release(captured),
      onEnd: (ended, handle) => {
        this.onEnd(ended, handle, request);
        batches.clear();
        if (!this.closed) this.spareBatches = batches;
      },
    });
    this.running.add(snapshot);
    this.ledger.running.push(snapshot.capture);
    return snapshot;
  }

  /** Restored rows that nobody has declared, each in the format in which they came. */
  private carried(): CarriedRows[] {
    return [...this.registry.waiting.values()].flatMap(({ filled, parts }) =>
      // Without rows its line of the state table travels on.
      filled.length > 0 ? filled : parts.slice(-1)
    );
  }

  private canonicalStates(): CanonicalStates {
    const { declared, attached } = this.registry;
    return new CanonicalStates([
      ...[...declared.values()].map((state) => state.describe()),
      ...this.carried().map(({ state }) => state),
      ...attached.map(({ state }) => state),
    ]);
  }

  /** Ends the booking for a snapshot. */
  private release(snapshot: HeapSnapshot): void {
    const at = this.ledger.running.indexOf(snapshot.capture);
    if (at >= 0) this.ledger.running.splice(at, 1);
  }

  private onEnd(
    snapshot: HeapSnapshot,
    handle: KeyedStateHandle | null | undefined,
    request: SnapshotRequest,
  ): void {
    this.running.delete(snapshot);
    this.release(snapshot);
    if (handle !== undefined) this.increments.written(request.checkpointId, handle);
    // None will build on it, so its owner must go on counting these changes.
    if (request.full) { for (const { source } of this.registry.attached) source.abort(request.checkpointId); }
  }

  confirm(checkpointId: number): void {
    const builtOn = this.increments.confirm(checkpointId);
    for (const { source } of this.registry.attached) {
      if (builtOn) source.confirm(checkpointId);
      else source.abort(checkpointId);
    }
  }

  abort(checkpointId: number): void {
    this.increments.abort(checkpointId);
    for (const { source } of this.registry.attached) source.abort(checkpointId);
  }

  *keys(descriptor: StateDescriptor, namespace: Namespace = VOID_NAMESPACE): Iterable<Key> {
    const state = this.declare(descriptor);
    this.readRestored();
    const table = state.find(namespace);
    if (table === undefined) return;
    yield* table.eachKey();
  }

  *keysAndNamespaces(descriptor: StateDescriptor): Iterable<readonly [Key, Namespace]> {
    const state = this.declare(descriptor);
    this.readRestored();
    for (const table of state.tables()) {
      for (const key of table.eachKey()) yield [key, table.namespace];
    }
  }

  applyToAllKeys(descriptor: StateDescriptor, namespace: Namespace, callback: (key: Key) => void): void {
    const former = this.ledger.key;
    try {
      // A copy: the callback may remove and add keys.
      for (const key of [...this.keys(descriptor, namespace)]) {
        this.setCurrentKey(key);
        callback(key);
      }
    } finally {
      this.ledger.key = former;
      this.ledger.version++;
    }
  }

  get entryCount(): number {
    this.readRestored();
    return this.ledger.entryCount;
  }

  close(): Promise<void> {
    if (!this.closed) {
      this.closed = true;
      const reason = closedReason();
      for (const snapshot of this.running) snapshot.cancel(reason);
      this.registry.clear();
      this.spareBatches = undefined;
      this.ledger.forgetChanges();
      this.ledger.key = undefined;
      this.ledger.version++;
    }
    return Promise.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Makes heap backends; `state.backend.type: hashmap`. */
export const heapBackendFactory: StateBackendFactory = {
  name: "hashmap",
  create(context: StateBackendContext): StateBackend {
    return new HeapStateBackend(context);
  },
};
