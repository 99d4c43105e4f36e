/**
 * Carries out checkpoints: starts them, collects the answers, stores them,
 * tells the subtasks.
 *
 * Called by: runtime/ (one per job, across its attempts).
 * Calls: the storage and the ports in coordinator_ports.ts. What to do is decided in checkpoint_plan.ts,
 * pending_checkpoint.ts, request_decider.ts, failure_counter.ts and completed_checkpoints.ts.
 *
 * Invariants:
 * - ids go up, also across attempts and restarts;
 * - nobody is told that a checkpoint completed, and nothing is deleted for it, before its metadata is durable;
 * - every request that was accepted settles.
 *
 * @module
 */
import type { Cancel } from "../core/clock.ts";
import type { Barrier } from "../core/element.ts";
import { messageOf, StreamError } from "../core/errors.ts";
import type { FileRef, SnapshotFigures, SnapshotStore, SubtaskSnapshot } from "../core/snapshot.ts";
import { type CheckpointPlan, planCheckpoint } from "./checkpoint_plan.ts";
import { type CheckpointProperties, commits, isForced, isRetained, PERIODIC } from "./checkpoint_properties.ts";
import type { CompletedCheckpoint } from "./completed_checkpoint.ts";
import { CompletedCheckpoints } from "./completed_checkpoints.ts";
import type { CheckpointEvent, CoordinatorOptions } from "./coordinator_ports.ts";
import { CheckpointFailedError, type CheckpointFailureReason, isMissing } from "./failure.ts";
import { FailureCounter } from "./failure_counter.ts";
import { encodeMetadata } from "./metadata.ts";
import { PendingCheckpoint } from "./pending_checkpoint.ts";
import { type JobEnd, staysAfter } from "./retention.ts";
import { type CheckpointsStatistics, StatisticsLog } from "./statistics.ts";
import type { CheckpointLocation, SubtaskRef } from "./storage.ts";
import { StoragePreparation } from "./storage_preparation.ts";
import { StorageWork } from "./storage_work.ts";
import { TriggerSchedule, type WaitingRequest } from "./trigger_schedule.ts";

/** What a job goes on from. */
export interface RestoredCheckpoints {
  /** What was restored. */
  readonly restored: CompletedCheckpoint;
  /** Checkpoints that this job owns, by id, ascending; `restored` is among them unless it belongs to somebody else. */
  readonly retained: readonly CompletedCheckpoint[];
  /** Ids go on above it. */
  readonly highestId: number;
}

interface UnderWay {
  readonly id: number;
  readonly request: WaitingRequest;
  readonly pending: PendingCheckpoint;
  readonly location: CheckpointLocation;
  /** Latest completed checkpoint when it was triggered: its increments may build on that. */
  readonly baseId: number;
  readonly startedMs: number;
  cancelTimeout: Cancel;
  /** All have answered: it is being stored and can no longer be given up. */
  isStoring: boolean;
}

interface Failure {
  readonly reason: CheckpointFailureReason;
  readonly detail: string;
  readonly cause?: unknown;
}

/** Takes the checkpoints of one job. */
export class CheckpointCoordinator {
  readonly #options: CoordinatorOptions;
  readonly #schedule: TriggerSchedule;
  readonly #work: StorageWork;
  readonly #preparation: StoragePreparation;
  readonly #underWay = new Map<number, UnderWay>();
  readonly #completed: CompletedCheckpoints;
  readonly #failures: FailureCounter;
  readonly #statistics = new StatisticsLog();
  #nextId = 1;
  /** Until a checkpoint has completed, none may refer to files that are somebody else's. */
  #mustBeFull = false;
  /** Files that the backends would build on are gone: until the next attempt, every checkpoint stands alone. */
  #isBasisLost = false;

  /** Takes nothing before `start()`. */
  constructor(options: CoordinatorOptions) {
    const { clock, settings, storage } = options;
    this.#options = options;
    this.#completed = new CompletedCheckpoints(settings.retained);
    this.#failures = new FailureCounter(settings.tolerableFailures);
    this.#work = new StorageWork(storage, (event) => this.#tell(event));
    this.#preparation = new StoragePreparation(storage, this.#work);
    this.#schedule = new TriggerSchedule({
      clock,
      settings,
      load: () => ({ pendingCount: this.#underWay.size, cleaningCount: this.#work.cleaningCount }),
      begin: (request) => this.#preparation.isDone ? this.#begin(request) : this.#prepare(request),
    });
  }

