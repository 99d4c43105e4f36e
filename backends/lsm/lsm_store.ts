/**
 * An ordered store of rows: immutable sorted runs in levels, in a working directory that nobody ever recovers. One tree
 * of them; where states have trees of their own, each is an object of this class below column_families.ts.
 *
 * Called by: the embedded backend, through ../embedded/row_store.ts; column_families.ts.
 * Calls: version.ts, flush.ts, compaction.ts, compaction_picker.ts, restore.ts, frozen_version.ts, lsm_cursor.ts.
 *
 * Invariants:
 * - reads see one version as a whole: every row of a finished flush and none of an unfinished one;
 * - a file is in the directory as long as a version, cursor or snapshot needs it;
 * - nothing is durable here: what a checkpoint needs is handed over to it.
 *
 * @module
 */
import { StreamError } from "../../core/errors.ts";
import type { SnapshotReader } from "../../core/snapshot.ts";
import type {
  FoundValue,
  FrozenStore,
  RestorableHandle,
  RowCursor,
  RowStore,
  RowStoreFactory,
  SortedRows,
  Steps,
  StoreContext,
} from "../embedded/row_store.ts";
import type { BlockCache } from "../runs/block_cache.ts";
import { ofWorkingFile } from "../runs/file_failure.ts";
import { FOUND, type Lookup, type OpenRun, UNKNOWN } from "../runs/open_run.ts";
import { type CompactionResult, CompactionSteps } from "./compaction.ts";
import { isBehind, pendingBytes, pickCompaction, totalBytes } from "./compaction_picker.ts";
import { Flush } from "./flush.ts";
import { freezeTrees } from "./frozen_version.ts";
import { LsmCursor } from "./lsm_cursor.ts";
import { ColumnFamilies, type MakeTree } from "./column_families.ts";
import type { ColumnOptions } from "./column_options.ts";
import { type LsmOptions, sharedColumn } from "./lsm_options.ts";
import { type CacheFigures, type LsmGauges, LsmStatistics } from "./lsm_statistics.ts";
import { NativeMetrics, needsTreeForEachState } from "./native_metrics.ts";
import { Restore } from "./restore.ts";
import type { RunBuilderPorts } from "./run_builder.ts";
import type { RunFile } from "./run_file.ts";
import { slotCache } from "./slot_cache.ts";
import { UploadedRuns } from "./uploaded_runs.ts";
import { runOf, RunView, Version } from "./version.ts";

/** Makes the stores of `lsm` backends. @throws {RangeError} If an option is out of range. */
export function lsmRowStoreFactory(options: LsmOptions = {}): RowStoreFactory {
  const shared = sharedColumn(options);
  const { column, metrics: names = [], columnFamilyAsVariable: asVariable = false } = options;
  const needsTrees = needsTreeForEachState(names);
  return {
    name: "lsm",
    async open(context: StoreContext): Promise<LsmStore | ColumnFamilies> {
      await context.fileSystem.makeDirectory(context.directory);
      // Made here, as all that share it must have it of the same kind.
      slotCache(context.memory, shared.blockBytes, options.indexPartBytes);
      const native = new NativeMetrics(names, context.metrics, asVariable);
      if (column === undefined && !native.hasStateMetrics) {
        const store = new LsmStore(context, shared);
        native.reportStore(() => [store]);
        return store;
      }
      const make: MakeTree = (of, options, uploaded) => new LsmStore(of, options, uploaded);
      return new ColumnFamilies(context, { shared, column, isTreeForEachState: needsTrees, native }, make);
    },
  };
}

/** The store of one operator subtask. */
export class LsmStore implements RowStore, LsmGauges {
  /** What it has counted. */
  readonly statistics: LsmStatistics = new LsmStatistics();
  /** What its files are made with. */
  readonly ports: RunBuilderPorts;
  private version: Version;
  private readonly blocks: BlockCache;
  private flush: Flush | undefined;
  private compaction: CompactionSteps | undefined;
  private closed = false;

  /**
   * @param context Its directory exists, and is empty.
   * @param uploaded Null when snapshots do not build on each other. Trees that share it are frozen together.
   */
  constructor(
    private readonly context: StoreContext,
    private readonly column: ColumnOptions,
    private readonly uploaded: UploadedRuns<RunFile> | null = context.incremental ? new UploadedRuns() : null,
  ) {
    const { fileSystem, random, directory } = context;
    this.version = new Version([[]], this.statistics);
    this.blocks = slotCache(context.memory, column.blockBytes);
    this.ports = {
      fileSystem,
      cache: this.blocks,
      files: new Set(),
      removals: new Set(),
      statistics: this.statistics,
      column,
      random,
      directory,
      states: () => context.states(),
      overRows: () => context.overRows?.(),
    };
  }

  async restore(handles: readonly RestorableHandle[], reader: SnapshotReader): Promise<void> {
    this.requireOpen("restore");
    const { context, ports } = this;
    const levels = await new Restore(context, { first: ports, of: () => ports }, reader).run(handles);
    this.publishLevels(levels.get(ports) ?? [[]]);
  }

  get(row: Uint8Array, rowBytes: number, prefixBytes: number, prefixHash: number, found: FoundValue): boolean {
    const keyGroup = (row[0]! << 8) | row[1]!;
    const { statistics } = this;
    const { levels } = this.version;
    const level0 = levels[0]!;
    statistics.pointReads++;
    let answer: Lookup = UNKNOWN;
    for (let i = 0; i < level0.length && answer === UNKNOWN; i++) {
      const view = level0[i]!;
      if (keyGroup < view.firstGroup || keyGroup > view.lastGroup) continue;
      answer = this.lookUp(view.file.run, row, rowBytes, prefixBytes, prefixHash, found);
    }
    for (let level = 1; level < levels.length && answer === UNKNOWN; level++) {
      const view = runOf(levels[level]!, keyGroup);
      if (view === undefined) continue;
      answer = this.lookUp(view.file.run, row, rowBytes, prefixBytes, prefixHash, found);
    }
    if (answer !== FOUND) return false;
    statistics.bytesRead += found.end - found.start;
    return true;
  }

