/**
 * Says in the log what happens to checkpoints.
 *
 * Called by: runtime/job.ts.
 * Calls: the logging library.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type { CheckpointEvent } from "../checkpoint/coordinator_ports.ts";
import type { RecoveryEvent } from "../checkpoint/recovery.ts";

const log = getLogger(["weir", "checkpoint"]);

/** Failures are warnings; the rest is for those who debug. */
export function logCheckpointEvent(event: CheckpointEvent): void {
  switch (event.kind) {
    case "triggered":
      log.debug(`Checkpoint ${event.checkpointId} triggered`);
      return;
    case "completed":
      log.debug(`Checkpoint ${event.checkpoint.metadata.checkpointId} completed`);
      return;
    case "failed":
      if (event.counted) log.warn(event.error.message);
      else log.debug(event.error.message);
      return;
    case "deleted":
      log.debug(`Deleted checkpoints ${event.checkpointIds.join(", ")} and ${event.sharedFileCount} shared files`);
      return;
    case "cleanup-failed":
      log.warn(`Cannot delete checkpoints ${event.checkpointIds.join(", ")}: ${String(event.error)}; they are left`);
  }
}

/** Falling back to an older checkpoint is loud. */
export function logRecoveryEvent(event: RecoveryEvent): void {
  switch (event.kind) {
    case "damaged":
      log.error(`Checkpoint ${event.checkpointId} is damaged, an older one is used: ${event.error.message}`);
      return;
    case "set-aside":
      log.warn(`Checkpoint ${event.checkpointId} was moved to ${event.path}`);
      return;
    case "swept":
      log.info(
        `Removed what dead processes have left: ${event.report.unfinished.length} unfinished checkpoints, ` +
          `${event.report.shared.length} shared files`,
      );
  }
}
