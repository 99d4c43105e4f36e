/**
 * Declares the options of a job as a whole: its name, parallelism, restarts, state backend and what it starts from.
 *
 * Called by: runtime/ (reads them), control/ (checks and documents them).
 * Calls: core/config_option.ts.
 *
 * @module
 */
import { type ClaimMode, localPath } from "../checkpoint/options.ts";
import type { AnyOption } from "../core/config.ts";
import {
  booleanOption,
  type ConfigOption,
  doubleOption,
  durationOption,
  enumOption,
  intOption,
  isExportReference,
  stringOption,
} from "../core/config_option.ts";

/** What is done when a job fails. */
export type RestartStrategyKind = "none" | "fixed-delay" | "failure-rate" | "exponential-delay";

/** State backends that exist. */
export type StateBackendKind = "hashmap" | "lsm" | "lmdb";

/** Name of the job; the argument of `execute()` when unset. */
export const PIPELINE_NAME: ConfigOption<string | undefined> = stringOption("pipeline.name", {
  default: undefined,
  reject: (name) => (name.trim() === "" ? "a text that is not empty" : undefined),
  description: "Name of the job; its id, and so the folder of its checkpoints, derives from it.",
});

/** Id of the job; derived from its name when unset. */
export const JOB_ID: ConfigOption<string | undefined> = stringOption("pipeline.job-id", {
  default: undefined,
  reject: (id) => (/^[0-9a-f]{32}$/.test(id) ? undefined : "32 hexadecimal digits in lower case"),
  description: "Id of the job, 32 hexadecimal digits; by default derived from its name.",
});

/** Number of subtasks of an operator that does not say. */
export const DEFAULT_PARALLELISM: ConfigOption<number> = intOption("parallelism.default", {
  default: 1,
  min: 1,
  max: 32_768,
  description: "Number of parallel subtasks of each operator that does not set its own.",
});

/** Number of key groups; -1 derives it from the parallelism. */
export const MAX_PARALLELISM: ConfigOption<number> = intOption("pipeline.max-parallelism", {
  default: -1,
  min: -1,
  max: 32_768,
  reject: (count) => (count === 0 ? "-1 (derive it) or in 1 .. 32768" : undefined),
  description: "Number of key groups, and so the largest parallelism ever; -1 derives it from the parallelism.",
});

/** Period of watermarks, milliseconds. */
export const AUTO_WATERMARK_INTERVAL: ConfigOption<number> = durationOption("pipeline.auto-watermark-interval", {
  default: 200,
  min: 0,
  description: "Time between two periodic watermarks; 0 switches periodic emission off.",
});

/** Messages between actors that may wait. */
export const MAX_MESSAGES_IN_FLIGHT: ConfigOption<number> = intOption("pipeline.max-messages-in-flight", {
  default: 1_000_000,
  min: 1,
  description: "How many messages that actors tell each other may wait at one subtask; at one more the job fails.",
});

/**
 * Longest wait of a batch that is not full, milliseconds. Nobody reads it: a subtask sends what it has gathered at the
 * end of each slice (`runtime/host.ts`, 12 ms for all subtasks together), so every value that is accepted is kept.
 */
export const BUFFER_TIMEOUT: ConfigOption<number> = durationOption("execution.buffer-timeout.interval", {
  default: 100,
  min: 20,
  oldNames: ["execution.buffer-timeout"],
  description:
    "Longest time that records may wait in a batch between two subtasks. Weir sends a batch that is not full " +
    "at the end of its slice, after at most 12 ms, so any value from 20 ms on is kept.",
});

/** Undefined: exponential-delay when checkpoints are on, else none. */
export const RESTART_STRATEGY: ConfigOption<RestartStrategyKind | undefined> = enumOption<
  RestartStrategyKind,
  undefined
>(
  "restart-strategy.type",
  ["none", "fixed-delay", "failure-rate", "exponential-delay"],
  {
    default: undefined,
    oldNames: ["restart-strategy"],
    oldValues: {
      off: "none",
      disable: "none",
      fixeddelay: "fixed-delay",
      failurerate: "failure-rate",
      exponentialdelay: "exponential-delay",
    },
    description: "What is done when a job fails; by default exponential-delay when checkpoints are on, else none.",
  },
);

/** Restarts before the job fails. */
export const FIXED_DELAY_ATTEMPTS: ConfigOption<number> = intOption("restart-strategy.fixed-delay.attempts", {
  default: 1,
  min: 0,
  infinite: true,
  description: "How many times the job is restarted before it fails.",
});

