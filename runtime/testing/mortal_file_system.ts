/**
 * A file system as one process sees it: each operation can take virtual time, and once the process is dead nothing
 * that it has asked for happens any more.
 *
 * Called by: control/testing/virtual_world.ts.
 * Calls: the file system below it.
 *
 * @module
 */
import { type Clock, delay } from "../../core/clock.ts";
import type { FileStatus, FileSystem, InputFile, OutputFile } from "../../core/file_system.ts";

/** How a process sees its files. */
export interface MortalOptions {
  readonly below: FileSystem;
  readonly clock: Clock;
}

const NEVER: Promise<never> = new Promise(() => {});

/** {@link FileSystem} of a process that can die. */
export class MortalFileSystem implements FileSystem {
  readonly #options: MortalOptions;
  #left = Number.POSITIVE_INFINITY;
  #isDead = false;
  #tellDeath: () => void = () => {};
  /** Resolves when the process dies. */
  readonly death: Promise<void>;
  /** How long an operation takes, virtual milliseconds ≥ 0; asked before each. */
  delayMs: (operation: string, path: string) => number = () => 0;

  constructor(options: MortalOptions) {
    this.#options = options;
    this.death = new Promise((resolve) => this.#tellDeath = resolve);
  }

  /** Whether the process is dead. */
  get isDead(): boolean {
    return this.#isDead;
  }

  /** Lets `operations` more happen, then ends the process. */
  dieAfter(operations: number): void {
    this.#left = operations;
  }

  /** Ends the process: operations under way and to come never settle. */
  die(): void {
    this.#isDead = true;
    this.#tellDeath();
  }

  create(path: string, mode: "exclusive" | "truncate" | "append"): Promise<OutputFile> {
    return this.#run("create", path, async () => this.#output(await this.#options.below.create(path, mode)));
  }

  createSync(path: string, mode: "exclusive" | "truncate" | "append"): OutputFile {
    this.#begin("create", path);
    return this.#output(this.#options.below.createSync(path, mode));
  }

  openSync(path: string): InputFile {
    this.#begin("open", path);
    return this.#input(this.#options.below.openSync(path));
  }

  removeSync(path: string): void {
    this.#begin("remove", path);
    this.#options.below.removeSync(path);
  }

  open(path: string): Promise<InputFile> {
    return this.#run("open", path, async () => this.#input(await this.#options.below.open(path)));
  }

  readFile(path: string): Promise<Uint8Array> {
    return this.#run("readFile", path, () => this.#options.below.readFile(path));
  }

  makeDirectory(path: string): Promise<void> {
    return this.#run("makeDirectory", path, () => this.#options.below.makeDirectory(path));
  }

  list(path: string): Promise<string[]> {
    return this.#run("list", path, () => this.#options.below.list(path));
  }

  status(path: string): Promise<FileStatus | null> {
    return this.#run("status", path, () => this.#options.below.status(path));
  }

  rename(from: string, to: string): Promise<void> {
    return this.#run("rename", from, () => this.#options.below.rename(from, to));
  }

  link(from: string, to: string): Promise<void> {
    return this.#run("link", from, () => this.#options.below.link(from, to));
  }

  remove(path: string): Promise<void> {
    return this.#run("remove", path, () => this.#options.below.remove(path));
  }

  removeDirectory(path: string): Promise<void> {
    return this.#run("removeDirectory", path, () => this.#options.below.removeDirectory(path));
  }

  removeEmptyDirectory(path: string): Promise<boolean> {
    return this.#run("removeDirectory", path, () => this.#options.below.removeEmptyDirectory(path));
  }

  syncFile(path: string): Promise<void> {
    return this.#run("sync", path, () => this.#options.below.syncFile(path));
  }

  syncDirectory(path: string): Promise<void> {
    return this.#run("syncDirectory", path, () => this.#options.below.syncDirectory(path));
  }

  #output(file: OutputFile): OutputFile {
    const { path } = file;
    return {
      path,
      get sizeBytes() {
        return file.sizeBytes;
      },
      write: (bytes) => this.#run("write", path, () => file.write(bytes)),
      writeSync: (bytes) => {
        this.#begin("write", path);
        file.writeSync(bytes);
      },
      sync: () => this.#run("sync", path, () => file.sync()),
      close: () => this.#run("close", path, () => file.close()),
      closeSync: () => {
        this.#begin("close", path);
        file.closeSync();
      },
    };
  }

  #input(file: InputFile): InputFile {
    return {
      path: file.path,
      identity: file.identity,
      get sizeBytes() {
        return file.sizeBytes;
      },
      readSync: (target, offset) => file.readSync(target, offset),
      read: (target, offset) => this.#run("read", file.path, () => file.read(target, offset)),
      close: () => file.close(),
    };
  }

  /** @throws {Error} When the process is dead. */
  #begin(operation: string, path: string): void {
    if (!this.#isDead && this.#left-- <= 0) this.die();
    if (this.#isDead) throw new Error(`the process is dead: ${operation} "${path}" does not happen`);
  }

  async #run<T>(operation: string, path: string, act: () => Promise<T>): Promise<T> {
    const delayMs = this.delayMs(operation, path);
    if (delayMs > 0) await delay(this.#options.clock, delayMs);
    try {
      this.#begin(operation, path);
    } catch {
      // A dead process learns nothing.
      return await NEVER;
    }
    const result = await act();
    return this.#isDead ? await NEVER : result;
  }
}
