/**
 * Reports figures of LSM stores under the names of RocksDB's native metrics: what a store counts once for the operator,
 * what its trees are for each state.
 *
 * Figures of the write buffers, which RocksDB reports under `…-mem-table(s)`, are with the write buffers.
 *
 * Called by: lsm_store.ts, column_families.ts.
 * Calls: lsm_statistics.ts, ../embedded/state_gauges.ts.
 *
 * Source: Flink's `RocksDBNativeMetricMonitor`: tickers of a database, properties of a column family.
 *
 * @module
 */
import type { MetricGroup } from "../../core/metrics.ts";
import { stateGauge } from "../embedded/state_gauges.ts";
import type { LsmGauges } from "./lsm_statistics.ts";

/** Levels that have a metric of their own; those that are deeper count as the last one. */
const LEVELS = 7;

/** What is counted by all trees of a store together. */
const COUNTED: Readonly<Record<string, (tree: LsmGauges) => number>> = {
  "block-cache-hit": ({ statistics }) => statistics.hitCount,
  "block-cache-miss": ({ statistics }) => statistics.missCount,
  "bloom-filter-full-positive": ({ statistics }) => statistics.bloomFullPositive,
  "bloom-filter-full-true-positive": ({ statistics }) => statistics.bloomFullTruePositive,
  "bloom-filter-useful": ({ statistics }) => statistics.bloomUseful,
  "bytes-read": ({ statistics }) => statistics.bytesRead,
  "bytes-written": ({ statistics }) => statistics.bytesWritten,
  "compaction-read-bytes": ({ statistics }) => statistics.compactionReadBytes,
  "compaction-write-bytes": ({ statistics }) => statistics.compactionWriteBytes,
  "iter-bytes-read": ({ statistics }) => statistics.iterBytesRead,
};

/** What all states of a slot have in common, reported for each. */
const CACHE: Readonly<Record<string, (tree: LsmGauges) => number>> = {
  "block-cache-capacity": (tree) => tree.cache().capacityBytes,
  "block-cache-pinned-usage": (tree) => tree.cache().pinnedBytes,
  "block-cache-usage": (tree) => tree.cache().usageBytes,
};

/** What is told of one tree. */
const TREE: Readonly<Record<string, (tree: LsmGauges) => number>> = {
  "background-errors": ({ statistics }) => statistics.backgroundErrors,
  "compaction-pending": (tree) => Number(tree.isCompactionDue()),
  "estimate-live-data-size": (tree) => tree.liveBytes(),
  "estimate-num-keys": (tree) => tree.liveRows(),
  "estimate-pending-compaction-bytes": (tree) => tree.pendingCompactionBytes(),
  "estimate-table-readers-mem": (tree) => tree.indexBytes(),
  "live-sst-files-size": (tree) => tree.liveBytes(),
  "num-live-versions": ({ statistics }) => statistics.liveVersions,
  "num-running-compactions": ({ statistics }) => statistics.runningCompactions,
  "num-running-flushes": ({ statistics }) => statistics.runningFlushes,
  "num-snapshots": ({ statistics }) => statistics.snapshots,
  "total-sst-files-size": ({ statistics }) => statistics.totalFileBytes,
};

/** One for each level: its number follows. */
const FILES_AT_LEVEL = "num-files-at-level";

/** Names of the metrics that a store reports once for its operator. */
export const LSM_STORE_METRICS: readonly string[] = Object.keys(COUNTED);

/** Names of the metrics that a store reports for each state. */
export const LSM_STATE_METRICS: readonly string[] = [...Object.keys(CACHE), ...Object.keys(TREE), FILES_AT_LEVEL];

/** Whether one of the metrics can only be told when each state has a tree of its own. */
export function needsTreeForEachState(names: readonly string[]): boolean {
  return names.some((name) => Object.hasOwn(TREE, name) || name === FILES_AT_LEVEL);
}

/** The metrics of one store that somebody asks for. */
export class NativeMetrics {
  /** Whether any is reported for each state. */
  readonly hasStateMetrics: boolean;

  /**
   * @param names Those that a store does not have are another's to report.
   * @param asVariable Whether the state is a variable of its metrics instead of a part of their names.
   */
  constructor(
    private readonly names: readonly string[],
    private readonly metrics: MetricGroup,
    private readonly asVariable: boolean,
  ) {
    this.hasStateMetrics = names.some((name) => LSM_STATE_METRICS.includes(name));
  }

  /** Reports what is counted for the operator. @param trees All that there are when somebody looks. */
  reportStore(trees: () => readonly LsmGauges[]): void {
    for (const name of this.names) {
      const counted = COUNTED[name];
      if (counted === undefined) continue;
      this.metrics.gauge(`rocksdb.${name}`, () => trees().reduce((sum, tree) => sum + counted(tree), 0));
    }
  }

  /** Reports what is told of a state. @param tree That of its rows. */
  reportState(state: string, tree: LsmGauges): void {
    const gauge = stateGauge(this.metrics, state, this.asVariable);
    for (const name of this.names) {
      const read = CACHE[name] ?? TREE[name];
      if (read !== undefined) gauge(`rocksdb.${name}`, () => read(tree));
      if (name !== FILES_AT_LEVEL) continue;
      for (let level = 0; level < LEVELS; level++) gauge(`rocksdb.${name}${level}`, () => filesAt(tree, level));
    }
  }
}

function filesAt(tree: LsmGauges, level: number): number {
  const files = tree.filesAtLevels();
  if (level < LEVELS - 1) return files[level] ?? 0;
  return files.slice(level).reduce((sum, count) => sum + count, 0);
}
