/**
 * Runs work on the storage one piece after another, in the order in which it
 * was asked for.
 *
 * Called by: coordinator.ts, storage_preparation.ts, savepoint_requests.ts.
 * Calls: the storages.
 *
 * Invariants:
 * - a piece that fails does not stop those behind it.
 *
 * @module
 */
import { type Cleanup, isEmpty } from "./completed_checkpoints.ts";
import type { CheckpointEvent } from "./coordinator_ports.ts";
import type { CheckpointStorage, SavepointStorage } from "./storage.ts";

/** The queue of a storage. */
export class StorageWork {
  readonly #storage: CheckpointStorage;
  readonly #savepoints: SavepointStorage;
  readonly #tell: (event: CheckpointEvent) => void;
  /** What was asked for last; never rejects. */
  #last: Promise<void> = Promise.resolve();
  #cleaningCount = 0;

  /** @param tell Hears of files that were or could not be deleted. */
  constructor(
    storage: CheckpointStorage,
    savepoints: SavepointStorage,
    tell: (event: CheckpointEvent) => void,
  ) {
    this.#storage = storage;
    this.#savepoints = savepoints;
    this.#tell = tell;
  }

  /** Deletions that are waiting or under way. */
  get cleaningCount(): number {
    return this.#cleaningCount;
  }

  /** Runs a piece after all that were asked for before. */
  run<T>(piece: () => Promise<T>): Promise<T> {
    const result = this.#last.then(piece);
    // The caller sees a failure in `result`; here it only must not end the queue.
    this.#last = result.then(() => {}, () => {});
    return result;
  }

  /** Deletes what is not needed any more; resolves when that is done or has been reported as failed. */
  async clean(cleanup: Cleanup, also?: () => Promise<void>): Promise<void> {
    const { shared, claimed } = cleanup;
    const checkpointIds = [...cleanup.checkpointIds, ...claimed.map(({ metadata }) => metadata.checkpointId)];
    this.#cleaningCount++;
    try {
      await this.run(async () => {
        await also?.();
        for (const id of cleanup.checkpointIds) await this.#storage.deleteCheckpoint(id);
        await this.#storage.deleteShared(shared);
        for (const snapshot of claimed) await this.#savepoints.remove(snapshot);
      });
      if (!isEmpty(cleanup)) this.#tell({ kind: "deleted", checkpointIds, sharedFileCount: shared.length });
    } catch (error) {
      this.#tell({ kind: "cleanup-failed", checkpointIds, error });
    } finally {
      this.#cleaningCount--;
    }
  }

  /** Resolves when nothing is left to do. */
  async idle(): Promise<void> {
    for (let seen: Promise<void> | null = null; seen !== this.#last;) {
      seen = this.#last;
      await seen;
    }
  }
}
