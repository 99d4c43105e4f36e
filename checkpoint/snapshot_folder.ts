/**
 * The folder of one checkpoint or savepoint while it is being written: where
 * its files go, and how it becomes complete.
 *
 * Called by: filesystem_storage.ts, savepoint_storage.ts.
 * Calls: the FileSystem port, filesystem_snapshot_file.ts, file_transfer.ts.
 *
 * Invariants:
 * - files are written under their final, random names; `_metadata` is written last, under another name, and renamed when
 *   everything it refers to is durable under a durable name: a folder that has `_metadata` is complete;
 * - no file is begun after `discard`.
 *
 * @module
 */
import type { Random } from "../core/clock.ts";
import { SnapshotCorruptError, StreamError } from "../core/errors.ts";
import type { FileSystem } from "../core/file_system.ts";
import type { FileRef, FileScope, SnapshotStore } from "../core/snapshot.ts";
import { METADATA_NAME, removeSnapshotFolder, writeDurably } from "./durable_files.ts";
import { type FileTransfer, transferFile } from "./file_transfer.ts";
import { FilesystemSnapshotFile, type SnapshotFileTarget } from "./filesystem_snapshot_file.ts";

const PART_NAME = `${METADATA_NAME}.part`;
/** Largest inline threshold, bytes. */
export const MAX_INLINE_BYTES = 1_048_576;
/** Inline threshold unless told otherwise, bytes. */
export const DEFAULT_INLINE_BYTES = 20_480;

/** How files of snapshots are written. */
export interface SnapshotFilesOptions {
  readonly fileSystem: FileSystem;
  readonly random: Random;
  /** Files of at most this many bytes go into `_metadata`, 0..1,048,576; 20,480 when absent. */
  readonly inlineBytes?: number;
  /** How files of state on disk come here and back: hard links where possible ("link", the default), or copies. */
  readonly transfer?: FileTransfer;
}

/** @throws {RangeError} If the inline threshold is out of range. */
export function checkInlineBytes(inlineBytes: number): number {
  if (Number.isInteger(inlineBytes) && inlineBytes >= 0 && inlineBytes <= MAX_INLINE_BYTES) return inlineBytes;
  throw new RangeError(
    `Cannot set the inline threshold of checkpoints: it is ${inlineBytes}, must be in 0..${MAX_INLINE_BYTES} bytes`,
  );
}

/** Where the files of one snapshot go. */
export interface SnapshotPlace {
  /** For messages: "checkpoint 7". */
  readonly name: string;
  /** Exclusive files and `_metadata`; made when the first of them comes, unless there is no folder of shared files. */
  readonly folder: string;
  /** Shared files; null where there may be none. */
  readonly sharedFolder: string | null;
}

/** A folder that is being written. */
export class SnapshotFolder {
  /** Writes the files of every subtask. */
  readonly store: SnapshotStore = {
    create: async (scope) => new FilesystemSnapshotFile(await this.#target(scope)),
    adopt: async (path, sizeBytes, scope) => this.#adopt(path, sizeBytes, await this.#target(scope)),
    discard: async (file) => {
      if (file.scope === "inline") return;
      await this.options.fileSystem.remove(`${this.#folderOf(file.scope)}/${file.name}`);
    },
  };
  #discarded: Promise<void> | null = null;

  constructor(private readonly options: SnapshotFilesOptions, private readonly place: SnapshotPlace) {}

  /** Makes all files and names durable, then the metadata. @throws {StreamError} If there is metadata already. */
  async writeMetadata(bytes: Uint8Array): Promise<void> {
    const { fileSystem } = this.options;
    const { folder, sharedFolder } = this.place;
    const target = `${folder}/${METADATA_NAME}`;
    if (await fileSystem.status(target) !== null) {
      throw new StreamError(
        "invalid",
        `Cannot write "${target}": it exists, must be new; give the job a folder or a name of its own`,
      );
    }
    if (sharedFolder !== null) {
      await fileSystem.makeDirectory(folder);
      await fileSystem.syncDirectory(sharedFolder);
    }
    await writeDurably(fileSystem, `${folder}/${PART_NAME}`, bytes);
    // Names of the exclusive files, before the name that makes them count.
    await fileSystem.syncDirectory(folder);
    await fileSystem.rename(`${folder}/${PART_NAME}`, target);
    await fileSystem.syncDirectory(folder);
  }

  /** Removes the folder; files in the shared folder stay. The same promise each time. */
  discard(): Promise<void> {
    this.#discarded ??= removeSnapshotFolder(this.options.fileSystem, this.place.folder);
    return this.#discarded;
  }

  async #target(scope: FileScope): Promise<SnapshotFileTarget> {
    const { fileSystem, random, inlineBytes = DEFAULT_INLINE_BYTES } = this.options;
    const { name, folder, sharedFolder } = this.place;
    if (this.#discarded !== null) {
      throw new StreamError(
        "unavailable",
        `Cannot write to ${name}: it was discarded, must be pending; write to the next one`,
      );
    }
    const parent = this.#folderOf(scope);
    if (scope === "exclusive" && sharedFolder !== null) await fileSystem.makeDirectory(folder);
    return { fileSystem, folder: parent, name: random.id(), scope, inlineBytes };
  }

  #folderOf(scope: FileScope): string {
    const { name, folder, sharedFolder } = this.place;
    if (scope === "exclusive") return folder;
    if (sharedFolder !== null) return sharedFolder;
    throw new Error(`Cannot write a shared file to ${name}: a savepoint must stand alone; this is a defect of Weir`);
  }

  async #adopt(path: string, sizeBytes: number, target: SnapshotFileTarget): Promise<FileRef> {
    const { fileSystem, folder, name, scope, inlineBytes } = target;
    if (sizeBytes <= inlineBytes) {
      const bytes = await fileSystem.readFile(path);
      if (bytes.length === sizeBytes) return { scope: "inline", bytes, sizeBytes };
      throw new SnapshotCorruptError(path, { reason: `it has ${bytes.length} bytes, it must have ${sizeBytes}` });
    }
    const { transfer = "link" } = this.options;
    await transferFile(fileSystem, { from: path, to: `${folder}/${name}`, sizeBytes, transfer, durably: true });
    return { scope, name, sizeBytes };
  }
}
