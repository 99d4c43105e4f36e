/**
 * What a script says about where state and checkpoints are kept, with its options. Nothing of a backend is loaded here.
 *
 * Called by: pipeline scripts, through `mod.ts`; control/stream_environment.ts.
 * Calls: the options of backends/ and runtime/timer_options.ts.
 *
 * @module
 */
import { type EmbeddedOptions, LMDB_EMBEDDED_OPTIONS, LSM_EMBEDDED_OPTIONS } from "../backends/embedded/options.ts";
import {
  LSM_BLOCK_SIZE,
  LSM_BLOOM_BITS,
  LSM_BLOOM_FILTER,
  LSM_BUFFERS_TO_MERGE,
  LSM_CACHE_SIZE,
  LSM_COLUMN_FAMILY_AS_VARIABLE,
  LSM_COMPACTION_STYLE,
  LSM_DYNAMIC_LEVELS,
  LSM_FILE_SIZE,
  LSM_LEVEL_COMPRESSION,
  LSM_LEVEL_RATIO,
  LSM_LEVEL_SIZE,
  LSM_PROFILE,
  LSM_WRITE_BUFFER_COUNT,
  LSM_WRITE_BUFFER_SIZE,
  type LsmProfileName,
  NATIVE_METRICS,
} from "../backends/lsm/options.ts";
import type { RunCompression } from "../backends/lsm/column_options.ts";
import type { CompactionStyle } from "../backends/lsm/compaction_picker.ts";
import { asOptionsFactory, type LsmOptionsFactory } from "../backends/lsm/options_factory.ts";
import {
  CHECKPOINT_DIR,
  CHECKPOINT_STORAGE,
  CHECKPOINT_TRANSFER,
  INCREMENTAL_CHECKPOINTS,
  INLINE_THRESHOLD,
  MAX_STATE_IN_MEMORY,
} from "../checkpoint/options.ts";
import type { StateBackendFactory } from "../core/backend.ts";
import { STATE_BACKEND } from "../runtime/options.ts";
import { type TimerQueueKind, TIMERS_OF_BACKEND } from "../runtime/timer_options.ts";

/** What all of Weir's backends have in common. What is not set here comes from the configuration. */
export interface HeapBackendSettings {
  /** Whether a checkpoint holds only what has changed; wins over `execution.checkpointing.incremental`. Default true. */
  readonly incremental?: boolean;
}

/** What the backends on disk have in common. What is not set here comes from the configuration. */
export interface EmbeddedBackendSettings extends HeapBackendSettings {
  /** Memory of each slot, bytes or a size such as "64 mb": write buffers, cached blocks, indexes. Default 128 MiB. */
  readonly memoryPerSlot?: number | string;
  /** Share of it that write buffers have, between 0 and 1. Default 0.5. */
  readonly writeBufferRatio?: number;
  /** Share of the block cache that is kept for indexes and filters, between 0 and 1. Default 0.1. */
  readonly highPriorityPoolRatio?: number;
  /** Folders for working files, absolute; the first that can be written to is used. Default: that for temporary files. */
  readonly directories?: string | readonly string[];
  /** Whether timers are kept in the store or in memory. Default "embedded". */
  readonly timers?: TimerQueueKind;
  /** How many of the earliest timers of each key group are in memory as well. Default 128. */
  readonly timerCacheSize?: number;
}