  private lookUp(
    run: OpenRun,
    row: Uint8Array,
    rowBytes: number,
    prefixBytes: number,
    prefixHash: number,
    found: FoundValue,
  ): Lookup {
    const { statistics } = this;
    const blocksBefore = statistics.hitCount + statistics.missCount;
    let answer: Lookup;
    try {
      answer = run.get(row, rowBytes, prefixBytes, prefixHash, found);
    } catch (error) {
      throw ofWorkingFile(error);
    }
    if (statistics.hitCount + statistics.missCount === blocksBefore) {
      statistics.bloomUseful++;
    } else {
      statistics.bloomFullPositive++;
      if (answer === FOUND) statistics.bloomFullTruePositive++;
    }
    return answer;
  }

  scan(prefix: Uint8Array, prefixBytes: number, prefixHash: number | null, from?: Uint8Array): RowCursor {
    this.requireOpen("scan");
    return new LsmCursor(this.version, { prefix, prefixBytes, prefixHash, from }, this.statistics);
  }

  ingest(rows: SortedRows): Steps {
    this.requireOpen("flush into");
    if (this.flush !== undefined) this.refuse("flush into", "another flush is under way");
    this.statistics.runningFlushes++;
    const publish = (file: RunFile | undefined): void => {
      if (file !== undefined) this.publishNewest(file);
    };
    this.flush = new Flush(rows, this.ports, publish, () => {
      this.statistics.runningFlushes--;
      this.flush = undefined;
    });
    return this.flush;
  }

  nextWork(): Steps | null {
    this.requireOpen("compact");
    if (this.compaction !== undefined) this.refuse("compact", "another compaction is under way");
    const pick = pickCompaction(this.version.levels, this.column);
    if (pick === null) return null;
    this.statistics.runningCompactions++;
    const version = this.version.retain();
    const publish = ({ inputs, outputs, outputLevel }: CompactionResult): void => {
      this.publish(this.version.withCompacted(inputs, outputs, outputLevel));
    };
    this.compaction = new CompactionSteps(pick, version, this.ports, publish, () => {
      this.statistics.runningCompactions--;
      this.compaction = undefined;
    });
    return this.compaction;
  }

  get isBehind(): boolean {
    return isBehind(this.version.levels, this.column);
  }

  freeze(): FrozenStore {
    this.requireOpen("freeze");
    if (this.flush !== undefined) this.refuse("freeze", "a flush is under way");
    return freezeTrees([this], this.context, this.uploaded);
  }

  /** What there is now, held for the caller. */
  pin(): Version {
    return this.version.retain();
  }

  confirm(checkpointId: number): void {
    this.uploaded?.confirm(checkpointId);
  }

  abort(checkpointId: number): void {
    this.uploaded?.abort(checkpointId);
  }

  async close(): Promise<void> {
    if (this.closed) return;
    await this.closeFiles();
    await this.context.fileSystem.removeDirectory(this.context.directory);
  }

  /** Frees everything but the directory; safe to call twice. */
  async closeFiles(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    this.flush?.cancel();
    this.compaction?.cancel();
    this.version.release();
    // Cursors and snapshots may hold on to files still: they end to work.
    for (const file of this.ports.files) file.drop();
    await Promise.all(this.ports.removals);
  }

  /** Takes what a restore gives. */
  publishLevels(levels: readonly (readonly RunView[])[]): void {
    this.publish(new Version(levels, this.statistics));
  }

  /** Shows a file from now on, the newest of all. */
  publishNewest(file: RunFile): void {
    this.publish(this.version.withNewest(new RunView(file)));
  }

  /** Runs of each level, level 0 first. */
  filesAtLevels(): readonly number[] {
    return this.version.levels.map((level) => level.length);
  }

  /** Bytes of the visible rows. */
  liveBytes(): number {
    return this.version.levels.reduce((sum, level) => sum + totalBytes(level), 0);
  }

  /** Visible rows, hidden ones included. */
  liveRows(): number {
    let rows = 0;
    for (const level of this.version.levels) {
      for (const { file, visibleShare } of level) rows += Math.round(file.rowCount * visibleShare);
    }
    return rows;
  }

  /** See {@link pendingBytes}. */
  pendingCompactionBytes(): number {
    return pendingBytes(this.version.levels, this.column);
  }

  /** Whether `nextWork` has something to do. */
  isCompactionDue(): boolean {
    return pickCompaction(this.version.levels, this.column) !== null;
  }

  /** Of all open files. */
  indexBytes(): number {
    let bytes = 0;
    for (const { run } of this.ports.files) bytes += run.memoryBytes;
    return bytes;
  }

  /** The slot's. */
  cache(): CacheFigures {
    const { capacityBytes, usageBytes, pinnedBytes } = this.blocks;
    return { capacityBytes, usageBytes, pinnedBytes };
  }

  private publish(version: Version): void {
    const before = this.version;
    this.version = version;
    before.release();
  }

  private requireOpen(verb: string): void {
    if (this.closed) this.refuse(verb, "it is closed");
  }

  private refuse(verb: string, why: string): never {
    throw new StreamError("invalid", `Cannot ${verb} the state of operator "${this.context.operatorName}": ${why}`);
  }
}
