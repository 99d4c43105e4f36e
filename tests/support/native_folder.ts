/**
 * What native stores need in tests: real folders, which are gone when the process ends, and a file system that never
 * waits for the event loop, so that a test's clock can drive all that waits.
 */
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { RowStoreFactory } from "../../backends/embedded/row_store.ts";
import { openDatabase } from "../../backends/lmdb/lmdb_module.ts";
import { lmdbRowStoreFactory } from "../../backends/lmdb/lmdb_store_factory.ts";
import { errorCode, type FileSystem, type InputFile, type OutputFile } from "../../core/file_system.ts";
import { systemFileSystem } from "../../runtime/system_file_system.ts";

/** A new empty folder; its path has no links. */
export function nativeFolder(name: string): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), `weir-${name}-`)));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  // `deno test` tells a module of its end by the one, Bun by the other.
  globalThis.addEventListener?.("unload", remove);
  process.on("exit", remove);
  return folder;
}

/** Stores in LMDB for tests whose clock is not the machine's: each in a real folder, whatever its context says. */
export async function lmdbStoresForTests(): Promise<RowStoreFactory> {
  const folder = nativeFolder("lmdb");
  // The package is loaded once, which takes turns of the event loop.
  const database = await openDatabase(join(folder, "first.mdb"), {}, { takeKey() {}, takeValue() {} });
  await database.close();
  const factory = lmdbRowStoreFactory();
  let stores = 0;
  return {
    name: factory.name,
    open: (context) =>
      factory.open({ ...context, fileSystem: blockingFileSystem, directory: join(folder, `${stores++}`) }),
  };
}

/** The machine's files; every promise is settled when it is returned. */
export const blockingFileSystem: FileSystem = {
  ...systemFileSystem,
  create: (path, mode) => settled(() => blockingOutput(systemFileSystem.createSync(path, mode))),
  createSync: (path, mode) => blockingOutput(systemFileSystem.createSync(path, mode)),
  open: (path) => settled(() => blockingInput(systemFileSystem.openSync(path))),
  openSync: (path) => blockingInput(systemFileSystem.openSync(path)),
  readFile: (path) => settled(() => new Uint8Array(readFileSync(path))),
  makeDirectory: (path) => settled(() => void mkdirSync(path, { recursive: true })),
  list: (path) => settled(() => readdirSync(path).sort()),
  status: (path) => settled(() => statusOf(path)),
  rename: (from, to) => settled(() => renameSync(from, to)),
  link: (from, to) => settled(() => linkSync(from, to)),
  remove: (path) => settled(() => systemFileSystem.removeSync(path)),
  removeDirectory: (path) => settled(() => rmSync(path, { recursive: true, force: true })),
  removeEmptyDirectory: (path) => systemFileSystem.removeEmptyDirectory(path),
  syncFile: () => Promise.resolve(),
  syncDirectory: () => Promise.resolve(),
};

function statusOf(path: string): Awaited<ReturnType<FileSystem["status"]>> {
  try {
    const stats = statSync(path);
    const kind = stats.isFile() ? "file" : stats.isDirectory() ? "directory" : "other";
    return { kind, sizeBytes: stats.size, modifiedMs: stats.mtimeMs, identity: `${stats.dev}:${stats.ino}` };
  } catch (error) {
    if (errorCode(error) === "ENOENT") return null;
    throw error;
  }
}

function blockingOutput(file: OutputFile): OutputFile {
  file.write = (bytes) => settled(() => file.writeSync(bytes));
  file.sync = () => Promise.resolve();
  file.close = () => settled(() => file.closeSync());
  return file;
}

function blockingInput(file: InputFile): InputFile {
  file.read = (target, offset) => settled(() => file.readSync(target, offset));
  return file;
}

function settled<T>(run: () => T): Promise<T> {
  try {
    return Promise.resolve(run());
  } catch (error) {
    return Promise.reject(error);
  }
}
