/**
 * Declares the options of the changelog, and says which of Flink's have no meaning here.
 *
 * Called by: runtime/job_settings.ts, control/known_options.ts.
 * Calls: core/config_option.ts.
 *
 * @module
 */
import type { AnyOption, Configuration, RefusedKeys } from "../../core/config.ts";
import {
  booleanOption,
  type ConfigOption,
  durationOption,
  enumOption,
  intOption,
  sizeOption,
} from "../../core/config_option.ts";
import { StreamError } from "../../core/errors.ts";
import type { ChangelogSettings } from "./changelog_backend.ts";

/** Where segments are kept. */
export type ChangelogStorage = "filesystem" | "memory";

/** `state.changelog.<name>`, with the key that Flink had before 1.20. */
function key(name: string): { readonly key: string; readonly oldNames: readonly string[] } {
  return { key: `state.changelog.${name}`, oldNames: [`state.backend.changelog.${name}`] };
}

/** `state.changelog.dstl.dfs.<name>`, with the key that Flink had before 1.20. */
function dfsKey(name: string): { readonly key: string; readonly oldNames: readonly string[] } {
  return { key: `state.changelog.dstl.dfs.${name}`, oldNames: [`dstl.dfs.${name}`] };
}

const enabled = key("enabled");
/** Whether there is a changelog. */
export const CHANGELOG_ENABLED: ConfigOption<boolean> = booleanOption(enabled.key, {
  default: false,
  oldNames: enabled.oldNames,
  description: "Whether changes of keyed state are also written to a log, of which a checkpoint needs only the end. " +
    "`env.enableChangelog()` in a script wins.",
});

const storage = key("storage");
/** Where segments are. */
export const CHANGELOG_STORAGE: ConfigOption<ChangelogStorage> = enumOption<ChangelogStorage, ChangelogStorage>(
  storage.key,
  ["filesystem", "memory"],
  {
    default: "filesystem",
    oldNames: storage.oldNames,
    description: "Where the log is kept: in files beside the checkpoints, or (for tests) in memory and within the " +
      "metadata of each checkpoint. Without a folder for checkpoints it is in memory anyway.",
  },
);

const materializeEnabled = key("periodic-materialize.enabled");
/** Whether time makes materializations due. */
export const MATERIALIZE_ENABLED: ConfigOption<boolean> = booleanOption(materializeEnabled.key, {
  default: true,
  oldNames: materializeEnabled.oldNames,
  description:
    "Whether the state backend is materialized now and then, so that the log can be cut off. When off, it is " +
    "when the log has grown larger than the state.",
});

const materializeInterval = key("periodic-materialize.interval");
const positiveInterval = durationOption(materializeInterval.key, {
  default: 600_000,
  oldNames: materializeInterval.oldNames,
  description: "Time from one materialization to the next. Negative: as if it was not enabled.",
});
/** Time between materializations; negative: none. */
export const MATERIALIZE_INTERVAL: ConfigOption<number> = {
  ...positiveInterval,
  parse: (raw, origin) => /^\s*-\s*[0-9]/.test(String(raw)) ? -1 : positiveInterval.parse(raw, origin),
  format: (value) => value < 0 ? "-1" : positiveInterval.format(value),
};

const maxFailures = key("max-failures-allowed");
/** Failed materializations that do no harm. */
export const MATERIALIZE_FAILURES: ConfigOption<number> = intOption(maxFailures.key, {
  default: 3,
  min: 0,
  oldNames: maxFailures.oldNames,
  description: "How many materializations in a row may fail before the job fails.",
});

const preemptive = dfsKey("preemptive-persist-threshold");
/** Size of a segment that waits for no checkpoint. */
export const PREEMPTIVE_THRESHOLD: ConfigOption<number> = sizeOption(preemptive.key, {
  default: 5_242_880,
  min: 1,
  oldNames: preemptive.oldNames,
  description: "Changes of one operator subtask that are written to a file without waiting for a checkpoint.",
});

const compression = dfsKey("compression.enabled");
/** Whether segments are compressed. */
export const LOG_COMPRESSION: ConfigOption<boolean> = booleanOption(compression.key, {
  default: false,
  oldNames: compression.oldNames,
  description: "Whether the log is compressed (zstd).",
});

const inFlight = dfsKey("upload.max-in-flight");
/** Bytes in flight above which records wait. */
export const UPLOAD_IN_FLIGHT: ConfigOption<number> = sizeOption(inFlight.key, {
  default: 104_857_600,
  min: 1,
  oldNames: inFlight.oldNames,
  description:
    "Changes of one operator subtask that may wait to be written to files. Above it records wait, which shows " +
    "as busy time.",
});

const retryPolicy = dfsKey("upload.retry-policy");
/** Whether a failed upload is tried again. */
export const UPLOAD_RETRY: ConfigOption<"fixed" | "none"> = enumOption<"fixed" | "none", "fixed">(retryPolicy.key, [
  "fixed",
  "none",
], {
  default: "fixed",
  oldNames: retryPolicy.oldNames,
  description:
    "Whether a file of the log that could not be written is tried again within the same checkpoint. In any " +
    "case the next checkpoint tries again.",
});

const maxAttempts = dfsKey("upload.max-attempts");
/** Attempts at one upload. */
export const UPLOAD_ATTEMPTS: ConfigOption<number> = intOption(maxAttempts.key, {
  default: 3,
  min: 1,
  oldNames: maxAttempts.oldNames,
  description: "How often it is tried at most.",
});

