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
import {
  booleanOption,
  type ConfigOption,
  doubleOption,
  enumOption,
  intOption,
  listOption,
  sizeOption,
  stringOption,
} from "../../core/config_option.ts";
import type { RunCompression } from "./column_options.ts";
import type { CompactionStyle } from "./compaction_picker.ts";

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
    description: "Values for several options at once: `SPINNING_DISK_OPTIMIZED` means dynamic level sizes; " +
      "`SPINNING_DISK_OPTIMIZED_HIGH_MEM` also blocks of 128 kb, files of 256 mb, a first level of 1 gb, bloom filters " +
      "and, when memory is not managed, a cache of 256 mb and 4 write buffers of which 3 make a file; " +
      "`FLASH_SSD_OPTIMIZED` means nothing more than `DEFAULT`, as what it sets in Flink is threads. An option that is " +
      "set itself wins.",
  },
);

/** Code that decides about options. */
export const LSM_OPTIONS_FACTORY: ConfigOption<string | undefined> = stringOption(named("options-factory").key, {
  default: undefined,
  oldNames: named("options-factory").oldNames,
  description:
    "What decides about the options of each state, wins over all others here: `./path.ts#name`, relative to " +
    "the working directory, an exported `LsmOptionsFactory`, class or function that makes one. " +
    "`lsmBackend({ optionsFactory })` wins over it.",
});

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

/** Bytes of a write buffer. */
export const LSM_WRITE_BUFFER_SIZE: ConfigOption<number> = sizeOption(named("writebuffer.size").key, {
  default: 64 * 1024 ** 2,
  min: 4_096,
  oldNames: named("writebuffer.size").oldNames,
  description: "Size of a write buffer, which the states of an operator share: from this size on it is written to a " +
    "file, though the slot has memory left.",
});

/** How many write buffers there are. */
export const LSM_WRITE_BUFFER_COUNT: ConfigOption<number> = intOption(named("writebuffer.count").key, {
  default: 2,
  min: 1,
  max: 1_024,
  oldNames: named("writebuffer.count").oldNames,
  description:
    "Write buffers of each operator, the one that is written to included, 2 at least: writers wait when all " +
    "are full. Counts when memory is not managed; else the slot's memory is the limit.",
});

/** How many write buffers make one file. */
export const LSM_BUFFERS_TO_MERGE: ConfigOption<number> = intOption(named("writebuffer.number-to-merge").key, {
  default: 1,
  min: 1,
  max: 1_023,
  oldNames: named("writebuffer.number-to-merge").oldNames,
  description:
    "How many write buffers make one file, fewer than there are: rows are written to a file when they fill " +
    "so many, those that were replaced meanwhile not at all.",
});

/** Bytes of the block cache when memory is not managed. */
export const LSM_CACHE_SIZE: ConfigOption<number> = sizeOption(named("block.cache-size").key, {
  default: 8 * 1024 ** 2,
  min: 4_096,
  oldNames: named("block.cache-size").oldNames,
  description: "Memory of each operator for cached blocks, indexes and filters. Counts when memory is not managed; " +
    "else the cache has what write buffers leave of the slot's memory.",
});

/** Whether indexes and filters are in memory by parts. */
export const LSM_PARTITIONED_INDEXES: ConfigOption<boolean> = booleanOption(
  named("memory.partitioned-index-filters").key,
  {
    default: false,
    oldNames: named("memory.partitioned-index-filters").oldNames,
    description: "Whether indexes and filters are in memory by parts, those that were used lately, within " +
      "`memory.high-prio-pool-ratio` of the cache; else all of them are, and blocks give way. For state whose indexes " +
      "and filters do not fit in memory; reads become slower.",
  },
);

/** Bytes of a part of an index or filter. */
export const LSM_INDEX_PART_SIZE: ConfigOption<number> = sizeOption(named("block.metadata-blocksize").key, {
  default: 4_096,
  min: 64,
  max: 16 * 1024 ** 2,
  oldNames: named("block.metadata-blocksize").oldNames,
  description: "Size of a part of an index or filter; counts with `memory.partitioned-index-filters`.",
});