/** Settings of {@link lsmBackend}; docs/configuration.md says more about each. */
export interface LsmBackendSettings extends EmbeddedBackendSettings {
  /** Values for several of the others; those that are set win. */
  readonly profile?: LsmProfileName;
  /** Size of a block, bytes or a size such as "4 kb". */
  readonly blockSize?: number | string;
  /** Bits of bloom filter for each key; 0 = no filters. Default 10. */
  readonly bloomBitsPerKey?: number;
  /** How files are compressed; a list says it of each level, the newest first. Default "none". */
  readonly compression?: RunCompression | readonly RunCompression[];
  /** Size at which a write buffer is written to a file. Default 64 MiB. */
  readonly writeBufferSize?: number | string;
  /** Write buffers of each operator, when memory is not managed. Default 2. */
  readonly writeBufferCount?: number;
  /** How many write buffers make one file. Default 1. */
  readonly buffersToMerge?: number;
  /** Memory of each operator for cached blocks, when memory is not managed. Default 8 MiB. */
  readonly cacheSize?: number | string;
  /** How files are merged. Default "LEVEL". */
  readonly compactionStyle?: CompactionStyle;
  /** Whether the sizes of levels follow from that of the last one. Default false. */
  readonly dynamicLevelSize?: boolean;
  /** Size of the first level. Default 256 MiB. */
  readonly levelSize?: number | string;
  /** How many times as large as the one before a level may be, ≥ 2. Default 10. */
  readonly levelRatio?: number;
  /** Size of a file. Default 64 MiB. */
  readonly fileSize?: number | string;
  /** Names of the native metrics to report, "block-cache-usage" for example. */
  readonly metrics?: readonly string[];
  /** Whether the state is a variable of its metrics instead of a part of their names; false. */
  readonly columnFamilyAsVariable?: boolean;
  /** Decides about the options of each state; wins over all other settings but shared memory. */
  readonly optionsFactory?: LsmOptionsFactory;
}

/**
 * A backend of Weir's own with its options, loaded when a job begins. Made by {@link heapBackend}, {@link lsmBackend} and
 * {@link lmdbBackend}.
 */
export interface StateBackendChoice {
  /** How the choice is called in messages. */
  readonly origin: string;
  /** Options by key; those that are undefined are not set. */
  readonly entries: Readonly<Record<string, unknown>>;
  /** What decides about the options of LSM stores. */
  readonly lsmOptionsFactory?: LsmOptionsFactory;
}

/** Whether it is a choice that has to be loaded, not a factory. */
export function isBackendChoice(backend: StateBackendFactory | StateBackendChoice): backend is StateBackendChoice {
  return "entries" in backend;
}

/** What a script chooses in code, as far as it concerns state. */
export interface ChosenPlaces {
  readonly stateBackend?: unknown;
  readonly checkpointStorage?: unknown;
}

/**
 * Checks the shape of what was chosen, for scripts without types; values are checked when the job starts.
 *
 * @throws {TypeError} If the backend is neither a choice nor a factory, or the storage neither a choice nor a folder.
 */
export function checkChosenPlaces({ stateBackend: backend, checkpointStorage: storage }: ChosenPlaces): void {
  if (backend !== undefined && !hasEntries(backend) && !isStateBackendFactory(backend)) {
    throw new TypeError(
      `Cannot use ${shown(backend)} as stateBackend: it must be heapBackend(…), lsmBackend(…), lmdbBackend(…) or a ` +
        "StateBackendFactory, an object with a name and a function create",
    );
  }
  if (storage === undefined || hasEntries(storage)) return;
  if (typeof storage === "string" && !CHECKPOINT_STORAGE_NAMES.includes(storage)) return;
  throw new TypeError(
    `Cannot use ${
      shown(storage)
    } as checkpointStorage: it must be memoryStorage(…), fileSystemStorage(…) or the path ` +
      `of a folder${typeof storage === "string" ? `; a folder of this name is "./${storage}"` : ""}`,
  );
}

/** Whether it has the members of a factory. */
export function isStateBackendFactory(value: unknown): value is StateBackendFactory {
  if (typeof value !== "object" || value === null) return false;
  const name: unknown = Reflect.get(value, "name");
  return typeof name === "string" && name !== "" && typeof Reflect.get(value, "create") === "function";
}

/** What the configuration calls storages; in code they would be taken for folders. */
const CHECKPOINT_STORAGE_NAMES: readonly string[] = ["jobmanager", "filesystem"];

function hasEntries(value: unknown): boolean {
  return typeof value === "object" && value !== null && typeof Reflect.get(value, "entries") === "object";
}

function shown(value: unknown): string {
  if (typeof value === "string") return `"${value}"`;
  if (typeof value === "function") return `the function ${value.name}`.trimEnd();
  return typeof value === "object" && value !== null ? "an object of another shape" : String(value);
}

