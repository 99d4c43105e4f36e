/**
 * A snapshot store whose every wait ends when the snapshot is cancelled, however long the storage behind it hangs.
 *
 * Called by: the snapshots of the backends.
 * Calls: the store that it stands before.
 *
 * Invariants:
 * - once `signal` is aborted, whatever is awaited rejects with its reason, but for `discard`;
 * - a file that is there, or is finished, too late is discarded.
 *
 * @module
 */
import type { FileRef, FileScope, SnapshotFile, SnapshotStore } from "../../core/snapshot.ts";

/** The store as one snapshot sees it. */
export class StoppableStore implements SnapshotStore {
  /** Absent where the store has none. */
  readonly adopt?: (path: string, sizeBytes: number, scope: FileScope) => Promise<FileRef>;
  private readonly stopped: Promise<never>;

  constructor(private readonly store: SnapshotStore, signal: AbortSignal) {
    this.stopped = new Promise((_, reject) => {
      if (signal.aborted) reject(signal.reason);
      else signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    });
    // Whoever waits sees the rejection; when nobody does, that is no failure.
    this.stopped.catch(() => {});
    if (store.adopt !== undefined) {
      this.adopt = (path, sizeBytes, scope) =>
        this.orStop(store.adopt!(path, sizeBytes, scope), (late) => this.discard(late));
    }
  }

  /** What `work` gives, unless the snapshot is cancelled before: then `drop` gets what comes too late. */
  async orStop<T>(work: Promise<T>, drop: (late: T) => unknown): Promise<T> {
    try {
      return await Promise.race([work, this.stopped]);
    } catch (error) {
      // If it was the work that failed, there is nothing to drop; nobody hears of a late failure.
      work.then(drop).catch(() => {});
      throw error;
    }
  }

  async create(scope: FileScope): Promise<SnapshotFile> {
    return new StoppableFile(await this.orStop(this.store.create(scope), (late) => late.discard()), this);
  }

  async discard(file: FileRef): Promise<void> {
    await this.store.discard?.(file);
  }
}

class StoppableFile implements SnapshotFile {
  constructor(private readonly file: SnapshotFile, private readonly store: StoppableStore) {}

  write(chunk: Uint8Array): Promise<void> {
    return this.store.orStop(this.file.write(chunk), () => {});
  }

  finish(): Promise<FileRef> {
    return this.store.orStop(this.file.finish(), (late) => this.store.discard(late));
  }

  discard(): Promise<void> {
    return this.file.discard();
  }
}
