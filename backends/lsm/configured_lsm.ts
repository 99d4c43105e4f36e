/**
 * Turns the options of the LSM backend into what its stores are made with. Pure.
 *
 * Who wins, the strongest first: memory that a slot shares, the options factory, an option that is set, the profile,
 * the default. Source: Flink's `RocksDBResourceContainer`.
 *
 * Called by: whoever makes backends from configuration.
 * Calls: backends/lsm/options.ts, profiles.ts, options_factory.ts, column_options.ts.
 *
 * @module
 */
import type { Configuration } from "../../core/config.ts";
import type { ConfigOption } from "../../core/config_option.ts";
import { formatSize } from "../../core/config_units.ts";
import { LSM_EMBEDDED_OPTIONS } from "../embedded/options.ts";
import type { SlotMemoryOptions } from "../embedded/slot_memory.ts";
import {
  areEqualColumns,
  type ColumnOptions,
  columnOptions,
  type RunCompression,
  type StoreOptions,
  storeOptions,
} from "./column_options.ts";
import { columnOf, configuredFactory, type LsmOptionsFactory, storeOf } from "./options_factory.ts";
import {
  compressionNamed,
  LSM_BLOCK_SIZE,
  LSM_BLOOM_BITS,
  LSM_BLOOM_FILTER,
  LSM_BUFFERS_TO_MERGE,
  LSM_CACHE_SIZE,
  LSM_COLUMN_FAMILY_AS_VARIABLE,
  LSM_COMPACTION_STYLE,
  LSM_COMPRESSION,
  LSM_DYNAMIC_LEVELS,
  LSM_FILE_SIZE,
  LSM_INDEX_PART_SIZE,
  LSM_LEVEL_COMPRESSION,
  LSM_LEVEL_RATIO,
  LSM_LEVEL_SIZE,
  LSM_PARTITIONED_INDEXES,
  LSM_PROFILE,
  LSM_WRITE_BUFFER_COUNT,
  LSM_WRITE_BUFFER_SIZE,
  NATIVE_METRICS,
} from "./options.ts";
import { LSM_PROFILES } from "./profiles.ts";

/** What stands beside the configuration. */
export interface LsmSurroundings {
  /** Decides about options; not configured yet. */
  readonly factory?: LsmOptionsFactory | undefined;
  /** The memory that the operators of a slot share, whatever the options say; absent: each has its own. */
  readonly sharedMemory?: SlotMemoryOptions | undefined;
}

/** What the stores of a job are made with. */
export interface ConfiguredLsm {
  /** What states have that the factory says nothing else of. */
  readonly column: ColumnOptions;
  /** The options of a state, the same object as `column` if they are equal to it; absent: no state has its own. */
  readonly columnOf?: (stateName: string) => ColumnOptions;
  /** What the states of an operator have in common. */
  readonly store: StoreOptions;
  /** Whether the state is a variable of its metrics instead of a part of their names. */
  readonly columnFamilyAsVariable: boolean;
  /** The memory of a slot; of each operator when it is not shared. */
  readonly memory: SlotMemoryOptions;
  /** Whether `memory` is that of a slot: then neither the number of buffers nor the size of the cache counts. */
  readonly sharesMemory: boolean;
  /** From this size on a write buffer is written to a file. */
  readonly maxBufferBytes: number;
  /** What the user should know of buffers that are too small; null: nothing. */
  readonly bufferNotice: string | null;
}

/** Option of a state → field, where the value is taken as it is. */
const COLUMN_FIELDS: readonly (readonly [option: ConfigOption<unknown>, field: keyof ColumnOptions])[] = [
  [LSM_BLOCK_SIZE, "blockBytes"],
  [LSM_FILE_SIZE, "targetFileBytes"],
  [LSM_COMPACTION_STYLE, "compactionStyle"],
  [LSM_DYNAMIC_LEVELS, "dynamicLevelBytes"],
  [LSM_LEVEL_SIZE, "levelBaseBytes"],
  [LSM_LEVEL_RATIO, "levelRatio"],
];

/** Option of a store → field. */
const STORE_FIELDS: readonly (readonly [option: ConfigOption<unknown>, field: keyof StoreOptions])[] = [
  [LSM_WRITE_BUFFER_SIZE, "writeBufferBytes"],
  [LSM_WRITE_BUFFER_COUNT, "writeBufferCount"],
  [LSM_BUFFERS_TO_MERGE, "buffersToMerge"],
  [LSM_CACHE_SIZE, "cacheBytes"],
  [LSM_PARTITIONED_INDEXES, "partitionedIndexFilters"],
  [LSM_INDEX_PART_SIZE, "indexPartBytes"],
];

