/**
 * Turns configuration into what a job runs with. Pure.
 *
 * Called by: control/stream_environment.ts.
 * Calls: options of runtime/ and checkpoint/.
 *
 * @module
 */
import type { ChangelogSettings } from "../backends/changelog/changelog_backend.ts";
import { changelogSettings } from "../backends/changelog/options.ts";
import {
  CHECKPOINT_DIR,
  CHECKPOINT_HISTORY,
  CHECKPOINT_INTERVAL,
  CHECKPOINT_MIN_PAUSE,
  CHECKPOINT_MODE,
  CHECKPOINT_RETENTION,
  CHECKPOINT_STORAGE,
  CHECKPOINT_TIMEOUT,
  CHECKPOINT_TRANSFER,
  type CheckpointRetention,
  CHECKPOINTS_AFTER_TASKS_FINISH,
  type ClaimMode,
  INCREMENTAL_CHECKPOINTS,
  INLINE_THRESHOLD,
  MAX_CONCURRENT_CHECKPOINTS,
  MAX_STATE_IN_MEMORY,
  NUM_RETAINED_CHECKPOINTS,
  SAVEPOINT_DIR,
  TOLERABLE_FAILED_CHECKPOINTS,
} from "../checkpoint/options.ts";
import type { FileTransfer } from "../checkpoint/file_transfer.ts";
import type { Configuration } from "../core/config.ts";
import { StreamError } from "../core/errors.ts";
import { type StateLatencySettings, stateLatencySettings } from "./latency_options.ts";
import {
  AUTO_WATERMARK_INTERVAL,
  CLAIM_MODE,
  DEFAULT_PARALLELISM,
  IGNORE_UNCLAIMED_STATE,
  JOB_ID,
  MAX_MESSAGES_IN_FLIGHT,
  MAX_PARALLELISM,
  PIPELINE_NAME,
  RECOVERY_PATH,
  STATE_BACKEND,
} from "./options.ts";
import { restartSettingsOf } from "./restart_settings.ts";
import type { RestartSettings } from "./restart_strategy.ts";
import { stableId } from "./stable_id.ts";
import { type TimerSettings, timerSettings } from "./timer_settings.ts";

/** Periodic checkpoints. */
export interface CheckpointingSettings {
  readonly intervalMs: number;
  readonly exactlyOnce: boolean;
  readonly timeoutMs: number;
  readonly minPauseMs: number;
  readonly maxConcurrent: number;
  readonly tolerableFailures: number;
  readonly afterTasksFinish: boolean;
  readonly retained: number;
  /** What a cancelled job does with its checkpoints. */
  readonly retention: CheckpointRetention;
  readonly incremental: boolean;
  /** How working files of backends come to a checkpoint and back. */
  readonly transfer: FileTransfer;
  /** Null: kept in memory, lost with the process. */
  readonly directory: string | null;
  readonly inlineThresholdBytes: number;
  /** Largest file of a snapshot that is kept in memory, bytes. */
  readonly maxStateInMemoryBytes: number;
}

/** Savepoints, which every job can take. */
export interface SavepointSettings {
  /** Folder of those that name none; null: each must. */
  readonly directory: string | null;
  /** Longest duration of one, milliseconds. */
  readonly timeoutMs: number;
  /** Files of at most this many bytes go into the metadata. */
  readonly inlineThresholdBytes: number;
  /** How working files of backends come to a savepoint and back. */
  readonly transfer: FileTransfer;
}

/** Where a job starts: afresh, from its own newest checkpoint, or from a path. */
export type StartPoint =
  | { readonly kind: "fresh" | "latest" }
  | { readonly kind: "path"; readonly path: string; readonly claimMode: ClaimMode };

/** What a job runs with. */
export interface JobSettings {
  readonly name: string;
  readonly jobId: string;
  /** Name of the state backend. */
  readonly stateBackend: string;
  readonly parallelism: number;
  /** Null: derived. */
  readonly maxParallelism: number | null;
  readonly watermarkIntervalMs: number;
  /** Messages between actors that may wait at one subtask. */
  readonly maxMessagesInFlight: number;
  readonly timers: TimerSettings;
  /** Null: accesses of state are not measured. */
  readonly stateLatency: StateLatencySettings | null;
  /** Null: no checkpoints. */
  readonly checkpointing: CheckpointingSettings | null;
  /** Null: none. */
  readonly changelog: ChangelogSettings | null;
  readonly savepoints: SavepointSettings;
  /** Checkpoints and savepoints of which details are remembered, ≥ 0. */
  readonly checkpointHistory: number;
  readonly restart: RestartSettings;
  readonly start: StartPoint;
  readonly ignoreUnclaimedState: boolean;
}

