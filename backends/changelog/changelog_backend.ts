/**
 * Puts a changelog in front of another backend: what is written goes there and, as bytes, to a log of which each
 * checkpoint needs only the end. Now and then the backend below is materialized, and the log cut off.
 *
 * Called by: runtime/, through the contract in core/backend.ts.
 * Calls: the backend below, and the files beside it.
 *
 * Source: "Generic log-based incremental checkpoints" (FLIP-158).
 *
 * Invariants:
 * - materialization and log together hold exactly the writes made before `snapshot()`;
 * - snapshots that stand alone are those of the backend below.
 *
 * @module
 */
import type { PendingSnapshot, SnapshotRequest, StateBackend, StateBackendContext } from "../../core/backend.ts";
import type {
  AggregatingStateDescriptor,
  ListStateDescriptor,
  MapStateDescriptor,
  ReducingStateDescriptor,
  StateDescriptor,
  ValueStateDescriptor,
} from "../../core/descriptors.ts";
import { type Key, type Namespace, VOID_NAMESPACE } from "../../core/key.ts";
import type { OrderedRows } from "../../core/ordered_rows.ts";
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
import { checkRequest, closedReason, refuseSnapshot } from "../states/access_checks.ts";
import { AttachedLog } from "./attached_log.ts";
import { ChangeLog } from "./change_log.ts";
import { ChangelogMetrics } from "./changelog_metrics.ts";
import { ChangelogSnapshot, type ChangelogSnapshotPlan, type LogFigures } from "./changelog_snapshot.ts";
import { LogBasis } from "./log_basis.ts";
import { replayLogs } from "./log_replay.ts";
import { LogTarget } from "./log_slot.ts";
import { LoggedStates } from "./logged_states.ts";
import { LoggedRows } from "./logged_rows.ts";
import { LogUploader, type UploadSettings } from "./log_uploader.ts";
import { Materializer, type MaterializerSettings } from "./materializer.ts";

/** Settings of a changelog. */
export interface ChangelogSettings extends UploadSettings, MaterializerSettings {
  /** Whether segments are files, where checkpoints are; else they are kept in memory and within their metadata. */
  readonly inFiles: boolean;
  readonly compress: boolean;
  /** Segments of at most this many bytes together travel within the metadata of checkpoints, though there are files. */
  readonly inlineBytes: number;
  /** Size from which a segment is written without waiting for a checkpoint. */
  readonly preemptiveBytes: number;
}

/** A backend with a changelog. */
export class ChangelogBackend implements StateBackend {
  readonly storesBytes: boolean;
  readonly finishRestore?: () => Promise<void>;
  readonly leaveKey: () => void;
  readonly prefetch?: (keys: readonly Key[], count: number) => void;
  readonly orderedRows?: (name: string) => OrderedRows;
  private readonly target: LogTarget;
  private readonly states: LoggedStates;
  private readonly uploader: LogUploader | undefined;
  private readonly log: ChangeLog;
  private readonly attached: AttachedLog;
  private readonly materializer: Materializer;
  private readonly metrics: ChangelogMetrics;
  private readonly rowSets = new Map<string, OrderedRows>();
  private readonly running = new Set<ChangelogSnapshot>();
  private basis = new LogBasis(true);
  private closed = false;

  constructor(
    private readonly context: StateBackendContext,
    private readonly inner: StateBackend,
    settings: ChangelogSettings,
  ) {
    const { keyGroups, maxParallelism, clock, sharedStore } = context;
    const { compress, preemptiveBytes, inlineBytes } = settings;
    this.storesBytes = inner.storesBytes;
    this.metrics = new ChangelogMetrics(context.metrics);
    this.target = new LogTarget(maxParallelism);
    this.states = new LoggedStates(this.target, () => this.basis.invalidate());
    this.uploader = settings.inFiles && sharedStore !== undefined
      ? new LogUploader(sharedStore, clock, settings, this.metrics)
      : undefined;
    this.log = new ChangeLog({
      target: this.target,
      keyGroups,
      uploader: this.uploader,
      compress,
      inlineBytes,
      preemptiveBytes,
      states: () => this.states.lines,
      isNeeded: () => this.basis.needsLog,
    });
    this.attached = new AttachedLog({ context, uploader: this.uploader, compress, inlineBytes });
    this.materializer = new Materializer(
      {
        context,
        inner,
        log: this.log,
        inFiles: this.uploader !== undefined,
        basis: () => this.basis,
        metrics: this.metrics,
      },
      settings,
    );
    context.metrics.gauge("uploadQueueSize", () => this.uploader?.queueSize ?? 0);
    // What the backend below does not offer is not offered here either.
    if (inner.finishRestore !== undefined) this.finishRestore = () => inner.finishRestore!();
    if (inner.prefetch !== undefined) this.prefetch = (keys, count) => inner.prefetch!(keys, count);
    if (inner.orderedRows !== undefined) this.orderedRows = (name) => this.loggedRows(name);
    this.leaveKey = () => {
      inner.leaveKey?.();
      this.target.setKey(undefined);
    };
  }

  async open(handles: readonly KeyedStateHandle[], reader: SnapshotReader): Promise<void> {
    const replayed = await replayLogs(handles, reader, this.context);
    for (const handle of replayed) await this.states.noteRestored(handle, reader);
    await this.inner.open(replayed, reader);
    // Files of what was restored may be another job's: nothing here refers to them.
    this.basis = new LogBasis(handles.length === 0);
    this.materializer.start();
  }

