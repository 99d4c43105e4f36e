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
import type { Barrier } from "../core/element.ts";
import { messageOf, StreamError } from "../core/errors.ts";
import type { SnapshotFigures, SnapshotStore, SubtaskSnapshot } from "../core/snapshot.ts";
import { type CheckpointPlan, planCheckpoint } from "./checkpoint_plan.ts";
import {
  type CheckpointProperties,
  commits,
  isForced,
  isRetained,
  isStopping,
  PERIODIC,
} from "./checkpoint_properties.ts";
import type { CompletedCheckpoint } from "./completed_checkpoint.ts";
import { CompletedCheckpoints } from "./completed_checkpoints.ts";
import type { CheckpointEvent, CoordinatorOptions } from "./coordinator_ports.ts";
import { CheckpointFailedError, type CheckpointFailureReason, isMissing } from "./failure.ts";
import { type Failure, FailureReports } from "./failure_reports.ts";
import { PendingCheckpoint } from "./pending_checkpoint.ts";
import { type JobEnd, staysAfter } from "./retention.ts";
import { SavepointRequests } from "./savepoint_requests.ts";
import { type CheckpointsStatistics, StatisticsLog } from "./statistics.ts";
import type { SubtaskRef } from "./storage.ts";
import { StoragePreparation } from "./storage_preparation.ts";
import { StorageWork } from "./storage_work.ts";
import { TriggerSchedule, type WaitingRequest } from "./trigger_schedule.ts";
import { filesIn, lowestBasis, storeCheckpoint, type StoredCheckpoint, type UnderWay } from "./under_way.ts";

/** What a job goes on from. */
export interface RestoredCheckpoints {
  /** What was restored. */
  readonly restored: CompletedCheckpoint;
  /** Checkpoints that this job owns, by id, ascending; `restored` is among them unless it belongs to somebody else. */
  readonly retained: readonly CompletedCheckpoint[];
  /** Ids go on above it. */
  readonly highestId: number;
}

/** Takes the checkpoints of one job. */
export class CheckpointCoordinator {
  readonly #options: CoordinatorOptions;
  readonly #schedule: TriggerSchedule;
  readonly #work: StorageWork;
  /** Of savepoints beside which the job goes on: their folders may be slow. */
  readonly #savepointWork: StorageWork;
  readonly #savepoints: SavepointRequests;
  readonly #preparation: StoragePreparation;
  readonly #underWay = new Map<number, UnderWay>();
  readonly #completed: CompletedCheckpoints;
  readonly #failures: FailureReports;
  readonly #statistics = new StatisticsLog();
  #nextId = 1;
  /** Until a checkpoint has completed, none may refer to files that are somebody else's. */
  #mustBeFull = false;
  /** Files that the backends would build on are gone: until the next attempt, every checkpoint stands alone. */
  #isBasisLost = false;
  /** The savepoint that the job was to stop with: what it covers is committed, so nothing older may be gone back to. */
  #stoppedWith: CompletedCheckpoint | null = null;

