/**
 * Keeps the rows of one operator subtask in an LMDB database of its own.
 *
 * Called by: the rows of an embedded backend, through the contract in ../embedded/row_store.ts.
 * Calls: row_tree.ts, row_walk.ts, lmdb_ingest.ts, lmdb_snapshot.ts, lmdb_restore.ts, increment_chain.ts.
 *
 * Invariants:
 * - reads see whole ingests only;
 * - when it is closed no read transaction is left, since the memory that they read is unmapped.
 *
 * @module
 */
import { compareBytes } from "../../core/bytes.ts";
import { StreamError } from "../../core/errors.ts";
import type { SnapshotReader } from "../../core/snapshot.ts";
import type {
  FoundValue,
  FrozenStore,
  RestorableHandle,
  RowCursor,
  RowStore,
  SortedRows,
  Steps,
  StoreContext,
} from "../embedded/row_store.ts";
import type { RunState } from "../runs/run_format.ts";
import { IncrementChain } from "./increment_chain.ts";
import type { HalfIngest } from "./ingest_undo.ts";
import { type IngestTarget, LmdbIngest } from "./lmdb_ingest.ts";
import { restoreRows } from "./lmdb_restore.ts";
import { LmdbSnapshot, type SnapshotSource } from "./lmdb_snapshot.ts";
import { Moment } from "./moment.ts";
import type { RowTree } from "./row_tree.ts";
import { RowWalk } from "./row_walk.ts";

/** A store of rows in LMDB; made by lmdbRowStoreFactory. */
export class LmdbStore implements RowStore, IngestTarget, SnapshotSource {
  /** B+trees need no work in the background. */
  readonly isBehind = false;
  readonly chain: IncrementChain | null;
  half: HalfIngest | null = null;
  private ingesting: LmdbIngest | null = null;
  private readonly walks = new Set<RowWalk>();
  private readonly snapshots = new Set<LmdbSnapshot>();
  private closing: Promise<void> | undefined;

  /** @param tree Open, empty, in a directory that is there. */
  constructor(readonly context: StoreContext, readonly tree: RowTree) {
    const { fileSystem, directory, random, incremental } = context;
    this.chain = incremental ? new IncrementChain(fileSystem, directory, random) : null;
    this.registerMetrics();
  }

  get clock(): StoreContext["clock"] {
    return this.context.clock;
  }

  states(): readonly RunState[] {
    return this.context.states();
  }

  async restore(handles: readonly RestorableHandle[], reader: SnapshotReader): Promise<void> {
    for (const { handle, keyGroups } of handles) await restoreRows(handle, keyGroups, reader, this);
  }

  get(row: Uint8Array, rowBytes: number, _prefixBytes: number, _prefixHash: number, found: FoundValue): boolean {
    return this.tree.get(row, rowBytes, found);
  }

  scan(prefix: Uint8Array, prefixBytes: number, _prefixHash: number | null, from?: Uint8Array): RowCursor {
    const moment = this.moment();
    const range = { prefix: prefix.slice(0, prefixBytes), prefixBytes, from: startsLater(from, prefix, prefixBytes) };
    const walk = new RowWalk(this.tree, range, moment.transaction, (closed) => {
      this.walks.delete(closed);
      moment.release();
    });
    this.walks.add(walk);
    return walk;
  }

  ingest(rows: SortedRows): Steps {
    this.check("ingest rows into");
    const ingest = new LmdbIngest(rows, this, () => {
      this.ingesting = null;
    });
    this.ingesting = ingest;
    return ingest;
  }

  nextWork(): null {
    return null;
  }

  freeze(): FrozenStore {
    this.check("freeze");
    const snapshot = new LmdbSnapshot(this, this.moment(), (released) => this.snapshots.delete(released));
    this.snapshots.add(snapshot);
    return snapshot;
  }

  confirm(checkpointId: number): void {
    this.chain?.confirm(checkpointId);
  }

  abort(checkpointId: number): void {
    this.chain?.abort(checkpointId);
  }

  close(): Promise<void> {
    this.closing ??= this.closeAll();
    return this.closing;
  }

  /** What readers see now; the caller releases it. */
  private moment(): Moment {
    const { readAt } = this.tree;
    return readAt === undefined ? new Moment(this.tree.pin()) : readAt.moment.retain();
  }

  private check(verb: string): void {
    if (this.closing === undefined && this.ingesting === null) return;
    const state = this.closing !== undefined ? "it is closed" : "an ingest is under way";
    throw new StreamError("invalid", `Cannot ${verb} the state of "${this.context.operatorName}": ${state}`);
  }

  private async closeAll(): Promise<void> {
    this.ingesting?.cancel();
    for (const snapshot of [...this.snapshots]) snapshot.release();
    for (const walk of [...this.walks]) walk.close();
    this.half?.moment.release();
    this.half = null;
    await this.tree.close();
    await this.context.fileSystem.removeDirectory(this.context.directory);
  }

  private registerMetrics(): void {
    const { metrics } = this.context;
    const pages = (read: (stats: NonNullable<ReturnType<RowTree["stats"]>>) => number) => () => {
      const stats = this.tree.stats();
      return stats === null ? 0 : read(stats);
    };
    metrics.gauge("lmdb.entries", pages((stats) => stats.entryCount));
    metrics.gauge("lmdb.depth", pages((stats) => stats.treeDepth));
    metrics.gauge("lmdb.branch-pages", pages((stats) => stats.treeBranchPageCount));
    metrics.gauge("lmdb.leaf-pages", pages((stats) => stats.treeLeafPageCount));
    metrics.gauge("lmdb.overflow-pages", pages((stats) => stats.overflowPages));
    metrics.gauge("lmdb.page-size", pages((stats) => stats.pageSize));
    metrics.gauge("lmdb.file-size", pages((stats) => (stats.lastPageNumber + 1) * stats.pageSize));
    metrics.gauge("lmdb.map-size", pages((stats) => stats.mapSize));
    metrics.gauge("lmdb.kept-runs", () => this.chain?.runCount ?? 0);
  }
}

/** A copy of `from` unless the prefix itself is not before it. */
function startsLater(from: Uint8Array | undefined, prefix: Uint8Array, prefixBytes: number): Uint8Array | undefined {
  if (from === undefined || compareBytes(from, 0, from.length, prefix, 0, prefixBytes) <= 0) return undefined;
  return from.slice();
}
