/**
 * Snapshot files in memory: what backends write to and restore from in tests.
 *
 * Called by: runtime/testing/, tests of backends.
 * Calls: core/ (types, errors).
 *
 * @module
 */
import { SnapshotCorruptError } from "../../core/errors.ts";
import type {
  FileRef,
  FileScope,
  SnapshotFile,
  SnapshotInput,
  SnapshotReader,
  SnapshotStore,
} from "../../core/snapshot.ts";

/** Settings of {@link MemorySnapshots}. */
export interface MemorySnapshotsOptions {
  /** Files below this size go inline; 0 = none. */
  readonly inlineBelowBytes?: number;
  /** Awaited before each chunk is taken; may reject, or wait, to stand for slow or failing storage. */
  readonly beforeWrite?: (name: string, chunk: Uint8Array) => Promise<void> | void;
}

/** Store and reader over one set of named files. Counts what is open, so that tests can see leaks. */
export class MemorySnapshots implements SnapshotStore, SnapshotReader {
  /** Finished files by name; a test may damage the bytes or delete a file. */
  readonly files: Map<string, Uint8Array<ArrayBuffer>> = new Map();
  /** Scope of each finished file that is not inline. */
  readonly scopes: Map<string, FileScope> = new Map();
  /** Files that are being written. */
  openForWrite = 0;
  /** Files that are open for reading. */
  openForRead = 0;
  /** Files that were discarded. */
  discardedCount = 0;
  private nextFile = 0;

  constructor(private readonly options: MemorySnapshotsOptions = {}) {}

  create(scope: FileScope): Promise<SnapshotFile> {
    this.openForWrite++;
    return Promise.resolve(new MemoryFile(this, scope, `run-${this.nextFile++}`, this.options));
  }

  // deno-lint-ignore require-await -- a failure must be a rejection, as with real files
  async open(file: FileRef): Promise<SnapshotInput> {
    const path = file.scope === "inline" ? "inline" : file.name;
    const bytes = file.scope === "inline" ? file.bytes : this.files.get(file.name);
    if (bytes === undefined) throw new SnapshotCorruptError(path, { reason: "the file is missing" });
    if (bytes.length !== file.sizeBytes) {
      throw new SnapshotCorruptError(path, { reason: `size is ${bytes.length}, metadata says ${file.sizeBytes}` });
    }
    this.openForRead++;
    return new MemoryInput(this, path, bytes);
  }
}

class MemoryFile implements SnapshotFile {
  private chunks: Uint8Array[] = [];
  private sizeBytes = 0;
  private open = true;

  constructor(
    private readonly owner: MemorySnapshots,
    private readonly scope: FileScope,
    private readonly name: string,
    private readonly options: MemorySnapshotsOptions,
  ) {}

  async write(chunk: Uint8Array): Promise<void> {
    if (!this.open) throw new Error(`Cannot write "${this.name}": it is finished or discarded`);
    await this.options.beforeWrite?.(this.name, chunk);
    // Copied only now: whoever reuses the chunk before the promise resolves is found out.
    this.chunks.push(chunk.slice());
    this.sizeBytes += chunk.length;
  }

  finish(): Promise<FileRef> {
    this.end();
    const bytes = new Uint8Array(this.sizeBytes);
    let at = 0;
    for (const chunk of this.chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    if (bytes.length < (this.options.inlineBelowBytes ?? 0)) {
      return Promise.resolve({ scope: "inline", bytes, sizeBytes: bytes.length });
    }
    this.owner.files.set(this.name, bytes);
    this.owner.scopes.set(this.name, this.scope);
    return Promise.resolve({ scope: this.scope, name: this.name, sizeBytes: bytes.length });
  }

  discard(): Promise<void> {
    if (this.open) {
      this.end();
      this.owner.discardedCount++;
      this.chunks = [];
    }
    return Promise.resolve();
  }

  private end(): void {
    if (!this.open) throw new Error(`Cannot finish "${this.name}": it is finished or discarded`);
    this.open = false;
    this.owner.openForWrite--;
  }
}

class MemoryInput implements SnapshotInput {
  private open = true;

  constructor(
    private readonly owner: MemorySnapshots,
    readonly path: string,
    private readonly bytes: Uint8Array,
  ) {}

  get sizeBytes(): number {
    return this.bytes.length;
  }

  read(offset: number, length: number): Uint8Array {
    if (!this.open) throw new Error(`Cannot read "${this.path}": it is closed`);
    if (offset < 0 || length < 0 || offset + length > this.bytes.length) {
      throw new SnapshotCorruptError(this.path, {
        reason: `${length} bytes are wanted, the file ends at ${this.bytes.length}`,
        offset,
      });
    }
    return this.bytes.slice(offset, offset + length);
  }

  close(): void {
    if (!this.open) return;
    this.open = false;
    this.owner.openForRead--;
  }
}
