/**
 * How an LSM store is set up.
 *
 * Called by: lsm_store.ts; whoever makes the factory from the configuration.
 * Calls: compaction_picker.ts for a type.
 *
 * @module
 */
import type { CompactionRules } from "./compaction_picker.ts";

/** How an LSM store is set up; every field has a default. */
export interface LsmOptions {
  /** Size of a block before compression, bytes. `state.backend.rocksdb.block.blocksize`; 4,096. */
  readonly blockBytes?: number;
  /** Bits of bloom filter for each key, 0 = no filters. `state.backend.rocksdb.bloom-filter.bits-per-key`; 10. */
  readonly bloomBitsPerKey?: number;
  /** How blocks are compressed; none by default. */
  readonly compression?: "none" | "zstd";
  /** From this size on a compaction begins another file, bytes. `…compaction.level.target-file-size-base`; 64 MiB. */
  readonly targetFileBytes?: number;
  /** Size of level 1, bytes. `…compaction.level.max-size-level-base`; 256 MiB. */
  readonly levelBaseBytes?: number;
  /** Each level may be this many times as large as the one before; 10. */
  readonly levelRatio?: number;
  /** Level 0 goes into level 1 when it has this part of its size; 0.5. */
  readonly mergeShare?: number;
  /** So many runs of level 0, at least, are merged among themselves; 4. */
  readonly minMergedRuns?: number;
  /** From so many runs of level 0 on some are merged whatever their sizes; 8. */
  readonly maxLevel0Runs?: number;
  /** From so many runs of level 0 on writers wait; 16. */
  readonly behindRuns?: number;
  /** Names of the native metrics to report: `state.backend.rocksdb.metrics.<name>`; none. */
  readonly metrics?: readonly string[];
}

/** The options with their defaults. */
export interface LsmSettings extends CompactionRules {
  readonly blockBytes: number;
  readonly bloomBitsPerKey: number;
  readonly compression: "none" | "zstd";
  readonly targetFileBytes: number;
}

/** Fills in the defaults. @throws {RangeError} If a number is out of range. */
export function lsmSettings(options: LsmOptions): LsmSettings {
  const settings: LsmSettings = {
    blockBytes: options.blockBytes ?? 4096,
    bloomBitsPerKey: options.bloomBitsPerKey ?? 10,
    compression: options.compression ?? "none",
    targetFileBytes: options.targetFileBytes ?? 67_108_864,
    levelBaseBytes: options.levelBaseBytes ?? 268_435_456,
    levelRatio: options.levelRatio ?? 10,
    mergeShare: options.mergeShare ?? 0.5,
    minMergedRuns: options.minMergedRuns ?? 4,
    maxLevel0Runs: options.maxLevel0Runs ?? 8,
    behindRuns: options.behindRuns ?? 16,
  };
  atLeast(settings, "blockBytes", 64);
  atLeast(settings, "bloomBitsPerKey", 0);
  atLeast(settings, "targetFileBytes", 1);
  atLeast(settings, "levelBaseBytes", 1);
  atLeast(settings, "levelRatio", 2);
  atLeast(settings, "mergeShare", 0);
  atLeast(settings, "minMergedRuns", 2);
  atLeast(settings, "maxLevel0Runs", settings.minMergedRuns);
  atLeast(settings, "behindRuns", settings.maxLevel0Runs);
  return settings;
}

type NumberOf = { [K in keyof LsmSettings]: LsmSettings[K] extends number ? K : never }[keyof LsmSettings];

function atLeast(settings: LsmSettings, name: NumberOf, least: number): void {
  const value = settings[name];
  if (value >= least) return;
  throw new RangeError(`Cannot set up an LSM store: ${name} is ${value}, it must be at least ${least}`);
}
