/**
 * Decides when the backend below is materialized, and does it in the background: now and then, and sooner when the log
 * has grown larger than what it builds on.
 *
 * Called by: changelog_backend.ts.
 * Calls: the backend below, the log, core/clock.ts.
 *
 * Invariants:
 * - one at a time, and none before the last one is known to be durable;
 * - after more failures in a row than are allowed the job fails.
 *
 * @module
 */
import type { PendingSnapshot, StateBackend, StateBackendContext } from "../../core/backend.ts";
import type { Cancel } from "../../core/clock.ts";
import { messageOf, StreamError } from "../../core/errors.ts";
import type { FileRef, SnapshotStore } from "../../core/snapshot.ts";
import type { ChangeLog } from "./change_log.ts";
import type { ChangelogMetrics } from "./changelog_metrics.ts";
import { discardAll, sharedOnly } from "./changelog_snapshot.ts";
import type { LogBasis } from "./log_basis.ts";

/** Ids of materializations below: none that a checkpoint may have, ascending. */
const FIRST_ID = -(2 ** 40);
/** A log up to this size is not cut off for its size. */
const SMALL_LOG_BYTES = 67_108_864;
/** A larger log is, whatever it builds on: a restore has it in memory. */
const LARGE_LOG_BYTES = 536_870_912;
/** The same for segments that travel within the metadata of each checkpoint. */
const INLINE_LOG_BYTES = 4_194_304;
/** A log of more segments is cut off. */
const MAX_SEGMENTS = 1_000;

/** When to materialize. */
export interface MaterializerSettings {
  /** Milliseconds from one to the next; null: only when the log has grown large. */
  readonly intervalMs: number | null;
  /** Failures in a row that do not fail the job. */
  readonly toleratedFailures: number;
}

/** What it works on. */
export interface MaterializerPorts {
  readonly context: StateBackendContext;
  readonly inner: StateBackend;
  readonly log: ChangeLog;
  /** Whether the log is in files. */
  readonly inFiles: boolean;
  readonly basis: () => LogBasis;
  readonly metrics: ChangelogMetrics;
}

/** The materializations of one backend. */
export class Materializer {
  /** Why the job must fail; undefined while it need not. */
  failure: StreamError | undefined;
  private nextId = FIRST_ID;
  private failures = 0;
  private isDue = false;
  private running: PendingSnapshot | undefined;
  private cancelTimer: Cancel = () => {};
  private stopped = false;

  constructor(private readonly ports: MaterializerPorts, private readonly settings: MaterializerSettings) {}

  /** Begins to count time. The first one comes at some moment of the interval, so that subtasks take turns. */
  start(): void {
    const { intervalMs } = this.settings;
    if (intervalMs !== null) this.wait(intervalMs * this.ports.context.random.next());
  }

  private wait(delayMs: number): void {
    this.cancelTimer = this.ports.context.clock.schedule(delayMs, () => {
      this.isDue = true;
      this.tryToBegin();
      this.wait(this.settings.intervalMs!);
    });
  }

  /** Whether the next checkpoint has to be one, since there is no other place to write to. */
  get isDueAtCheckpoint(): boolean {
    return this.isDue && this.store === undefined && this.mayBegin;
  }

  private get store(): SnapshotStore | undefined {
    return this.ports.context.sharedStore;
  }

  private get mayBegin(): boolean {
    return this.running === undefined && !this.stopped && this.ports.basis().isSettled && !this.ports.log.isEmpty;
  }

  /** A checkpoint is written: the log may have grown large. */
  checkpointed(): void {
    const { log, basis, inFiles } = this.ports;
    const materializedBytes = basis().current?.handle?.fullBytes ?? 0;
    const limit = inFiles ? Math.min(LARGE_LOG_BYTES, Math.max(SMALL_LOG_BYTES, materializedBytes)) : INLINE_LOG_BYTES;
    if (log.sizeBytes > limit || log.segmentCount > MAX_SEGMENTS) this.isDue = true;
    this.tryToBegin();
  }

  /** The synchronous part of one that is a checkpoint itself. */
  atCheckpoint(): { readonly id: number; readonly pending: PendingSnapshot; readonly border: number } {
    this.isDue = false;
    this.ports.metrics.startedMaterializations.inc();
    return this.begin();
  }

  private begin(): { readonly id: number; readonly pending: PendingSnapshot; readonly border: number } {
    const { inner, log } = this.ports;
    const id = ++this.nextId;
    const pending = inner.snapshot({ checkpointId: id, full: false });
    const { border } = log.mark();
    return { id, pending, border };
  }

  /** Begins one in the background, if one is due and may begin. */
  tryToBegin(): void {
    const { store } = this;
    if (!this.isDue || store === undefined || !this.mayBegin) return;
    this.isDue = false;
    this.ports.metrics.startedMaterializations.inc();
    const startMs = this.ports.context.clock.monotonicMs();
    const former = this.ports.basis().current;
    const files: FileRef[] = [];
    const taken = this.tryToTake();
    if (taken === undefined) return;
    const { id, pending, border } = taken;
    this.running = pending;
    pending.write(sharedOnly(store, files)).then((handle) => {
      this.running = undefined;
      // Meanwhile the log that it would go on with may have been given up, or the backend closed.
      if (this.stopped || this.ports.basis().current !== former) return this.drop(id, files, store);
      const { metrics } = this.ports;
      this.failures = 0;
      metrics.completedMaterializations.inc();
      metrics.lastDurationMs = this.ports.context.clock.monotonicMs() - startMs;
      metrics.lastFullBytes = handle?.fullBytes ?? 0;
      metrics.lastIncrementBytes = handle?.incrementBytes ?? 0;
      this.ports.basis().goOnFrom({ handle, id, border });
      this.ports.log.cut(border);
    }, (error) => {
      this.running = undefined;
      if (!this.stopped) this.failed(id, error);
    });
  }

  /** Nobody waits for one in the background: an error counts as its failure. */
  private tryToTake(): ReturnType<Materializer["begin"]> | undefined {
    try {
      return this.begin();
    } catch (error) {
      this.failed(this.nextId, error);
      return undefined;
    }
  }

  private drop(id: number, files: readonly FileRef[], store: SnapshotStore): void {
    if (!this.stopped) this.ports.inner.abort(id);
    discardAll(store, files, this.ports.metrics);
  }

  private failed(id: number, cause: unknown): void {
    const { inner, metrics, context } = this.ports;
    const { toleratedFailures } = this.settings;
    inner.abort(id);
    metrics.failedMaterializations.inc();
    this.isDue = true; // With the next checkpoint.
    if (++this.failures <= toleratedFailures) return;
    this.failure = new StreamError(
      "unavailable",
      `Cannot materialize the state of operator "${context.operatorName}": it has failed ${this.failures} times in a ` +
        `row, at most ${toleratedFailures} are tolerated (state.changelog.max-failures-allowed): ${messageOf(cause)}`,
      { cause },
    );
  }

  /** Ends what runs, and counts no more. */
  stop(): void {
    this.stopped = true;
    this.cancelTimer();
    this.running?.cancel(new StreamError("unavailable", "Cannot go on with a materialization: the backend was closed"));
  }
}
