/**
 * Declares the options of checkpoints: when they are taken, where they are kept and for how long.
 *
 * Called by: runtime/ (reads them), control/ (checks and documents them).
 * Calls: core/config_option.ts.
 *
 * @module
 */
import type { AnyOption } from "../core/config.ts";
import {
  booleanOption,
  type ConfigOption,
  durationOption,
  enumOption,
  intOption,
  sizeOption,
  stringOption,
} from "../core/config_option.ts";
import type { FileTransfer } from "./file_transfer.ts";
import { DEFAULT_HISTORY } from "./statistics.ts";

/** Exactly-once: barriers are aligned. At-least-once: they are only counted. */
export type CheckpointMode = "EXACTLY_ONCE" | "AT_LEAST_ONCE";

/** What happens to the retained checkpoints of a job that is cancelled; finish and failure keep them as RETAIN does. */
export type CheckpointRetention = "RETAIN_ON_CANCELLATION" | "DELETE_ON_CANCELLATION" | "NO_EXTERNALIZED_CHECKPOINTS";

/** Who owns the files of the checkpoint or savepoint at a path that a job starts from: the user, or the job. */
export type ClaimMode = "NO_CLAIM" | "CLAIM";

/** Memory of this process, or files. */
export type CheckpointStorageKind = "jobmanager" | "filesystem";

/** Period of checkpoints, milliseconds; undefined when they are off. */
export const CHECKPOINT_INTERVAL: ConfigOption<number | undefined> = durationOption(
  "execution.checkpointing.interval",
  {
    default: undefined,
    min: 1,
    description: "Time from the start of one periodic checkpoint to the next. Checkpoints are off without it.",
  },
);

/** Guarantee for state. */
export const CHECKPOINT_MODE: ConfigOption<CheckpointMode> = enumOption(
  "execution.checkpointing.mode",
  ["EXACTLY_ONCE", "AT_LEAST_ONCE"],
  { default: "EXACTLY_ONCE", description: "Whether barriers are aligned (each record counts once) or only counted." },
);

/** Longest duration of one checkpoint, milliseconds. */
export const CHECKPOINT_TIMEOUT: ConfigOption<number> = durationOption("execution.checkpointing.timeout", {
  default: 600_000,
  min: 1,
  description: "A checkpoint that is not complete after this time is given up.",
});

/** Shortest gap between checkpoints, milliseconds. */
export const CHECKPOINT_MIN_PAUSE: ConfigOption<number> = durationOption("execution.checkpointing.min-pause", {
  default: 0,
  min: 0,
  description: "Shortest time from the end of one checkpoint to the start of the next periodic one.",
});

/** Attempts in flight. */
export const MAX_CONCURRENT_CHECKPOINTS: ConfigOption<number> = intOption(
  "execution.checkpointing.max-concurrent-checkpoints",
  { default: 1, min: 1, description: "How many checkpoints may be under way at the same time." },
);

/** Consecutive failures that the job survives. */
export const TOLERABLE_FAILED_CHECKPOINTS: ConfigOption<number> = intOption(
  "execution.checkpointing.tolerable-failed-checkpoints",
  { default: 0, min: 0, description: "How many checkpoints in a row may fail before the job fails." },
);

/** Whether checkpoints go on when some subtasks have finished. */
export const CHECKPOINTS_AFTER_TASKS_FINISH: ConfigOption<boolean> = booleanOption(
  "execution.checkpointing.checkpoints-after-tasks-finish",
  {
    default: true,
    oldNames: ["execution.checkpointing.checkpoints-after-tasks-finish.enabled"],
    reject: (isOn) => isOn ? undefined : "true (a bounded job ends with a checkpoint, which its sinks wait for)",
    description: "Whether checkpoints go on when some subtasks have finished. They always do.",
  },
);

/** Largest file of a snapshot in memory unless told otherwise, bytes. */
export const DEFAULT_MAX_STATE_BYTES = 5_242_880;

const STORAGE = "execution.checkpointing.storage";
const FLINK_STORAGE = "org.apache.flink.runtime.state.storage";

/** Where checkpoints are kept; undefined: derived from {@link CHECKPOINT_DIR}. */
export const CHECKPOINT_STORAGE: ConfigOption<CheckpointStorageKind | undefined> = enumOption<
  CheckpointStorageKind,
  undefined
>(
  STORAGE,
  ["jobmanager", "filesystem"],
  {
    default: undefined,
    oldNames: ["state.checkpoint-storage"],
    respelledValues: {
      [`${FLINK_STORAGE}.JobManagerCheckpointStorage`]: { value: "jobmanager", now: `"${STORAGE}: jobmanager"` },
      [`${FLINK_STORAGE}.FileSystemCheckpointStorage`]: { value: "filesystem", now: `"${STORAGE}: filesystem"` },
    },
    description:
      "Memory of the process (`jobmanager`: gone with it) or files; by default files when a directory is set.",
  },
);

/** Largest file of a snapshot in memory, bytes. */
export const MAX_STATE_IN_MEMORY: ConfigOption<number> = sizeOption(
  "execution.checkpointing.storage.jobmanager.max-state-size",
  {
    default: DEFAULT_MAX_STATE_BYTES,
    min: 1,
    description:
      "Largest part of a checkpoint's state, that of one operator subtask, with storage `jobmanager`: what is " +
      "larger fails the checkpoint.",
  },
);

