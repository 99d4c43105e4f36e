/**
 * Says how the files of a state are made and merged, and what the states of a store have in common.
 *
 * A tree of files has one {@link ColumnOptions}; states whose options are equal can share a tree. What is in
 * {@link StoreOptions} cannot differ: the states of an operator write to the same buffers and read through one cache.
 *
 * Called by: lsm_options.ts, lsm_store.ts and what it is made of; whoever resolves configuration.
 * Calls: compaction_picker.ts for a type.
 *
 * @module
 */
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
  /** Size at which a write buffer is written to a file. `state.backend.lsm.writebuffer.size`; 64 MiB. */
  readonly writeBufferBytes: number;
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
  levelBaseBytes: 268_435_456,
  levelRatio: 10,
  mergeShare: 0.5,
  minMergedRuns: 4,
  maxLevel0Runs: 8,
  behindRuns: 16,
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

/**
 * Fills in what is not given, and checks it.
 *
 * @param basis What counts for fields that are absent or undefined.
 * @throws {RangeError} If a number is out of range, or a name of a compression does not exist.
 */
export function columnOptions(
  options: { readonly [K in keyof ColumnOptions]?: ColumnOptions[K] | undefined },
  basis: ColumnOptions = DEFAULT_COLUMN_OPTIONS,
): ColumnOptions {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  const complete: ColumnOptions = { ...basis, ...Object.fromEntries(given) };
  for (const [name, least, most] of RANGES) {
    const value = complete[name];
    if (value >= least && value <= most) continue;
    refuse(`${name} is ${value}, it must be ${most < Infinity ? `in ${least}..${most}` : `at least ${least}`}`);
  }
  const { minMergedRuns, maxLevel0Runs, behindRuns, restartInterval, compressionPerLevel } = complete;
  if (!Number.isInteger(restartInterval)) refuse(`restartInterval is ${restartInterval}, it must be a whole number`);
  if (!(maxLevel0Runs >= minMergedRuns)) {
    refuse(`maxLevel0Runs is ${maxLevel0Runs}, it must be at least ${minMergedRuns}`);
  }
  if (!(behindRuns >= maxLevel0Runs)) refuse(`behindRuns is ${behindRuns}, it must be at least ${maxLevel0Runs}`);
  if (compressionPerLevel.length === 0) refuse("compressionPerLevel is empty, it must say something of level 0");
  for (const name of compressionPerLevel) {
    if (name !== "none" && name !== "zstd") refuse(`compressionPerLevel has "${name}", it may have "none" and "zstd"`);
  }
  return complete;
}

type NumberOf = { [K in keyof ColumnOptions]: ColumnOptions[K] extends number ? K : never }[keyof ColumnOptions];

const RANGES: readonly (readonly [name: NumberOf, least: number, most: number])[] = [
  ["blockBytes", 64, 1 << 24],
  ["restartInterval", 1, 65_535],
  ["bloomBitsPerKey", 0, 32],
  ["targetFileBytes", 1, Infinity],
  ["levelBaseBytes", 1, Infinity],
  ["levelRatio", 2, Infinity],
  ["mergeShare", 0, Infinity],
  ["minMergedRuns", 2, Infinity],
];

function refuse(what: string): never {
  throw new RangeError(`Cannot set up an LSM store: ${what}`);
}
