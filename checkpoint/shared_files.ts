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

/** Files in the shared folder of a job. */
export class SharedFiles {
  readonly #entries = new Map<string, Entry>();

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
   * @throws {StreamError} If one of the names is known for a file of another size.
   */
  register(checkpointId: number, files: Iterable<SharedFile>): void {
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

  /** Gives up what no checkpoint from `lowestId` on uses. @returns Names of files that nothing needs any more. */
  release(lowestId: number): string[] {
    const names: string[] = [];
    for (const [name, entry] of this.#entries) {
      if (entry.lastUsedBy >= lowestId) continue;
      this.#entries.delete(name);
      names.push(name);
    }
    return names;
  }
}
