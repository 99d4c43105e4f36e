/**
 * Turns a request into a checkpoint that is under way: plans it, gives it an
 * id and a place, and hands its barrier to the subtasks.
 *
 * Called by: coordinator.ts.
 * Calls: checkpoint_plan.ts, storage_preparation.ts, restart_points.ts, the ports in coordinator_ports.ts.
 *
 * Invariants:
 * - ids go up, also across attempts and restarts;
 * - a request becomes a checkpoint or is turned down.
 *
 * @module
 */
import type { Barrier } from "../core/element.ts";
import { messageOf } from "../core/errors.ts";
import { type CheckpointPlan, planCheckpoint } from "./checkpoint_plan.ts";
import { isForced } from "./checkpoint_properties.ts";
import type { CoordinatorOptions } from "./coordinator_ports.ts";
import type { Failure, FailureReports } from "./failure_reports.ts";
import { PendingCheckpoint } from "./pending_checkpoint.ts";
import type { RestartPoints } from "./restart_points.ts";
import type { StatisticsLog } from "./statistics.ts";
import type { SubtaskRef } from "./storage.ts";
import type { StoragePreparation } from "./storage_preparation.ts";
import type { WaitingRequest } from "./trigger_schedule.ts";
import type { UnderWay } from "./under_way.ts";

/** What a starter works with. */
export interface StarterPort {
  readonly options: CoordinatorOptions;
  readonly preparation: StoragePreparation;
  readonly points: RestartPoints;
  readonly failures: FailureReports;
  readonly statistics: StatisticsLog;
  /** What it starts is put there. */
  readonly underWay: Map<number, UnderWay>;
  /** Whether checkpoints may begin at all. */
  isRunning(): boolean;
  /** Not all answers have come in time. */
  expired(one: UnderWay): void;
  /** A subtask did not take its barrier. */
  declined(subtask: SubtaskRef, checkpointId: number, cause: unknown): void;
}

/** Starts the checkpoints of one job. */
export class CheckpointStarter {
  #lastId = 0;

  constructor(private readonly port: StarterPort) {}

  /** Highest id that is taken. */
  get lastId(): number {
    return this.#lastId;
  }

  /** No checkpoint gets an id up to this one. */
  reserveIds(highestId: number): void {
    this.#lastId = Math.max(this.#lastId, highestId);
  }

  /** An id that no checkpoint has or gets. */
  takeId(): number {
    return ++this.#lastId;
  }

  /** Starts a checkpoint, at once if the storage is ready. A savepoint has its place already. */
  begin(request: WaitingRequest): Promise<void> | void {
    const isReady = request.location !== null || this.port.preparation.isDone;
    return isReady ? this.#begin(request) : this.#prepare(request);
  }

  /** Before the first checkpoint, and again if that failed. */
  async #prepare(request: WaitingRequest): Promise<void> {
    const { preparation, options } = this.port;
    try {
      await preparation.prepare();
    } catch (cause) {
      const detail = `"${options.storage.path}" cannot be prepared: ${messageOf(cause)}`;
      this.#refuse(request, { reason: "io-error", detail, cause });
      return;
    }
    this.#begin(request);
  }

  #begin(request: WaitingRequest): void {
    const { options: { settings, tasks }, underWay } = this.port;
    if (!this.port.isRunning()) {
      this.#refuse(request, { reason: "stopped", detail: "checkpoints were stopped meanwhile" });
      return;
    }
    const plan = planCheckpoint(tasks.subtasks(), settings.checkpointsAfterTasksFinish);
    if (plan.action === "reject") {
      this.#refuse(request, { reason: "tasks-not-running", detail: plan.detail });
      return;
    }
    const one = this.#open(request, plan);
    for (const subtask of plan.trigger) {
      if (!underWay.has(one.id)) return;
      try {
        tasks.trigger(subtask, one.pending.barrier);
      } catch (error) {
        this.port.declined(subtask, one.id, error);
      }
    }
  }

  #open(request: WaitingRequest, plan: CheckpointPlan & { readonly action: "take" }): UnderWay {
    const { options: { clock, settings, storage, listener }, points, statistics, underWay } = this.port;
    const { properties } = request;
    const { type, isFinal, format, synchronous } = properties;
    const id = this.takeId();
    const full = isForced(properties) || properties.full || !settings.incremental || points.mustBeFull;
    const stops = synchronous ? { stops: true as const } : {};
    const barrier: Barrier = { checkpointId: id, timestampMs: clock.nowMs(), type, full, format, ...stops };
    const pending = new PendingCheckpoint(barrier, properties, plan);
    const one: UnderWay = {
      id,
      request,
      pending,
      location: request.location ?? storage.begin(id),
      basisId: points.basisId,
      startedMs: clock.monotonicMs(),
      cancelTimeout: clock.schedule(settings.timeoutMs, () => this.port.expired(one)),
      isStoring: false,
    };
    underWay.set(id, one);
    statistics.triggered(id, { properties, full, triggeredMs: barrier.timestampMs, subtaskCount: pending.total });
    listener?.({ kind: "triggered", checkpointId: id, type, isFinal });
    return one;
  }

  /** Turns down a request that has not become a checkpoint. */
  #refuse({ properties, reject }: WaitingRequest, failure: Failure): void {
    reject(this.port.failures.failed(null, properties, failure));
  }
}
