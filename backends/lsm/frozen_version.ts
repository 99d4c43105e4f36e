/**
 * Uploads what a store held at a moment: the run files that the last confirmed checkpoint does not have.
 *
 * Called by: lsm_store.ts (makes it).
 * Calls: the snapshot store, the FileSystem port, uploaded_runs.ts.
 *
 * Invariants:
 * - the version is pinned until `release`, so no file goes away while it is uploaded;
 * - after a failure or cancellation the files that were uploaded for the snapshot are discarded.
 *
 * @module
 */
import { type Clock, pause } from "../../core/clock.ts";
import { messageOf, StreamError } from "../../core/errors.ts";
import type { FileSystem, InputFile } from "../../core/file_system.ts";
import type { FileRef, FileScope, RunHandle, SnapshotFile, SnapshotStore } from "../../core/snapshot.ts";
import type { FrozenStore, StoreSnapshot, StoreSnapshotRequest } from "../embedded/row_store.ts";
import type { LsmStatistics } from "./lsm_statistics.ts";
import type { RunFile } from "./run_file.ts";
import type { UploadedRuns } from "./uploaded_runs.ts";
import type { RunView, Version } from "./version.ts";

/** Copied between two turns of the event loop. */
const CHUNK_BYTES = 524_288;

/** What an upload needs of its store. */
export interface UploadContext {
  readonly operatorName: string;
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  /** Null when snapshots do not build on each other. */
  readonly uploaded: UploadedRuns<RunFile> | null;
  readonly statistics: LsmStatistics;
}

/** A pinned version, and how to upload it. */
export class FrozenVersion implements FrozenStore {
  private started = false;
  private pinned = true;

  /** @param version Retained by the caller for this object, which releases it. */
  constructor(private readonly version: Version, private readonly context: UploadContext) {
    context.statistics.snapshots++;
  }

  async write(request: StoreSnapshotRequest, target: SnapshotStore, signal: AbortSignal): Promise<StoreSnapshot> {
    if (this.started || !this.pinned) {
      const state = this.started ? "write() was called already" : "it was released";
      throw new StreamError("invalid", `Cannot write a snapshot of "${this.context.operatorName}": ${state}`);
    }
    this.started = true;
    const uploaded = request.full ? null : this.context.uploaded;
    const files = new Map<RunFile, FileRef>();
    const upload = new Upload(target, uploaded === null ? "exclusive" : "shared", signal, this.context);
    const runs: RunHandle[] = [];
    try {
      for (const [level, view] of oldestFirst(this.version)) {
        const { file, keyGroups } = view;
        const ref = files.get(file) ?? uploaded?.basis.get(file) ?? await upload.file(file);
        files.set(file, ref);
        runs.push({ file: ref, level, keyGroups, rowCount: file.rowCount, footerCrc32: file.footerCrc32 });
      }
      signal.throwIfAborted();
    } catch (error) {
      await upload.discard(error);
      throw error;
    }
    uploaded?.written(request.checkpointId, files);
    return { runs, incrementBytes: upload.sizeBytes };
  }

  release(): void {
    if (!this.pinned) return;
    this.pinned = false;
    this.context.statistics.snapshots--;
    this.version.release();
  }
}

/** Deepest level first, of level 0 the oldest first. */
function* oldestFirst(version: Version): Generator<readonly [level: number, view: RunView]> {
  for (let level = version.levels.length - 1; level > 0; level--) {
    for (const view of version.levels[level]!) yield [level, view];
  }
  for (const view of version.levels[0]!.toReversed()) yield [0, view];
}

/** The files that one snapshot uploads. */
class Upload {
  /** Of all files. */
  sizeBytes = 0;
  private readonly finished: FileRef[] = [];

  constructor(
    private readonly target: SnapshotStore,
    private readonly scope: FileScope,
    private readonly signal: AbortSignal,
    private readonly context: UploadContext,
  ) {}

  /** Gives the checkpoint a copy of a file. */
  async file({ path, sizeBytes }: RunFile): Promise<FileRef> {
    this.signal.throwIfAborted();
    const ref = this.target.adopt === undefined
      ? await this.copy(path, sizeBytes)
      : await this.unlessAborted(this.target.adopt(path, sizeBytes, this.scope), (late) => this.target.discard?.(late));
    this.finished.push(ref);
    this.sizeBytes += sizeBytes;
    return ref;
  }

  /** Removes what was uploaded, after `cause`. @throws {AggregateError} If that fails too. */
  async discard(cause: unknown): Promise<void> {
    try {
      for (const ref of this.finished) await this.target.discard?.(ref);
    } catch (error) {
      const message = `Cannot write a snapshot, nor remove its files: ${messageOf(cause)}`;
      throw new AggregateError([cause, error], message, { cause });
    }
  }

  private async copy(path: string, sizeBytes: number): Promise<FileRef> {
    const input = await this.context.fileSystem.open(path);
    try {
      const creating = this.target.create(this.scope);
      const output = await this.unlessAborted(creating, (late) => late.discard());
      try {
        await this.copyBytes(input, sizeBytes, output);
        return await this.unlessAborted(output.finish(), (late) => this.target.discard?.(late));
      } catch (error) {
        await output.discard();
        throw error;
      }
    } finally {
      input.close();
    }
  }

  private async copyBytes(input: InputFile, sizeBytes: number, output: SnapshotFile): Promise<void> {
    const chunk = new Uint8Array(Math.min(CHUNK_BYTES, sizeBytes));
    for (let offset = 0; offset < sizeBytes;) {
      this.signal.throwIfAborted();
      const read = await input.read(chunk.subarray(0, Math.min(chunk.length, sizeBytes - offset)), offset);
      if (read === 0) {
        throw new StreamError(
          "corrupt",
          `Cannot copy "${input.path}" into a checkpoint: it ends at byte ${offset}, it must have ${sizeBytes}; ` +
            `restore from the last checkpoint`,
        );
      }
      await this.unlessAborted(output.write(chunk.subarray(0, read)), () => undefined);
      offset += read;
      await pause(this.context.clock);
    }
  }

  /** Waits for `work`, but not after a cancellation: then `tooLate` gets rid of what it gives. */
  private unlessAborted<T>(work: Promise<T>, tooLate: (result: T) => Promise<void> | undefined): Promise<T> {
    const { signal } = this;
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        // Nobody is left who could be told that this fails too: the sweep at the next start removes the file.
        work.then(tooLate).catch(() => {});
        reject(signal.reason);
      };
      signal.addEventListener("abort", onAbort, { once: true });
      work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
    });
  }
}
