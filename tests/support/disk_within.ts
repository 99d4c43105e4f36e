/**
 * Files in memory, but for one folder of the real disk, for what opens its files itself. All of it blocks, so that no
 * real time passes that a test with virtual time would have to wait for. Nothing is made durable.
 *
 * Called by: tests/support/job_harness.ts.
 * Calls: node:fs, runtime/system_file_system.ts.
 */
import * as fs from "node:fs";
import type { FileStatus, FileSystem, InputFile, OutputFile } from "../../core/file_system.ts";
import { systemFileSystem } from "../../runtime/system_file_system.ts";

/** See the module. */
export class DiskWithin implements FileSystem {
  constructor(private readonly memory: FileSystem, private readonly folder: string) {}

  #isReal(path: string): boolean {
    return path === this.folder || path.startsWith(`${this.folder}/`);
  }

  createSync(path: string, mode: "exclusive" | "truncate" | "append"): OutputFile {
    if (!this.#isReal(path)) return this.memory.createSync(path, mode);
    const file = systemFileSystem.createSync(path, mode);
    return {
      path,
      get sizeBytes() {
        return file.sizeBytes;
      },
      write: (bytes) => Promise.try(() => file.writeSync(bytes)),
      writeSync: (bytes) => file.writeSync(bytes),
      sync: () => Promise.resolve(),
      close: () => Promise.try(() => file.closeSync()),
      closeSync: () => file.closeSync(),
    };
  }

  async create(path: string, mode: "exclusive" | "truncate" | "append"): Promise<OutputFile> {
    return this.#isReal(path) ? this.createSync(path, mode) : await this.memory.create(path, mode);
  }

  openSync(path: string): InputFile {
    if (!this.#isReal(path)) return this.memory.openSync(path);
    const file = systemFileSystem.openSync(path);
    return {
      path,
      sizeBytes: file.sizeBytes,
      identity: file.identity,
      readSync: (target, offset) => file.readSync(target, offset),
      read: (target, offset) => Promise.try(() => file.readSync(target, offset)),
      close: () => file.close(),
    };
  }

  async open(path: string): Promise<InputFile> {
    return this.#isReal(path) ? this.openSync(path) : await this.memory.open(path);
  }

  async readFile(path: string): Promise<Uint8Array> {
    return this.#isReal(path) ? new Uint8Array(fs.readFileSync(path)) : await this.memory.readFile(path);
  }

  async makeDirectory(path: string): Promise<void> {
    if (this.#isReal(path)) fs.mkdirSync(path, { recursive: true });
    else await this.memory.makeDirectory(path);
  }

  async list(path: string): Promise<string[]> {
    return this.#isReal(path) ? fs.readdirSync(path).sort() : await this.memory.list(path);
  }

  async status(path: string): Promise<FileStatus | null> {
    if (!this.#isReal(path)) return await this.memory.status(path);
    const found = fs.statSync(path, { throwIfNoEntry: false });
    if (found === undefined) return null;
    const kind = found.isFile() ? "file" : found.isDirectory() ? "directory" : "other";
    return { kind, sizeBytes: found.size, modifiedMs: found.mtimeMs, identity: `${found.dev} ${found.ino}` };
  }

  async rename(from: string, to: string): Promise<void> {
    if (this.#isBoth("rename", from, to)) fs.renameSync(from, to);
    else await this.memory.rename(from, to);
  }

  async link(from: string, to: string): Promise<void> {
    if (this.#isBoth("link", from, to)) fs.linkSync(from, to);
    else await this.memory.link(from, to);
  }

  #isBoth(operation: string, from: string, to: string): boolean {
    if (this.#isReal(from) === this.#isReal(to)) return this.#isReal(from);
    throw Object.assign(new Error(`EXDEV: cross-device ${operation}, "${from}" -> "${to}"`), { code: "EXDEV" });
  }

  removeSync(path: string): void {
    if (this.#isReal(path)) fs.rmSync(path, { force: true });
    else this.memory.removeSync(path);
  }

  async remove(path: string): Promise<void> {
    if (this.#isReal(path)) this.removeSync(path);
    else await this.memory.remove(path);
  }

  async removeDirectory(path: string): Promise<void> {
    if (this.#isReal(path)) fs.rmSync(path, { recursive: true, force: true });
    else await this.memory.removeDirectory(path);
  }

  async syncFile(path: string): Promise<void> {
    if (!this.#isReal(path)) await this.memory.syncFile(path);
  }

  async syncDirectory(path: string): Promise<void> {
    if (!this.#isReal(path)) await this.memory.syncDirectory(path);
  }
}
