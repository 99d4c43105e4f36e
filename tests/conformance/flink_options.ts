/**
 * The options of Flink that concern state backends and checkpoints, as its versions 1.18 and 1.20 have them, in our
 * words: a line has the key of 1.20, the spellings of earlier versions, the type with the values that have a name, and
 * the default of 1.20.
 *
 * Called by: tests/conformance/option_map.ts.
 * Calls: nothing.
 */
import type { OptionType } from "../../core/config_option.ts";

/** One option of Flink's. */
export interface FlinkOption {
  readonly key: string;
  /** Spellings of earlier versions that still count there. */
  readonly oldNames: readonly string[];
  /** As one of the types here. */
  readonly type: OptionType;
  /** Those of a choice that Flink knows by name; empty for other types. */
  readonly values: readonly string[];
  /** As Flink writes it; "none" when there is none. */
  readonly default: string;
}

const SELECTION = `
state.backend.type | state.backend | string(hashmap rocksdb jobmanager filesystem forst) | hashmap
state.latency-track.keyed-state-enabled | state.backend.latency-track.keyed-state-enabled | boolean | false
state.latency-track.sample-interval | state.backend.latency-track.sample-interval | int | 100
state.latency-track.history-size | state.backend.latency-track.history-size | int | 128
state.latency-track.state-name-as-variable | state.backend.latency-track.state-name-as-variable | boolean | true
table.exec.state.ttl | | duration | 0 ms
`;

const STORAGE = `
execution.checkpointing.storage | state.checkpoint-storage | string(jobmanager filesystem) | none
execution.checkpointing.dir | state.checkpoints.dir, state.backend.fs.checkpointdir | string | none
execution.checkpointing.savepoint-dir | state.savepoints.dir | string | none
execution.checkpointing.create-subdir | state.checkpoints.create-subdir | boolean | true
execution.checkpointing.num-retained | state.checkpoints.num-retained | int | 1
execution.checkpointing.incremental | state.backend.incremental | boolean | false
execution.checkpointing.data-inline-threshold | state.storage.fs.memory-threshold | size | 20 kb
execution.checkpointing.write-buffer-size | state.storage.fs.write-buffer-size | int | 4096
execution.checkpointing.cleaner.parallel-mode | state.checkpoint.cleaner.parallel-mode | boolean | true
execution.checkpointing.local-backup.enabled | state.backend.local-recovery | boolean | false
execution.checkpointing.local-backup.dirs | taskmanager.state.local.root-dirs | list | none
execution.state-recovery.from-local | state.backend.local-recovery | boolean | false
execution.checkpointing.externalized-checkpoint-retention | \
| enum(DELETE_ON_CANCELLATION RETAIN_ON_CANCELLATION NO_EXTERNALIZED_CHECKPOINTS) | NO_EXTERNALIZED_CHECKPOINTS
execution.checkpointing.file-merging.enabled | | boolean | false
execution.checkpointing.file-merging.across-checkpoint-boundary | | boolean | false
execution.checkpointing.file-merging.max-file-size | | size | 32 mb
execution.checkpointing.file-merging.max-space-amplification | | double | 2.0
execution.checkpointing.file-merging.pool-blocking | | boolean | false
`;

const TRIGGERING = `
execution.checkpointing.interval | | duration | none
execution.checkpointing.interval-during-backlog | | duration | none
execution.checkpointing.mode | | enum(EXACTLY_ONCE AT_LEAST_ONCE) | EXACTLY_ONCE
execution.checkpointing.timeout | | duration | 10 min
execution.checkpointing.min-pause | | duration | 0 ms
execution.checkpointing.max-concurrent-checkpoints | | int | 1
execution.checkpointing.tolerable-failed-checkpoints | | int | 0
execution.checkpointing.checkpoints-after-tasks-finish | \
execution.checkpointing.checkpoints-after-tasks-finish.enabled | boolean | true
execution.checkpointing.unaligned.enabled | execution.checkpointing.unaligned | boolean | false
execution.checkpointing.unaligned.forced | | boolean | false
execution.checkpointing.aligned-checkpoint-timeout | execution.checkpointing.alignment-timeout | duration | 0 ms
execution.checkpointing.unaligned.max-subtasks-per-channel-state-file | | int | 5
execution.checkpointing.unaligned.interruptible-timers.enabled | | boolean | false
execution.state-recovery.without-channel-state.checkpoint-id | \
execution.checkpointing.recover-without-channel-state.checkpoint-id | int | -1
execution.checkpointing.snapshot-compression | | boolean | false
execution.buffer-timeout.interval | execution.buffer-timeout | duration | 100 ms
pipeline.max-parallelism | | int | -1
pipeline.auto-watermark-interval | | duration | 200 ms
pipeline.object-reuse | | boolean | false
`;