const timeout = dfsKey("upload.timeout");
/** Time of one attempt. */
export const UPLOAD_TIMEOUT: ConfigOption<number> = durationOption(timeout.key, {
  default: 1_000,
  min: 1,
  oldNames: timeout.oldNames,
  description:
    "Time after which another attempt is made beside one that has not ended; the last one may take as long " +
    "as the checkpoint.",
});

const retryDelay = dfsKey("upload.next-attempt-delay");
/** Time from a failed attempt to the next. */
export const UPLOAD_RETRY_DELAY: ConfigOption<number> = durationOption(retryDelay.key, {
  default: 500,
  min: 0,
  oldNames: retryDelay.oldNames,
  description: "Time from a failed attempt to the next.",
});

/** Segments within the metadata are in every checkpoint until the log is cut off: together they may not be many. */
const MAX_INLINE_BYTES = 16_384;

/** All of them. */
export const CHANGELOG_OPTIONS: readonly AnyOption[] = [
  CHANGELOG_ENABLED,
  CHANGELOG_STORAGE,
  MATERIALIZE_ENABLED,
  MATERIALIZE_INTERVAL,
  MATERIALIZE_FAILURES,
  PREEMPTIVE_THRESHOLD,
  LOG_COMPRESSION,
  UPLOAD_IN_FLIGHT,
  UPLOAD_RETRY,
  UPLOAD_ATTEMPTS,
  UPLOAD_TIMEOUT,
  UPLOAD_RETRY_DELAY,
];

const IGNORED: readonly (readonly [string, string])[] = [
  [
    "base-path",
    "the log is in the folder `shared` of the job's checkpoints, with which it is kept, claimed and removed",
  ],
];
const REFUSED: readonly (readonly [string, string])[] = [
  ["batch.persist-delay", "each subtask writes files of its own, at once; set preemptive-persist-threshold"],
  ["batch.persist-size-threshold", "each subtask writes files of its own; set preemptive-persist-threshold"],
  ["upload.num-threads", "files are written without threads of Weir's own; remove the option"],
  ["upload.buffer-size", "a segment is written in one piece; set preemptive-persist-threshold"],
  ["discard.num-threads", "files are removed without threads of Weir's own; remove the option"],
  ["download.local-cache.idle-timeout-ms", "the log is read where it is, there is no local copy; remove the option"],
];

/** Keys of Flink's that ask for what does not exist here. */
export const REFUSED_CHANGELOG_KEYS: readonly RefusedKeys[] = ["state.changelog.dstl.dfs.", "dstl.dfs."].flatMap(
  (prefix): RefusedKeys[] => [
    ...IGNORED.map(([name, reason]): RefusedKeys => ({ keyPattern: `${prefix}${name}`, reason, isIgnored: true })),
    ...REFUSED.map(([name, reason]) => ({ keyPattern: `${prefix}${name}`, reason })),
  ],
);

/**
 * The settings of the changelog; null when there is none.
 *
 * @param checkpointing Checkpoints that may be under way at the same time, and how small a file goes into the metadata.
 * @throws {StreamError} If options contradict each other.
 */
export function changelogSettings(
  configuration: Configuration,
  { maxConcurrent, inlineThresholdBytes }: { readonly maxConcurrent: number; readonly inlineThresholdBytes: number },
): ChangelogSettings | null {
  if (!configuration.get(CHANGELOG_ENABLED)) return null;
  if (maxConcurrent > 1) {
    throw new StreamError(
      "invalid",
      `Cannot use a changelog: execution.checkpointing.max-concurrent-checkpoints is ${maxConcurrent}, must be 1, since ` +
        "each checkpoint goes on from the log of the one before; leave it at 1 or turn state.changelog.enabled off",
    );
  }
  const preemptiveBytes = configuration.get(PREEMPTIVE_THRESHOLD);
  const maxInFlightBytes = configuration.get(UPLOAD_IN_FLIGHT);
  if (maxInFlightBytes < preemptiveBytes) {
    throw new StreamError(
      "invalid",
      `Cannot use a changelog: ${UPLOAD_IN_FLIGHT.key} is ${maxInFlightBytes} bytes, must be at least ` +
        `${PREEMPTIVE_THRESHOLD.key}, which is ${preemptiveBytes}; raise it or lower the other`,
    );
  }
  const intervalMs = configuration.get(MATERIALIZE_INTERVAL);
  return {
    inFiles: configuration.get(CHANGELOG_STORAGE) === "filesystem",
    compress: configuration.get(LOG_COMPRESSION),
    inlineBytes: Math.min(inlineThresholdBytes, MAX_INLINE_BYTES),
    preemptiveBytes,
    intervalMs: configuration.get(MATERIALIZE_ENABLED) && intervalMs > 0 ? intervalMs : null,
    toleratedFailures: configuration.get(MATERIALIZE_FAILURES),
    maxAttempts: configuration.get(UPLOAD_RETRY) === "none" ? 1 : configuration.get(UPLOAD_ATTEMPTS),
    timeoutMs: configuration.get(UPLOAD_TIMEOUT),
    retryDelayMs: configuration.get(UPLOAD_RETRY_DELAY),
    maxInFlightBytes,
  };
}