  /** Takes nothing before `start()`. */
  constructor(options: CoordinatorOptions) {
    const { clock, settings, storage } = options;
    this.#options = options;
    this.#completed = new CompletedCheckpoints(settings.retained);
    this.#failures = new FailureReports(options, this.#statistics, () => this.#schedule.isStarted);
    this.#work = new StorageWork(storage, (event) => this.#tell(event));
    this.#savepointWork = new StorageWork(storage, (event) => this.#tell(event));
    this.#preparation = new StoragePreparation(storage, this.#work);
    this.#schedule = new TriggerSchedule({
      clock,
      settings,
      load: () => ({
        pendingCount: [...this.#underWay.values()].filter(({ request }) => !isForced(request.properties)).length,
        cleaningCount: this.#work.cleaningCount,
      }),
      begin: (request) =>
        this.#preparation.isDone || request.location !== null ? this.#begin(request) : this.#prepare(request),
    });
    this.#savepoints = new SavepointRequests({
      savepoints: options.savepoints ?? null,
      work: this.#savepointWork,
      submit: (properties, location) => this.#schedule.submit(properties, { location }),
      refuse: (properties, failure) => this.#failures.failed(null, properties, failure),
    });
  }

  /** Goes on from checkpoints of an earlier process or attempt. Before `start()`, or after `stop()` has resolved. */
  restore({ restored, retained, highestId }: RestoredCheckpoints): void {
    const { checkpointId } = restored.metadata;
    this.#completed.restore(retained);
    this.#stoppedWith = null;
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

  /**
   * Takes a checkpoint or savepoint now, or as soon as those under way allow. A savepoint must have a format and a
   * directory; its `externalPath` is the folder that it gets there.
   *
   * @throws {CheckpointFailedError} If it fails.
   * @throws {StreamError} Of kind "invalid" if there is no folder for a savepoint.
   */
  trigger(properties: Partial<CheckpointProperties> = {}): Promise<CompletedCheckpoint> {
    const wanted = { ...PERIODIC, ...properties };
    // What is stopped refuses by itself, before a folder is made.
    if (wanted.type === "checkpoint" || !this.#schedule.isStarted) return this.#schedule.submit(wanted);
    return this.#savepoints.take(wanted);
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
      const files = [...filesIn(snapshot)];
      if (one?.pending.barrier.type === "savepoint" && files.some(({ scope }) => scope === "shared")) {
        throw new Error("a savepoint must stand alone, but it refers to a shared file; this is a defect of Weir");
      }
      this.#completed.register(checkpointId, files);
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
    await this.idle();
  }

  /** Resolves when no work on the storage is left. */
  async idle(): Promise<void> {
    await this.#savepointWork.idle();
    await this.#work.idle();
  }

  /**
   * What to restore from: the newest completed checkpoint, or a savepoint that the job was to stop with if that is newer;
   * null when there is none. Other savepoints are the user's.
   */
  latest(): CompletedCheckpoint | null {
    const latest = this.#completed.latest;
    if (this.#stoppedWith === null || latest === null) return this.#stoppedWith ?? latest;
    return latest.metadata.checkpointId > this.#stoppedWith.metadata.checkpointId ? latest : this.#stoppedWith;
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
      location: request.location ?? storage.begin(id),
      baseId: this.#completed.latest?.metadata.checkpointId ?? 0,
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
    const { clock, job } = this.#options;
    this.#workOf(one).run(async () => {
      const checkpoint = await storeCheckpoint(one, job, clock);
      if (isStopping(one.request.properties)) await this.#beginAfter(checkpoint);
      return checkpoint;
    }).then(
      (checkpoint) => this.#stored(one, checkpoint),
      (cause: unknown) => {
        one.isStoring = false;
        this.#abort(one, { reason: "finalize-failed", detail: `it could not be stored: ${messageOf(cause)}`, cause });
      },
    );
  }

  /** A plain savepoint is written beside the checkpoints; one with which the job stops has its place among them. */
  #workOf({ request: { properties } }: UnderWay): StorageWork {
    return isForced(properties) && !isStopping(properties) ? this.#savepointWork : this.#work;
  }

  /** Before anybody commits what the savepoint covers: from then on nobody may go on from older checkpoints. */
  async #beginAfter({ metadata: { checkpointId }, externalPath }: CompletedCheckpoint): Promise<void> {
    try {
      this.#preparation.goOnFrom(null);
      await this.#options.storage.beginLineage({ above: checkpointId, origin: externalPath }, { committed: true });
    } catch (cause) {
      throw new StreamError(
        "unavailable",
        `the savepoint in "${externalPath}" is complete, but that could not be noted in ` +
          `"${this.#options.storage.path}": ${messageOf(cause)}; make the folder writable and stop the job again`,
        { cause },
      );
    }
  }

  /** The checkpoint is durable. */
  #stored(one: UnderWay, checkpoint: StoredCheckpoint): void {
    const { id, request } = one;
    this.#underWay.delete(id);
    this.#statistics.completed(id, checkpoint.externalPath, checkpoint.durationMs, checkpoint.fullBytes);
    if (commits(request.properties)) this.#subsumeOlder(id);
    if (isStopping(request.properties)) {
      this.#stoppedWith = checkpoint;
      this.#mustBeFull = true;
    }
    if (isRetained(request.properties)) this.#retain(one, checkpoint);
    this.#tell({ kind: "completed", checkpoint });
    if (commits(request.properties) && this.#schedule.isStarted) this.#options.tasks.notifyComplete(id);
    request.resolve(checkpoint);
    this.#schedule.pump();
  }

  #retain({ id, request }: UnderWay, checkpoint: CompletedCheckpoint): void {
    this.#schedule.completed();
    this.#failures.success(id);
    const cleanup = this.#completed.add(checkpoint, request.properties, lowestBasis(this.#underWay.values()));
    if (this.latest() === checkpoint) this.#mustBeFull = false;
    if (cleanup.checkpointIds.length + cleanup.shared.length === 0) return;
    this.#work.clean(cleanup).then(() => this.#schedule.pump());
  }

  #subsumeOlder(checkpointId: number): void {
    for (const older of [...this.#underWay.values()]) {
      if (older.id > checkpointId || isForced(older.request.properties)) continue;
      this.#abort(older, { reason: "subsumed", detail: `checkpoint ${checkpointId} has completed before` });
    }
  }

  /** Gives up a checkpoint; its files go, but for those in the shared folder. */
  #abort(one: UnderWay, failure: Failure): void {
    if (one.isStoring || !this.#underWay.delete(one.id)) return;
    one.cancelTimeout();
    const isWriting = failure.reason === "async-failure" || failure.reason === "finalize-failed";
    if (isWriting && isRetained(one.request.properties) && isMissing(failure.cause)) {
      // Somebody has removed folders: they are made again, and this attempt builds on nothing that was in them.
      this.#preparation.invalidate();
      this.#isBasisLost = true;
    }
    const discarded = this.#workOf(one).clean({ checkpointIds: [], shared: [] }, () => one.location.discard());
    discarded.then(() => this.#schedule.pump());
    if (this.#schedule.isStarted) {
      this.#options.tasks.notifyAborted(one.id, this.latest()?.metadata.checkpointId ?? null);
    }
    one.request.reject(this.#failures.failed(one.id, one.request.properties, failure));
    this.#schedule.pump();
  }

  /** Turns down a request that has not become a checkpoint. */
  #refuse({ properties, reject }: WaitingRequest, failure: Failure): void {
    reject(this.#failures.failed(null, properties, failure));
  }

  #tell(event: CheckpointEvent): void {
    this.#options.listener?.(event);
  }
}
