/**
 * Says in the log what happens to checkpoints. Values go in as properties: a text with values in it would be read as a
 * template, and braces in an error message would be lost.
 *
 * Called by: runtime/job_run.ts.
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
      log.debug("Checkpoint {checkpointId} triggered", { checkpointId: event.checkpointId });
      return;
    case "completed":
      log.debug("Checkpoint {checkpointId} completed", { checkpointId: event.checkpoint.metadata.checkpointId });
      return;
    case "failed":
      if (event.counted) log.warn("{reason}", { reason: event.error.message });
      else log.debug("{reason}", { reason: event.error.message });
      return;
    case "deleted":
      log.debug("Deleted checkpoints {checkpointIds} and {sharedFileCount} shared files", {
        checkpointIds: event.checkpointIds.join(", "),
        sharedFileCount: event.sharedFileCount,
      });
      return;
    case "cleanup-failed":
      log.warn("Cannot delete checkpoints {checkpointIds}: {reason}; they are left", {
        checkpointIds: event.checkpointIds.join(", "),
        reason: String(event.error),
      });
  }
}

/** Falling back to an older checkpoint is loud. */
export function logRecoveryEvent(event: RecoveryEvent): void {
  switch (event.kind) {
    case "damaged":
      log.error("Checkpoint {checkpointId} is damaged, an older one is used: {reason}", {
        checkpointId: event.checkpointId,
        reason: event.error.message,
      });
      return;
    case "set-aside":
      log.warn("Checkpoint {checkpointId} was moved to {path}", {
        checkpointId: event.checkpointId,
        path: event.path,
      });
      return;
    case "swept":
      log.info("Removed what dead processes have left: {unfinished} unfinished checkpoints, {shared} shared files", {
        unfinished: event.report.unfinished.length,
        shared: event.report.shared.length,
      });
  }
}
