/**
 * Makes a storage ready for the first checkpoint, and notes there which checkpoint the job goes on from when that is
 * not its own.
 *
 * Called by: coordinator.ts.
 * Calls: the storage, through storage_work.ts.
 *
 * Invariants:
 * - a lineage is noted once, after the folders are there and before anything is written into them.
 *
 * @module
 */
import { messageOf, StreamError } from "../core/errors.ts";
import type { CompletedCheckpoint } from "./completed_checkpoint.ts";
import type { CheckpointStorage, Lineage } from "./storage.ts";
import type { StorageWork } from "./storage_work.ts";

/** Whether the storage of one job is ready. */
export class StoragePreparation {
  #isDone = false;
  /** To be begun, when the job comes from a checkpoint that is not its own. */
  #lineage: Lineage | null = null;

  constructor(private readonly storage: CheckpointStorage, private readonly work: StorageWork) {}

  /** Whether a checkpoint may begin at once. */
  get isDone(): boolean {
    return this.#isDone;
  }

  /** The folders have gone: they are made again. */
  invalidate(): void {
    this.#isDone = false;
  }

  /** @param lineage What the job goes on from; null: a checkpoint of its own. */
  goOnFrom(lineage: Lineage | null): void {
    this.#lineage = lineage;
    if (lineage !== null) this.#isDone = false;
  }

  /** Makes it ready; may be tried again after an error. */
  prepare(): Promise<void> {
    return this.work.run(async () => {
      if (this.#isDone) return;
      await this.storage.prepare();
      if (this.#lineage !== null) await this.storage.beginLineage(this.#lineage);
      this.#lineage = null;
      this.#isDone = true;
    });
  }

  /**
   * Before anybody commits what a savepoint covers with which the job stops: from then on nobody may go on from older
   * checkpoints. Part of a piece of work on the storage.
   */
  async beginAfter({ metadata: { checkpointId }, externalPath }: CompletedCheckpoint): Promise<void> {
    this.#lineage = null;
    try {
      await this.storage.beginLineage({ above: checkpointId, origin: externalPath }, { committed: true });
    } catch (cause) {
      throw new StreamError(
        "unavailable",
        `the savepoint in "${externalPath}" is complete, but that could not be noted in "${this.storage.path}": ` +
          `${messageOf(cause)}; make the folder writable and stop the job again`,
        { cause },
      );
    }
  }

  /** As `CheckpointCoordinator.beginLineage`. */
  async beginLineage(): Promise<void> {
    if (this.#lineage === null) return;
    try {
      await this.prepare();
    } catch (cause) {
      throw new StreamError(
        "unavailable",
        `Cannot note in "${this.storage.path}" which checkpoint the job goes on from: ${messageOf(cause)}; ` +
          "make the folder writable and start again",
        { cause },
      );
    }
  }
}
