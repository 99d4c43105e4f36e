/**
 * The machine's file system behind the port in `core/file_system.ts`.
 *
 * Called by: whatever starts a job and hands its ports down.
 * Calls: node:fs.
 *
 * Errors are the runtime's own, with a POSIX `code`; only a permission that
 * Deno was not given becomes a StreamError that names the flag.
 *
 * @module
 */
import * as fs from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import process from "node:process";
import { StreamError } from "../core/errors.ts";
import { errorCode, type FileStatus, type FileSystem, type InputFile, type OutputFile } from "../core/file_system.ts";

/** Operations under way. */
let pendingCount = 0;

/** Runs an asynchronous operation; `verb` and `path` name it if a permission is missing. */
async function permitted<T>(verb: string, path: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw explained(verb, path, error);
  }
}

/** As `permitted`, for operations that block. */
function permittedSync<T>(verb: string, path: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw explained(verb, path, error);
  }
}

/** Any error, with the flag named if it is a permission that Deno was not given. */
export function explained(verb: string, path: string, error: unknown): unknown {
  // Deno's refusals name the flag in the text alone and are of a class that Bun does not have.
  if (!(error instanceof Error) || error.name !== "NotCapable") return error;
  const access = /Requires (\w+) access/.exec(error.message)?.[1] ?? "read";
  return new StreamError(
    "invalid",
    `Cannot ${verb} "${path}": ${access} permission is missing; run with --allow-${access}`,
    { cause: error },
  );
}

/** Turns a callback of node:fs into a promise. */
function settle<T>(start: (done: (error: Error | null, result: T) => void) => void): Promise<T> {
  return counted(
    new Promise<T>((resolve, reject) => {
      start((error, result) => error === null || error === undefined ? resolve(result) : reject(error));
    }),
  );
}

/** Counts an operation as long as it lasts. */
function counted<T>(operation: Promise<T>): Promise<T> {
  pendingCount++;
  return operation.finally(() => pendingCount--);
}

/** Like `settle`, for operations without a result. */
function settleVoid(start: (done: (error?: Error | null) => void) => void): Promise<void> {
  return settle<void>((done) => start((error) => done(error ?? null)));
}

/** A write that takes nothing and does not throw: what Bun does when a disk is full. */
function noSpace(path: string): Error {
  return Object.assign(new Error(`ENOSPC: no space left on device, write "${path}"`), { code: "ENOSPC" });
}

class SystemOutputFile implements OutputFile {
  readonly path: string;
  #fd: number;
  #sizeBytes: number;
  /** Nothing was written since it was synced: closing it is then no work for the disk. */
  #isSynced = false;

