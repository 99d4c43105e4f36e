/**
 * A file system in memory that can fail, tear, halt and crash at any operation.
 *
 * Content and names are durable only as far as they were synced: `crash()` goes
 * back to what a disk would hold after a power cut.
 *
 * Called by: runtime/testing/, control/testing/; tests of storages, sinks, whole jobs.
 * Calls: memory_tree.ts, memory_nodes.ts, file_faults.ts.
 *
 * Invariants:
 * - a folder's name map is durable as of its last `syncDirectory`, a file's bytes as of its last `sync`;
 * - after `crash()` every handle that was open before fails.
 *
 * @module
 */
import type { FileStatus, FileSystem, InputFile, OutputFile } from "../../core/file_system.ts";
import { type Fault, fileError, FileFaults, type FileOperation } from "./file_faults.ts";
import { append, copyOf, type FileNode, fileNode, type FolderNode, identityOf, survivor } from "./memory_nodes.ts";
import { MemoryTree, parts } from "./memory_tree.ts";

/** What a crash leaves of bytes that were written and not synced. */
export interface CrashOptions {
  /** Uniform in [0, 1): decides how much of each unsynced tail and which unsynced names survive. Absent: nothing does. */
  readonly random?: () => number;
}

/** Files and folders that live in this object alone. Paths are POSIX; relative ones start at the root. */
export class MemoryFileSystem implements FileSystem {
  readonly #tree = new MemoryTree();
  readonly #faults = new FileFaults();
  #generation = 0;
  #nowMs: () => number;
  /** Every operation since the last `journal.length = 0`, as "operation path". */
  readonly journal: string[] = [];
  /** Files that are open now. */
  openCount = 0;
  /** Called before each operation; may look, inject faults or throw. */
  onOperation: ((operation: FileOperation, path: string) => void) | null = null;

  /** @param nowMs Time of modification of files, milliseconds since the epoch. */
  constructor(nowMs: () => number = () => 0) {
    this.#nowMs = nowMs;
  }

  /** Arms a fault; several may be armed, the first that matches strikes. */
  fail(fault: Fault): void {
    this.#faults.arm(fault);
  }

  /** Disarms all faults and ends a halt. */
  heal(): void {
    this.#faults.heal();
  }

  /** Lets `operations` more operations succeed, then fails all with code EHALT: the process is dead, only `crash()` or `heal()` helps. */
  haltAfter(operations: number): void {
    this.#faults.haltAfter(operations);
  }

  /** Goes back to what is durable. Open files become unusable, faults and halts end. */
  crash(options: CrashOptions = {}): void {
    this.kill();
    this.#tree.root = survivor(this.#tree.root, options.random);
  }