/**
 * Keeps state as live objects on the heap, as jobs do that choose nothing: the fastest place, as large as the memory of
 * the process. An object that was handed to state, or out of it, belongs to the state: change it only by `update()`.
 *
 * @example
 * ```ts
 * import { heapBackend, StreamEnvironment } from "../mod.ts";
 *
 * // Whatever the configuration says.
 * const env = StreamEnvironment.create({ argv: [], stateBackend: heapBackend() });
 * ```
 */
export function heapBackend({ incremental }: HeapBackendSettings = {}): StateBackendChoice {
  return {
    origin: "heapBackend()",
    entries: { [STATE_BACKEND.key]: "hashmap", [INCREMENTAL_CHECKPOINTS.key]: incremental },
  };
}

/**
 * Keeps state on disk in sorted files, with a bounded part of it in memory; for state that does not fit in memory.
 *
 * @throws {RangeError} For a metric that does not exist. @throws {TypeError} For an options factory that is none. Other
 *   settings are checked when the job starts.
 *
 * @example
 * ```ts
 * import { lsmBackend, StreamEnvironment } from "../mod.ts";
 *
 * const env = StreamEnvironment.create({ argv: [], stateBackend: lsmBackend({ memoryPerSlot: "64 mb" }) });
 * ```
 */
export function lsmBackend(settings: LsmBackendSettings = {}): StateBackendChoice {
  const { bloomBitsPerKey, compression, metrics = [], optionsFactory } = settings;
  if (optionsFactory !== undefined) asOptionsFactory(optionsFactory, "optionsFactory");
  const hasFilter = bloomBitsPerKey === undefined ? undefined : bloomBitsPerKey !== 0;
  return {
    origin: "lsmBackend()",
    entries: {
      [STATE_BACKEND.key]: "lsm",
      ...commonEntries("lsm", LSM_EMBEDDED_OPTIONS, settings),
      [LSM_PROFILE.key]: settings.profile,
      [LSM_BLOCK_SIZE.key]: settings.blockSize,
      [LSM_BLOOM_FILTER.key]: hasFilter,
      [LSM_BLOOM_BITS.key]: hasFilter === false ? undefined : bloomBitsPerKey,
      [LSM_LEVEL_COMPRESSION.key]: typeof compression === "string" ? [compression] : compression,
      [LSM_WRITE_BUFFER_SIZE.key]: settings.writeBufferSize,
      [LSM_WRITE_BUFFER_COUNT.key]: settings.writeBufferCount,
      [LSM_BUFFERS_TO_MERGE.key]: settings.buffersToMerge,
      [LSM_CACHE_SIZE.key]: settings.cacheSize,
      [LSM_COMPACTION_STYLE.key]: settings.compactionStyle,
      [LSM_DYNAMIC_LEVELS.key]: settings.dynamicLevelSize,
      [LSM_LEVEL_SIZE.key]: settings.levelSize,
      [LSM_LEVEL_RATIO.key]: settings.levelRatio,
      [LSM_FILE_SIZE.key]: settings.fileSize,
      ...Object.fromEntries(metrics.map((name) => [metricKey(name), true])),
      [LSM_COLUMN_FAMILY_AS_VARIABLE.key]: settings.columnFamilyAsVariable,
    },
    ...(optionsFactory === undefined ? {} : { lsmOptionsFactory: optionsFactory }),
  };
}

/**
 * Keeps state on disk in a B+tree (LMDB, a native add-on), with a bounded part of it in memory; for state that is read
 * much more often than it is written. Deno needs `--allow-ffi` for it.
 *
 * Settings are checked when the job starts.
 *
 * @example
 * ```ts
 * import { lmdbBackend, StreamEnvironment } from "../mod.ts";
 *
 * const env = StreamEnvironment.create({ argv: [], stateBackend: lmdbBackend({ timers: "heap" }) });
 * ```
 */
