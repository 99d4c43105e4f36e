/**
 * Decides where each attempt of a job starts: the first one where the user
 * says, the others from the newest checkpoint that is whole.
 *
 * Called by: runtime/job.ts.
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

/** What a job knows of its checkpoints; null when it takes none. */
export interface CheckpointsOfJob {
  readonly storage: CheckpointStorage | null;
  readonly coordinator: CheckpointCoordinator | null;
  /** Goes into the metadata of every checkpoint; `restoredFrom` is filled in here. */
  readonly jobStart: { -readonly [K in keyof JobStart]: JobStart[K] };
}

/** The starts of one job, one attempt after another. */
export class AttemptStarts {
  constructor(
    private readonly settings: JobSettings,
    private readonly graph: JobGraph,
    private readonly checkpoints: CheckpointsOfJob,
  ) {}

  /** Where the first attempt starts. `isFinal`: the job had finished, only its sinks may have something to commit. */
  async first(): Promise<{ attempt: AttemptStart; isFinal: boolean }> {
    const { settings, graph } = this;
    const { storage, coordinator, jobStart } = this.checkpoints;
    const point = await findStart(settings, this.#isOnDisk ? storage : null, logRecoveryEvent);
    if (point.kind === "restore") {
      coordinator!.restore(point.found);
      await coordinator!.beginLineage();
      const { restored } = point.found;
      const { checkpointId, isFinal } = restored.metadata;
      jobStart.restoredFrom = checkpointId;
      log.info("Starting from checkpoint {checkpointId} in {path}", { checkpointId, path: restored.externalPath });
      return { attempt: startFrom(restored, graph, settings, storage!), isFinal };
    }
    if (point.kind === "restart") log.warn("No checkpoint of this job has ever completed: it starts afresh");
    coordinator?.reserveIds(point.highestId);
    return { attempt: startWithout(graph, point.kind), isFinal: false };
  }

  /** From the newest checkpoint; without one, from where the first attempt began. */
  again(former: AttemptStart): AttemptStart {
    const { storage, coordinator } = this.checkpoints;
    const latest = coordinator?.latest() ?? null;
    if (latest !== null) return startFrom(latest, this.graph, this.settings, storage!);
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
    const damaged = coordinator!.latest();
    // The checkpoint at the path that the user has named: nothing else may take its place.
    if (damaged === null && this.settings.start.kind === "path") return false;
    const older = await findOlder(damaged, storage!, logRecoveryEvent);
    if (older === null) return false;
    coordinator!.restore(older);
    return true;
  }

  get #isOnDisk(): boolean {
    return this.settings.checkpointing !== null && this.settings.checkpointing.directory !== null;
  }
}
