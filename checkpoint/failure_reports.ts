/**
 * Says that a checkpoint has failed to everybody whom it concerns: the caller, the statistics, the listener, and the job
 * when it is one failure too many.
 *
 * Called by: coordinator.ts.
 * Calls: failure_counter.ts, statistics.ts, the ports in coordinator_ports.ts.
 *
 * @module
 */
import { StreamError } from "../core/errors.ts";
import type { CheckpointProperties } from "./checkpoint_properties.ts";
import type { CoordinatorOptions } from "./coordinator_ports.ts";
import { CheckpointFailedError, type CheckpointFailureReason } from "./failure.ts";
import { FailureCounter } from "./failure_counter.ts";
import type { StatisticsLog } from "./statistics.ts";

/** Why a checkpoint has failed. */
export interface Failure {
  readonly reason: CheckpointFailureReason;
  /** Completes "Cannot complete checkpoint <id>: ". */
  readonly detail: string;
  readonly cause?: unknown;
}

/** Failures of the checkpoints of one job. */
export class FailureReports {
  readonly #counter: FailureCounter;

  /** @param isRunning Whether there is a job that could fail. */
  constructor(
    private readonly options: CoordinatorOptions,
    private readonly statistics: StatisticsLog,
    private readonly isRunning: () => boolean,
  ) {
    this.#counter = new FailureCounter(options.settings.tolerableFailures);
  }

  /** A checkpoint has completed: the row of failures ends. */
  success(checkpointId: number): void {
    this.#counter.success(checkpointId);
  }

  /** A checkpoint has failed; with a null id, before it was one. @returns What its caller is to see. */
  failed(checkpointId: number | null, properties: CheckpointProperties, failure: Failure): CheckpointFailedError {
    if (checkpointId === null) {
      const triggeredMs = this.options.clock.nowMs();
      this.statistics.triggered(null, { properties, full: properties.full, triggeredMs, subtaskCount: 0 });
    }
    const { reason, detail, cause } = failure;
    const error = new CheckpointFailedError(checkpointId, reason, detail, {
      type: properties.type,
      ...(cause === undefined ? {} : { cause }),
    });
    this.statistics.failed(checkpointId, { reason, message: error.message, atMs: this.options.clock.nowMs() });
    const decision = this.#counter.failure({ checkpointId, reason, properties });
    this.options.listener?.({ kind: "failed", error, counted: decision !== "ignore" });
    if (decision === "fail-job" && this.isRunning()) this.options.tasks.failJob(this.#tooMany(error));
    return error;
  }

  #tooMany(cause: CheckpointFailedError): StreamError {
    const { tolerableFailures } = this.options.settings;
    return new StreamError(
      "unavailable",
      `Cannot go on: ${tolerableFailures + 1} checkpoints in a row have failed, ${tolerableFailures} may ` +
        `(execution.checkpointing.tolerable-failed-checkpoints); ${cause.message}`,
      { cause },
    );
  }
}