  /** Goes on from checkpoints of an earlier process or attempt. Before `start()`, or after `stop()` has resolved. */
  restore({ restored, retained, highestId }: RestoredCheckpoints): void {
    const { checkpointId } = restored.metadata;
    this.#completed.restore(retained);
    this.reserveIds(Math.max(highestId, checkpointId));
    this.#mustBeFull = !retained.includes(restored);
    const lineage = { above: this.#nextId - 1, origin: restored.externalPath };
    this.#preparation.goOnFrom(this.#mustBeFull ? lineage : null);
    this.#statistics.restored(checkpointId, restored.externalPath, this.#options.clock.nowMs());
  }

  /**
   * Before sinks take back what newer checkpoints have committed: from then on nobody may go on from those. Does nothing
   * when the job goes on from a checkpoint of its own.
   *
   * @throws {StreamError} If it cannot be written down; nothing has been changed then.
   */
  beginLineage(): Promise<void> {
    return this.#preparation.beginLineage();
  }

  /** No checkpoint gets an id up to this one. */
  reserveIds(highestId: number): void {
    this.#nextId = Math.max(this.#nextId, highestId + 1);
  }

  /** An id that no checkpoint has or gets. */
  takeId(): number {
    return this.#nextId++;
  }

  /**
   * From now on only a savepoint with which the job stops begins; all other requests wait for `release` or `stop`.
   *
   * @returns Resolves when nothing that was asked for before is about to begin.
   */
  hold(): Promise<void> {
    return this.#schedule.hold();
  }

  /** Ends a hold. */
  release(): void {
    this.#schedule.release();
  }

  /** All subtasks run: takes checkpoints, every `intervalMs` and on demand. */
  start(): void {
    if (!this.#schedule.isStarted) this.#isBasisLost = false;
    this.#schedule.start();
  }

  /**
   * Gives up what is under way or waiting, and takes no more until `start()`.
   *
   * @returns Resolves when no work on the storage is left: `latest()` is what to restore from.
   */
  async stop(reason: CheckpointFailureReason = "stopped", cause?: unknown): Promise<void> {
    this.#schedule.stop(reason, cause);
    await this.abortPending(reason, cause);
  }

  /** Takes a checkpoint now, or as soon as those under way allow. @throws {CheckpointFailedError} If it fails. */
  trigger(properties: Partial<CheckpointProperties> = {}): Promise<CompletedCheckpoint> {
    return this.#schedule.submit({ ...PERIODIC, ...properties });
  }

  /** Where a subtask writes its files. @throws {CheckpointFailedError} If the checkpoint is not under way. */
  store(checkpointId: number, task: SubtaskRef): SnapshotStore {
    const one = this.#underWay.get(checkpointId);
    if (one !== undefined) return one.location.store(task);
    throw new CheckpointFailedError(
      checkpointId,
      "stopped",
      "it was given up, must be under way; wait for the next one",
    );
  }

  /** A subtask's snapshot is durable. Late and double answers are sorted out here. */
  acknowledge(task: SubtaskRef, checkpointId: number, snapshot: SubtaskSnapshot, figures: SnapshotFigures): void {
    const one = this.#underWay.get(checkpointId);
    if (one !== undefined && !one.pending.waitsFor(task)) return;
    this.#statistics.answered(checkpointId, task, figures, this.#options.clock.nowMs());
    try {
      this.#completed.register(checkpointId, filesIn(snapshot));
    } catch (error) {
      this.decline(task, checkpointId, error);
      return;
    }
    if (one !== undefined) {
      if (one.pending.acknowledge(task, snapshot, figures).action === "complete") this.#complete(one);
    } else if (checkpointId < this.#nextId && !this.#completed.has(checkpointId)) {
      // Whatever it has written itself may have come after the folder was removed.
      this.#work.clean({ checkpointIds: [checkpointId], shared: [] });
    }
  }

  /** A subtask cannot take part. @param reason `async-failure` when its snapshot could not be written. */
  decline(
    task: SubtaskRef,
    checkpointId: number,
    cause: unknown,
    reason: CheckpointFailureReason = "declined",
  ): void {
    const one = this.#underWay.get(checkpointId);
    if (one === undefined) return;
    const detail = `subtask ${one.pending.nameOf(task)} has no snapshot: ${messageOf(cause)}`;
    this.#abort(one, { reason, detail, cause });
  }

  /**
   * Gives up all checkpoints under way, but those that are being stored.
   *
   * @returns Resolves when no work on the storage is left.
   */
  async abortPending(reason: CheckpointFailureReason, cause?: unknown): Promise<void> {
    const detail = cause === undefined ? `it was given up (${reason})` : messageOf(cause);
    for (const one of [...this.#underWay.values()]) this.#abort(one, { reason, detail, cause });
    await this.#work.idle();
  }

  /** Resolves when no work on the storage is left. */
  idle(): Promise<void> {
    return this.#work.idle();
  }

  /** The newest completed checkpoint; null when there is none. */
  latest(): CompletedCheckpoint | null {
    return this.#completed.latest;
  }

  /** Retained checkpoints, newest first. */
  retained(): CompletedCheckpoint[] {
    return this.#completed.list().reverse();
  }

  /** How checkpoints went so far. */
  statistics(): CheckpointsStatistics {
    return this.#statistics.snapshot();
  }

  /** The job has ended: stops, and deletes the checkpoints if they are not to stay. */
  async shutdown(end: JobEnd): Promise<void> {
    await this.stop();
    if (!staysAfter(end, this.#options.settings.retention)) await this.#work.clean(this.#completed.clear());
  }

  /** Before the first checkpoint, and again if that failed. */
  async #prepare(request: WaitingRequest): Promise<void> {
    try {
      await this.#preparation.prepare();
    } catch (cause) {
      const detail = `"${this.#options.storage.path}" cannot be prepared: ${messageOf(cause)}`;
      this.#refuse(request, { reason: "io-error", detail, cause });
      return;
    }
    this.#begin(request);
  }

  #begin(request: WaitingRequest): void {
    if (!this.#schedule.isStarted) {
      this.#refuse(request, { reason: "stopped", detail: "checkpoints were stopped meanwhile" });
      return;
    }
    const { settings, tasks } = this.#options;
    const plan = planCheckpoint(tasks.subtasks(), settings.checkpointsAfterTasksFinish);
    if (plan.action === "reject") {
      this.#refuse(request, { reason: "tasks-not-running", detail: plan.detail });
      return;
    }
    const one = this.#open(request, plan);
    for (const subtask of plan.trigger) {
      if (!this.#underWay.has(one.id)) return;
      try {
        tasks.trigger(subtask, one.pending.barrier);
      } catch (error) {
        this.decline(subtask, one.id, error);
      }
    }
  }

  #open(request: WaitingRequest, plan: CheckpointPlan & { readonly action: "take" }): UnderWay {
    const { clock, settings, storage } = this.#options;
    const { type, isFinal, format, synchronous } = request.properties;
    const id = this.takeId();
    const full = isForced(request.properties) || request.properties.full || !settings.incremental || this.#mustBeFull ||
      this.#isBasisLost;
    const stops = synchronous ? { stops: true as const } : {};
    const barrier: Barrier = { checkpointId: id, timestampMs: clock.nowMs(), type, full, format, ...stops };
    const pending = new PendingCheckpoint(barrier, request.properties, plan);
    const one: UnderWay = {
      id,
      request,
      pending,
      location: storage.begin(id),
      baseId: this.latest()?.metadata.checkpointId ?? 0,
      startedMs: clock.monotonicMs(),
      cancelTimeout: clock.schedule(settings.timeoutMs, () => {
        this.#abort(one, { reason: "expired", detail: pending.describeExpiry(settings.timeoutMs) });
      }),
      isStoring: false,
    };
    this.#underWay.set(id, one);
    const { timestampMs: triggeredMs } = barrier;
    this.#statistics.triggered(id, { type, isFinal, triggeredMs, subtaskCount: pending.total });
    this.#tell({ kind: "triggered", checkpointId: id, type, isFinal });
    return one;
  }

  /** All have answered. */
  #complete(one: UnderWay): void {
    one.isStoring = true;
    one.cancelTimeout();
    this.#work.run(async () => {
      const metadata = one.pending.metadata(this.#options.job);
      const bytes = encodeMetadata(metadata);
      const externalPath = await one.location.writeMetadata(bytes);
      const figures = one.pending.answers.map((answer) => answer.figures);
      return {
        metadata,
        externalPath,
        incrementBytes: bytes.length + sum(figures.map((figure) => figure.incrementBytes)),
        fullBytes: bytes.length + sum(figures.map((figure) => figure.fullBytes)),
        durationMs: Math.max(0, this.#options.clock.monotonicMs() - one.startedMs),
      };
    }).then(
      (checkpoint) => this.#stored(one, checkpoint),
      (cause: unknown) => {
        one.isStoring = false;
        this.#abort(one, { reason: "finalize-failed", detail: `it could not be stored: ${messageOf(cause)}`, cause });
      },
    );
  }

  /** The checkpoint is durable. */
  #stored(one: UnderWay, checkpoint: CompletedCheckpoint & { readonly durationMs: number }): void {
    const { id, request } = one;
    this.#underWay.delete(id);
    this.#schedule.completed();
    this.#failures.success(id);
    this.#statistics.completed(id, checkpoint.externalPath, checkpoint.durationMs, checkpoint.fullBytes);
    if (commits(request.properties)) this.#subsumeOlder(id);
    if (isRetained(request.properties)) {
      this.#mustBeFull = false;
      const cleanup = this.#completed.add(checkpoint, request.properties, this.#lowestBaseId());
      if (cleanup.checkpointIds.length > 0 || cleanup.shared.length > 0) {
        this.#work.clean(cleanup).then(() => this.#schedule.pump());
      }
    }
    this.#tell({ kind: "completed", checkpoint });
    if (commits(request.properties) && this.#schedule.isStarted) this.#options.tasks.notifyComplete(id);
    request.resolve(checkpoint);
    this.#schedule.pump();
  }

  #subsumeOlder(checkpointId: number): void {
    for (const older of [...this.#underWay.values()]) {
      if (older.id > checkpointId || isForced(older.request.properties)) continue;
      this.#abort(older, { reason: "subsumed", detail: `checkpoint ${checkpointId} has completed before` });
    }
  }

  #lowestBaseId(): number {
    let lowest = Number.POSITIVE_INFINITY;
    for (const { baseId, pending } of this.#underWay.values()) {
      if (!pending.barrier.full) lowest = Math.min(lowest, baseId);
    }
    return lowest;
  }

  /** Gives up a checkpoint; its files go, but for those in the shared folder. */
  #abort(one: UnderWay, failure: Failure): void {
    if (one.isStoring || !this.#underWay.delete(one.id)) return;
    one.cancelTimeout();
    if ((failure.reason === "async-failure" || failure.reason === "finalize-failed") && isMissing(failure.cause)) {
      // Somebody has removed folders: they are made again, and this attempt builds on nothing that was in them.
      this.#preparation.invalidate();
      this.#isBasisLost = true;
    }
    this.#work.clean({ checkpointIds: [], shared: [] }, () => one.location.discard()).then(() => this.#schedule.pump());
    if (this.#schedule.isStarted) {
      this.#options.tasks.notifyAborted(one.id, this.latest()?.metadata.checkpointId ?? null);
    }
    this.#failed(one.id, one.request, failure);
    this.#schedule.pump();
  }

  /** Turns down a request that has not become a checkpoint. */
  #refuse(request: WaitingRequest, failure: Failure): void {
    const { type, isFinal } = request.properties;
    this.#statistics.triggered(null, { type, isFinal, triggeredMs: this.#options.clock.nowMs(), subtaskCount: 0 });
    this.#failed(null, request, failure);
  }

  #failed(checkpointId: number | null, { properties, reject }: WaitingRequest, failure: Failure): void {
    const { reason, detail, cause } = failure;
    const error = new CheckpointFailedError(checkpointId, reason, detail, cause === undefined ? {} : { cause });
    this.#statistics.failed(checkpointId, reason, error.message, this.#options.clock.nowMs());
    const decision = this.#failures.failure({ checkpointId, reason, properties });
    this.#tell({ kind: "failed", error, counted: decision !== "ignore" });
    reject(error);
    if (decision !== "fail-job" || !this.#schedule.isStarted) return;
    const { tolerableFailures } = this.#options.settings;
    this.#options.tasks.failJob(
      new StreamError(
        "unavailable",
        `Cannot go on: ${tolerableFailures + 1} checkpoints in a row have failed, ${tolerableFailures} may ` +
          `(execution.checkpointing.tolerable-failed-checkpoints); ${error.message}`,
        { cause: error },
      ),
    );
  }

  #tell(event: CheckpointEvent): void {
    this.#options.listener?.(event);
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

function* filesIn(snapshot: SubtaskSnapshot): Generator<FileRef> {
  for (const { keyed } of snapshot.values()) {
    for (const run of keyed?.runs ?? []) yield run.file;
  }
}
