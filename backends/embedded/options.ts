/**
 * Declares the options that every backend on disk has: its memory and where it works.
 *
 * Called by: backends/embedded/memory_settings.ts, control/ (reads, checks and documents them).
 * Calls: core/config_option.ts.
 *
 * @module
 */
import type { AnyOption } from "../../core/config.ts";
import {
  booleanOption,
  type ConfigOption,
  doubleOption,
  intOption,
  listOption,
  sizeOption,
} from "../../core/config_option.ts";

/** Bytes of a slot when nobody says how many. */
export const DEFAULT_SLOT_BYTES = 134_217_728;

/** The options of one backend on disk. */
export interface EmbeddedOptions {
  /** What every key begins with, `state.backend.lsm.` for example. */
  readonly prefix: string;
  /** Whether the share of the slot in {@link MANAGED_MEMORY} is the memory of a slot. */
  readonly managed: ConfigOption<boolean>;
  /** Bytes of each slot; wins. */
  readonly fixedPerSlot: ConfigOption<number | undefined>;
  /** Bytes of all slots together; when memory is not managed. */
  readonly fixedPerTm: ConfigOption<number | undefined>;
  /** Share of the write buffers. */
  readonly writeBufferRatio: ConfigOption<number>;
  /** Share of the block cache that is kept for indexes and filters. */
  readonly highPriorityPoolRatio: ConfigOption<number>;
  /** Folders to work in: the first that can be used. */
  readonly localDirectories: ConfigOption<readonly string[] | undefined>;
}

/** Memory of all slots. */
export const MANAGED_MEMORY: ConfigOption<number | undefined> = sizeOption("taskmanager.memory.managed.size", {
  default: undefined,
  min: 0,
  description:
    "Memory of all slots together, for state on disk; divided among them. Unset: 128 mb for each slot. State " +
    "on the heap takes none of it: 0 suits a job that has no other.",
});

/** Slots that share {@link MANAGED_MEMORY}. */
export const TASK_SLOTS: ConfigOption<number | undefined> = intOption("taskmanager.numberOfTaskSlots", {
  default: undefined,
  min: 1,
  description: "Into how many parts managed memory is divided, unless the job needs more. Unset: the job's largest " +
    "parallelism; slot i has subtask i of every operator.",
});

/** Declares the options of a backend. @param oldPrefixes Of keys that mean the same. */
function embeddedOptions(prefix: string, oldPrefixes: readonly string[]): EmbeddedOptions {
  const named = (suffix: string) => ({
    key: `${prefix}${suffix}`,
    oldNames: oldPrefixes.map((old) => `${old}${suffix}`),
  });
  const managed = named("memory.managed");
  const fixedPerSlot = named("memory.fixed-per-slot");
  const fixedPerTm = named("memory.fixed-per-tm");
  const writeBufferRatio = named("memory.write-buffer-ratio");
  const highPriorityPoolRatio = named("memory.high-prio-pool-ratio");
  const localDirectories = named("localdir");
  const reject = (ratio: number) => (ratio > 0 && ratio < 1 ? undefined : "between 0 and 1, neither included");
  return {
    prefix,
    managed: booleanOption(managed.key, {
      default: true,
      oldNames: managed.oldNames,
      description: "Whether a slot's memory is its part of `taskmanager.memory.managed.size`.",
    }),
    fixedPerSlot: sizeOption(fixedPerSlot.key, {
      default: undefined,
      min: 1,
      oldNames: fixedPerSlot.oldNames,
      description: "Memory of each slot: write buffers, cached blocks, indexes and filters of all operators in it. " +
        "Wins over managed memory.",
    }),
    fixedPerTm: sizeOption(fixedPerTm.key, {
      default: undefined,
      min: 1,
      oldNames: fixedPerTm.oldNames,
      description: `Memory of all slots together; counts when \`${prefix}memory.managed\` is false and ` +
        "`memory.fixed-per-slot` is unset.",
    }),
    writeBufferRatio: doubleOption(writeBufferRatio.key, {
      default: 0.5,
      oldNames: writeBufferRatio.oldNames,
      reject,
      description: "Share of a slot's memory that write buffers have.",
    }),
    highPriorityPoolRatio: doubleOption(highPriorityPoolRatio.key, {
      default: 0.1,
      oldNames: highPriorityPoolRatio.oldNames,
      reject,
      description: "Share of the block cache that is kept for indexes and filters.",
    }),
    localDirectories: listOption(localDirectories.key, {
      default: undefined,
      oldNames: localDirectories.oldNames,
      reject: wrongDirectory,
      description:
        "Folders for working files, with `,`, `;` or `:` between them: the first that can be written to is " +
        "used. Unset: the system's folder for temporary files.",
    }),
  };
}

/** Of the LSM backend, with the keys of Flink's RocksDB. */
export const LSM_EMBEDDED_OPTIONS: EmbeddedOptions = embeddedOptions("state.backend.lsm.", ["state.backend.rocksdb."]);

/** Of the LMDB backend. */
export const LMDB_EMBEDDED_OPTIONS: EmbeddedOptions = embeddedOptions("state.backend.lmdb.", []);

/** All of one backend, in the order of the reference page. */
export function listEmbeddedOptions(options: EmbeddedOptions): readonly AnyOption[] {
  return [
    options.managed,
    options.fixedPerSlot,
    options.fixedPerTm,
    options.writeBufferRatio,
    options.highPriorityPoolRatio,
    options.localDirectories,
  ];
}

/** The folders in a list: "/a:/b,file:///c" are three, of which the last is "/c". */
export function splitDirectories(paths: readonly string[]): readonly string[] {
  return paths.flatMap((path) => path.split(/[;,]/)).flatMap((part) => {
    const path = part.trim().replace(/^file:\/*(?=\/)/i, "");
    return SCHEME.test(path) || DRIVE.test(path) ? [path] : path.split(":").map((one) => one.trim());
  }).filter((path) => path !== "");
}

const SCHEME = /^[a-z][a-z0-9+.-]+:\//i;
const DRIVE = /^[a-z]:[\\/]/i;

function wrongDirectory(paths: readonly string[]): string | undefined {
  const directories = splitDirectories(paths);
  if (directories.length === 0) return "the path of a folder";
  for (const path of directories) {
    if (SCHEME.test(path)) return `folders of this machine, "${path}" is none`;
    if (!path.startsWith("/") && !DRIVE.test(path)) return `absolute paths, "${path}" is relative`;
  }
  return undefined;
}
