/**
 * Carries out checkpoints: starts them, collects the answers, stores them,
 * tells the subtasks.
 *
 * Called by: runtime/ (one per job, across its attempts).
 * Calls: the storages and the ports in coordinator_ports.ts. What to do is decided in checkpoint_plan.ts,
 * pending_checkpoint.ts, request_decider.ts, failure_counter.ts and restart_points.ts.
 *
 * Invariants:
 * - nobody is told that a checkpoint completed, and nothing is deleted for it, before its metadata is durable;
 * - every request that was accepted settles.
 *
 * @module
 */
import { messageOf } from "../core/errors.ts";
import type { SnapshotFigures, SnapshotStore, SubtaskSnapshot } from "../core/snapshot.ts";
import {
  type CheckpointProperties,
  commits,
  isForced,
  isRetained,
  isStopping,
  PERIODIC,
} from "./checkpoint_properties.ts";
import { CheckpointStarter } from "./checkpoint_starter.ts";
import type { CompletedCheckpoint } from "./completed_checkpoint.ts";
import { isEmpty, NO_CLEANUP } from "./completed_checkpoints.ts";
import type { CheckpointEvent, CoordinatorOptions } from "./coordinator_ports.ts";
import { CheckpointFailedError, type CheckpointFailureReason, isMissing } from "./failure.ts";
import { type Failure, FailureReports } from "./failure_reports.ts";
import { RestartPoints, type RestoredCheckpoints } from "./restart_points.ts";
import { type JobEnd, staysAfter } from "./retention.ts";
import { SavepointRequests } from "./savepoint_requests.ts";
import { type CheckpointsStatistics, StatisticsLog } from "./statistics.ts";
import type { SubtaskRef } from "./storage.ts";
import { StoragePreparation } from "./storage_preparation.ts";
import { StorageWork } from "./storage_work.ts";
import { TriggerSchedule } from "./trigger_schedule.ts";
import { filesIn, lowestBasis, storeCheckpoint, type StoredCheckpoint, type UnderWay } from "./under_way.ts";

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
  readonly #points: RestartPoints;
  readonly #failures: FailureReports;
  readonly #statistics: StatisticsLog;
  readonly #starter: CheckpointStarter;

  /** Takes nothing before `start()`. */
  constructor(options: CoordinatorOptions) {
    const { clock, settings, storage, savepoints } = options;
    this.#options = options;
    this.#statistics = new StatisticsLog(settings.historyLength);
    this.#points = new RestartPoints(settings.retained);
    this.#failures = new FailureReports(options, this.#statistics, () => this.#schedule.isStarted);
    this.#work = new StorageWork(storage, savepoints, (event) => this.#tell(event));
    this.#savepointWork = new StorageWork(storage, savepoints, (event) => this.#tell(event));
    this.#preparation = new StoragePreparation(storage, this.#work);
    this.#schedule = new TriggerSchedule({
      clock,
      settings,
      load: () => ({
        pendingCount: [...this.#underWay.values()].filter(({ request }) => !isForced(request.properties)).length,
        cleaningCount: this.#work.cleaningCount,
      }),
      begin: (request) => this.#starter.begin(request),
    });
    this.#starter = new CheckpointStarter({
      options,
      preparation: this.#preparation,
      points: this.#points,
      failures: this.#failures,
      statistics: this.#statistics,
      underWay: this.#underWay,
      isRunning: () => this.#schedule.isStarted,
      declined: (subtask, checkpointId, cause) => this.decline(subtask, checkpointId, cause),
      expired: (one) => {
        this.#abort(one, { reason: "expired", detail: one.pending.describeExpiry(settings.timeoutMs) });
      },
    });
    this.#savepoints = new SavepointRequests({
      savepoints,
      work: this.#savepointWork,
      submit: (properties, location) => this.#schedule.submit(properties, { location }),
      refuse: (properties, failure) => this.#failures.failed(null, properties, failure),
    });
  }

  /** Goes on from checkpoints of an earlier process or attempt. Before `start()`, or after `stop()` has resolved. */
  restore(found: RestoredCheckpoints): void {
    const { restored, highestId, isNewest } = found;
    this.#points.restore(found);
    this.reserveIds(Math.max(highestId, restored.metadata.checkpointId));
    this.#preparation.goOnFrom(isNewest ? null : { above: this.#starter.lastId, origin: restored.externalPath });
    this.#statistics.restored(restored, this.#options.clock.nowMs());
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
    this.#starter.reserveIds(highestId);
  }

  /** An id that no checkpoint has or gets. */
  takeId(): number {
    return this.#starter.takeId();
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
    if (!this.#schedule.isStarted) this.#points.beginAttempt();
    this.#schedule.start();
  }

  /**
   * Gives up what is under way or waiting, but what is being stored, and takes no more until `start()`.
   *
   * @returns Resolves when no work on the storage of checkpoints is left: `latest()` is what to restore from. Folders of
   * savepoints may be slow; nobody waits for them.
   */
  async stop(reason: CheckpointFailureReason = "stopped", cause?: unknown): Promise<void> {
    this.#schedule.stop(reason, cause);
    const detail = cause === undefined ? `it was given up (${reason})` : messageOf(cause);
    for (const one of [...this.#underWay.values()]) this.#abort(one, { reason, detail, cause });
    await this.#work.idle();
  }

  /**
   * Takes a checkpoint or savepoint now, or as soon as those under way allow. A savepoint must have a format and a
   * directory; its `externalPath` is the folder that it gets there.
   *
   * @param ready Called when the folder of a savepoint is there; its barrier comes after what this waits for.
   * @throws {CheckpointFailedError} If it fails.
   * @throws {StreamError} Of kind "invalid" if there is no folder for a savepoint.
   */
  trigger(
    properties: Partial<CheckpointProperties> = {},
    ready: () => Promise<void> | void = () => {},
  ): Promise<CompletedCheckpoint> {
    const wanted = { ...PERIODIC, ...properties };
    // What is stopped refuses by itself, before a folder is made.
    if (wanted.type === "checkpoint" || !this.#schedule.isStarted) return this.#schedule.submit(wanted);
    return this.#savepoints.take(wanted, ready);
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
      this.#points.register(checkpointId, files);
    } catch (error) {
      this.decline(task, checkpointId, error);
      return;
    }
    if (one !== undefined) {
      if (one.pending.acknowledge(task, snapshot, figures).action === "complete") this.#complete(one);
    } else if (checkpointId <= this.#starter.lastId && !this.#points.has(checkpointId)) {
      // Whatever it has written itself may have come after the folder was removed.
      this.#work.clean({ ...NO_CLEANUP, checkpointIds: [checkpointId] });
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
    return this.#points.latest;
  }

  /** Retained checkpoints, newest first. */
  retained(): CompletedCheckpoint[] {
    return this.#points.retained().reverse();
  }

  /** How checkpoints went so far. */
  statistics(): CheckpointsStatistics {
    return this.#statistics.snapshot(this.#points.paths());
  }

  /** The job has ended: stops, waits for savepoints too, and deletes the checkpoints if they are not to stay. */
  async shutdown(end: JobEnd): Promise<void> {
    await this.stop();
    await this.#savepoints.settled();
    if (!staysAfter(end, this.#options.settings.retention)) await this.#work.clean(this.#points.clear());
  }

  /** All have answered. */
  #complete(one: UnderWay): void {
    one.isStoring = true;
    one.cancelTimeout();
    const { clock, job } = this.#options;
    this.#workOf(one).run(async () => {
      const checkpoint = await storeCheckpoint(one, job, clock);
      if (isStopping(one.request.properties)) await this.#preparation.beginAfter(checkpoint);
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

  /** The checkpoint is durable. */
  #stored(one: UnderWay, checkpoint: StoredCheckpoint): void {
    const { id, request } = one;
    this.#underWay.delete(id);
    this.#statistics.completed(id, checkpoint);
    if (commits(request.properties)) this.#subsumeOlder(id);
    if (isStopping(request.properties)) this.#points.stopWith(checkpoint);
    if (isRetained(request.properties)) this.#retain(one, checkpoint);
    this.#tell({ kind: "completed", checkpoint });
    if (commits(request.properties) && this.#schedule.isStarted) this.#options.tasks.notifyComplete(id);
    request.resolve(checkpoint);
    this.#schedule.pump();
  }

  #retain({ id, request }: UnderWay, checkpoint: CompletedCheckpoint): void {
    this.#schedule.completed();
    this.#failures.success(id);
    const cleanup = this.#points.add(checkpoint, request.properties, lowestBasis(this.#underWay.values()));
    if (isEmpty(cleanup)) return;
    this.#statistics.discarded(cleanup.checkpointIds);
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
      this.#points.loseBasis();
    }
    const discarded = this.#workOf(one).clean(NO_CLEANUP, () => one.location.discard());
    discarded.then(() => this.#schedule.pump());
    if (this.#schedule.isStarted) {
      this.#options.tasks.notifyAborted(one.id, this.latest()?.metadata.checkpointId ?? null);
    }
    one.request.reject(this.#failures.failed(one.id, one.request.properties, failure));
    this.#schedule.pump();
  }

  #tell(event: CheckpointEvent): void {
    this.#options.listener?.(event);
  }
}
