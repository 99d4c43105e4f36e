/**
 * What the profiles of the LSM backend set.
 *
 * Called by: configured_lsm.ts.
 * Calls: nothing.
 *
 * Source: Flink's `PredefinedOptions`. Left out is what Weir does anyway or does not have: how many files are open (all),
 * fsync of working files (never), background threads.
 *
 * @module
 */
import type { ColumnOptions, StoreOptions } from "./column_options.ts";
import type { LsmProfileName } from "./options.ts";

/** Options that differ from the defaults. */
export interface LsmProfile {
  /** Of each state. */
  readonly column: Partial<ColumnOptions>;
  /** Of each operator. */
  readonly store: Partial<StoreOptions>;
}

const MIB = 1024 ** 2;

/** By name. */
export const LSM_PROFILES: Readonly<Record<LsmProfileName, LsmProfile>> = {
  DEFAULT: { column: {}, store: {} },
  SPINNING_DISK_OPTIMIZED: { column: { compactionStyle: "LEVEL", dynamicLevelBytes: true }, store: {} },
  SPINNING_DISK_OPTIMIZED_HIGH_MEM: {
    column: {
      blockBytes: 128 * 1024,
      bloomBitsPerKey: 10,
      dynamicLevelBytes: true,
      levelBaseBytes: 1024 * MIB,
      targetFileBytes: 256 * MIB,
    },
    store: { cacheBytes: 256 * MIB, writeBufferBytes: 64 * MIB, writeBufferCount: 4, buffersToMerge: 3 },
  },
  FLASH_SSD_OPTIMIZED: { column: {}, store: {} },
};
