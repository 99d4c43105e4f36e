/**
 * Makes the storages of a job's checkpoints and savepoints and the coordinator's settings. All exist for every job: one
 * that takes no checkpoints has savepoints all the same.
 *
 * Called by: runtime/job_run.ts.
 * Calls: the storages of checkpoint/.
 *
 * @module
 */
import type { CoordinatorSettings } from "../checkpoint/coordinator_ports.ts";
import { FilesystemStorage } from "../checkpoint/filesystem_storage.ts";
import { MemoryStorage } from "../checkpoint/memory_storage.ts";
import { FilesystemSavepoints } from "../checkpoint/savepoint_storage.ts";
import type { CheckpointStorage, SavepointStorage } from "../checkpoint/storage.ts";
import type { JobPorts } from "./job_ports.ts";
import type { JobSettings } from "./job_settings.ts";

/** In files when there is a directory, else in memory. */
export function checkpointStorage(
  settings: JobSettings,
  savepoints: SavepointStorage,
  { fileSystem, random }: JobPorts,
): CheckpointStorage {
  const { checkpointing } = settings;
  if (checkpointing === null || checkpointing.directory === null) {
    return new MemoryStorage(checkpointing?.maxStateInMemoryBytes, savepoints);
  }
  return new FilesystemStorage({
    root: checkpointing.directory,
    jobId: settings.jobId,
    inlineBytes: checkpointing.inlineThresholdBytes,
    transfer: checkpointing.transfer,
    fileSystem,
    random,
  });
}

/** Always in files. */
export function savepointStorage(settings: JobSettings, { fileSystem, random, jobLock }: JobPorts): SavepointStorage {
  const { jobId, savepoints: { inlineThresholdBytes: inlineBytes, transfer } } = settings;
  return new FilesystemSavepoints({ fileSystem, random, jobLock, jobId, inlineBytes, transfer });
}

/** The part of the settings that the coordinator takes. */
export function coordinatorSettings(settings: JobSettings): CoordinatorSettings {
  const { checkpointing, savepoints, checkpointHistory: historyLength } = settings;
  if (checkpointing !== null) {
    return { ...checkpointing, checkpointsAfterTasksFinish: checkpointing.afterTasksFinish, historyLength };
  }
  return {
    historyLength,
    intervalMs: null,
    timeoutMs: savepoints.timeoutMs,
    minPauseMs: 0,
    maxConcurrent: 1,
    tolerableFailures: Number.POSITIVE_INFINITY,
    retained: 1,
    checkpointsAfterTasksFinish: true,
    incremental: false,
    retention: "RETAIN_ON_CANCELLATION",
  };
}
