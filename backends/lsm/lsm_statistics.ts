/**
 * What an LSM store counts, under the names of RocksDB's native metrics.
 *
 * Called by: the files beside it (count), lsm_store.ts (registers what the configuration asks for).
 * Calls: nothing.
 *
 * Figures of the write buffers, which RocksDB reports under `…-mem-table(s)`, are with the write buffers.
 *
 * @module
 */

/** What a store is asked for when somebody looks. */
export interface LsmGauges {
  /** Runs of each level; level 0 first. */
  filesAtLevels(): readonly number[];
  /** Bytes of the runs in use, of their visible rows. */
  liveBytes(): number;
  /** Rows of the runs in use: an upper bound of the keys. */
  liveRows(): number;
  /** Bytes that compactions that are due will write. */
  pendingCompactionBytes(): number;
  /** Whether a compaction is due. */
  isCompactionDue(): boolean;
  /** Whether writers should wait. */
  readonly isBehind: boolean;
  /** Memory of indexes and filters, bytes. */
  indexBytes(): number;
  /** Block cache of the slot. */
  cache(): CacheFigures;
}

/** The slot's block cache. */
export interface CacheFigures {
  readonly capacityBytes: number;
  readonly usageBytes: number;
  readonly pinnedBytes: number;
  readonly hitCount: number;
  readonly missCount: number;
}

/** Counters of one store. */
export class LsmStatistics {
  /** Rows asked for one by one. */
  pointReads = 0;
  /** Runs that a filter has saved from being read. */
  bloomUseful = 0;
  /** Runs that were read since their filter did not exclude them: of `pointReads`, runs read per point read. */
  bloomFullPositive = 0;
  /** As before, and the row was there. */
  bloomFullTruePositive = 0;
  /** Bytes of values that were found. */
  bytesRead = 0;
  /** Bytes of keys and values that were ingested. */
  bytesWritten = 0;
  /** Bytes of keys and values that scans gave. */
  iterBytesRead = 0;
  /** Bytes of the files that compactions have read. */
  compactionReadBytes = 0;
  /** Bytes of the files that compactions have written. */
  compactionWriteBytes = 0;
  /** Bytes of the files that ingests have written. */
  flushWriteBytes = 0;
  /** Flushes, compactions and removals that have failed. */
  backgroundErrors = 0;
  /** Ingests that are under way. */
  runningFlushes = 0;
  /** Compactions that are under way. */
  runningCompactions = 0;
  /** Snapshots that pin files. */
  snapshots = 0;
  /** Versions that somebody holds. */
  liveVersions = 0;
  /** Files of the working directory, also those that only snapshots and cursors need. */
  totalFileBytes = 0;
}

type Read = (counted: LsmStatistics, store: LsmGauges) => number | string;

/** How each native metric is read; the names are those of `state.backend.rocksdb.metrics.<name>`. */
const NATIVE: Readonly<Record<string, Read>> = {
  "actual-delayed-write-rate": () => 0,
  "background-errors": (counted) => counted.backgroundErrors,
  "block-cache-capacity": (_, store) => store.cache().capacityBytes,
  "block-cache-hit": (_, store) => store.cache().hitCount,
  "block-cache-miss": (_, store) => store.cache().missCount,
  "block-cache-pinned-usage": (_, store) => store.cache().pinnedBytes,
  "block-cache-usage": (_, store) => store.cache().usageBytes,
  "bloom-filter-full-positive": (counted) => counted.bloomFullPositive,
  "bloom-filter-full-true-positive": (counted) => counted.bloomFullTruePositive,
  "bloom-filter-useful": (counted) => counted.bloomUseful,
  "bytes-read": (counted) => counted.bytesRead,
  "bytes-written": (counted) => counted.bytesWritten,
  "compaction-pending": (_, store) => Number(store.isCompactionDue()),
  "compaction-read-bytes": (counted) => counted.compactionReadBytes,
  "compaction-write-bytes": (counted) => counted.compactionWriteBytes,
  "estimate-live-data-size": (_, store) => store.liveBytes(),
  "estimate-num-keys": (_, store) => store.liveRows(),
  "estimate-pending-compaction-bytes": (_, store) => store.pendingCompactionBytes(),
  "estimate-table-readers-mem": (_, store) => store.indexBytes(),
  "is-write-stopped": (_, store) => Number(store.isBehind),
  "iter-bytes-read": (counted) => counted.iterBytesRead,
  "live-sst-files-size": (_, store) => store.liveBytes(),
  "num-files-at-level": (_, store) => store.filesAtLevels().join(" "),
  "num-live-versions": (counted) => counted.liveVersions,
  "num-running-compactions": (counted) => counted.runningCompactions,
  "num-running-flushes": (counted) => counted.runningFlushes,
  "num-snapshots": (counted) => counted.snapshots,
  "total-sst-files-size": (counted) => counted.totalFileBytes,
};

/** Names of the native metrics that an LSM store has. */
export const LSM_METRIC_NAMES: readonly string[] = Object.keys(NATIVE);

/** The value of a native metric; undefined for one that an LSM store does not have. */
export function readMetric(name: string, counted: LsmStatistics, store: LsmGauges): number | string | undefined {
  return Object.hasOwn(NATIVE, name) ? NATIVE[name]!(counted, store) : undefined;
}
