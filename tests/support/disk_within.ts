/**
 * Files in memory, but for one folder of the real disk, for what opens its files itself. All of it blocks, so that no
 * real time passes that a test with virtual time would have to wait for. Nothing in the folder is made durable.
 *
 * Called by: tests/support/job_harness.ts.
 * Calls: tests/support/native_folder.ts.
 */
import type { FileStatus, FileSystem, InputFile, OutputFile } from "../../core/file_system.ts";
import { blockingFileSystem } from "./native_folder.ts";

/** See the module. */
export class DiskWithin implements FileSystem {
  constructor(private readonly memory: FileSystem, private readonly folder: string) {}

  #of(path: string): FileSystem {
    return path === this.folder || path.startsWith(`${this.folder}/`) ? blockingFileSystem : this.memory;
  }

  #ofBoth(operation: string, from: string, to: string): FileSystem {
    if (this.#of(from) === this.#of(to)) return this.#of(from);
    throw Object.assign(new Error(`EXDEV: cross-device ${operation}, "${from}" -> "${to}"`), { code: "EXDEV" });
  }

  create(path: string, mode: "exclusive" | "truncate" | "append"): Promise<OutputFile> {
    return this.#of(path).create(path, mode);
  }

  createSync(path: string, mode: "exclusive" | "truncate" | "append"): OutputFile {
    return this.#of(path).createSync(path, mode);
  }

  open(path: string): Promise<InputFile> {
    return this.#of(path).open(path);
  }

  openSync(path: string): InputFile {
    return this.#of(path).openSync(path);
  }

  readFile(path: string): Promise<Uint8Array> {
    return this.#of(path).readFile(path);
  }

  makeDirectory(path: string): Promise<void> {
    return this.#of(path).makeDirectory(path);
  }

  list(path: string): Promise<string[]> {
    return this.#of(path).list(path);
  }

  status(path: string): Promise<FileStatus | null> {
    return this.#of(path).status(path);
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#ofBoth("rename", from, to).rename(from, to);
  }

  async link(from: string, to: string): Promise<void> {
    await this.#ofBoth("link", from, to).link(from, to);
  }

  remove(path: string): Promise<void> {
    return this.#of(path).remove(path);
  }

  removeSync(path: string): void {
    this.#of(path).removeSync(path);
  }

  removeDirectory(path: string): Promise<void> {
    return this.#of(path).removeDirectory(path);
  }

  removeEmptyDirectory(path: string): Promise<boolean> {
    return this.#of(path).removeEmptyDirectory(path);
  }

  syncFile(path: string): Promise<void> {
    return this.#of(path).syncFile(path);
  }

  syncDirectory(path: string): Promise<void> {
    return this.#of(path).syncDirectory(path);
  }
}
