/**
 * One checkpoint of a backend with a changelog: the segments up to its barrier, behind the materialization that they
 * build on; or the first of a log, which is a materialization itself.
 *
 * Called by: changelog_backend.ts; materializer.ts (its store and how files are removed).
 * Calls: change_log.ts, attached_log.ts, the snapshot of the backend below.
 *
 * Invariants:
 * - whatever becomes of it, the segments stay part of the log;
 * - once it was handed out, its segments are the job's to remove.
 *
 * @module
 */
import type { PendingSnapshot } from "../../core/backend.ts";
import { StreamError } from "../../core/errors.ts";
import type { KeyGroupRange } from "../../core/key_groups.ts";
import type { FileRef, FileScope, KeyedStateHandle, LogSegment, SnapshotStore } from "../../core/snapshot.ts";
import type { FrozenAttachedLog } from "./attached_log.ts";
import type { ChangeLog, SealedSegment } from "./change_log.ts";
import type { ChangelogMetrics } from "./changelog_metrics.ts";
import { type Materialized, runsOf } from "./log_basis.ts";

/** Everything that the synchronous part has fixed. */
export interface ChangelogSnapshotPlan {
  readonly keyGroups: KeyGroupRange;
  readonly log: ChangeLog;
  /** Segments since the basis; none of a materialization. */
  readonly segments: readonly SealedSegment[];
  readonly attached: FrozenAttachedLog;
  readonly metrics: ChangelogMetrics;
  /** What the segments build on; or what gives it. */
  readonly basis: Materialized | { readonly pending: PendingSnapshot; readonly id: number; readonly border: number };
  /** Told of a materialization when it is written. */
  readonly onMaterialized: (basis: Materialized) => void;
  /** Bytes of the basis that count as written for this checkpoint. */
  readonly countIncrement: (basis: Materialized) => number;
  /** Told once, when it needs nothing of the backend any more; null unless it was written. */
  readonly onEnd: (snapshot: ChangelogSnapshot, figures: LogFigures | null) => void;
}

/** How large the log of a checkpoint is. */
export interface LogFigures {
  /** Of all segments. */
  readonly fullBytes: number;
  /** Of those that no durable checkpoint has named before. */
  readonly incrementBytes: number;
}

/** A snapshot from its synchronous part to its handle. */
export class ChangelogSnapshot implements PendingSnapshot {
  private readonly stopped = Promise.withResolvers<never>();
  private started = false;
  private ended = false;
  private hasFailed = false;
  /** Of the materialization, once it is written. */
  private readonly made: FileRef[] = [];

  constructor(private readonly plan: ChangelogSnapshotPlan) {
    for (const segment of plan.segments) segment.users++;
    // Whoever waits sees the rejection; when nobody does, that is no failure.
    this.stopped.promise.catch(() => {});
  }

  async write(store: SnapshotStore): Promise<KeyedStateHandle | null> {
    if (this.started) throw new StreamError("invalid", "Cannot write a snapshot: write() was called already");
    this.started = true;
    let figures: LogFigures | null = null;
    try {
      // A large part goes on by itself when the snapshot is cancelled: the log needs it all the same.
      const writing = this.writeParts(store);
      const parts = await Promise.race([writing, this.stopped.promise]);
      figures = this.figuresOf(parts);
      for (const segment of this.plan.segments) segment.isGiven = true;
      return this.handleOf(parts, figures);
    } catch (error) {
      const { basis, attached } = this.plan;
      const reason = error instanceof Error ? error : new Error(String(error));
      if ("pending" in basis) basis.pending.cancel(reason);
      attached.discard(reason);
      this.hasFailed = true;
      discardAll(store, this.made, this.plan.metrics);
      throw error;
    } finally {
      this.end(figures);
    }
  }

  private async writeParts(store: SnapshotStore): Promise<Parts> {
    const { log, segments, attached } = this.plan;
    const fresh = segments.filter(({ isConfirmed }) => !isConfirmed);
    const [written, { segments: rows, incrementBytes }, basis] = await Promise.all([
      log.write(segments),
      attached.write(),
      this.materialized(store),
    ]);
    const freshBytes = fresh.reduce((sum, { sizeBytes }) => sum + sizeBytes, incrementBytes);
    return { basis, log: [...written, ...rows], freshBytes };
  }

  private async materialized(store: SnapshotStore): Promise<Materialized> {
    const { basis, onMaterialized, metrics } = this.plan;
    if (!("pending" in basis)) return basis;
    const { id, border } = basis;
    const files: FileRef[] = [];
    const handle = await basis.pending.write(sharedOnly(store, files));
    const made = { handle, id, border };
    if (this.hasFailed) {
      discardAll(store, files, metrics);
      return made;
    }
    this.made.push(...files);
    onMaterialized(made);
    return made;
  }

  private figuresOf({ log, freshBytes }: Parts): LogFigures {
    return { fullBytes: log.reduce((sum, { file }) => sum + file.sizeBytes, 0), incrementBytes: freshBytes };
  }

  private handleOf({ basis, log }: Parts, figures: LogFigures): KeyedStateHandle | null {
    const runs = runsOf(basis);
    if (runs.length === 0 && log.length === 0) return null;
    return {
      keyGroups: this.plan.keyGroups,
      runs,
      ...(log.length > 0 && { log }),
      nextListNumber: basis.handle?.nextListNumber ?? 0,
      incrementBytes: figures.incrementBytes + this.plan.countIncrement(basis),
      fullBytes: runs.reduce((sum, { file }) => sum + file.sizeBytes, figures.fullBytes),
    };
  }

  cancel(reason: Error): void {
    if (this.ended) return;
    const { basis, attached } = this.plan;
    if ("pending" in basis) basis.pending.cancel(reason);
    attached.cancel(reason);
    this.stopped.reject(reason);
    if (this.started) return;
    this.started = true;
    this.end(null);
  }

  private end(figures: LogFigures | null): void {
    if (this.ended) return;
    this.ended = true;
    for (const segment of this.plan.segments) segment.leave();
    this.plan.attached.release();
    this.plan.onEnd(this, figures);
  }
}

/** What a checkpoint consists of. */
interface Parts {
  readonly basis: Materialized;
  readonly log: readonly LogSegment[];
  /** Bytes that no durable checkpoint has named. */
  readonly freshBytes: number;
}

/**
 * A store whose files later checkpoints may name, whatever was asked for.
 *
 * @param made Gets every file that is finished.
 */
export function sharedOnly(store: SnapshotStore, made: FileRef[]): SnapshotStore {
  const kept = async (finished: Promise<FileRef>): Promise<FileRef> => {
    const file = await finished;
    made.push(file);
    return file;
  };
  return {
    create: async () => {
      const file = await store.create("shared");
      return {
        write: (chunk) => file.write(chunk),
        finish: () => kept(file.finish()),
        discard: () => file.discard(),
      };
    },
    ...(store.adopt !== undefined && {
      adopt: (path: string, sizeBytes: number, _scope: FileScope) => kept(store.adopt!(path, sizeBytes, "shared")),
    }),
    ...(store.discard !== undefined && { discard: (file) => store.discard!(file) }),
  };
}

/** Removes files that nobody will name. What cannot be removed is counted, and swept by a recovery. */
export function discardAll(store: SnapshotStore, files: readonly FileRef[], { leftBehind }: ChangelogMetrics): void {
  for (const file of files) if (file.scope !== "inline") store.discard?.(file).catch(() => leftBehind.inc());
}
