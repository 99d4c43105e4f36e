/**
 * Decides where each attempt of a job starts: the first one where the user
 * says, the others from the newest checkpoint that is whole, or from a savepoint
 * with which the job was to stop.
 *
 * Called by: runtime/job_run.ts.
 * Calls: runtime/job_start.ts, checkpoint/coordinator.ts.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type { JobStart } from "../checkpoint/completed_checkpoint.ts";
import type { CheckpointCoordinator } from "../checkpoint/coordinator.ts";
import type { CheckpointStorage } from "../checkpoint/storage.ts";
import { StreamError, WorkingFileError } from "../core/errors.ts";
import type { JobGraph } from "./job_graph.ts";
import { logRecoveryEvent } from "./job_log.ts";
import type { JobSettings } from "./job_settings.ts";
import { type AttemptStart, findOlder, findStart, startFrom, startWithout } from "./job_start.ts";

const log = getLogger(["weir", "job"]);

/** What a job knows of its checkpoints. */
export interface CheckpointsOfJob {
  readonly storage: CheckpointStorage;
  readonly coordinator: CheckpointCoordinator;
  /** Goes into the metadata of every checkpoint; `restoredFrom` is filled in here. */
  readonly jobStart: { -readonly [K in keyof JobStart]: JobStart[K] };
}

/** Where an attempt starts. */
export interface NextStart {
  readonly attempt: AttemptStart;
  /** The job had finished: only its sinks may have something to commit. */
  readonly isFinal: boolean;
}

/** The starts of one job, one attempt after another. */
export class AttemptStarts {
  /** Where the last attempt started. */
  #former: AttemptStart | null = null;

  constructor(
    private readonly settings: JobSettings,
    private readonly graph: JobGraph,
    private readonly checkpoints: CheckpointsOfJob,
  ) {}

  /** Where the next attempt starts. @throws {StreamError} If there is nothing to start from. */
  async next(): Promise<NextStart> {
    const next = this.#former === null ? await this.#first() : { attempt: this.#again(), isFinal: false };
    this.#former = next.attempt;
    return next;
  }

  async #first(): Promise<NextStart> {
    const { settings, graph } = this;
    const { storage, coordinator, jobStart } = this.checkpoints;
    const point = await findStart(settings, storage, logRecoveryEvent);
    if (point.kind === "restore") {
      coordinator.restore(point.found);
      await coordinator.beginLineage();
      const { restored } = point.found;
      const { checkpointId, isFinal, type } = restored.metadata;
      jobStart.restoredFrom = checkpointId;
      log.info("Starting from {type} {checkpointId} in {path}", { type, checkpointId, path: restored.externalPath });
      // After a drained savepoint there is more to read.
      return { attempt: startFrom(restored, graph, settings, storage), isFinal: isFinal && type === "checkpoint" };
    }
    if (point.kind === "restart") log.warn("No checkpoint of this job has ever completed: it starts afresh");
    coordinator.reserveIds(point.highestId);
    return { attempt: startWithout(graph, point.kind), isFinal: false };
  }

  /** From the newest checkpoint or savepoint with which it was to stop; without one, from where the first attempt began. */
  #again(): AttemptStart {
    const { storage, coordinator } = this.checkpoints;
    const latest = coordinator.latest();
    if (latest !== null) return startFrom(latest, this.graph, this.settings, storage);
    const former = this.#former!;
    return former.start.kind === "restore" ? former : startWithout(this.graph, "restart");
  }

  /**
   * Whether an attempt failed because its checkpoint is damaged, and there is an older one of this job to start from.
   * A file that state works on may be one with a file of the checkpoint.
   */
  async fallBack(error: unknown): Promise<boolean> {
    const { storage, coordinator } = this.checkpoints;
    const isDamage = (error instanceof StreamError && error.kind === "corrupt") ||
      WorkingFileError.in(error) !== undefined;
    if (!isDamage || !this.#isOnDisk) return false;
    const damaged = coordinator.latest();
    // The checkpoint at the path that the user has named, or a savepoint with which the job was to stop: nothing else may
    // take its place.
    const isOwn = damaged === null
      ? this.settings.start.kind !== "path"
      : await storage.owns(damaged.metadata.checkpointId, damaged.externalPath);
    if (!isOwn) return false;
    const older = await findOlder(damaged, storage, logRecoveryEvent);
    if (older === null) return false;
    coordinator.restore(older);
    return true;
  }

  get #isOnDisk(): boolean {
    return this.settings.checkpointing !== null && this.settings.checkpointing.directory !== null;
  }
}
