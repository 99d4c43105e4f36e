/**
 * Keeps the checkpoints of a job in a folder:
 * `<root>/<job id>/{chk-<id>/, shared/, taskowned/}`.
 *
 * Called by: runtime/ (makes it from the configuration), coordinator.ts, recovery.ts.
 * Calls: the FileSystem port, filesystem_snapshot_file.ts, filesystem_reader.ts,
 * lineage_file.ts.
 *
 * Invariants:
 * - files are written under their final, random names; `_metadata` is written last, under another name, and renamed when
 *   everything it refers to is durable under a durable name: a checkpoint that has `_metadata` is complete;
 * - the marker of the first completed checkpoint is durable before anyone is told that it completed;
 * - deleting takes `_metadata` away first: what is half deleted is not complete.
 *
 * @module
 */
import type { Random } from "../core/clock.ts";
import { SnapshotCorruptError, StreamError } from "../core/errors.ts";
import { errorCode, type FileSystem } from "../core/file_system.ts";
import type { FileRef, FileScope, SnapshotReader, SnapshotStore } from "../core/snapshot.ts";
import { type FileTransfer, transferFile } from "./file_transfer.ts";
import { FileReader, parentOf, resolvePointer } from "./filesystem_reader.ts";
import { FilesystemSnapshotFile, type SnapshotFileTarget } from "./filesystem_snapshot_file.ts";
import { decodeLineage, encodeLineage } from "./lineage_file.ts";
import type {
  CheckpointLocation,
  CheckpointStorage,
  Lineage,
  StoredMetadata,
  SubtaskRef,
  SweepReport,
} from "./storage.ts";

/** Name of the file that makes a checkpoint complete. */
export const METADATA_NAME = "_metadata";
const PART_NAME = "_metadata.part";
/** Its presence says that a checkpoint has completed once. */
const MARKER_NAME = "_completed_once";
/** Says which checkpoints belong together. */
const LINEAGE_NAME = "_lineage";
const SHARED = "shared";
const TASK_OWNED = "taskowned";
const CHECKPOINT_NAME = /^chk-([1-9][0-9]{0,14})$/;
const SET_ASIDE_NAME = /^damaged-chk-([1-9][0-9]{0,14})(?:-.*)?$/;
/** Largest inline threshold, bytes. */
export const MAX_INLINE_BYTES = 1_048_576;
/** Inline threshold unless told otherwise, bytes. */
export const DEFAULT_INLINE_BYTES = 20_480;

/** How a storage in the file system is set up. */
export interface FilesystemStorageOptions {
  readonly fileSystem: FileSystem;
  readonly random: Random;
  /** `execution.checkpointing.dir`. */
  readonly root: string;
  readonly jobId: string;
  /** Files of at most this many bytes go into `_metadata`, 0..1,048,576; 20,480 when absent. */
  readonly inlineBytes?: number;
  /** How files of state on disk come here and back: hard links where possible ("link", the default), or copies. */
  readonly transfer?: FileTransfer;
}

/** `filesystem` storage. */
export class FilesystemStorage implements CheckpointStorage {
  readonly name = "filesystem";
  /** Folder of the job. */
  readonly path: string;
  readonly #fs: FileSystem;
  readonly #random: Random;
  readonly #inlineBytes: number;
  readonly #transfer: FileTransfer;
  #marked = false;

  /** @throws {RangeError} If the inline threshold is out of range. */
  constructor(options: FilesystemStorageOptions) {
    const { inlineBytes = DEFAULT_INLINE_BYTES } = options;
    if (!(Number.isInteger(inlineBytes) && inlineBytes >= 0 && inlineBytes <= MAX_INLINE_BYTES)) {
      throw new RangeError(
        `Cannot set the inline threshold of checkpoints: it is ${inlineBytes}, must be in 0..${MAX_INLINE_BYTES} bytes`,
      );
    }
    this.#fs = options.fileSystem;
    this.#random = options.random;
    this.#inlineBytes = inlineBytes;
    this.#transfer = options.transfer ?? "link";
    this.path = `${options.root}/${options.jobId}`;
  }

