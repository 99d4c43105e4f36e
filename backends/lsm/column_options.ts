/**
 * Says how the files of a state are made and merged, and what the states of a store have in common.
 *
 * A tree of files has one {@link ColumnOptions}; states whose options are equal can share a tree. What is in
 * {@link StoreOptions} cannot differ: the states of an operator write to the same buffers and read through one cache.
 *
 * Called by: lsm_options.ts, lsm_store.ts and what it is made of; whoever resolves configuration.
 * Calls: compaction_picker.ts for a type; core/nearest_name.ts.
 *
 * @module
 */
import { nearestName } from "../../core/nearest_name.ts";
import type { CompactionRules } from "./compaction_picker.ts";

/** How the blocks of working files are stored. */
export type RunCompression = "none" | "zstd";

/**
 * Options of one state of the LSM backend, complete. Sizes are bytes.
 *
 * Source: Flink has a RocksDB column family for each state, with `ColumnFamilyOptions`.
 */
export interface ColumnOptions extends CompactionRules {
  /** Size of a block before compression, ≥ 64. `state.backend.lsm.block.blocksize`; 4,096. */
  readonly blockBytes: number;
  /** Rows between two that are stored with their whole key, 1..65,535; 16. */
  readonly restartInterval: number;
  /** Bits of bloom filter for each key, 0 = no filters. `state.backend.lsm.bloom-filter.bits-per-key`; 10. */
  readonly bloomBitsPerKey: number;
  /** How blocks are compressed on each level, level 0 first; the last counts for all further ones. Not empty. */
  readonly compressionPerLevel: readonly RunCompression[];
  /** From this size on a compaction begins another file. `state.backend.lsm.compaction.level.target-file-size-base`. */
  readonly targetFileBytes: number;
}

/** Options that the states of one operator have in common. Sizes are bytes. */
export interface StoreOptions {
  /** Size of a write buffer, ≥ 4,096. `state.backend.lsm.writebuffer.size`; 64 MiB. */
  readonly writeBufferBytes: number;
  /**
   * Write buffers there may be, 2 at least; `writeBufferBytes` times as much memory do they have when memory is not
   * managed. `state.backend.lsm.writebuffer.count`; 2.
   */
  readonly writeBufferCount: number;
  /**
   * So many write buffers make one file, fewer than `writeBufferCount`: rows are written when they fill so many.
   * `state.backend.lsm.writebuffer.number-to-merge`; 1.
   */
  readonly buffersToMerge: number;
  /** Memory for cached blocks, indexes and filters when memory is not managed. `state.backend.lsm.block.cache-size`; 8 MiB. */
  readonly cacheBytes: number;
  /**
   * Whether indexes and filters are in memory by parts, those that were used lately, within the share of the cache that
   * is kept for them; else all of them are. `state.backend.lsm.memory.partitioned-index-filters`; false.
   */
  readonly partitionedIndexFilters: boolean;
  /** Size of such a part, ≥ 64: rounded up to a multiple of 64. `state.backend.lsm.block.metadata-blocksize`; 4,096. */
  readonly indexPartBytes: number;
  /** Names of the native metrics to report: `state.backend.lsm.metrics.<name>`; none. */
  readonly metrics: readonly string[];
}

/** What a state has when nobody says anything. */
export const DEFAULT_COLUMN_OPTIONS: ColumnOptions = {
  blockBytes: 4096,
  restartInterval: 16,
  bloomBitsPerKey: 10,
  compressionPerLevel: ["none"],
  targetFileBytes: 67_108_864,
  compactionStyle: "LEVEL",
  dynamicLevelBytes: false,
  levelBaseBytes: 268_435_456,
  levelRatio: 10,
  mergeShare: 0.5,
  minMergedRuns: 4,
  maxLevel0Runs: 8,
  behindRuns: 16,
};

/** What an operator has when nobody says anything. */
export const DEFAULT_STORE_OPTIONS: StoreOptions = {
  writeBufferBytes: 67_108_864,
  writeBufferCount: 2,
  buffersToMerge: 1,
  cacheBytes: 8_388_608,
  partitionedIndexFilters: false,
  indexPartBytes: 4096,
  metrics: [],
};

/** How blocks of a level are compressed. */
export function compressionOf(options: ColumnOptions, level: number): RunCompression {
  const { compressionPerLevel } = options;
  // An options object that was checked has at least one.
  return compressionPerLevel[Math.min(level, compressionPerLevel.length - 1)]!;
}

/** Whether states with these options can share their files. */
export function areEqualColumns(left: ColumnOptions, right: ColumnOptions): boolean {
  return left === right || columnKey(left) === columnKey(right);
}

/** Equal for equal options. */
export function columnKey(options: ColumnOptions): string {
  // Every field of the defaults is there in all; the order is theirs.
  return JSON.stringify(NAMES.map((name) => options[name]));
}

