/**
 * Writes one file of a snapshot; a small one never reaches the disk but travels
 * within `_metadata`.
 *
 * Called by: filesystem_storage.ts.
 * Calls: the FileSystem port.
 *
 * Invariants:
 * - the file is created only when more bytes came than go inline;
 * - a file whose writing fails is removed; nothing is left open, also when it is discarded while it is being created.
 *
 * @module
 */
import { messageOf, StreamError } from "../core/errors.ts";
import { errorCode, type FileSystem, type OutputFile } from "../core/file_system.ts";
import type { FileRef, FileScope, SnapshotFile } from "../core/snapshot.ts";

/** Where and how a file is written. */
export interface SnapshotFileTarget {
  readonly fileSystem: FileSystem;
  readonly folder: string;
  /** Unique for ever. */
  readonly name: string;
  readonly scope: FileScope;
  /** Up to this many bytes stay in memory. */
  readonly inlineBytes: number;
}

/** A file of a snapshot in a folder. */
export class FilesystemSnapshotFile implements SnapshotFile {
  readonly #target: SnapshotFileTarget;
  readonly #path: string;
  /** Bytes that may still go inline; empty once the file exists. */
  #head: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #headBytes = 0;
  #file: OutputFile | null = null;
  #state: "open" | "finished" | "gone" = "open";

  /** Touches nothing on disk yet. */
  constructor(target: SnapshotFileTarget) {
    this.#target = target;
    this.#path = `${target.folder}/${target.name}`;
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.#checkOpen();
    if (this.#file === null && this.#headBytes + chunk.length <= this.#target.inlineBytes) {
      this.#keep(chunk);
      return;
    }
    try {
      if (this.#file === null) await this.#spill();
      await this.#file?.write(chunk);
    } catch (error) {
      await this.#removeAfter(error);
    }
  }

  async finish(): Promise<FileRef> {
    this.#checkOpen();
    const file = this.#file;
    this.#state = "finished";
    if (file === null) {
      const bytes = this.#head.slice(0, this.#headBytes);
      return { scope: "inline", bytes, sizeBytes: bytes.length };
    }
    try {
      await file.sync();
      const { sizeBytes } = file;
      await file.close();
      return { scope: this.#target.scope, name: this.#target.name, sizeBytes };
    } catch (error) {
      return await this.#removeAfter(error);
    }
  }

  async discard(): Promise<void> {
    if (this.#state === "gone") return;
    this.#state = "gone";
    if (this.#file !== null) await this.#removeFile(this.#file);
  }

  async #removeFile(file: OutputFile): Promise<void> {
    try {
      await file.close();
    } finally {
      await this.#target.fileSystem.remove(this.#path);
    }
  }

  #checkOpen(): void {
    if (this.#state === "open") return;
    throw new StreamError(
      "invalid",
      `Cannot write "${this.#path}": it is ${this.#state}, must be open; create another file`,
    );
  }

  #keep(chunk: Uint8Array): void {
    const size = this.#headBytes + chunk.length;
    if (size > this.#head.length) {
      const larger = new Uint8Array(Math.min(this.#target.inlineBytes, Math.max(size, this.#head.length * 2)));
      larger.set(this.#head.subarray(0, this.#headBytes));
      this.#head = larger;
    }
    this.#head.set(chunk, this.#headBytes);
    this.#headBytes = size;
  }

  async #spill(): Promise<void> {
    const file = await this.#target.fileSystem.create(this.#path, "exclusive");
    this.#file = file;
    if (this.#state === "gone") {
      // It was discarded meanwhile, when there was nothing to remove yet.
      await this.#removeFile(file);
      this.#checkOpen();
    }
    if (this.#headBytes > 0) await file.write(this.#head.subarray(0, this.#headBytes));
    this.#head = new Uint8Array(0);
    this.#headBytes = 0;
  }

  /** The first error is the one to report, by its code too; a file that cannot be removed is swept by a recovery. */
  async #removeAfter(error: unknown): Promise<never> {
    try {
      await this.discard();
    } catch (second) {
      const both = new AggregateError([error, second], messageOf(error), { cause: error });
      throw Object.assign(both, { code: errorCode(error) });
    }
    throw error;
  }
}
