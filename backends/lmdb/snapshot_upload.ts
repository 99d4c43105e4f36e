/**
 * Brings the files of one snapshot into its store: a run of all rows of a moment, or runs of the working directory.
 *
 * Called by: lmdb_snapshot.ts.
 * Calls: row_walk.ts, ../runs/run_writer.ts, the snapshot store, the FileSystem port.
 *
 * Invariants:
 * - after a failure or cancellation nothing is left open, and what was finished is discarded.
 *
 * @module
 */
import type { Clock } from "../../core/clock.ts";
import { messageOf, StreamError } from "../../core/errors.ts";
import type { FileSystem } from "../../core/file_system.ts";
import type { FileRef, FileScope, SnapshotFile, SnapshotStore } from "../../core/snapshot.ts";
import { readFailure } from "../runs/file_failure.ts";
import { PUT, type RunState } from "../runs/run_format.ts";
import { RunWriter, type WrittenRun } from "../runs/run_writer.ts";
import { Slices } from "../states/slices.ts";
import type { RowWalk } from "./row_walk.ts";

/** Rows between two looks at the clock. */
const ROWS_PER_LOOK = 64;
/** Copied between two turns of the event loop. */
const CHUNK_BYTES = 524_288;

/** Where and how files are written. */
export interface UploadTarget {
  readonly store: SnapshotStore;
  readonly scope: FileScope;
  readonly signal: AbortSignal;
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
}

/** The files that one snapshot writes. */
export class SnapshotUpload {
  private readonly finished: FileRef[] = [];
  private readonly slices: Slices;

  constructor(private readonly target: UploadTarget) {
    this.slices = new Slices(target.clock);
  }

  /** Writes the rows of `walk` as one run; null when there are none. */
  async rows(walk: RowWalk, states: readonly RunState[]): Promise<WrittenRun | null> {
    await this.pause();
    if (!walk.next()) return null;
    const file = await this.create();
    try {
      const writer = new RunWriter(file, { states });
      let count = 0;
      do {
        const { key, keyBytes, valueEnd } = walk;
        writer.add((key[0]! << 8) | key[1]!, PUT, key, 2, keyBytes, valueEnd);
        if (writer.wantsFlush) {
          await this.unlessAborted(writer.flush());
          this.slices.restart();
        }
        if (++count % ROWS_PER_LOOK === 0 && this.slices.isDue()) await this.pause();
      } while (walk.next());
      const run = await this.unlessAborted(writer.finish(states), ({ file }) => this.target.store.discard?.(file));
      this.finished.push(run.file);
      return run;
    } catch (error) {
      await file.discard();
      throw error;
    }
  }

  /** Gives the snapshot a local file, by a link where possible. */
  async file(path: string, sizeBytes: number): Promise<FileRef> {
    const { store, scope, signal } = this.target;
    signal.throwIfAborted();
    const ref = store.adopt === undefined
      ? await this.copy(path, sizeBytes)
      : await this.unlessAborted(store.adopt(path, sizeBytes, scope), (late) => store.discard?.(late));
    this.finished.push(ref);
    return ref;
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

  private create(): Promise<SnapshotFile> {
    return this.unlessAborted(this.target.store.create(this.target.scope), (late) => late.discard());
  }

  private async copy(path: string, sizeBytes: number): Promise<FileRef> {
    const input = await this.target.fileSystem.open(path).catch((error) => {
      throw readFailure(path, error);
    });
    try {
      const output = await this.create();
      try {
        const chunk = new Uint8Array(Math.min(CHUNK_BYTES, sizeBytes));
        for (let offset = 0; offset < sizeBytes;) {
          const read = await input.read(chunk.subarray(0, Math.min(chunk.length, sizeBytes - offset)), offset);
          if (read === 0) {
            const what = `it ends at byte ${offset}, it must have ${sizeBytes}; restore from the last checkpoint`;
            throw new StreamError("corrupt", `Cannot copy "${path}" into a checkpoint: ${what}`);
          }
          await this.unlessAborted(output.write(chunk.subarray(0, read)));
          offset += read;
          await this.pause();
        }
        return await this.unlessAborted(output.finish(), (late) => this.target.store.discard?.(late));
      } catch (error) {
        await output.discard();
        throw error;
      }
    } finally {
      input.close();
    }
  }

  /** Gives way to records. @throws The signal's reason. */
  private async pause(): Promise<void> {
    this.target.signal.throwIfAborted();
    await this.slices.pause();
    this.target.signal.throwIfAborted();
  }

  /** Waits for `work`, but not after a cancellation: then `tooLate` gets rid of what it gives. */
  private unlessAborted<T>(work: Promise<T>, tooLate?: (result: T) => Promise<void> | undefined): Promise<T> {
    const { signal } = this.target;
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        // Nobody is left who could be told that this fails too: the sweep at the next start removes the file.
        work.then(tooLate).catch(() => {});
        reject(signal.reason);
      };
      if (signal.aborted) return onAbort();
      signal.addEventListener("abort", onAbort, { once: true });
      work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
    });
  }
}
