/**
 * Knows which files in the shared folder are still needed.
 *
 * Called by: completed_checkpoints.ts.
 * Calls: core/errors.ts.
 *
 * Source: Flink's `SharedStateRegistry`: no reference counts, but the last checkpoint that used a file.
 *
 * Invariants:
 * - a file that a checkpoint with an id of at least `lowestId` uses is never given up by `release(lowestId)`;
 * - a name is given up once.
 *
 * @module
 */
import { StreamError } from "../core/errors.ts";

/** A file in the shared folder. */
export interface SharedFile {
  readonly name: string;
  readonly sizeBytes: number;
}

interface Entry {
  readonly sizeBytes: number;
  readonly createdBy: number;
  lastUsedBy: number;
}

/** What `release` gives up and what it keeps. */
export interface SharedRelease {
  /** Names of files that nothing needs any more. */
  readonly names: readonly string[];
  /** Ids of checkpoints that created a file which is still needed. */
  readonly inUse: ReadonlySet<number>;
}

/** Files in the shared folder of a job. */
export class SharedFiles {
  readonly #entries = new Map<string, Entry>();
  #unclaimedId = 0;
  #closed = false;

  /** Number of files. */
  get size(): number {
    return this.#entries.size;
  }

  /** Names of all files. */
  names(): Set<string> {
    return new Set(this.#entries.keys());
  }

  /**
   * A checkpoint uses these files; also one that is late or has failed, until a later one has completed.
   *
   * @throws {StreamError} If one of the names is known for a file of another size, or after `close`.
   */
  register(checkpointId: number, files: Iterable<SharedFile>): void {
    if (this.#closed) {
      throw new StreamError(
        "invalid",
        `Cannot register files of checkpoint ${checkpointId}: the coordinator is closed, must be open; start the job again`,
      );
    }
    for (const { name, sizeBytes } of files) {
      const entry = this.#entries.get(name);
      if (entry === undefined) {
        this.#entries.set(name, { sizeBytes, createdBy: checkpointId, lastUsedBy: checkpointId });
        continue;
      }
      if (entry.sizeBytes !== sizeBytes) {
        throw new StreamError(
          "corrupt",
          `Cannot register shared file "${name}" of checkpoint ${checkpointId}: it has ${sizeBytes} bytes, ` +
            `checkpoint ${entry.createdBy} registered it with ${entry.sizeBytes}; take another checkpoint`,
        );
      }
      entry.lastUsedBy = Math.max(entry.lastUsedBy, checkpointId);
    }
  }

  /** Files that a checkpoint up to this id has created are the user's: forgotten in time, never given up for deletion. */
  leaveUnclaimed(checkpointId: number): void {
    this.#unclaimedId = Math.max(this.#unclaimedId, checkpointId);
  }

  /** Gives up what no checkpoint from `lowestId` on uses. */
  release(lowestId: number): SharedRelease {
    const names: string[] = [];
    const inUse = new Set<number>();
    for (const [name, entry] of this.#entries) {
      if (entry.lastUsedBy >= lowestId) {
        inUse.add(entry.createdBy);
        continue;
      }
      this.#entries.delete(name);
      if (entry.createdBy > this.#unclaimedId) names.push(name);
    }
    return { names, inUse };
  }

  /** Ends registration. */
  close(): void {
    this.#closed = true;
  }
}
