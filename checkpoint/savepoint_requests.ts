/**
 * Takes requests for savepoints: makes the folder of each before anything is
 * asked of the subtasks, and removes it when the savepoint fails.
 *
 * Called by: coordinator.ts.
 * Calls: the SavepointStorage port, through a queue of its own: a slow folder of a user's holds back no checkpoint.
 *
 * Invariants:
 * - a folder that was made has a complete savepoint in it or is removed, before the caller hears of it.
 *
 * @module
 */
import { messageOf, StreamError } from "../core/errors.ts";
import type { CheckpointProperties } from "./checkpoint_properties.ts";
import type { CompletedCheckpoint } from "./completed_checkpoint.ts";
import { NO_CLEANUP } from "./completed_checkpoints.ts";
import type { CheckpointFailedError } from "./failure.ts";
import type { Failure } from "./failure_reports.ts";
import type { SavepointLocation, SavepointStorage } from "./storage.ts";
import type { StorageWork } from "./storage_work.ts";

/** What requests for savepoints need of the coordinator. */
export interface SavepointRequestsPort {
  readonly savepoints: SavepointStorage;
  readonly work: StorageWork;
  /** Puts the request into the queue. */
  submit(properties: CheckpointProperties, location: SavepointLocation): Promise<CompletedCheckpoint>;
  /** The request cannot become a savepoint. @returns What its caller is to see. */
  refuse(properties: CheckpointProperties, failure: Failure): CheckpointFailedError;
}

/** Requests for savepoints of one job. */
export class SavepointRequests {
  /** Requests that have not settled. Promises of these never reject. */
  readonly #open = new Set<Promise<void>>();

  constructor(private readonly port: SavepointRequestsPort) {}

  /** Resolves when every request so far has settled. Not before they were given up: they may wait for ever. */
  async settled(): Promise<void> {
    await Promise.all(this.#open);
  }

  /**
   * Takes a savepoint.
   *
   * @param ready Called when its folder is there; it goes on after what this waits for, which must settle when the
   *   subtasks have failed.
   * @throws {StreamError} If it has no folder or no format.
   * @throws {CheckpointFailedError} If it fails.
   */
  take(properties: CheckpointProperties, ready: () => Promise<void> | void): Promise<CompletedCheckpoint> {
    const result = this.#take(properties, ready);
    // The caller sees how it went.
    const settled: Promise<void> = result.then(() => {}, () => {}).finally(() => this.#open.delete(settled));
    this.#open.add(settled);
    return result;
  }

  async #take(properties: CheckpointProperties, ready: () => Promise<void> | void): Promise<CompletedCheckpoint> {
    const { savepoints, work } = this.port;
    const { directory, format } = properties;
    if (directory === null) {
      throw new StreamError(
        "invalid",
        "Cannot take a savepoint: there is no folder for it, one must be given; " +
          "name it in the request or set execution.checkpointing.savepoint-dir",
      );
    }
    if (format === null) {
      throw new TypeError('Cannot take a savepoint: its format is null, must be "canonical" or "native"');
    }
    let location: SavepointLocation | null = null;
    try {
      location = await this.#makeFolder(savepoints, directory, properties);
      await ready();
      return await this.port.submit(properties, location);
    } catch (error) {
      const made = location;
      if (made !== null) await work.clean(NO_CLEANUP, () => made.discard());
      throw error;
    }
  }

  async #makeFolder(
    savepoints: SavepointStorage,
    directory: string,
    properties: CheckpointProperties,
  ): Promise<SavepointLocation> {
    try {
      return await this.port.work.run(() => savepoints.create(directory));
    } catch (cause) {
      if (cause instanceof StreamError && cause.kind === "invalid") throw cause;
      throw this.port.refuse(properties, { reason: "io-error", detail: messageOf(cause), cause });
    }
  }
}