  constructor(path: string, fd: number, sizeBytes: number) {
    this.path = path;
    this.#fd = fd;
    this.#sizeBytes = sizeBytes;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#isSynced = false;
    let offset = 0;
    while (offset < bytes.byteLength) {
      const start = offset;
      const written = await settle<number>((done) => {
        fs.write(this.#fd, bytes, start, bytes.byteLength - start, null, done);
      });
      if (written <= 0) throw noSpace(this.path);
      offset += written;
      this.#sizeBytes += written;
    }
  }

  writeSync(bytes: Uint8Array): void {
    this.#isSynced = false;
    let offset = 0;
    while (offset < bytes.byteLength) {
      const written = fs.writeSync(this.#fd, bytes, offset, bytes.byteLength - offset, null);
      if (written <= 0) throw noSpace(this.path);
      offset += written;
      this.#sizeBytes += written;
    }
  }

  async sync(): Promise<void> {
    const sizeBytes = this.#sizeBytes;
    await settleVoid((done) => fs.fsync(this.#fd, done));
    this.#isSynced = sizeBytes === this.#sizeBytes;
  }

  async close(): Promise<void> {
    const fd = this.#fd;
    this.#fd = -1;
    if (fd < 0) return;
    if (this.#isSynced) fs.closeSync(fd);
    else await settleVoid((done) => fs.close(fd, done));
  }

  closeSync(): void {
    const fd = this.#fd;
    this.#fd = -1;
    if (fd >= 0) fs.closeSync(fd);
  }
}

class SystemInputFile implements InputFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly identity: string | null;
  #fd: number;

  constructor(path: string, { fd, sizeBytes, identity }: OpenFile) {
    this.path = path;
    this.#fd = fd;
    this.sizeBytes = sizeBytes;
    this.identity = identity;
  }

  readSync(target: Uint8Array, offset: number): number {
    let count = 0;
    while (count < target.byteLength) {
      const read = fs.readSync(this.#fd, target, count, target.byteLength - count, offset + count);
      if (read === 0) break;
      count += read;
    }
    return count;
  }

  async read(target: Uint8Array, offset: number): Promise<number> {
    let count = 0;
    while (count < target.byteLength) {
      const start = count;
      const read = await settle<number>((done) => {
        fs.read(this.#fd, target, start, target.byteLength - start, offset + start, done);
      });
      if (read === 0) break;
      count += read;
    }
    return count;
  }

  close(): void {
    const fd = this.#fd;
    this.#fd = -1;
    if (fd >= 0) fs.closeSync(fd);
  }
}

const FLAGS = { exclusive: "wx", truncate: "w", append: "a" } as const;

/** A file that the system has opened. */
interface OpenFile {
  readonly fd: number;
  readonly sizeBytes: number;
  readonly identity: string | null;
}

/** Opens and asks for the size; closes again when that fails. */
async function openWithSize(path: string, flags: string): Promise<OpenFile> {
  const fd = await settle<number>((done) => fs.open(path, flags, done));
  try {
    // What the system knows of an open file it has in memory: no reason to wait for a turn of the event loop.
    const stats = fs.fstatSync(fd);
    return { fd, sizeBytes: stats.size, identity: identityOf(stats) };
  } catch (error) {
    fs.closeSync(fd);
    throw error;
  }
}

/** As `openWithSize`; blocks. */
function openWithSizeSync(path: string, flags: string): OpenFile {
  const fd = fs.openSync(path, flags);
  try {
    const stats = fs.fstatSync(fd);
    return { fd, sizeBytes: stats.size, identity: identityOf(stats) };
  } catch (error) {
    fs.closeSync(fd);
    throw error;
  }
}

/** The caller has just written there, so opening it is a look into memory; only the sync is left to wait for. */
async function syncPath(path: string): Promise<void> {
  const fd = fs.openSync(path, "r");
  try {
    await settleVoid((done) => fs.fsync(fd, done));
  } finally {
    fs.closeSync(fd);
  }
}

function kindOf(stats: fs.Stats): FileStatus["kind"] {
  if (stats.isFile()) return "file";
  return stats.isDirectory() ? "directory" : "other";
}

/** Null where the system numbers no files, and for numbers beyond what a `number` holds exactly. */
function identityOf({ dev, ino }: fs.Stats): string | null {
  return Number.isSafeInteger(ino) && ino > 0 ? `${dev}:${ino}` : null;
}

/** Null for errors that say that nothing is there. */
function nullIfMissing(error: unknown): null {
  const code = errorCode(error);
  if (code === "ENOENT" || code === "ENOTDIR") return null;
  throw error;
}

/**
 * The file system of this machine.
 *
 * `sizeBytes` of a file that was opened with `append` counts what was there
 * before. `syncDirectory` does nothing on Windows, which has no such call.
 *
 * @example
 * ```ts
 * import { systemFileSystem } from "./system_file_system.ts";
 *
 * const status = await systemFileSystem.status("no/such/file");
 * if (status !== null) throw new Error("there is one");
 * ```
 */
export const systemFileSystem: FileSystem = {
  get pendingCount() {
    return pendingCount;
  },
  create: (path, mode) =>
    permitted("create", path, async () => {
      const { fd, sizeBytes } = await openWithSize(path, FLAGS[mode]);
      return new SystemOutputFile(path, fd, sizeBytes);
    }),
  createSync: (path, mode) =>
    permittedSync("create", path, () => {
      const { fd, sizeBytes } = openWithSizeSync(path, FLAGS[mode]);
      return new SystemOutputFile(path, fd, sizeBytes);
    }),
  openSync: (path) => permittedSync("open", path, () => new SystemInputFile(path, openWithSizeSync(path, "r"))),
  open: (path) =>
    permitted("open", path, async () => {
      return new SystemInputFile(path, await openWithSize(path, "r"));
    }),
  readFile: (path) =>
    permitted("read", path, async () => {
      const buffer = await counted(readFile(path));
      return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
    }),
  makeDirectory: (path) =>
    permitted("make folder", path, () => settleVoid((done) => fs.mkdir(path, { recursive: true }, done))),
  list: (path) => permitted("list", path, async () => (await counted(readdir(path))).sort()),
  status: (path) =>
    permitted("look up", path, async () => {
      const stats = await settle<fs.Stats>((done) => fs.stat(path, done)).catch(nullIfMissing);
      if (stats === null) return null;
      return { kind: kindOf(stats), sizeBytes: stats.size, modifiedMs: stats.mtimeMs, identity: identityOf(stats) };
    }),
  rename: (from, to) => permitted("rename", from, () => settleVoid((done) => fs.rename(from, to, done))),
  link: (from, to) => permitted("link", from, () => settleVoid((done) => fs.link(from, to, done))),
  remove: (path) =>
    permitted("remove", path, async () => {
      await settleVoid((done) => fs.unlink(path, done)).catch(nullIfMissing);
    }),
  removeSync: (path) =>
    permittedSync("remove", path, () => {
      try {
        fs.unlinkSync(path);
      } catch (error) {
        nullIfMissing(error);
      }
    }),
  removeDirectory: (path) =>
    permitted("remove folder", path, () => settleVoid((done) => fs.rm(path, { recursive: true, force: true }, done))),
  removeEmptyDirectory: (path) => permitted("remove folder", path, () => counted(removeIfEmpty(path))),
  syncFile: (path) => permitted("sync", path, () => syncPath(path)),
  syncDirectory: (path) =>
    permitted("sync folder", path, async () => {
      if (process.platform !== "win32") await syncPath(path);
    }),
};

function removeIfEmpty(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    fs.rmdir(path, (error) => {
      const code = errorCode(error);
      if (code === "ENOTEMPTY" || code === "EEXIST") resolve(false);
      // Deno calls back with undefined where Node has null.
      else if (!error || code === "ENOENT") resolve(true);
      else reject(error);
    });
  });
}
