/**
 * Brings local files into a snapshot, by a link where the storage can, and removes them again if the snapshot fails.
 *
 * Called by: the snapshots of the stores on disk.
 * Calls: the snapshot store, the FileSystem port, slices.ts, ../runs/file_failure.ts.
 *
 * Invariants:
 * - after a failure or cancellation nothing is left open, and `discard` removes what was finished.
 *
 * @module
 */
import type { Clock } from "../../core/clock.ts";
import { messageOf, SnapshotCorruptError, WorkingFileError } from "../../core/errors.ts";
import type { FileSystem, InputFile } from "../../core/file_system.ts";
import type { FileRef, FileScope, SnapshotFile, SnapshotStore } from "../../core/snapshot.ts";
import { readFailure } from "../runs/file_failure.ts";
import { Slices } from "./slices.ts";

/** Copied between two turns of the event loop. */
const CHUNK_BYTES = 524_288;

/** Files that are given to the snapshot at the same time. */
const FILES_AT_ONCE = 4;

/** Where and how files are written. */
export interface UploadTarget {
  /** Its waits end when `signal` is aborted: see stoppable_store.ts. */
  readonly store: SnapshotStore;
  readonly scope: FileScope;
  readonly signal: AbortSignal;
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
}

/** The files of one snapshot. */
export class FileUpload {
  /** Of all files that were finished. */
  sizeBytes = 0;
  /** When to give way. */
  readonly slices: Slices;
  private readonly finished: FileRef[] = [];

  constructor(private readonly target: UploadTarget) {
    this.slices = new Slices(target.clock);
  }

  /** Gives the snapshot a local file. @throws {StreamError} If it cannot be read or is too short. */
  async file(path: string, sizeBytes: number): Promise<FileRef> {
    const { store, scope, signal } = this.target;
    signal.throwIfAborted();
    const ref = store.adopt === undefined
      ? await this.copy(path, sizeBytes)
      : await store.adopt(path, sizeBytes, scope);
    return this.keep(ref);
  }

  /** The same of several, a few at a time: each waits for the disk. @throws What the first to fail throws. */
  async files(wanted: readonly { readonly path: string; readonly sizeBytes: number }[]): Promise<FileRef[]> {
    const refs: FileRef[] = [];
    let next = 0;
    const uploadSome = async () => {
      while (next < wanted.length) {
        const i = next++;
        try {
          refs[i] = await this.file(wanted[i]!.path, wanted[i]!.sizeBytes);
        } catch (error) {
          next = wanted.length;
          throw error;
        }
      }
    };
    const workers = Array.from({ length: Math.min(FILES_AT_ONCE, wanted.length) }, uploadSome);
    try {
      await Promise.all(workers);
    } finally {
      // What is finished late has to be discarded, too.
      await Promise.allSettled(workers);
    }
    return refs;
  }

  /** A new file; whoever ends it calls `keep`, or discards it. */
  async create(): Promise<SnapshotFile> {
    this.target.signal.throwIfAborted();
    return await this.target.store.create(this.target.scope);
  }

  /** Counts a finished file as one of the snapshot. */
  keep(ref: FileRef): FileRef {
    this.finished.push(ref);
    this.sizeBytes += ref.sizeBytes;
    return ref;
  }

  /** Gives way to records. @throws The signal's reason. */
  async pause(): Promise<void> {
    this.target.signal.throwIfAborted();
    await this.slices.pause();
    this.target.signal.throwIfAborted();
  }

  /** Removes what was finished, after `cause`. @throws {AggregateError} If that fails too. */
  async discard(cause: unknown): Promise<void> {
    try {
      for (const ref of this.finished) await this.target.store.discard?.(ref);
    } catch (error) {
      const message = `Cannot write a snapshot, nor remove its files: ${messageOf(cause)}`;
      throw new AggregateError([cause, error], message, { cause });
    }
  }

  private async copy(path: string, sizeBytes: number): Promise<FileRef> {
    const input = await this.target.fileSystem.open(path).catch((error) => {
      throw readFailure(path, error);
    });
    try {
      const output = await this.create();
      try {
        await this.copyBytes(input, sizeBytes, output);
        return await output.finish();
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
      const part = chunk.subarray(0, Math.min(chunk.length, sizeBytes - offset));
      const read = await input.read(part, offset).catch((error) => {
        throw readFailure(input.path, error);
      });
      if (read === 0) {
        const reason = `it ends there, it must have ${sizeBytes} bytes`;
        throw new WorkingFileError(new SnapshotCorruptError(input.path, { reason, offset }));
      }
      await output.write(chunk.subarray(0, read));
      offset += read;
      await this.pause();
    }
  }
}