/** Bytes of the first level below the newest files. */
export const LSM_LEVEL_SIZE: ConfigOption<number> = sizeOption(named("compaction.level.max-size-level-base").key, {
  default: 256 * 1024 ** 2,
  min: 4_096,
  oldNames: named("compaction.level.max-size-level-base").oldNames,
  description: "Size from which the first level is merged into the next one.",
});

/** How much larger the next level may be. */
export const LSM_LEVEL_RATIO: ConfigOption<number> = doubleOption(
  "state.backend.lsm.compaction.level.max-size-multiplier",
  { default: 10, min: 2, description: "How many times as large as the one before a level may be." },
);

/** Whether sizes of levels follow from that of the last one. */
export const LSM_DYNAMIC_LEVELS: ConfigOption<boolean> = booleanOption(named("compaction.level.use-dynamic-size").key, {
  default: false,
  oldNames: named("compaction.level.use-dynamic-size").oldNames,
  description:
    "Whether the sizes of levels follow from that of the last one: nine tenths of all rows are there then, " +
    "and little space is lost to rows that were replaced.",
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

/** How blocks of each level are compressed. */
export const LSM_LEVEL_COMPRESSION: ConfigOption<readonly string[] | undefined> = listOption(
  named("compression.per.level").key,
  {
    default: undefined,
    oldNames: named("compression.per.level").oldNames,
    reject: wrongCompression,
    description: "How files of each level are compressed, the newest level first: `NO_COMPRESSION` or " +
      "`ZSTD_COMPRESSION`; the last word counts for all further levels. Wins over `compression`. Unset: all alike.",
  },
);

/** The word of a compression for an entry of {@link LSM_LEVEL_COMPRESSION}; undefined if there is none. */
export function compressionNamed(word: string): RunCompression | undefined {
  const name = word.trim().toLowerCase().replace(/[_-]compression$/, "");
  if (name === "no" || name === "none") return "none";
  return name === "zstd" ? "zstd" : undefined;
}

function wrongCompression(words: readonly string[]): string | undefined {
  const wrong = words.find((word) => compressionNamed(word) === undefined);
  if (words.length > 0 && wrong === undefined) return undefined;
  const but = wrong === undefined ? "" : `, "${wrong}" is not built into the runtimes`;
  return `a list of NO_COMPRESSION and ZSTD_COMPRESSION${but}`;
}

/** How files are merged. */
export const LSM_COMPACTION_STYLE: ConfigOption<CompactionStyle> = enumOption<CompactionStyle, CompactionStyle>(
  named("compaction.style").key,
  ["LEVEL", "UNIVERSAL", "NONE"],
  {
    default: "LEVEL",
    oldNames: named("compaction.style").oldNames,
    refusedValues: { FIFO: "it deletes the oldest files, and state would be lost" },
    description: "How files are merged: in levels, each larger than the one before; among themselves, so that " +
      "less is written and more has to be looked through; or never.",
  },
);

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

/** Whether the state is a variable of its metrics. */
export const LSM_COLUMN_FAMILY_AS_VARIABLE: ConfigOption<boolean> = booleanOption(
  named("metrics.column-family-as-variable").key,
  {
    default: false,
    oldNames: named("metrics.column-family-as-variable").oldNames,
    description: "Whether the state is a variable of its native metrics, in Prometheus the label `column_family`, " +
      "instead of a part of their names.",
  },
);

/** Every option of this folder, in the order of the reference page. */
export const LSM_OPTIONS: readonly AnyOption[] = [
  LSM_PROFILE,
  LSM_OPTIONS_FACTORY,
  LSM_BLOCK_SIZE,
  LSM_BLOOM_FILTER,
  LSM_BLOOM_BITS,
  LSM_COMPRESSION,
  LSM_LEVEL_COMPRESSION,
  LSM_WRITE_BUFFER_SIZE,
  LSM_WRITE_BUFFER_COUNT,
  LSM_BUFFERS_TO_MERGE,
  LSM_CACHE_SIZE,
  LSM_PARTITIONED_INDEXES,
  LSM_INDEX_PART_SIZE,
  LSM_COMPACTION_STYLE,
  LSM_DYNAMIC_LEVELS,
  LSM_LEVEL_SIZE,
  LSM_LEVEL_RATIO,
  LSM_FILE_SIZE,
  ...NATIVE_METRICS.map(({ isOn }) => isOn),
  LSM_COLUMN_FAMILY_AS_VARIABLE,
];
