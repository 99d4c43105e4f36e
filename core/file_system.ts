/**
 * Declares the file system as the engine sees it, so that tests can fail, tear
 * or record any operation.
 *
 * Called by: checkpoint storages, file connectors.
 * Calls: nothing; `runtime/system_file_system.ts` is the only real one.
 *
 * Errors: every operation throws what the runtime throws; `errorCode` reads the
 * POSIX name from it ("ENOSPC", "ENOENT", …). Branch on that alone.
 *
 * @module
 */

/** A file that is open for appending. Not for two callers at once. */
export interface OutputFile {
  /** As given to `create`. */
  readonly path: string;
  /** Bytes written so far. */
  readonly sizeBytes: number;
  /** Appends all bytes or throws. */
  write(bytes: Uint8Array): Promise<void>;
  /** Appends all bytes or throws; blocks. */
  writeSync(bytes: Uint8Array): void;
  /** Makes the content durable. */
  sync(): Promise<void>;
  /** Safe to call twice. */
  close(): Promise<void>;
  /** As `close`; blocks. */
  closeSync(): void;
}

/** A file that is open for reading. */
export interface InputFile {
  /** As given to `open`. */
  readonly path: string;
  /** Size when it was opened. */
  readonly sizeBytes: number;
  /** As in {@link FileStatus}; stays that of this file when its path leads to another. */
  readonly identity: string | null;
  /** Fills `target` from `offset` on; the number of bytes read, less than asked for only at the end. Blocks. */
  readSync(target: Uint8Array, offset: number): number;
  /** As `readSync`, without blocking. */
  read(target: Uint8Array, offset: number): Promise<number>;
  /** Safe to call twice. */
  close(): void;
}

/** What a path leads to. */
export interface FileStatus {
  /** What it is, links followed. */
  readonly kind: "file" | "directory" | "other";
  /** Bytes of a file. */
  readonly sizeBytes: number;
  /** Last change, milliseconds since the epoch. */
  readonly modifiedMs: number;
  /** Equal for two paths that lead to one file, different for two files that are there at once. Null: not known. */
  readonly identity: string | null;
}

/** Files and folders. Paths are the platform's. */
export interface FileSystem {
  /** Operations that have begun and not ended, but for those that block; absent: nobody counts them. */
  readonly pendingCount?: number;
  /** Starts a new file. `exclusive` fails with EEXIST when there is one, `truncate` empties it, `append` goes on at its end. */
  create(path: string, mode: "exclusive" | "truncate" | "append"): Promise<OutputFile>;
  /** As `create`; blocks. For the working files of state on disk, which no barrier may wait for. */
  createSync(path: string, mode: "exclusive" | "truncate" | "append"): OutputFile;
  /** Opens a file for reading. */
  open(path: string): Promise<InputFile>;
  /** As `open`; blocks. */
  openSync(path: string): InputFile;
  /** The whole file. */
  readFile(path: string): Promise<Uint8Array>;
  /** Makes a folder and its parents; no error when it is there. */
  makeDirectory(path: string): Promise<void>;
  /** Names in a folder, sorted. */
  list(path: string): Promise<string[]>;
  /** Null when there is nothing. Follows links. */
  status(path: string): Promise<FileStatus | null>;
  /** Atomic within one file system; replaces a file at `to`. */
  rename(from: string, to: string): Promise<void>;
  /** A second name for the same file; fails with EEXIST when `to` is there. */
  link(from: string, to: string): Promise<void>;
  /** Removes a file; no error when there is none. */
  remove(path: string): Promise<void>;
  /** As `remove`; blocks. */
  removeSync(path: string): void;
  /** Removes a folder with all it holds; no error when there is none. */
  removeDirectory(path: string): Promise<void>;
  /** Removes a folder in which there is nothing. @returns False when something is in it, true when it is gone. */
  removeEmptyDirectory(path: string): Promise<boolean>;
  /** Makes the content of a file durable, whoever has written it. */
  syncFile(path: string): Promise<void>;
  /** Makes names in a folder durable. */
  syncDirectory(path: string): Promise<void>;
}

/** The POSIX name of a file system error, or undefined for any other error. */
export function errorCode(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}
