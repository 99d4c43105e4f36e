/**
 * One snapshot of an embedded backend: waits until what was written before is in the store, uploads the store's files,
 * then the rows that live outside of it; or writes all rows as a canonical run.
 *
 * Called by: embedded_backend.ts.
 * Calls: the rows, the frozen store, attached_rows.ts, canonical_rows.ts, ../states/stoppable_store.ts.
 *
 * Invariants:
 * - whatever becomes of it, what it pins is released once.
 *
 * @module
 */
import type { PendingSnapshot, SnapshotRequest } from "../../core/backend.ts";
import { messageOf, StreamError } from "../../core/errors.ts";
import type { KeyGroupRange } from "../../core/key_groups.ts";
import type { KeyedStateHandle, RunHandle, SnapshotStore } from "../../core/snapshot.ts";
import type { RunState } from "../runs/run_format.ts";
import { StoppableStore } from "../states/stoppable_store.ts";
import type { FrozenAttached } from "./attached_rows.ts";
import type { BufferCopy } from "./buffer_copy.ts";
import type { CanonicalRows } from "./canonical_rows.ts";
import type { FrozenStore } from "./row_store.ts";
import type { Rows } from "./rows.ts";
import { RowsAbove } from "./rows_above.ts";

/** Everything that the synchronous part has fixed. */
export interface EmbeddedSnapshotPlan {
  readonly request: SnapshotRequest;
  readonly rows: Rows;
  /** Of the rows' freeze. */
  readonly ticket: number;
  /** Rows of the same moment that are in no file of the store. */
  readonly copy: BufferCopy | undefined;
  readonly attached: FrozenAttached | undefined;
  /** Writes the store's rows, and those of other owners, as a canonical run; undefined: it gives its files. */
  readonly canonical: CanonicalRows | undefined;
  /** The state table. */
  readonly states: readonly RunState[];
  readonly keyGroups: KeyGroupRange;
  readonly nextListNumber: number;
  /** Told once. `attachedRuns` is what holds the attached rows; undefined unless all was written. */
  readonly onEnd: (snapshot: EmbeddedSnapshot, attachedRuns: readonly RunHandle[] | undefined) => void;
}

/** Runs and what writing them has cost. */
interface WrittenRuns {
  readonly runs: readonly RunHandle[];
  readonly incrementBytes: number;
}

const NOTHING: WrittenRuns = { runs: [], incrementBytes: 0 };

function withNewer(older: WrittenRuns, newer: WrittenRuns): WrittenRuns {
  return { runs: [...older.runs, ...newer.runs], incrementBytes: older.incrementBytes + newer.incrementBytes };
}

/** A snapshot from its synchronous part to its handle. */
export class EmbeddedSnapshot implements PendingSnapshot {
  private readonly stopping = new AbortController();
  private started = false;
  private ended = false;

  constructor(private readonly plan: EmbeddedSnapshotPlan) {}

  async write(store: SnapshotStore): Promise<KeyedStateHandle | null> {
    if (this.started) throw new StreamError("invalid", "Cannot write a snapshot: write() was called already");
    this.started = true;
    let attached: WrittenRuns | undefined;
    const { canonical } = this.plan;
    try {
      if (canonical !== undefined) return await this.writeRows(canonical, store);
      const stored = await this.writeOwn(store);
      const foreign = await this.writeAttached(store);
      this.stopping.signal.throwIfAborted();
      attached = foreign;
      return this.handleOf(stored, foreign);
    } catch (error) {
      // Whatever the interruption made of it, it is what `cancel` was told.
      this.stopping.signal.throwIfAborted();
      throw error;
    } finally {
      this.end(attached);
    }
  }

  /** What the store has in files, and beside it what it has not. */
  private async writeOwn(store: SnapshotStore): Promise<WrittenRuns> {
    const parts = [this.writeStore(new StoppableStore(store, this.stopping.signal)), this.writeCopy(store)];
    try {
      const [older, newer] = await Promise.all(parts);
      return withNewer(older!, newer!); // there are two
    } catch (error) {
      this.stopping.abort(error);
      this.plan.copy?.cancel(error instanceof Error ? error : new Error(messageOf(error)));
      await Promise.allSettled(parts);
      throw error;
    }
  }

  private async writeStore(store: StoppableStore): Promise<WrittenRuns> {
    const { checkpointId, full } = this.plan.request;
    const frozen = await this.frozen(store);
    try {
      return await frozen.write({ checkpointId, full }, store, this.stopping.signal);
    } finally {
      frozen.release();
    }
  }

  private async writeCopy(store: SnapshotStore): Promise<WrittenRuns> {
    const { copy } = this.plan;
    if (copy === undefined) return NOTHING;
    await copy.sort();
    return await copy.write(store, this.plan);
  }

  private frozen(store: StoppableStore): Promise<FrozenStore> {
    return store.orStop(this.plan.rows.frozen(this.plan.ticket), (late) => late.release());
  }

  private async writeRows(canonical: CanonicalRows, target: SnapshotStore): Promise<KeyedStateHandle | null> {
    const frozen = await this.frozen(new StoppableStore(target, this.stopping.signal));
    const { copy } = this.plan;
    try {
      await copy?.sort();
      const stored = frozen.rows();
      const rows = copy === undefined ? stored : new RowsAbove(stored, copy);
      try {
        return await canonical.write(rows, target);
      } finally {
        rows.close();
      }
    } finally {
      frozen.release();
    }
  }

  private async writeAttached(store: SnapshotStore): Promise<WrittenRuns> {
    const { attached, states } = this.plan;
    if (attached === undefined) return NOTHING;
    const { assembly, sources } = attached;
    try {
      await assembly.slices.pause();
      for (const source of sources) await assembly.addFrozen(source);
      const handle = await assembly.finish(store, states.filter(({ kind }) => kind === "rows"));
      if (handle === null) return NOTHING;
      // They are behind all runs of the store, and so younger than any level of it.
      return { runs: handle.runs.map((run) => ({ ...run, level: 0 })), incrementBytes: handle.incrementBytes };
    } catch (error) {
      await assembly.discard(error);
      throw error;
    }
  }

  private handleOf(stored: WrittenRuns, foreign: WrittenRuns): KeyedStateHandle | null {
    const { keyGroups, nextListNumber } = this.plan;
    const runs = [...stored.runs, ...foreign.runs];
    if (runs.length === 0) return null;
    return {
      keyGroups,
      runs,
      nextListNumber,
      incrementBytes: stored.incrementBytes + foreign.incrementBytes,
      fullBytes: runs.reduce((sum, run) => sum + run.file.sizeBytes, 0),
    };
  }

  cancel(reason: Error): void {
    if (this.ended) return;
    this.stopping.abort(reason);
    this.plan.attached?.assembly.cancel(reason);
    this.plan.canonical?.cancel(reason);
    this.plan.copy?.cancel(reason);
    if (this.started) return;
    this.started = true;
    // A flush that fails is told by the rows to whoever uses them next.
    this.plan.rows.frozen(this.plan.ticket).then((frozen) => frozen.release(), () => {});
    this.end(undefined);
  }

  private end(attached: WrittenRuns | undefined): void {
    if (this.ended) return;
    this.ended = true;
    for (const source of this.plan.attached?.sources ?? []) source.rows.release();
    this.plan.canonical?.release();
    this.plan.copy?.release();
    this.plan.onEnd(this, attached?.runs);
  }
}