/** Resolves the options of a job. @throws {StreamError} "invalid" if the factory fails, or says what cannot be. */
export function configuredLsm(
  configuration: Configuration,
  { factory: given, sharedMemory }: LsmSurroundings,
): ConfiguredLsm {
  const profile = LSM_PROFILES[configuration.get(LSM_PROFILE)];
  const column = columnOptions(setColumn(configuration), columnOptions(profile.column));
  const metrics = NATIVE_METRICS.filter(({ isOn }) => configuration.get(isOn)).map(({ name }) => name);
  const configured = storeOptions({ ...setFields(configuration, STORE_FIELDS), metrics }, storeOptions(profile.store));
  const factory = given === undefined ? undefined : configuredFactory(given, configuration);
  const store = factory === undefined ? configured : storeOf(factory, configured);
  const resolved: ConfiguredLsm = {
    column,
    store,
    columnFamilyAsVariable: configuration.get(LSM_COLUMN_FAMILY_AS_VARIABLE),
    memory: sharedMemory ?? ownMemory(store, configuration),
    sharesMemory: sharedMemory !== undefined,
    maxBufferBytes: store.writeBufferBytes * store.buffersToMerge,
    bufferNotice: sharedMemory === undefined ? null : bufferNotice(store.writeBufferBytes, sharedMemory),
  };
  if (factory?.columnOptions === undefined) return resolved;
  const ask = (stateName: string): ColumnOptions => {
    const own = columnOf(factory, column, stateName);
    return areEqualColumns(own, column) ? column : own;
  };
  return { ...resolved, columnOf: askedOnce(ask) };
}

/** The memory of each operator when slots do not share any. */
function ownMemory(store: StoreOptions, configuration: Configuration): SlotMemoryOptions {
  const writeBytes = store.writeBufferBytes * store.writeBufferCount;
  const bytes = writeBytes + store.cacheBytes;
  const highPriorityPoolRatio = configuration.get(LSM_EMBEDDED_OPTIONS.highPriorityPoolRatio);
  return { bytes, writeBytes, writeBufferRatio: writeBytes / bytes, highPriorityPoolRatio };
}

/** Bytes that RocksDB allocates at once for a buffer: an eighth of it, in pages of 4 KiB. */
function arenaBlockBytes(writeBufferBytes: number): number {
  return Math.ceil(writeBufferBytes / 8 / 4_096) * 4_096;
}

/**
 * What to say when a slot has so little memory for write buffers that they are flushed all the time.
 *
 * Source: Flink's `RocksDBMemoryControllerUtils.validateArenaBlockSize`, which warns in the same cases but for the share
 * of write buffers, which is all of `memory.write-buffer-ratio` here.
 */
export function bufferNotice(writeBufferBytes: number, { bytes, writeBufferRatio }: SlotMemoryOptions): string | null {
  const mutableBytes = Math.floor((Math.floor(bytes * writeBufferRatio) * 7) / 8);
  if (arenaBlockBytes(writeBufferBytes) <= mutableBytes) return null;
  const { fixedPerSlot, writeBufferRatio: ratio } = LSM_EMBEDDED_OPTIONS;
  return `Write buffers of a slot have ${formatSize(mutableBytes)}, less than an eighth of one that ` +
    `${LSM_WRITE_BUFFER_SIZE.key} (${
      formatSize(writeBufferBytes)
    }) allows: they are written to many small files, which ` +
    `costs time; raise ${fixedPerSlot.key} or ${ratio.key}, or lower ${LSM_WRITE_BUFFER_SIZE.key}`;
}

function setColumn(configuration: Configuration): Partial<ColumnOptions> {
  return {
    ...setFields(configuration, COLUMN_FIELDS),
    ...setBloom(configuration),
    ...setCompression(configuration),
  };
}

/** Fields whose options are set. */
function setFields<K extends string>(
  configuration: Configuration,
  fields: readonly (readonly [option: ConfigOption<unknown>, field: K])[],
): Partial<Record<K, never>> {
  const set = fields.filter(([option]) => configuration.has(option));
  // Each option has the type of its field.
  return Object.fromEntries(set.map(([option, field]) => [field, configuration.get(option)])) as Partial<
    Record<K, never>
  >;
}

function setBloom(configuration: Configuration): Partial<ColumnOptions> {
  if (!configuration.has(LSM_BLOOM_FILTER) && !configuration.has(LSM_BLOOM_BITS)) return {};
  return { bloomBitsPerKey: configuration.get(LSM_BLOOM_FILTER) ? configuration.get(LSM_BLOOM_BITS) : 0 };
}

function setCompression(configuration: Configuration): Partial<ColumnOptions> {
  const perLevel = configuration.get(LSM_LEVEL_COMPRESSION);
  // The option has refused all other words.
  if (perLevel !== undefined) return { compressionPerLevel: perLevel.map(compressionNamed) as RunCompression[] };
  return configuration.has(LSM_COMPRESSION) ? { compressionPerLevel: [configuration.get(LSM_COMPRESSION)] } : {};
}

/** Remembers answers: a state is asked for by each subtask. */
function askedOnce(ask: (stateName: string) => ColumnOptions): (stateName: string) => ColumnOptions {
  const known = new Map<string, ColumnOptions>();
  return (stateName) => {
    let column = known.get(stateName);
    if (column === undefined) known.set(stateName, column = ask(stateName));
    return column;
  };
}