/** Wait before a restart, milliseconds. */
export const FIXED_DELAY_DELAY: ConfigOption<number> = durationOption("restart-strategy.fixed-delay.delay", {
  default: 1_000,
  min: 0,
  description: "Time between a failure and the restart.",
});

/** Failures that one window allows. */
export const FAILURE_RATE_MAX_FAILURES: ConfigOption<number> = intOption(
  "restart-strategy.failure-rate.max-failures-per-interval",
  {
    default: 1,
    min: 0,
    infinite: true,
    description: "How many failures within the interval are followed by a restart.",
  },
);

/** Length of the window, milliseconds. */
export const FAILURE_RATE_INTERVAL: ConfigOption<number> = durationOption(
  "restart-strategy.failure-rate.failure-rate-interval",
  { default: 60_000, min: 1, description: "Length of the interval in which failures are counted." },
);

/** Wait before a restart, milliseconds. */
export const FAILURE_RATE_DELAY: ConfigOption<number> = durationOption("restart-strategy.failure-rate.delay", {
  default: 1_000,
  min: 0,
  description: "Time between a failure and the restart.",
});

/** First wait, milliseconds. */
export const EXPONENTIAL_DELAY_INITIAL: ConfigOption<number> = durationOption(
  "restart-strategy.exponential-delay.initial-backoff",
  { default: 1_000, min: 1, description: "Time between the first failure and the restart." },
);

/** Longest wait, milliseconds. */
export const EXPONENTIAL_DELAY_MAX: ConfigOption<number> = durationOption(
  "restart-strategy.exponential-delay.max-backoff",
  { default: 60_000, min: 1, description: "Longest time between a failure and the restart." },
);

/** Growth of the wait. */
export const EXPONENTIAL_DELAY_MULTIPLIER: ConfigOption<number> = doubleOption(
  "restart-strategy.exponential-delay.backoff-multiplier",
  { default: 1.5, min: 1, description: "Factor by which the time grows with each failure." },
);

/** Quiet time, milliseconds. */
export const EXPONENTIAL_DELAY_RESET: ConfigOption<number> = durationOption(
  "restart-strategy.exponential-delay.reset-backoff-threshold",
  { default: 3_600_000, min: 1, description: "Time without a failure after which the first wait applies again." },
);

/** Random share of the wait. */
export const EXPONENTIAL_DELAY_JITTER: ConfigOption<number> = doubleOption(
  "restart-strategy.exponential-delay.jitter-factor",
  { default: 0.1, min: 0, max: 1, description: "Largest share by which the time is made longer or shorter at random." },
);

/** Failures in a row before the job fails. */
export const EXPONENTIAL_DELAY_ATTEMPTS: ConfigOption<number> = intOption(
  "restart-strategy.exponential-delay.attempts-before-reset-backoff",
  {
    default: Infinity,
    min: 0,
    infinite: true,
    description: "How many times the job is restarted before it fails; counted from 0 again when the wait is reset.",
  },
);

const ON_HEAP = '"state.backend.type: hashmap"';
const IN_MEMORY = `${ON_HEAP} with "execution.checkpointing.storage: jobmanager"`;
const IN_FILES = `${ON_HEAP} with "execution.checkpointing.storage: filesystem" and "execution.checkpointing.dir"`;
const ON_DISK = '"state.backend.type: lsm"';
const FLINK_STATE = "org.apache.flink.runtime.state";
const FLINK_ROCKSDB = "org.apache.flink.contrib.streaming.state";

/** Names of Flink 1.18 and before, classes among them, with what they are now. */
const FORMER_BACKENDS: Readonly<Record<string, { readonly value: StateBackendKind; readonly now: string }>> = {
  jobmanager: { value: "hashmap", now: IN_MEMORY },
  filesystem: { value: "hashmap", now: IN_FILES },
  rocksdb: { value: "lsm", now: ON_DISK },
  ...formerClass(`${FLINK_STATE}.memory.MemoryStateBackend`, "hashmap", IN_MEMORY),
  ...formerClass(`${FLINK_STATE}.filesystem.FsStateBackend`, "hashmap", IN_FILES),
  ...formerClass(`${FLINK_STATE}.hashmap.HashMapStateBackend`, "hashmap", ON_HEAP),
  ...formerClass(`${FLINK_ROCKSDB}.RocksDBStateBackend`, "lsm", ON_DISK),
  ...formerClass(`${FLINK_ROCKSDB}.EmbeddedRocksDBStateBackend`, "lsm", ON_DISK),
  ...formerClass("org.apache.flink.state.rocksdb.EmbeddedRocksDBStateBackend", "lsm", ON_DISK),
};

