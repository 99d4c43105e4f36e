/**
 * Keeps checkpoints in memory: they survive a failure of the job, not the end
 * of the process.
 *
 * Called by: runtime/ (makes it from the configuration), coordinator.ts, recovery.ts.
 * Calls: bytes_input.ts.
 *
 * @module
 */
import { SnapshotCorruptError, StreamError } from "../core/errors.ts";
import type { FileRef, SnapshotFile, SnapshotReader } from "../core/snapshot.ts";
import { BytesInput } from "./bytes_input.ts";
import { DEFAULT_MAX_STATE_BYTES } from "./options.ts";
import type {
  CheckpointLocation,
  CheckpointStorage,
  Lineage,
  SavepointStorage,
  StoredMetadata,
  SweepReport,
} from "./storage.ts";

const POINTER = /^memory:\/\/chk-([0-9]+)(?:\/_metadata)?$/;

/** `jobmanager` storage. */
export class MemoryStorage implements CheckpointStorage {
  readonly name = "jobmanager";
  readonly path = "memory://";
  readonly #maxStateBytes: number;
  readonly #completed = new Map<number, Uint8Array>();
  #highestId = 0;
  #everCompleted = false;
  #lineage: Lineage = { above: 0, origin: null };

  readonly #files: Pick<SavepointStorage, "readMetadata" | "reader"> | null;

  /**
   * @param maxStateBytes Largest file of a snapshot, bytes.
   * @param files Reads snapshots at paths outside the memory: a job may start from one. Null: it may not.
   */
  constructor(
    maxStateBytes: number = DEFAULT_MAX_STATE_BYTES,
    files: Pick<SavepointStorage, "readMetadata" | "reader"> | null = null,
  ) {
    this.#maxStateBytes = maxStateBytes;
    this.#files = files;
  }

  prepare(): Promise<void> {
    return Promise.resolve();
  }

  begin(checkpointId: number): CheckpointLocation {
    this.#highestId = Math.max(this.#highestId, checkpointId);
    let discarded = false;
    return {
      store: () => ({
        create: () => {
          if (!discarded) return Promise.resolve(new MemorySnapshotFile(this.#maxStateBytes));
          return Promise.reject(
            new StreamError(
              "unavailable",
              `Cannot write to checkpoint ${checkpointId}: it was discarded, must be pending; write to the next one`,
            ),
          );
        },
      }),
      writeMetadata: (bytes) => this.#writeMetadata(checkpointId, bytes),
      discard: () => {
        discarded = true;
        return this.deleteCheckpoint(checkpointId);
      },
    };
  }

  completedIds(): Promise<number[]> {
    return Promise.resolve([...this.#completed.keys()].sort((a, b) => b - a));
  }

  highestId(): Promise<number> {
    return Promise.resolve(this.#highestId);
  }

  lineage(): Promise<Lineage> {
    return Promise.resolve(this.#lineage);
  }

  beginLineage(lineage: Lineage, { committed = false }: { readonly committed?: boolean } = {}): Promise<void> {
    this.#lineage = lineage;
    this.#highestId = Math.max(this.#highestId, lineage.above);
    this.#everCompleted ||= committed;
    return Promise.resolve();
  }

  hasEverCompleted(): Promise<boolean> {
    return Promise.resolve(this.#everCompleted);
  }

  readMetadata(pointer: number | string): Promise<StoredMetadata> {
    if (this.#files !== null && typeof pointer === "string" && !pointer.startsWith(this.path)) {
      return this.#files.readMetadata(pointer);
    }
    const id = typeof pointer === "number" ? pointer : Number(POINTER.exec(pointer)?.[1] ?? NaN);
    const bytes = this.#completed.get(id);
    if (bytes === undefined) {
      return Promise.reject(
        new StreamError(
          "invalid",
          `Cannot restore from "${pointer}": there is no such checkpoint in the memory of this process; ` +
            `give the path of a checkpoint with --from and set execution.checkpointing.dir`,
        ),
      );
    }
    return Promise.resolve({ bytes, path: `memory://chk-${id}/_metadata`, externalPath: `memory://chk-${id}` });
  }

  owns(checkpointId: number, externalPath: string): Promise<boolean> {
    return Promise.resolve(externalPath === `${this.path}chk-${checkpointId}`);
  }

  reader(externalPath: string): SnapshotReader {
    if (this.#files !== null && !externalPath.startsWith(this.path)) return this.#files.reader(externalPath);
    return {
      open: (file: FileRef) => {
        if (file.scope === "inline") return Promise.resolve(new BytesInput(`${externalPath}/_metadata`, file.bytes));
        return Promise.reject(
          new SnapshotCorruptError(`${externalPath}/${file.name}`, { reason: "the file is missing" }),
        );
      },
    };
  }

  deleteCheckpoint(checkpointId: number): Promise<void> {
    this.#completed.delete(checkpointId);
    return Promise.resolve();
  }

  deleteShared(_names: readonly string[]): Promise<void> {
    return Promise.resolve();
  }

  setAside(checkpointId: number): Promise<string> {
    this.#completed.delete(checkpointId);
    return Promise.resolve(`memory://damaged-chk-${checkpointId}`);
  }

  sweep(_referenced: ReadonlySet<string>): Promise<SweepReport> {
    return Promise.resolve({ unfinished: [], shared: [] });
  }

  #writeMetadata(checkpointId: number, bytes: Uint8Array): Promise<string> {
    if (this.#completed.has(checkpointId)) {
      return Promise.reject(
        new StreamError(
          "invalid",
          `Cannot write "memory://chk-${checkpointId}/_metadata": it exists, must be new; use a higher checkpoint id`,
        ),
      );
    }
    this.#completed.set(checkpointId, bytes.slice());
    this.#everCompleted = true;
    return Promise.resolve(`memory://chk-${checkpointId}`);
  }
}

class MemorySnapshotFile implements SnapshotFile {
  readonly #maxBytes: number;
  #chunks: Uint8Array[] = [];
  #sizeBytes = 0;
  #open = true;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  write(chunk: Uint8Array): Promise<void> {
    if (!this.#open) return Promise.reject(closed());
    this.#sizeBytes += chunk.length;
    if (this.#sizeBytes > this.#maxBytes) {
      this.#chunks = [];
      return Promise.reject(
        new StreamError(
          "invalid",
          `Cannot keep a snapshot in memory: it has more than ${this.#maxBytes} bytes, the most that one state may ` +
            `have; set execution.checkpointing.dir to keep checkpoints in files`,
        ),
      );
    }
    this.#chunks.push(chunk.slice());
    return Promise.resolve();
  }

  finish(): Promise<FileRef> {
    if (!this.#open) return Promise.reject(closed());
    this.#open = false;
    const bytes = new Uint8Array(this.#sizeBytes);
    let at = 0;
    for (const chunk of this.#chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    this.#chunks = [];
    return Promise.resolve({ scope: "inline", bytes, sizeBytes: bytes.length });
  }

  discard(): Promise<void> {
    this.#open = false;
    this.#chunks = [];
    return Promise.resolve();
  }
}

function closed(): StreamError {
  return new StreamError(
    "invalid",
    "Cannot write a file of a snapshot: it is finished or discarded, must be open; create another file",
  );
}