  get looksAhead(): boolean {
    return this.inner.looksAhead === true;
  }

  setCurrentKey(key: Key): void {
    this.inner.setCurrentKey(key);
    this.target.setKey(key);
  }

  currentKey(): Key {
    return this.inner.currentKey();
  }

  state<T>(descriptor: ValueStateDescriptor<T>): ValueState<T> & Namespaced;
  state<T>(descriptor: ListStateDescriptor<T>): ListState<T> & MergingState;
  state<K, V>(descriptor: MapStateDescriptor<K, V>): MapState<K, V> & Namespaced;
  state<T>(descriptor: ReducingStateDescriptor<T>): ReducingState<T> & MergingState;
  state<I, A, O>(descriptor: AggregatingStateDescriptor<I, A, O>): AggregatingState<I, O> & MergingState;
  state(descriptor: StateDescriptor): unknown {
    return this.states.handle(descriptor, this.inner);
  }

  private loggedRows(name: string): OrderedRows {
    const known = this.rowSets.get(name);
    if (known !== undefined) return known;
    const inner = this.inner.orderedRows!(name);
    const made = new LoggedRows(inner, this.target, this.states.ownLine(name).id);
    this.rowSets.set(name, made);
    return made;
  }

  backpressure(): Promise<void> | undefined {
    if (this.materializer.failure !== undefined) throw this.materializer.failure;
    const { uploader } = this;
    if (uploader?.isFull === true) this.log.makeRoom();
    return this.inner.backpressure?.() ?? uploader?.backpressure();
  }

  get waitsForChangelog(): boolean {
    return this.uploader?.isFull === true;
  }

  attach(rows: RowSource): void {
    // The backend below first: it may refuse the name.
    this.attached.attach(rows, () => this.states.ownLine(rows.name), this.inner);
  }

  snapshot(request: SnapshotRequest): PendingSnapshot {
    if (this.closed) refuseSnapshot(this.context.operatorName);
    checkRequest(request);
    if (this.materializer.failure !== undefined) throw this.materializer.failure;
    const { checkpointId, full } = request;
    if (full) {
      this.basis.note(checkpointId, { kind: "standalone" });
      return this.attached.standalone(() => this.inner.snapshot(request));
    }
    const snapshot = new ChangelogSnapshot(this.planOf(checkpointId));
    this.running.add(snapshot);
    return snapshot;
  }

  private planOf(checkpointId: number): ChangelogSnapshotPlan {
    const { basis, log } = this;
    const attached = this.attached.freeze(checkpointId);
    const common = {
      keyGroups: this.context.keyGroups,
      log,
      attached,
      metrics: this.metrics,
      countIncrement: (made) => basis.countIncrement(made),
      onEnd: (snapshot, figures) => this.onEnd(snapshot, figures),
    } satisfies Partial<ChangelogSnapshotPlan>;
    const { current } = basis;
    if (current !== undefined && !this.materializer.isDueAtCheckpoint) {
      const { segments } = log.mark();
      basis.note(checkpointId, { kind: "changes", basis: current, segments });
      return { ...common, basis: current, segments, onMaterialized: () => {} };
    }
    if (!basis.needsLog) log.forget();
    const { id, pending, border } = this.materializer.atCheckpoint();
    const taken = { kind: "materialization" as const, id, basis: undefined };
    basis.note(checkpointId, taken);
    return {
      ...common,
      basis: { pending, id, border },
      segments: [],
      onMaterialized: (made) => {
        Object.assign(taken, { basis: made });
        this.metrics.completedMaterializations.inc();
      },
    };
  }

  private onEnd(snapshot: ChangelogSnapshot, figures: LogFigures | null): void {
    this.running.delete(snapshot);
    if (figures === null) return;
    this.metrics.lastFullLogBytes = figures.fullBytes;
    this.metrics.lastLogIncrementBytes = figures.incrementBytes;
    this.materializer.checkpointed();
  }

  confirm(checkpointId: number): void {
    const { below, cutAt } = this.basis.confirm(checkpointId);
    if (below !== null) this.inner.confirm(below);
    if (cutAt !== null) this.log.cut(cutAt);
    this.attached.confirm(checkpointId);
  }

  abort(checkpointId: number): void {
    const below = this.basis.abort(checkpointId);
    if (below !== null) this.inner.abort(below);
    this.attached.abort(checkpointId);
  }

  keys(descriptor: StateDescriptor, namespace: Namespace = VOID_NAMESPACE): Iterable<Key> {
    return this.inner.keys(this.states.below(descriptor), namespace);
  }

  keysAndNamespaces(descriptor: StateDescriptor): Iterable<readonly [Key, Namespace]> {
    return this.inner.keysAndNamespaces(this.states.below(descriptor));
  }

  applyToAllKeys(descriptor: StateDescriptor, namespace: Namespace, callback: (key: Key) => void): void {
    const former = this.target.key;
    try {
      this.inner.applyToAllKeys(this.states.below(descriptor), namespace, (key) => {
        this.target.setKey(key);
        callback(key);
      });
    } finally {
      this.target.setKey(former);
    }
  }

  get entryCount(): number {
    return this.inner.entryCount;
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    this.materializer.stop();
    const reason = closedReason();
    for (const snapshot of this.running) snapshot.cancel(reason);
    this.target.setKey(undefined);
    this.uploader?.close();
    this.log.forget();
    try {
      await this.inner.close();
    } finally {
      for (const file of this.basis.unnamedFiles()) this.uploader?.remove(file);
      await this.uploader?.settled();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