const RECOVERY = `
execution.state-recovery.path | execution.savepoint.path | string | none
execution.state-recovery.claim-mode | execution.savepoint-restore-mode | enum(CLAIM NO_CLAIM LEGACY) | NO_CLAIM
execution.state-recovery.ignore-unclaimed-state | execution.savepoint.ignore-unclaimed-state | boolean | false
`;

/** Behind `state.backend.rocksdb.`. */
const ROCKSDB = `
localdir | | list | none
checkpoint.transfer.thread.num | | int | 4
timer-service.factory | | enum(ROCKSDB HEAP) | ROCKSDB
timer-service.cache-size | | int | 128
predefined-options | \
| enum(DEFAULT SPINNING_DISK_OPTIMIZED SPINNING_DISK_OPTIMIZED_HIGH_MEM FLASH_SSD_OPTIMIZED) | DEFAULT
options-factory | | string | none
memory.managed | | boolean | true
memory.fixed-per-slot | | size | none
memory.fixed-per-tm | | size | none
memory.write-buffer-ratio | | double | 0.5
memory.high-prio-pool-ratio | | double | 0.1
memory.partitioned-index-filters | | boolean | false
thread.num | | int | 2
files.open | | int | -1
log.level | | enum(INFO_LEVEL) | INFO_LEVEL
log.dir | | string | none
log.max-file-size | | size | 25 mb
log.file-num | | int | 4
compaction.style | | enum(LEVEL UNIVERSAL FIFO NONE) | LEVEL
compression.per.level | | list | SNAPPY_COMPRESSION
compaction.level.use-dynamic-size | | boolean | false
compaction.level.target-file-size-base | | size | 64 mb
compaction.level.max-size-level-base | | size | 256 mb
writebuffer.size | | size | 64 mb
writebuffer.count | | int | 2
writebuffer.number-to-merge | | int | 1
block.blocksize | | size | 4 kb
block.metadata-blocksize | | size | 4 kb
block.cache-size | | size | 8 mb
write-batch-size | | size | 2 mb
use-bloom-filter | | boolean | false
bloom-filter.bits-per-key | | double | 10.0
bloom-filter.block-based-mode | | boolean | false
restore-overlap-fraction-threshold | | double | 0.0
use-ingest-db-restore-mode | | boolean | false
incremental-restore-async-compact-after-rescale | | boolean | false
rescaling.use-delete-files-in-range | | boolean | false
compaction.filter.query-time-after-num-entries | | int | 1000
compaction.filter.periodic-compaction-time | | duration | 30 d
manual-compaction.min-interval | | duration | 0 ms
manual-compaction.max-parallel-compactions | | int | 5
manual-compaction.max-file-size-to-compact | | size | 50 kb
manual-compaction.min-files-to-compact | | int | 5
manual-compaction.max-files-to-compact | | int | 30
manual-compaction.max-output-file-size | | size | 64 mb
manual-compaction.max-auto-compactions | | int | 30
`;

/** Behind `state.backend.rocksdb.metrics.`; each is false unless it is set. */
const ROCKSDB_METRICS = `
actual-delayed-write-rate background-errors block-cache-capacity block-cache-hit block-cache-miss
block-cache-pinned-usage block-cache-usage bloom-filter-full-positive bloom-filter-full-true-positive
bloom-filter-useful bytes-read bytes-written column-family-as-variable compaction-pending compaction-read-bytes
compaction-write-bytes cur-size-active-mem-table cur-size-all-mem-tables estimate-live-data-size estimate-num-keys
estimate-pending-compaction-bytes estimate-table-readers-mem is-write-stopped iter-bytes-read live-sst-files-size
mem-table-flush-pending num-deletes-active-mem-table num-deletes-imm-mem-tables num-entries-active-mem-table
num-entries-imm-mem-tables num-files-at-level num-immutable-mem-table num-live-versions num-running-compactions
num-running-flushes num-snapshots size-all-mem-tables stall-micros total-sst-files-size
`;

