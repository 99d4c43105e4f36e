/**
 * Reads parts of a run's file, wherever it is: a local file of a store on disk, or a file of a snapshot.
 *
 * Called by: open_run.ts, run_frame.ts.
 * Calls: file_failure.ts; the file it was given.
 *
 * @module
 */
import { SnapshotCorruptError } from "../../core/errors.ts";
import type { FileSystem, InputFile } from "../../core/file_system.ts";
import type { SnapshotInput } from "../../core/snapshot.ts";
import { readFailure } from "./file_failure.ts";

/** The file of a run, open for reading. */
export interface RunInput {
  /** Names it in errors. */
  readonly path: string;
  readonly sizeBytes: number;
  /**
   * Fills all of `target` from `offset` on.
   *
   * @throws {SnapshotCorruptError} If the file ends too early.
   * @throws {StreamError} If it cannot be read.
   */
  read(target: Uint8Array, offset: number): void;
  /** Safe to call twice. */
  close(): void;
}

/** Opens a local file. @throws {StreamError} If it is gone or cannot be opened. */
export function openLocalInput(fileSystem: FileSystem, path: string): RunInput {
  try {
    return new LocalRunInput(fileSystem.openSync(path));
  } catch (error) {
    throw readFailure(path, error);
  }
}

/** A local file; reads block. */
export class LocalRunInput implements RunInput {
  readonly path: string;
  readonly sizeBytes: number;

  constructor(private readonly file: InputFile) {
    this.path = file.path;
    this.sizeBytes = file.sizeBytes;
  }

  read(target: Uint8Array, offset: number): void {
    let size: number;
    try {
      size = this.file.readSync(target, offset);
    } catch (error) {
      throw readFailure(this.path, error);
    }
    if (size === target.length) return;
    const reason = `${target.length} bytes are wanted, the file ends after ${size} of them`;
    throw new SnapshotCorruptError(this.path, { reason, offset });
  }

  close(): void {
    this.file.close();
  }
}

/** A file of a snapshot. */
export class SnapshotRunInput implements RunInput {
  readonly path: string;
  readonly sizeBytes: number;

  constructor(private readonly input: SnapshotInput) {
    this.path = input.path;
    this.sizeBytes = input.sizeBytes;
  }

  read(target: Uint8Array, offset: number): void {
    target.set(this.input.read(offset, target.length));
  }

  close(): void {
    this.input.close();
  }
}