const NAMES = Object.keys(DEFAULT_COLUMN_OPTIONS) as (keyof ColumnOptions)[]; // it has each field of the interface

/** Options of which some may be left out; those count of what they are based on. */
export type Partly<T> = { readonly [K in keyof T]?: T[K] | undefined };

/**
 * Fills in what is not given, and checks it.
 *
 * @param basis What counts for fields that are absent or undefined.
 * @throws {RangeError} If a number is out of range, a word is not one of those there are, or a field does not exist.
 */
export function columnOptions(
  options: Partly<ColumnOptions>,
  basis: ColumnOptions = DEFAULT_COLUMN_OPTIONS,
): ColumnOptions {
  const column = filledIn(options, basis);
  for (const [name, least, most] of COLUMN_RANGES) checkRange(name, column[name], least, most);
  checkRange("maxLevel0Runs", column.maxLevel0Runs, column.minMergedRuns, Infinity);
  checkRange("behindRuns", column.behindRuns, column.maxLevel0Runs, Infinity);
  checkWhole("restartInterval", column.restartInterval);
  checkBoolean("dynamicLevelBytes", column.dynamicLevelBytes);
  const { compressionPerLevel, compactionStyle } = column;
  if (!Array.isArray(compressionPerLevel) || compressionPerLevel.length === 0) {
    refuse("compressionPerLevel is empty, it must have a word for level 0 at least");
  }
  for (const word of compressionPerLevel) checkWord("compressionPerLevel", word, ["none", "zstd"]);
  checkWord("compactionStyle", compactionStyle, ["LEVEL", "UNIVERSAL", "NONE"]);
  return column;
}

/**
 * Fills in what is not given, and checks it.
 *
 * @param basis What counts for fields that are absent or undefined.
 * @throws {RangeError} If a number is out of range, or a field does not exist.
 */
export function storeOptions(options: Partly<StoreOptions>, basis: StoreOptions = DEFAULT_STORE_OPTIONS): StoreOptions {
  const store = filledIn(options, basis);
  checkRange("writeBufferBytes", store.writeBufferBytes, 4096, Infinity);
  checkRange("cacheBytes", store.cacheBytes, 4096, Infinity);
  checkRange("indexPartBytes", store.indexPartBytes, 64, 1 << 24);
  checkWhole("writeBufferCount", store.writeBufferCount);
  checkWhole("buffersToMerge", store.buffersToMerge);
  checkBoolean("partitionedIndexFilters", store.partitionedIndexFilters);
  // As RocksDB does: there is always one buffer to write to beside those that are written to a file.
  const writeBufferCount = Math.max(2, store.writeBufferCount);
  return { ...store, writeBufferCount, buffersToMerge: Math.min(store.buffersToMerge, writeBufferCount - 1) };
}

function filledIn<T extends object>(options: Partly<T>, basis: T): T {
  const complete = { ...basis };
  for (const name of Object.keys(options) as (keyof T & string)[]) { // checked right here
    if (!Object.hasOwn(basis, name)) {
      const nearest = nearestName(name, Object.keys(basis));
      refuse(`there is no option "${name}"; ${nearest === undefined ? "remove it" : `did you mean "${nearest}"?`}`);
    }
    const value = options[name];
    if (value !== undefined) complete[name] = value;
  }
  return complete;
}

type NumberOf = { [K in keyof ColumnOptions]: ColumnOptions[K] extends number ? K : never }[keyof ColumnOptions];

const COLUMN_RANGES: readonly (readonly [name: NumberOf, least: number, most: number])[] = [
  ["blockBytes", 64, 1 << 24],
  ["restartInterval", 1, 65_535],
  ["bloomBitsPerKey", 0, 32],
  ["targetFileBytes", 1, Infinity],
  ["levelBaseBytes", 1, Infinity],
  ["levelRatio", 2, Infinity],
  ["mergeShare", 0, Infinity],
  ["minMergedRuns", 2, Infinity],
];

function checkRange(name: string, value: number, least: number, most: number): void {
  if (typeof value === "number" && value >= least && value <= most) return;
  refuse(`${name} is ${value}, it must be ${most < Infinity ? `in ${least}..${most}` : `at least ${least}`}`);
}

function checkWhole(name: string, value: number): void {
  if (!Number.isInteger(value) || value < 1) refuse(`${name} is ${value}, it must be a whole number of at least 1`);
}

function checkBoolean(name: string, value: boolean): void {
  if (typeof value !== "boolean") refuse(`${name} is ${value}, it must be true or false`);
}

function checkWord(name: string, word: string, words: readonly string[]): void {
  if (!words.includes(word)) refuse(`${name} says "${word}", it must be one of ${words.join(", ")}`);
}

function refuse(what: string): never {
  throw new RangeError(`Cannot set up an LSM store: ${what}`);
}