/** Behind `state.backend.forst.`, in 2.x. */
const FORST = `
primary-dir | | string | none
local-dir | | string | none
cache.dir | | string | none
cache.size-based-limit | | size | 0 bytes
cache.reserve-size | | size | 256 mb
cache.lru.access-before-promote | | int | 6
cache.lru.promote-limit | | int | 3
executor.read-io-parallelism | | int | 3
executor.write-io-parallelism | | int | 1
executor.inline-write | | boolean | true
executor.inline-coordinator | | boolean | false
memory.managed | | boolean | true
memory.fixed-per-slot | | size | none
memory.fixed-per-tm | | size | none
memory.write-buffer-ratio | | double | 0.5
memory.high-prio-pool-ratio | | double | 0.1
memory.partitioned-index-filters | | boolean | true
options-factory | | string | none
sync.enforce-local | | boolean | true
timer-service.factory | | enum(ForStDB HEAP) | ForStDB
timer-service.cache-size | | int | 128
`;

const CHANGELOG = `
state.changelog.enabled | state.backend.changelog.enabled | boolean | false
state.changelog.storage | state.backend.changelog.storage | string(memory filesystem) | memory
state.changelog.periodic-materialize.enabled | | boolean | true
state.changelog.periodic-materialize.interval | \
state.backend.changelog.periodic-materialize.interval | duration | 10 min
state.changelog.max-failures-allowed | state.backend.changelog.max-failures-allowed | int | 3
`;

/** Behind `state.changelog.dstl.dfs.`, in 1.18 `dstl.dfs.`. */
const CHANGELOG_FILES = `
base-path | | string | none
batch.persist-delay | | duration | 10 ms
batch.persist-size-threshold | | size | 10 mb
preemptive-persist-threshold | | size | 5 mb
upload.max-in-flight | | size | 100 mb
upload.num-threads | | int | 5
upload.buffer-size | | size | 1 mb
upload.retry-policy | | string(fixed none) | fixed
upload.max-attempts | | int | 3
upload.timeout | | duration | 1 s
upload.next-attempt-delay | | duration | 500 ms
discard.num-threads | | int | 1
compression.enabled | | boolean | false
download.local-cache.idle-timeout-ms | | duration | 10 min
`;

function listed(lines: string, prefix = "", oldPrefix?: string): FlinkOption[] {
  return lines.trim().split("\n").map((line) => {
    const [name, old, type, value] = line.split("|").map((cell) => cell.trim());
    const oldNames = old!.split(",").map((one) => one.trim()).filter((one) => one !== "");
    if (oldPrefix !== undefined) oldNames.push(oldPrefix + name);
    const [, word, values] = /^(\w+)(?:\((.*)\))?$/.exec(type!)!;
    // Every line above names one of the types.
    return {
      key: prefix + name,
      oldNames,
      type: word as OptionType,
      values: values?.split(" ") ?? [],
      default: value!,
    };
  });
}

/** Every option, in the order of the tables above. */
export const FLINK_OPTIONS: readonly FlinkOption[] = [
  ...listed(SELECTION),
  ...listed(STORAGE),
  ...listed(TRIGGERING),
  ...listed(RECOVERY),
  ...listed(ROCKSDB, "state.backend.rocksdb."),
  ...ROCKSDB_METRICS.trim().split(/\s+/).map((name): FlinkOption => ({
    key: `state.backend.rocksdb.metrics.${name}`,
    oldNames: [],
    type: "boolean",
    values: [],
    default: "false",
  })),
  ...listed(FORST, "state.backend.forst."),
  ...listed(CHANGELOG),
  ...listed(CHANGELOG_FILES, "state.changelog.dstl.dfs.", "dstl.dfs."),
];