export function lmdbBackend(settings: EmbeddedBackendSettings = {}): StateBackendChoice {
  return {
    origin: "lmdbBackend()",
    entries: { [STATE_BACKEND.key]: "lmdb", ...commonEntries("lmdb", LMDB_EMBEDDED_OPTIONS, settings) },
  };
}

function commonEntries(name: string, options: EmbeddedOptions, settings: EmbeddedBackendSettings) {
  const timers = TIMERS_OF_BACKEND[name]!; // Both backends are there.
  return {
    [INCREMENTAL_CHECKPOINTS.key]: settings.incremental,
    [options.fixedPerSlot.key]: settings.memoryPerSlot,
    [options.writeBufferRatio.key]: settings.writeBufferRatio,
    [options.highPriorityPoolRatio.key]: settings.highPriorityPoolRatio,
    [options.localDirectories.key]: settings.directories,
    [timers.factory.key]: settings.timers,
    [timers.cacheSize.key]: settings.timerCacheSize,
  };
}

function metricKey(name: string): string {
  const metric = NATIVE_METRICS.find((one) => one.name === name);
  if (metric === undefined) {
    const names = NATIVE_METRICS.map((one) => one.name).join(", ");
    throw new RangeError(
      `Cannot report metric "${name}" of the LSM backend: it does not exist, must be one of ${names}`,
    );
  }
  return metric.isOn.key;
}

/** A place for checkpoints with its options. Made by {@link memoryStorage} and {@link fileSystemStorage}. */
export interface CheckpointStorageChoice {
  /** How the choice is called in messages. */
  readonly origin: string;
  /** Options by key; those that are undefined are not set. */
  readonly entries: Readonly<Record<string, unknown>>;
}

/** Settings of {@link memoryStorage}. */
export interface MemoryStorageSettings {
  /** Largest part of the state, that of one operator subtask: bytes or a size such as "5 mb". Default 5 MiB. */
  readonly maxStateSize?: number | string;
}

/** Settings of {@link fileSystemStorage}; what is not set here comes from the configuration. */
export interface FileSystemStorageSettings {
  /** Parts of the state below this size are stored in the metadata file: bytes or a size, at most "1 mb". Default 20 KiB. */
  readonly inlineThreshold?: number | string;
  /** How working files of state on disk come into a checkpoint and back. Default "link". */
  readonly transfer?: "link" | "copy";
}

/**
 * Keeps checkpoints in memory: they outlive a failure of the job, not the process. For tests and for little state.
 *
 * Settings are checked when the job starts.
 *
 * @example
 * ```ts
 * import { memoryStorage, StreamEnvironment } from "../mod.ts";
 *
 * const checkpointStorage = memoryStorage({ maxStateSize: "20 mb" });
 * const env = StreamEnvironment.create({ argv: [], checkpointStorage });
 * ```
 */
export function memoryStorage({ maxStateSize }: MemoryStorageSettings = {}): CheckpointStorageChoice {
  return {
    origin: "memoryStorage()",
    entries: { [CHECKPOINT_STORAGE.key]: "jobmanager", [MAX_STATE_IN_MEMORY.key]: maxStateSize },
  };
}

/**
 * Keeps checkpoints in files below a folder, in which each job has one of its own.
 *
 * Settings are checked when the job starts.
 *
 * @param directory A path or a `file:///` URL.
 * @example
 * ```ts
 * import { fileSystemStorage, StreamEnvironment } from "../mod.ts";
 *
 * const checkpointStorage = fileSystemStorage("file:///var/lib/job/checkpoints", { inlineThreshold: "100 kb" });
 * const env = StreamEnvironment.create({ argv: [], checkpointStorage });
 * ```
 */
export function fileSystemStorage(
  directory: string,
  { inlineThreshold, transfer }: FileSystemStorageSettings = {},
): CheckpointStorageChoice {
  return {
    origin: "fileSystemStorage()",
    entries: {
      [CHECKPOINT_STORAGE.key]: "filesystem",
      [CHECKPOINT_DIR.key]: directory,
      [INLINE_THRESHOLD.key]: inlineThreshold,
      [CHECKPOINT_TRANSFER.key]: transfer,
    },
  };
}
