/**
 * Turns the options of the LSM backend into what its stores are made with. Pure.
 *
 * Called by: whoever makes backends from configuration.
 * Calls: backends/lsm/options.ts.
 *
 * @module
 */
import type { Configuration } from "../../core/config.ts";
import type { ConfigOption } from "../../core/config_option.ts";
import type { RunCompression } from "./column_options.ts";
import {
  LSM_BLOCK_SIZE,
  LSM_BLOOM_BITS,
  LSM_BLOOM_FILTER,
  LSM_COMPRESSION,
  LSM_FILE_SIZE,
  LSM_LEVEL_SIZE,
  LSM_PROFILE,
  LSM_WRITE_BUFFER_SIZE,
  type LsmProfileName,
  NATIVE_METRICS,
} from "./options.ts";

/** What configuration says about the stores of a job. */
export interface ConfiguredLsm {
  /** Size of a block before compression, bytes. */
  readonly blockBytes: number;
  /** Bits of the bloom filter for each key; 0 = no filter. */
  readonly bloomBitsPerKey: number;
  /** How blocks are compressed. */
  readonly compression: RunCompression;
  /** Size at which a write buffer is written to a file, bytes. */
  readonly writeBufferBytes: number;
  /** Size of level 1, bytes. */
  readonly levelBaseBytes: number;
  /** From this size on a compaction begins another file, bytes. */
  readonly targetFileBytes: number;
  /** Names of the native metrics to report. */
  readonly metrics: readonly string[];
}

/** Option → value, where a profile differs from the defaults and Weir has the option. */
const PROFILES: Readonly<Record<LsmProfileName, ReadonlyMap<ConfigOption<number>, number>>> = {
  DEFAULT: new Map(),
  SPINNING_DISK_OPTIMIZED: new Map(),
  SPINNING_DISK_OPTIMIZED_HIGH_MEM: new Map([
    [LSM_BLOCK_SIZE, 128 * 1024],
    [LSM_LEVEL_SIZE, 1024 ** 3],
    [LSM_FILE_SIZE, 256 * 1024 ** 2],
  ]),
  FLASH_SSD_OPTIMIZED: new Map(),
};

/** Reads the options: one that somebody has set wins over the profile, that over the default. */
export function configuredLsm(configuration: Configuration): ConfiguredLsm {
  const profile = PROFILES[configuration.get(LSM_PROFILE)];
  const sizeOf = (option: ConfigOption<number>): number =>
    configuration.has(option) ? configuration.get(option) : profile.get(option) ?? option.defaultValue;
  return {
    blockBytes: sizeOf(LSM_BLOCK_SIZE),
    bloomBitsPerKey: configuration.get(LSM_BLOOM_FILTER) ? configuration.get(LSM_BLOOM_BITS) : 0,
    compression: configuration.get(LSM_COMPRESSION),
    writeBufferBytes: sizeOf(LSM_WRITE_BUFFER_SIZE),
    levelBaseBytes: sizeOf(LSM_LEVEL_SIZE),
    targetFileBytes: sizeOf(LSM_FILE_SIZE),
    metrics: NATIVE_METRICS.filter(({ isOn }) => configuration.get(isOn)).map(({ name }) => name),
  };
}
