/**
 * What a tree of an LSM store counts, and what it is asked for.
 *
 * Called by: the files beside it (count), native_metrics.ts (reads).
 * Calls: ../runs/block_cache.ts, for a type.
 *
 * @module
 */
import type { BlockReads } from "../runs/block_cache.ts";

/** What a tree is asked for when somebody looks. */
export interface LsmGauges {
  /** What it has counted. */
  readonly statistics: LsmStatistics;
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
}

/** Counters of one tree. */
export class LsmStatistics implements BlockReads {
  /** Blocks of its files that were in the cache when asked for. */
  hitCount = 0;
  /** Blocks of its files that had to be read into it. */
  missCount = 0;
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