  async prepare(): Promise<void> {
    // Called again when the folder has been removed, the marker with it.
    this.#marked = false;
    await this.#makeDurable(`${this.path}/${SHARED}`);
    await this.#makeDurable(`${this.path}/${TASK_OWNED}`);
  }

  begin(checkpointId: number): CheckpointLocation {
    const folder = this.#folder(checkpointId);
    let discarded = false;
    const target = async (scope: FileScope): Promise<SnapshotFileTarget> => {
      if (discarded) {
        throw new StreamError(
          "unavailable",
          `Cannot write to checkpoint ${checkpointId}: it was discarded, must be pending; write to the next one`,
        );
      }
      if (scope === "exclusive") await this.#fs.makeDirectory(folder);
      const parent = scope === "exclusive" ? folder : `${this.path}/${SHARED}`;
      const name = this.#random.id();
      return { fileSystem: this.#fs, folder: parent, name, scope, inlineBytes: this.#inlineBytes };
    };
    const store: SnapshotStore = {
      create: async (scope) => new FilesystemSnapshotFile(await target(scope)),
      adopt: async (path, sizeBytes, scope) => this.#adopt(path, sizeBytes, await target(scope)),
      discard: async (file) => {
        if (file.scope === "inline") return;
        await this.#fs.remove(`${file.scope === "exclusive" ? folder : `${this.path}/${SHARED}`}/${file.name}`);
      },
    };
    return {
      checkpointId,
      store: (_owner: SubtaskRef) => store,
      writeMetadata: (bytes) => this.#writeMetadata(folder, bytes),
      discard: async () => {
        discarded = true;
        await this.#remove(folder);
      },
    };
  }

  async #adopt(
    path: string,
    sizeBytes: number,
    { folder, name, scope, inlineBytes }: SnapshotFileTarget,
  ): Promise<FileRef> {
    if (sizeBytes <= inlineBytes) {
      const bytes = await this.#fs.readFile(path);
      if (bytes.length === sizeBytes) return { scope: "inline", bytes, sizeBytes };
      throw new SnapshotCorruptError(path, { reason: `it has ${bytes.length} bytes, it must have ${sizeBytes}` });
    }
    await transferFile(this.#fs, {
      from: path,
      to: `${folder}/${name}`,
      sizeBytes,
      transfer: this.#transfer,
      durably: true,
    });
    return { scope, name, sizeBytes };
  }

  async completedIds(): Promise<number[]> {
    const ids: number[] = [];
    for (const id of await this.#ids(CHECKPOINT_NAME)) {
      if (await this.#fs.status(`${this.#folder(id)}/${METADATA_NAME}`) !== null) ids.push(id);
    }
    return ids.sort((a, b) => b - a);
  }

  async highestId(): Promise<number> {
    return Math.max(0, ...await this.#ids(CHECKPOINT_NAME), ...await this.#ids(SET_ASIDE_NAME));
  }

  async lineage(): Promise<Lineage> {
    const path = `${this.path}/${LINEAGE_NAME}`;
    if (await this.#fs.status(path) === null) return { above: 0, origin: null };
    return decodeLineage(await this.#fs.readFile(path), path);
  }

  async beginLineage(lineage: Lineage): Promise<void> {
    const path = `${this.path}/${LINEAGE_NAME}`;
    await this.#makeDurable(this.path);
    await this.#writeDurably(`${path}.part`, encodeLineage(lineage));
    await this.#fs.rename(`${path}.part`, path);
    await this.#fs.syncDirectory(this.path);
  }

  async hasEverCompleted(): Promise<boolean> {
    return await this.#fs.status(`${this.path}/${MARKER_NAME}`) !== null;
  }

  async readMetadata(pointer: number | string): Promise<StoredMetadata> {
    const externalPath = await resolvePointer(
      this.#fs,
      typeof pointer === "number" ? this.#folder(pointer) : pointer,
      METADATA_NAME,
    );
    const path = `${externalPath}/${METADATA_NAME}`;
    return { bytes: await this.#fs.readFile(path), path, externalPath };
  }

  reader(externalPath: string): SnapshotReader {
    return new FileReader(
      this.#fs,
      { exclusive: externalPath, shared: `${parentOf(externalPath)}/${SHARED}` },
      this.#transfer,
    );
  }

  deleteCheckpoint(checkpointId: number): Promise<void> {
    return this.#remove(this.#folder(checkpointId));
  }

  async deleteShared(names: readonly string[]): Promise<void> {
    for (const name of names) await this.#fs.remove(`${this.path}/${SHARED}/${name}`);
  }

  async setAside(checkpointId: number): Promise<string> {
    const target = `${this.path}/damaged-chk-${checkpointId}-${this.#random.id()}`;
    await this.#fs.rename(this.#folder(checkpointId), target);
    await this.#fs.syncDirectory(this.path);
    return target;
  }

  async sweep(referenced: ReadonlySet<string>): Promise<SweepReport> {
    const unfinished: string[] = [];
    const completed = new Set(await this.completedIds());
    for (const id of await this.#ids(CHECKPOINT_NAME)) {
      if (completed.has(id)) continue;
      unfinished.push(this.#folder(id));
      await this.#remove(this.#folder(id));
    }
    const shared = (await this.#list(`${this.path}/${SHARED}`)).filter((name) => !referenced.has(name));
    await this.deleteShared(shared);
    return { unfinished, shared };
  }

  async #writeMetadata(folder: string, bytes: Uint8Array): Promise<string> {
    const target = `${folder}/${METADATA_NAME}`;
    if (await this.#fs.status(target) !== null) {
      throw new StreamError(
        "invalid",
        `Cannot write "${target}": it exists, must be new; give the job a folder or a name of its own`,
      );
    }
    await this.#fs.makeDirectory(folder);
    await this.#fs.syncDirectory(`${this.path}/${SHARED}`);
    await this.#writeDurably(`${folder}/${PART_NAME}`, bytes);
    // Names of the exclusive files, before the name that makes them count.
    await this.#fs.syncDirectory(folder);
    await this.#fs.rename(`${folder}/${PART_NAME}`, target);
    await this.#fs.syncDirectory(folder);
    await this.#mark();
    await this.#fs.syncDirectory(this.path);
    return folder;
  }

  /**
   * After the rename: a crash in between leaves a checkpoint without a marker, which is found all the same. The other
   * order would leave a marker without a checkpoint, and a job that refuses to start.
   */
  async #mark(): Promise<void> {
    if (this.#marked) return;
    if (!await this.hasEverCompleted()) {
      // Both are names in one folder: only a sync in between keeps a power cut from leaving the later one alone.
      await this.#fs.syncDirectory(this.path);
      await this.#writeDurably(`${this.path}/${MARKER_NAME}`, new Uint8Array(0));
    }
    this.#marked = true;
  }

  /** Makes a folder, and durable the names of those that were not there. */
  async #makeDurable(path: string): Promise<void> {
    const grown: string[] = [];
    for (let at = path; await this.#fs.status(at) === null; at = parentOf(at)) grown.push(parentOf(at));
    await this.#fs.makeDirectory(path);
    for (const parent of grown.reverse()) await this.#fs.syncDirectory(parent);
  }

  async #writeDurably(path: string, bytes: Uint8Array): Promise<void> {
    const file = await this.#fs.create(path, "truncate");
    try {
      await file.write(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
  }

  async #remove(folder: string): Promise<void> {
    if (await this.#fs.status(folder) === null) return;
    if (await this.#fs.status(`${folder}/${METADATA_NAME}`) !== null) {
      await this.#fs.remove(`${folder}/${METADATA_NAME}`);
      await this.#fs.syncDirectory(folder);
    }
    await this.#fs.removeDirectory(folder);
  }

  #folder(checkpointId: number): string {
    return `${this.path}/chk-${checkpointId}`;
  }

  async #ids(pattern: RegExp): Promise<number[]> {
    const ids: number[] = [];
    for (const name of await this.#list(this.path)) {
      const match = pattern.exec(name);
      if (match !== null) ids.push(Number(match[1]));
    }
    return ids;
  }

  async #list(path: string): Promise<string[]> {
    try {
      return await this.#fs.list(path);
    } catch (error) {
      if (errorCode(error) === "ENOENT") return [];
      throw error;
    }
  }
}