/**
 * Reads the settings of a job.
 *
 * @param jobName Given to `execute`; `pipeline.name` wins.
 * @param backendName That of the state backend that the job has.
 * @throws {StreamError} If options contradict each other.
 */
export function jobSettings(
  jobName: string,
  configuration: Configuration,
  backendName: string = configuration.get(STATE_BACKEND),
): JobSettings {
  const name = configuration.get(PIPELINE_NAME) ?? jobName;
  const checkpointing = checkpointingSettings(configuration);
  const path = configuration.get(RECOVERY_PATH);
  const maxParallelism = configuration.get(MAX_PARALLELISM);
  return {
    name,
    jobId: configuration.get(JOB_ID) ?? stableId(`job:${name}`),
    stateBackend: backendName,
    parallelism: configuration.get(DEFAULT_PARALLELISM),
    maxParallelism: maxParallelism > 0 ? maxParallelism : null,
    watermarkIntervalMs: configuration.get(AUTO_WATERMARK_INTERVAL),
    maxMessagesInFlight: configuration.get(MAX_MESSAGES_IN_FLIGHT),
    timers: timerSettings(configuration, backendName),
    stateLatency: stateLatencySettings(configuration),
    checkpointing,
    changelog: changelogSettings(configuration, checkpointing ?? NO_CHECKPOINTS),
    savepoints: {
      directory: configuration.get(SAVEPOINT_DIR) ?? null,
      timeoutMs: configuration.get(CHECKPOINT_TIMEOUT),
      inlineThresholdBytes: configuration.get(INLINE_THRESHOLD),
      transfer: configuration.get(CHECKPOINT_TRANSFER),
    },
    checkpointHistory: configuration.get(CHECKPOINT_HISTORY),
    restart: restartSettingsOf(configuration, checkpointing !== null),
    start: path === undefined
      ? { kind: "fresh" }
      : path === "latest"
      ? { kind: "latest" }
      : { kind: "path", path, claimMode: configuration.get(CLAIM_MODE) },
    ignoreUnclaimedState: configuration.get(IGNORE_UNCLAIMED_STATE),
  };
}

const NO_CHECKPOINTS = { maxConcurrent: 1, inlineThresholdBytes: 0 };

function checkpointingSettings(configuration: Configuration): CheckpointingSettings | null {
  const intervalMs = configuration.get(CHECKPOINT_INTERVAL);
  if (intervalMs === undefined) return null;
  const storage = configuration.get(CHECKPOINT_STORAGE);
  const directory = configuration.get(CHECKPOINT_DIR) ?? null;
  if (storage === "filesystem" && directory === null) {
    throw new StreamError(
      "invalid",
      'Cannot keep checkpoints in files: execution.checkpointing.storage is "filesystem", execution.checkpointing.dir ' +
        "is not set; set the folder, or the storage to jobmanager (memory of the process)",
    );
  }
  return {
    intervalMs,
    exactlyOnce: configuration.get(CHECKPOINT_MODE) === "EXACTLY_ONCE",
    timeoutMs: configuration.get(CHECKPOINT_TIMEOUT),
    minPauseMs: configuration.get(CHECKPOINT_MIN_PAUSE),
    maxConcurrent: configuration.get(MAX_CONCURRENT_CHECKPOINTS),
    tolerableFailures: configuration.get(TOLERABLE_FAILED_CHECKPOINTS),
    afterTasksFinish: configuration.get(CHECKPOINTS_AFTER_TASKS_FINISH),
    retained: configuration.get(NUM_RETAINED_CHECKPOINTS),
    retention: configuration.get(CHECKPOINT_RETENTION),
    incremental: configuration.get(INCREMENTAL_CHECKPOINTS),
    transfer: configuration.get(CHECKPOINT_TRANSFER),
    directory: storage === "jobmanager" ? null : directory,
    inlineThresholdBytes: configuration.get(INLINE_THRESHOLD),
    maxStateInMemoryBytes: configuration.get(MAX_STATE_IN_MEMORY),
  };
}