/** Root folder of all jobs' checkpoints. */
export const CHECKPOINT_DIR: ConfigOption<string | undefined> = stringOption("execution.checkpointing.dir", {
  default: undefined,
  oldNames: ["state.checkpoints.dir", "state.backend.fs.checkpointdir"],
  normalize: localPath,
  reject: whyNotLocal,
  description: "Folder of checkpoints, a path or a `file:///` URL; each job has its own folder in it, named by its id.",
});

/** Folder of savepoints. */
export const SAVEPOINT_DIR: ConfigOption<string | undefined> = stringOption("execution.checkpointing.savepoint-dir", {
  default: undefined,
  oldNames: ["state.savepoints.dir"],
  normalize: localPath,
  reject: whyNotLocal,
  description: "Folder of savepoints whose request names none; each has a folder of its own in it.",
});

/** Completed checkpoints kept. */
export const NUM_RETAINED_CHECKPOINTS: ConfigOption<number> = intOption("execution.checkpointing.num-retained", {
  default: 2,
  min: 1,
  oldNames: ["state.checkpoints.num-retained"],
  description: "How many complete checkpoints are kept. Flink keeps 1; a second one survives damage to the newest.",
});

/** What cancelling does to the retained checkpoints. */
export const CHECKPOINT_RETENTION: ConfigOption<CheckpointRetention> = enumOption(
  "execution.checkpointing.externalized-checkpoint-retention",
  ["RETAIN_ON_CANCELLATION", "DELETE_ON_CANCELLATION", "NO_EXTERNALIZED_CHECKPOINTS"],
  {
    default: "RETAIN_ON_CANCELLATION",
    description:
      "What becomes of retained checkpoints when the job is cancelled. The default keeps them on cancel, failure " +
      "and finish (Flink's keeps none).",
  },
);

/** Whether a checkpoint holds only what has changed. */
export const INCREMENTAL_CHECKPOINTS: ConfigOption<boolean> = booleanOption("execution.checkpointing.incremental", {
  default: true,
  oldNames: ["state.backend.incremental"],
  description: "Whether a checkpoint writes only what changed since the last complete one. Flink's default is false.",
});

/** Bytes below which a snapshot is stored in the metadata file. */
export const INLINE_THRESHOLD: ConfigOption<number> = sizeOption(
  "execution.checkpointing.data-inline-threshold",
  {
    default: 20 * 1024,
    min: 0,
    max: 1024 ** 2,
    oldNames: ["state.storage.fs.memory-threshold", "state.backend.fs.memory-threshold"],
    description: "Snapshots smaller than this are stored in the metadata file instead of one of their own.",
  },
);

/** How working files of state on disk come into a checkpoint. */
export const CHECKPOINT_TRANSFER: ConfigOption<FileTransfer> = enumOption(
  "state.backend.checkpoint-transfer",
  ["link", "copy"],
  {
    default: "link",
    oldNames: ["state.backend.lsm.checkpoint-transfer", "state.backend.lmdb.checkpoint-transfer"],
    description:
      "How files of state on disk come into a checkpoint and back: by a hard link where the file system allows it, " +
      "else and with `copy` by copying.",
  },
);

/** Checkpoints of which details are remembered. */
export const CHECKPOINT_HISTORY: ConfigOption<number> = intOption("web.checkpoints.history", {
  default: DEFAULT_HISTORY,
  min: 0,
  max: 10_000,
  description: "How many of the last checkpoints and savepoints are remembered with all their figures.",
});

/** Every option of this folder, in the order of the reference page. */
export const CHECKPOINT_OPTIONS: readonly AnyOption[] = [
  CHECKPOINT_INTERVAL,
  CHECKPOINT_MODE,
  CHECKPOINT_TIMEOUT,
  CHECKPOINT_MIN_PAUSE,
  MAX_CONCURRENT_CHECKPOINTS,
  TOLERABLE_FAILED_CHECKPOINTS,
  CHECKPOINTS_AFTER_TASKS_FINISH,
  CHECKPOINT_STORAGE,
  MAX_STATE_IN_MEMORY,
  CHECKPOINT_DIR,
  SAVEPOINT_DIR,
  NUM_RETAINED_CHECKPOINTS,
  CHECKPOINT_RETENTION,
  INCREMENTAL_CHECKPOINTS,
  INLINE_THRESHOLD,
  CHECKPOINT_TRANSFER,
  CHECKPOINT_HISTORY,
];

/** The path that a `file:` URL without a host names, any other text as it is. Nothing in it is decoded, as in Flink. */
export function localPath(text: string): string {
  return text.trim().replace(/^file:(?:\/\/(?=\/)|(?=\/(?!\/)))/i, "");
}

/**
 * What a folder of checkpoints or savepoints must be, when it is not: `s3://…` would become a local folder of that name.
 *
 * @returns Undefined when it is the path of a local folder.
 */
export function whyNotLocal(path: string): string | undefined {
  if (path === "") return "the path of a folder";
  const scheme = /^([a-z][a-z0-9+.-]+):\/\//i.exec(path)?.[1]?.toLowerCase();
  if (scheme === undefined) return undefined;
  if (scheme === "file") return 'a path without "file://"';
  return OBJECT_STORE.test(scheme)
    ? "a local path (object stores come in a later version)"
    : "a local path (mount what is on other machines)";
}

/** Schemes of object stores that Flink has file systems for. */
const OBJECT_STORE = /^(s3[anp]?|gs|oss|abfss?|wasbs?|obs|cosn)$/;
