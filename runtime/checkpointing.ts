/**
 * Makes the checkpoint storage of a job and the coordinator's settings.
 *
 * Called by: runtime/job.ts.
 * Calls: the storages of checkpoint/.
 *
 * @module
 */
import type { CoordinatorSettings } from "../checkpoint/coordinator_ports.ts";
import { FilesystemStorage } from "../checkpoint/filesystem_storage.ts";
import { MemoryStorage } from "../checkpoint/memory_storage.ts";
import type { CheckpointStorage } from "../checkpoint/storage.ts";
import type { JobPorts } from "./job_ports.ts";
import type { CheckpointingSettings, JobSettings } from "./job_settings.ts";

/** In files when there is a directory, else in memory. */
export function checkpointStorage(
  settings: JobSettings,
  checkpointing: CheckpointingSettings,
  { fileSystem, random }: JobPorts,
): CheckpointStorage {
  if (checkpointing.directory === null) return new MemoryStorage();
  return new FilesystemStorage({
    root: checkpointing.directory,
    jobId: settings.jobId,
    inlineBytes: checkpointing.inlineThresholdBytes,
    transfer: checkpointing.transfer,
    fileSystem,
    random,
  });
}

/** The part of the settings that the coordinator takes. */
export function coordinatorSettings(checkpointing: CheckpointingSettings): CoordinatorSettings {
  return { ...checkpointing, checkpointsAfterTasksFinish: checkpointing.afterTasksFinish };
}