  /** Everything as it is now, durable or not, as a file system of its own without open files. */
  fork(): MemoryFileSystem {
    const copy = new MemoryFileSystem(this.#nowMs);
    copy.#tree.root = copyOf(this.#tree.root);
    return copy;
  }

  /** Goes on without the process that had files open: everything that was written stays, open files become unusable (kill -9). */
  kill(): void {
    this.#generation++;
    this.openCount = 0;
    this.heal();
  }

  /** Inverts one bit of a file, also of its durable content. */
  flipBit(path: string, offset: number, bit = 0): void {
    const file = this.#tree.file(path, "open");
    if (offset >= file.size) throw new RangeError(`Cannot flip byte ${offset} of "${path}": it has ${file.size}`);
    file.bytes[offset]! ^= 1 << bit;
    if (offset < file.durable.length) file.durable[offset]! ^= 1 << bit;
  }

  /** Cuts a file, also its durable content. */
  truncate(path: string, sizeBytes: number): void {
    const file = this.#tree.file(path, "open");
    file.size = Math.min(file.size, sizeBytes);
    file.bytes = file.bytes.slice(0, file.size);
    file.durable = file.durable.slice(0, sizeBytes);
  }

  /** Puts a durable file with this content; folders are made as needed. */
  put(path: string, content: Uint8Array | string): void {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content.slice();
    const names = parts(path);
    const name = names.pop() ?? "";
    const at = this.#tree.makeFolder(names.join("/"), "put", true);
    const node = fileNode(new Uint8Array(bytes), this.#nowMs());
    at.names.set(name, node);
    at.durable.set(name, node);
  }

  /** Content of a file. @throws {Error} With code ENOENT if there is none. */
  content(path: string): Uint8Array<ArrayBuffer> {
    const file = this.#tree.file(path, "open");
    return file.bytes.slice(0, file.size);
  }

  /** Content of a file as UTF-8. @throws {Error} With code ENOENT if there is none. */
  text(path: string): string {
    return new TextDecoder().decode(this.content(path));
  }

  /** Paths of all files below `path`, sorted; absolute. */
  files(path = "/"): string[] {
    return this.#tree.files(path);
  }

  /** Whether a file or folder is there. */
  has(path: string): boolean {
    return this.#tree.find(path) !== undefined;
  }

  create(path: string, mode: "exclusive" | "truncate" | "append"): Promise<OutputFile> {
    return this.#run("create", path, () => this.#create(path, mode));
  }

  createSync(path: string, mode: "exclusive" | "truncate" | "append"): OutputFile {
    return this.#runSync("create", path, () => this.#create(path, mode));
  }

  #create(path: string, mode: "exclusive" | "truncate" | "append"): OutputFile {
    const [parent, name] = this.#tree.parent(path, "create");
    let node = parent.names.get(name);
    if (node !== undefined && mode === "exclusive") throw fileError("EEXIST", "create", path);
    if (node !== undefined && node.kind === "directory") throw fileError("EISDIR", "create", path);
    if (node === undefined) {
      node = fileNode(new Uint8Array(0), 0);
      parent.names.set(name, node);
    } else if (mode === "truncate") {
      node.size = 0;
    }
    node.modifiedMs = this.#nowMs();
    return this.#output(path, node);
  }

  open(path: string): Promise<InputFile> {
    return this.#run("open", path, () => this.#input(path, this.#tree.file(path, "open")));
  }

  openSync(path: string): InputFile {
    return this.#runSync("open", path, () => this.#input(path, this.#tree.file(path, "open")));
  }

  readFile(path: string): Promise<Uint8Array> {
    return this.#run("readFile", path, () => {
      const file = this.#tree.file(path, "readFile");
      return file.bytes.slice(0, file.size);
    });
  }

  makeDirectory(path: string): Promise<void> {
    return this.#run("makeDirectory", path, () => void this.#tree.makeFolder(path, "makeDirectory", false));
  }

  list(path: string): Promise<string[]> {
    return this.#run("list", path, () => [...this.#tree.folder(path, "list").names.keys()].sort());
  }

  status(path: string): Promise<FileStatus | null> {
    return this.#run("status", path, () => {
      const node = this.#tree.find(path);
      if (node === undefined) return null;
      const sizeBytes = node.kind === "file" ? node.size : 0;
      return { kind: node.kind, sizeBytes, modifiedMs: node.modifiedMs, identity: identityOf(node) };
    });
  }

  rename(from: string, to: string): Promise<void> {
    return this.#run("rename", from, () => {
      const [source, name] = this.#tree.parent(from, "rename");
      const [target, newName] = this.#tree.parent(to, "rename");
      const node = source.names.get(name);
      if (node === undefined) throw fileError("ENOENT", "rename", from);
      const old = target.names.get(newName);
      if (old !== undefined && old !== node) {
        if (old.kind === "directory" && node.kind === "file") throw fileError("EISDIR", "rename", to);
        if (old.kind === "file" && node.kind === "directory") throw fileError("ENOTDIR", "rename", to);
        if (old.kind === "directory" && old.names.size > 0) throw fileError("ENOTEMPTY", "rename", to);
      }
      source.names.delete(name);
      target.names.set(newName, node);
    }, to);
  }

  link(from: string, to: string): Promise<void> {
    return this.#run("link", from, () => {
      const node = this.#tree.file(from, "link");
      const [target, name] = this.#tree.parent(to, "link");
      if (target.names.has(name)) throw fileError("EEXIST", "link", to);
      target.names.set(name, node);
    }, to);
  }

  remove(path: string): Promise<void> {
    return this.#run("remove", path, () => this.#remove(path));
  }

  removeSync(path: string): void {
    this.#runSync("remove", path, () => this.#remove(path));
  }

  #remove(path: string): void {
    const node = this.#tree.find(path);
    if (node === undefined) return;
    if (node.kind === "directory") throw fileError("EISDIR", "remove", path);
    const [parent, name] = this.#tree.parent(path, "remove");
    parent.names.delete(name);
  }

  removeDirectory(path: string): Promise<void> {
    return this.#run("removeDirectory", path, () => void this.#removeFolder(path, () => true));
  }

  removeEmptyDirectory(path: string): Promise<boolean> {
    return this.#run("removeDirectory", path, () => this.#removeFolder(path, ({ names }) => names.size === 0));
  }

  /** Whether there is no such folder afterwards. */
  #removeFolder(path: string, mayGo: (node: FolderNode) => boolean): boolean {
    const node = this.#tree.find(path);
    if (node === undefined) return true;
    if (node.kind === "file") throw fileError("ENOTDIR", "removeDirectory", path);
    if (!mayGo(node)) return false;
    const [parent, name] = this.#tree.parent(path, "removeDirectory");
    parent.names.delete(name);
    return true;
  }

  syncFile(path: string): Promise<void> {
    return this.#run("sync", path, () => {
      const node = this.#tree.file(path, "sync");
      node.durable = node.bytes.slice(0, node.size);
    });
  }

  syncDirectory(path: string): Promise<void> {
    return this.#run("syncDirectory", path, () => {
      const node = this.#tree.folder(path, "syncDirectory");
      node.durable = new Map(node.names);
    });
  }

  #output(path: string, node: FileNode): OutputFile {
    const generation = this.#generation;
    let open = true;
    this.openCount++;
    const usable = () => {
      if (!open || generation !== this.#generation) throw fileError("EBADF", "write", path);
    };
    const end = (): boolean => {
      if (open && generation === this.#generation) this.openCount--;
      const first = open;
      open = false;
      return first;
    };
    const write = (bytes: Uint8Array) => {
      usable();
      const torn = this.#strike("write", path);
      append(node, torn === null ? bytes : bytes.subarray(0, torn.tornBytes ?? 0));
      node.modifiedMs = this.#nowMs();
      if (torn !== null) throw fileError(torn.code, "write", path);
    };
    return {
      path,
      get sizeBytes() {
        return node.size;
      },
      write: (bytes) => Promise.resolve().then(() => write(bytes)),
      writeSync: write,
      sync: () =>
        this.#run("sync", path, () => {
          usable();
          node.durable = node.bytes.slice(0, node.size);
        }),
      close: () => {
        return end() ? this.#run("close", path, () => {}) : Promise.resolve();
      },
      closeSync: () => {
        if (end()) this.#runSync("close", path, () => {});
      },
    };
  }

  #input(path: string, node: FileNode): InputFile {
    const generation = this.#generation;
    let open = true;
    this.openCount++;
    const readSync = (target: Uint8Array, offset: number): number => {
      if (!open || generation !== this.#generation) throw fileError("EBADF", "read", path);
      const fault = this.#strike("read", path);
      if (fault !== null) throw fileError(fault.code, "read", path);
      const end = Math.min(node.size, offset + target.length);
      if (end <= offset) return 0;
      target.set(node.bytes.subarray(offset, end));
      return end - offset;
    };
    return {
      path,
      identity: identityOf(node),
      get sizeBytes() {
        return node.size;
      },
      readSync,
      read: (target, offset) => Promise.resolve().then(() => readSync(target, offset)),
      close: () => {
        if (open && generation === this.#generation) this.openCount--;
        open = false;
      },
    };
  }

  /** Fails later, as real operations do: never in the caller's own turn. */
  async #run<T>(operation: FileOperation, path: string, act: () => T, other?: string): Promise<T> {
    await Promise.resolve();
    return this.#runSync(operation, path, act, other);
  }

  #runSync<T>(operation: FileOperation, path: string, act: () => T, other?: string): T {
    const fault = this.#strike(operation, path, other);
    if (fault !== null) throw fileError(fault.code, operation, path);
    return act();
  }

  #strike(operation: FileOperation, path: string, other?: string): Fault | null {
    this.journal.push(other === undefined ? `${operation} ${path}` : `${operation} ${path} ${other}`);
    this.onOperation?.(operation, path);
    return this.#faults.strike(operation, path, other);
  }
}
