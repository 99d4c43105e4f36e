/**
 * Opens files of a checkpoint in the file system, and finds a checkpoint from
 * what a user has typed.
 *
 * Called by: filesystem_storage.ts.
 * Calls: the FileSystem port, bytes_input.ts.
 *
 * @module
 */
import { SnapshotCorruptError, StreamError } from "../core/errors.ts";
import { errorCode, type FileSystem, type InputFile } from "../core/file_system.ts";
import type { FileRef, SnapshotInput, SnapshotReader } from "../core/snapshot.ts";
import { BytesInput, checkRange } from "./bytes_input.ts";
import { type FileTransfer, transferFile } from "./file_transfer.ts";
import { whyNotLocal } from "./options.ts";

/**
 * Folder of the checkpoint that a pointer means.
 *
 * @param pointer Path to the folder or to the metadata in it.
 * @throws {StreamError} Of kind "invalid" if there is nothing, or no metadata in the folder, or it is empty.
 */
export async function resolvePointer(fs: FileSystem, pointer: string, metadataName: string): Promise<string> {
  const path = pointer.replace(/(?!^)\/+$/, "");
  const invalid = (reason: string) =>
    new StreamError(
      "invalid",
      `Cannot restore from "${pointer}": ${reason}; give the path of a checkpoint or savepoint`,
    );
  if (path === "") throw invalid("the path is empty");
  const wanted = whyNotLocal(path);
  if (wanted !== undefined) throw invalid(`it must be ${wanted}`);
  const status = await fs.status(path);
  if (status === null) throw invalid("there is no such file or folder");
  if (status.kind === "directory") {
    const metadata = await fs.status(`${path}/${metadataName}`);
    if (metadata === null) throw invalid(`the folder has no ${metadataName}, so the checkpoint is not complete`);
    return path;
  }
  const slash = path.lastIndexOf("/");
  if (path.slice(slash + 1) !== metadataName) throw invalid(`it is a file that is not called ${metadataName}`);
  return parentOf(path);
}

/** Folder that a path lies in. */
export function parentOf(path: string): string {
  const trimmed = path.replace(/(?!^)\/+$/, "");
  const slash = trimmed.lastIndexOf("/");
  return slash < 0 ? "." : slash === 0 ? "/" : trimmed.slice(0, slash);
}

/** Opens files by their scope. */
export class FileReader implements SnapshotReader {
  readonly #fs: FileSystem;
  readonly #folders: Readonly<Record<"exclusive" | "shared", string>>;

  readonly #transfer: FileTransfer;

  /** @param folders Where files of each scope are. */
  constructor(
    fs: FileSystem,
    folders: Readonly<Record<"exclusive" | "shared", string>>,
    transfer: FileTransfer = "link",
  ) {
    this.#fs = fs;
    this.#transfer = transfer;
    this.#folders = folders;
  }

  async open(file: FileRef): Promise<SnapshotInput> {
    if (file.scope === "inline") return new BytesInput(`${this.#folders.exclusive}/_metadata`, file.bytes);
    const path = `${this.#folders[file.scope]}/${file.name}`;
    let opened: InputFile;
    try {
      opened = await this.#fs.open(path);
    } catch (cause) {
      if (errorCode(cause) !== "ENOENT") throw readError(path, cause);
      throw new SnapshotCorruptError(path, { reason: "the file is missing", cause });
    }
    if (opened.sizeBytes !== file.sizeBytes) {
      opened.close();
      throw new SnapshotCorruptError(path, {
        reason: `it has ${opened.sizeBytes} bytes, the metadata says ${file.sizeBytes}`,
      });
    }
    return new OpenInput(opened);
  }

  async fetch(file: FileRef, path: string): Promise<void> {
    const { scope, sizeBytes } = file;
    if (scope === "inline") {
      const output = await this.#fs.create(path, "exclusive");
      try {
        await output.write(file.bytes);
      } finally {
        await output.close();
      }
      return;
    }
    const from = `${this.#folders[scope]}/${file.name}`;
    try {
      await transferFile(this.#fs, { from, to: path, sizeBytes, transfer: this.#transfer, durably: false });
    } catch (cause) {
      throw readError(from, cause);
    }
  }
}

/** A bad sector is damage of the file; other errors are the machine's and may pass. */
function readError(path: string, cause: unknown): unknown {
  if (errorCode(cause) !== "EIO") return cause;
  return new SnapshotCorruptError(path, { reason: "it cannot be read (EIO)", cause });
}

class OpenInput implements SnapshotInput {
  readonly #file: InputFile;

  constructor(file: InputFile) {
    this.#file = file;
  }

  get path(): string {
    return this.#file.path;
  }

  get sizeBytes(): number {
    return this.#file.sizeBytes;
  }

  read(offset: number, length: number): Uint8Array {
    checkRange(this, offset, length);
    const target = new Uint8Array(length);
    let count = 0;
    while (count < length) {
      let read: number;
      try {
        read = this.#file.readSync(count === 0 ? target : target.subarray(count), offset + count);
      } catch (cause) {
        throw readError(this.path, cause);
      }
      if (read === 0) throw new SnapshotCorruptError(this.path, { reason: "it has become shorter", offset });
      count += read;
    }
    return target;
  }

  close(): void {
    this.#file.close();
  }
}