/** A class and its factory. */
function formerClass(name: string, value: StateBackendKind, now: string): typeof FORMER_BACKENDS {
  return { [name]: { value, now }, [`${name}Factory`]: { value, now } };
}

/** Where keyed state lives: a {@link StateBackendKind}, or the export of a file that makes a backend. */
export const STATE_BACKEND: ConfigOption<string> = enumOption<string, string>(
  "state.backend.type",
  ["hashmap", "lsm", "lmdb"],
  {
    default: "hashmap",
    oldNames: ["state.backend"],
    oldValues: { heap: "hashmap" },
    respelledValues: FORMER_BACKENDS,
    refusedValues: { forst: "state in a remote store does not exist here; lsm keeps it on a local disk" },
    others: {
      accept: isExportReference,
      wanted: "a factory of your own as ./path.ts#name (a class of Java cannot be loaded)",
    },
    description:
      "Where keyed state lives: `hashmap` keeps live objects on the heap; `lsm` and `lmdb` keep bytes on disk, with a " +
      "bounded part of them in memory: `lsm` in sorted files (also spelled `rocksdb`), `lmdb` in a tree, which needs " +
      "a native add-on. `./path.ts#name` is a backend of your own: an exported `StateBackendFactory`, or a function or " +
      "class that is given the configuration and makes one. `jobmanager` and `filesystem` of earlier Flink versions, " +
      "and the names of Flink's own classes, mean `hashmap` or `lsm`.",
  },
);

/** `latest`, or the path of a checkpoint; undefined starts with empty state. */
export const RECOVERY_PATH: ConfigOption<string | undefined> = stringOption("execution.state-recovery.path", {
  default: undefined,
  oldNames: ["execution.savepoint.path"],
  normalize: localPath,
  reject: (path) => (path === "" ? '"latest" or the path of a checkpoint' : undefined),
  description: "What the job starts from: `latest` goes on where this job stopped, a path names a checkpoint " +
    "(its folder or its `_metadata` file). Same as `--from`.",
});

/** Who owns the files of what {@link RECOVERY_PATH} names. */
export const CLAIM_MODE: ConfigOption<ClaimMode> = enumOption(
  "execution.state-recovery.claim-mode",
  ["NO_CLAIM", "CLAIM"],
  {
    default: "NO_CLAIM",
    oldNames: ["execution.savepoint-restore-mode"],
    refusedValues: { LEGACY: "Flink 2 has removed it too" },
    description:
      "Who owns the files of the checkpoint or savepoint at a path that a job starts from: with `NO_CLAIM` they stay " +
      "the user's, with `CLAIM` the job deletes them when newer checkpoints have taken its place. What `latest` names " +
      "is the job's own in any case.",
  },
);

/** Whether state without an operator is left behind. */
export const IGNORE_UNCLAIMED_STATE: ConfigOption<boolean> = booleanOption(
  "execution.state-recovery.ignore-unclaimed-state",
  {
    default: false,
    oldNames: ["execution.savepoint.ignore-unclaimed-state"],
    description:
      "Whether a job may start from a checkpoint that holds state of operators which the job does not have; " +
      "true is the same as `--allow-non-restored-state`.",
  },
);

/** Every option of this folder, in the order of the reference page. */
export const RUNTIME_OPTIONS: readonly AnyOption[] = [
  PIPELINE_NAME,
  JOB_ID,
  DEFAULT_PARALLELISM,
  MAX_PARALLELISM,
  AUTO_WATERMARK_INTERVAL,
  MAX_MESSAGES_IN_FLIGHT,
  BUFFER_TIMEOUT,
  RESTART_STRATEGY,
  FIXED_DELAY_ATTEMPTS,
  FIXED_DELAY_DELAY,
  FAILURE_RATE_MAX_FAILURES,
  FAILURE_RATE_INTERVAL,
  FAILURE_RATE_DELAY,
  EXPONENTIAL_DELAY_INITIAL,
  EXPONENTIAL_DELAY_MAX,
  EXPONENTIAL_DELAY_MULTIPLIER,
  EXPONENTIAL_DELAY_RESET,
  EXPONENTIAL_DELAY_JITTER,
  EXPONENTIAL_DELAY_ATTEMPTS,
  STATE_BACKEND,
  RECOVERY_PATH,
  CLAIM_MODE,
  IGNORE_UNCLAIMED_STATE,
];
