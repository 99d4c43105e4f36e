/**
 * Declares the options of the LSM backend alone: its files and how they are merged. The keys are those of Flink's
 * RocksDB, where the meaning is.
 *
 * Called by: backends/lsm/configured_lsm.ts, control/ (reads, checks and documents them).
 * Calls: core/config_option.ts.
 *
 * @module
 */
import type { AnyOption } from "../../core/config.ts";
import { booleanOption, type ConfigOption, doubleOption, enumOption, sizeOption } from "../../core/config_option.ts";
import type { RunCompression } from "./column_options.ts";

/** Values for several options at once. Source: Flink's `PredefinedOptions`. */
export type LsmProfileName =
  | "DEFAULT"
  | "SPINNING_DISK_OPTIMIZED"
  | "SPINNING_DISK_OPTIMIZED_HIGH_MEM"
  | "FLASH_SSD_OPTIMIZED";

function named(suffix: string): { readonly key: string; readonly oldNames: readonly string[] } {
  return { key: `state.backend.lsm.${suffix}`, oldNames: [`state.backend.rocksdb.${suffix}`] };
}

/** Values for several of the options below; one that is set itself wins. */
export const LSM_PROFILE: ConfigOption<LsmProfileName> = enumOption<LsmProfileName, LsmProfileName>(
  named("predefined-options").key,
  ["DEFAULT", "SPINNING_DISK_OPTIMIZED", "SPINNING_DISK_OPTIMIZED_HIGH_MEM", "FLASH_SSD_OPTIMIZED"],
  {
    default: "DEFAULT",
    oldNames: named("predefined-options").oldNames,
    description:
      "Values for several options at once: `SPINNING_DISK_OPTIMIZED_HIGH_MEM` means blocks of 128 kb, files " +
      "of 256 mb and a first level of 1 gb; the others change nothing here. An option that is set itself wins.",
  },
);

/** Bytes of a block, the unit of reading. */
export const LSM_BLOCK_SIZE: ConfigOption<number> = sizeOption(named("block.blocksize").key, {
  default: 4_096,
  min: 256,
  max: 16 * 1024 ** 2,
  oldNames: named("block.blocksize").oldNames,
  description: "Size of a block: what one read from a file takes, and one place of the cache holds.",
});

/** Whether files have filters. */
export const LSM_BLOOM_FILTER: ConfigOption<boolean> = booleanOption(named("use-bloom-filter").key, {
  default: true,
  oldNames: named("use-bloom-filter").oldNames,
  description: "Whether each file has a bloom filter, which saves most reads of files without the key. Flink's " +
    "default is false.",
});

/** Bits of the filter per key. */
export const LSM_BLOOM_BITS: ConfigOption<number> = doubleOption(named("bloom-filter.bits-per-key").key, {
  default: 10,
  min: 1,
  max: 32,
  oldNames: named("bloom-filter.bits-per-key").oldNames,
  description: "Bits of the bloom filter for each key: with 10, one file in a hundred is read in vain.",
});

/** Largest write buffer. */
export const LSM_WRITE_BUFFER_SIZE: ConfigOption<number> = sizeOption(named("writebuffer.size").key, {
  default: 64 * 1024 ** 2,
  min: 4_096,
  oldNames: named("writebuffer.size").oldNames,
  description: "A write buffer of this size is written to a file, though the slot has memory left.",
});

/** Bytes of the first level below the newest files. */
export const LSM_LEVEL_SIZE: ConfigOption<number> = sizeOption(named("compaction.level.max-size-level-base").key, {
  default: 256 * 1024 ** 2,
  min: 4_096,
  oldNames: named("compaction.level.max-size-level-base").oldNames,
  description: "Size from which the first level is merged into the next one.",
});

/** Bytes of a file. */
export const LSM_FILE_SIZE: ConfigOption<number> = sizeOption(named("compaction.level.target-file-size-base").key, {
  default: 64 * 1024 ** 2,
  min: 4_096,
  oldNames: named("compaction.level.target-file-size-base").oldNames,
  description: "Size at which merging begins a new file.",
});

/** Whether blocks are compressed. */
export const LSM_COMPRESSION: ConfigOption<RunCompression> = enumOption<RunCompression, RunCompression>(
  named("compression").key,
  ["none", "zstd"],
  {
    default: "none",
    oldNames: named("compression").oldNames,
    oldValues: { no_compression: "none", zstd_compression: "zstd" },
    description: "Whether blocks of files are compressed: smaller files and checkpoints, slower reads and merges.",
  },
);

/** How files are merged. */
export const LSM_COMPACTION_STYLE: ConfigOption<"LEVEL"> = enumOption(named("compaction.style").key, ["LEVEL"], {
  default: "LEVEL",
  oldNames: named("compaction.style").oldNames,
  refusedValues: {
    UNIVERSAL: "levels are what there is",
    FIFO: "it would lose state",
    NONE: "reads would become slower for ever",
  },
  description: "How files are merged: in levels, each ten times as large as the one before.",
});

/** A statistic of the store that is reported when its option says so. */
export interface NativeMetric {
  /** As in Flink. */
  readonly name: string;
  /** Whether it is reported. */
  readonly isOn: ConfigOption<boolean>;
}

/** Statistics by name. Source: Flink's `RocksDBNativeMetricOptions`. */
export const NATIVE_METRICS: readonly NativeMetric[] = [
  "actual-delayed-write-rate",
  "background-errors",
  "block-cache-capacity",
  "block-cache-hit",
  "block-cache-miss",
  "block-cache-pinned-usage",
  "block-cache-usage",
  "bloom-filter-full-positive",
  "bloom-filter-full-true-positive",
  "bloom-filter-useful",
  "bytes-read",
  "bytes-written",
  "compaction-pending",
  "compaction-read-bytes",
  "compaction-write-bytes",
  "cur-size-active-mem-table",
  "cur-size-all-mem-tables",
  "estimate-live-data-size",
  "estimate-num-keys",
  "estimate-pending-compaction-bytes",
  "estimate-table-readers-mem",
  "is-write-stopped",
  "iter-bytes-read",
  "live-sst-files-size",
  "mem-table-flush-pending",
  "num-deletes-active-mem-table",
  "num-deletes-imm-mem-tables",
  "num-entries-active-mem-table",
  "num-entries-imm-mem-tables",
  "num-files-at-level",
  "num-immutable-mem-table",
  "num-live-versions",
  "num-running-compactions",
  "num-running-flushes",
  "num-snapshots",
  "size-all-mem-tables",
  "stall-micros",
  "total-sst-files-size",
].map((name) => ({
  name,
  isOn: booleanOption(named(`metrics.${name}`).key, {
    default: false,
    oldNames: named(`metrics.${name}`).oldNames,
    description: `Whether the metric \`rocksdb.${name}\` is reported; docs/metrics.md has its meaning.`,
  }),
}));

/** Every option of this folder, in the order of the reference page. */
export const LSM_OPTIONS: readonly AnyOption[] = [
  LSM_PROFILE,
  LSM_BLOCK_SIZE,
  LSM_BLOOM_FILTER,
  LSM_BLOOM_BITS,
  LSM_COMPRESSION,
  LSM_WRITE_BUFFER_SIZE,
  LSM_COMPACTION_STYLE,
  LSM_LEVEL_SIZE,
  LSM_FILE_SIZE,
  ...NATIVE_METRICS.map(({ isOn }) => isOn),
];
