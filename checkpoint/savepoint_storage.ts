/**
 * Keeps savepoints in the file system, each in a folder of its own that stands
 * alone: `<directory>/savepoint-<first 6 digits of the job id>-<12 random digits>/`.
 *
 * Called by: runtime/ (makes it), coordinator.ts, memory_storage.ts (reads).
 * Calls: the FileSystem port, snapshot_folder.ts, snapshot_removal.ts, durable_files.ts, filesystem_reader.ts.
 *
 * Invariants:
 * - a savepoint refers to no file outside its folder, and names those in it without a path: the folder can be moved;
 * - a savepoint that is complete is never touched again, unless the job owns it.
 *
 * @module
 */
import { messageOf, StreamError } from "../core/errors.ts";
import { errorCode } from "../core/file_system.ts";
import type { SnapshotReader } from "../core/snapshot.ts";
import type { CompletedCheckpoint } from "./completed_checkpoint.ts";
import { makeDurable, METADATA_NAME } from "./durable_files.ts";
import { FileReader, parentOf, resolvePointer } from "./filesystem_reader.ts";
import { whyNotLocal } from "./options.ts";
import {
  checkInlineBytes,
  DEFAULT_INLINE_BYTES,
  type SnapshotFilesOptions,
  SnapshotFolder,
} from "./snapshot_folder.ts";
import { type RemovalPorts, removeSnapshot } from "./snapshot_removal.ts";
import type { SavepointLocation, SavepointStorage, StoredMetadata } from "./storage.ts";

/** Names that are tried for the folder of one savepoint. */
const TRIES = 10;

/** How savepoints are written. */
export interface FilesystemSavepointsOptions extends SnapshotFilesOptions, RemovalPorts {
  readonly jobId: string;
}

/** Savepoints of one job in the file system. */
export class FilesystemSavepoints implements SavepointStorage {
  readonly #options: FilesystemSavepointsOptions;

  /** @throws {RangeError} If the inline threshold is out of range. */
  constructor(options: FilesystemSavepointsOptions) {
    checkInlineBytes(options.inlineBytes ?? DEFAULT_INLINE_BYTES);
    this.#options = options;
  }

  async create(directory: string): Promise<SavepointLocation> {
    const wanted = whyNotLocal(directory);
    if (wanted !== undefined) {
      throw new StreamError(
        "invalid",
        `Cannot take a savepoint into "${directory}": it must be ${wanted}; give a folder of this machine`,
      );
    }
    const path = await this.#makeFolder(directory.replace(/(?!^)\/+$/, ""));
    const folder = new SnapshotFolder(this.#options, { name: `savepoint "${path}"`, folder: path, sharedFolder: null });
    let isDurable = false;
    return {
      path,
      store: () => folder.store,
      writeMetadata: async (bytes) => {
        await folder.writeMetadata(bytes);
        isDurable = true;
        return path;
      },
      discard: () => isDurable ? Promise.resolve() : folder.discard(),
    };
  }

  async readMetadata(pointer: string): Promise<StoredMetadata> {
    const { fileSystem } = this.#options;
    const externalPath = await resolvePointer(fileSystem, pointer, METADATA_NAME);
    const path = `${externalPath}/${METADATA_NAME}`;
    return { bytes: await fileSystem.readFile(path), path, externalPath };
  }

  reader(externalPath: string): SnapshotReader {
    const folders = { exclusive: externalPath, shared: `${parentOf(externalPath)}/shared` };
    return new FileReader(this.#options.fileSystem, folders, this.#options.transfer);
  }

  async remove(snapshot: CompletedCheckpoint): Promise<void> {
    await removeSnapshot(snapshot, this.#options);
  }

  async #makeFolder(directory: string): Promise<string> {
    const { fileSystem, random, jobId } = this.#options;
    const parent = directory === "/" ? "" : directory;
    try {
      for (let tries = 0; tries < TRIES; tries++) {
        const path = `${parent}/savepoint-${jobId.slice(0, 6)}-${random.id().slice(-12)}`;
        if (await fileSystem.status(path) !== null) continue;
        await this.#makeDurable(path);
        return path;
      }
    } catch (cause) {
      throw new StreamError(
        "unavailable",
        `Cannot make a folder for a savepoint in "${directory}": ${messageOf(cause)}; make it writable or give another`,
        { cause },
      );
    }
    throw new StreamError(
      "unavailable",
      `Cannot make a folder for a savepoint in "${directory}": ${TRIES} random names are all taken; try again`,
    );
  }

  /** A folder whose name cannot be made durable is removed again. */
  async #makeDurable(path: string): Promise<void> {
    const { fileSystem } = this.#options;
    try {
      await makeDurable(fileSystem, path);
    } catch (error) {
      try {
        await fileSystem.removeEmptyDirectory(path);
      } catch (second) {
        // A file is where its parent should be: it was never made.
        if (errorCode(second) === "ENOTDIR") throw error;
        throw new AggregateError([error, second], `${messageOf(error)}; "${path}" is left`, { cause: error });
      }
      throw error;
    }
  }
}
