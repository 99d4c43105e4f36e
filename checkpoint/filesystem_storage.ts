/**
 * Keeps the checkpoints of a job in a folder:
 * `<root>/<job id>/{chk-<id>/, shared/, taskowned/}`.
 *
 * Called by: runtime/ (makes it from the configuration), coordinator.ts, recovery.ts.
 * Calls: the FileSystem port, snapshot_folder.ts, durable_files.ts, filesystem_reader.ts, lineage_file.ts.
 *
 * Invariants:
 * - the marker of the first completed checkpoint is durable before anyone is told that it completed.
 *
 * @module
 */
import type { Random } from "../core/clock.ts";
import type { FileSystem } from "../core/file_system.ts";
import type { SnapshotReader, SnapshotStore } from "../core/snapshot.ts";
import { makeDurable, METADATA_NAME, namesIn, removeSnapshotFolder, writeDurably } from "./durable_files.ts";
import { FileReader, parentOf, resolvePointer } from "./filesystem_reader.ts";
import { decodeLineage, encodeLineage } from "./lineage_file.ts";
import {
  checkInlineBytes,
  DEFAULT_INLINE_BYTES,
  type SnapshotFilesOptions,
  SnapshotFolder,
} from "./snapshot_folder.ts";
import type {
  CheckpointLocation,
  CheckpointStorage,
  Lineage,
  StoredMetadata,
  SubtaskRef,
  SweepReport,
} from "./storage.ts";

/** Its presence says that a checkpoint has completed once. */
const MARKER_NAME = "_completed_once";
/** Says which checkpoints belong together. */
const LINEAGE_NAME = "_lineage";
const SHARED = "shared";
const TASK_OWNED = "taskowned";
const CHECKPOINT_NAME = /^chk-([1-9][0-9]{0,14})$/;
const SET_ASIDE_NAME = /^damaged-chk-([1-9][0-9]{0,14})(?:-.*)?$/;

/** How a storage in the file system is set up. */
export interface FilesystemStorageOptions extends SnapshotFilesOptions {
  /** `execution.checkpointing.dir`. */
  readonly root: string;
  readonly jobId: string;
}

/** `filesystem` storage. */
export class FilesystemStorage implements CheckpointStorage {
  readonly name = "filesystem";
  /** Folder of the job. */
  readonly path: string;
  readonly #fs: FileSystem;
  readonly #random: Random;
  readonly #options: FilesystemStorageOptions;
  #marked = false;

  /** @throws {RangeError} If the inline threshold is out of range. */
  constructor(options: FilesystemStorageOptions) {
    checkInlineBytes(options.inlineBytes ?? DEFAULT_INLINE_BYTES);
    this.#options = options;
    this.#fs = options.fileSystem;
    this.#random = options.random;
    this.path = `${options.root}/${options.jobId}`;
  }

  async prepare(): Promise<void> {
    // Called again when the folder has been removed, the marker with it.
    this.#marked = false;
    await makeDurable(this.#fs, `${this.path}/${SHARED}`);
    await makeDurable(this.#fs, `${this.path}/${TASK_OWNED}`);
  }

  begin(checkpointId: number): CheckpointLocation {
    const folder = this.#folder(checkpointId);
    const snapshot = new SnapshotFolder(this.#options, {
      name: `checkpoint ${checkpointId}`,
      folder,
      sharedFolder: `${this.path}/${SHARED}`,
    });
    return {
      store: (_owner: SubtaskRef) => snapshot.store,
      writeMetadata: async (bytes) => {
        await snapshot.writeMetadata(bytes);
        await this.#mark();
        await this.#fs.syncDirectory(this.path);
        return folder;
      },
      discard: () => snapshot.discard(),
    };
  }

  sharedStore(): SnapshotStore {
    const sharedFolder = `${this.path}/${SHARED}`;
    const options = { ...this.#options, inlineBytes: 0 };
    const { store } = new SnapshotFolder(options, { name: "the shared folder", folder: this.path, sharedFolder });
    // Files may come before the first checkpoint, which prepares the folders.
    let isThere: Promise<void> | null = null;
    return {
      ...store,
      create: async (scope) => {
        isThere ??= makeDurable(this.#fs, sharedFolder);
        try {
          await isThere;
        } catch (error) {
          isThere = null;
          throw error;
        }
        return await store.create(scope);
      },
    };
  }

  async completedIds(): Promise<number[]> {
    const ids: number[] = [];
    for (const id of await this.#ids(CHECKPOINT_NAME)) {
      if (await this.#fs.status(`${this.#folder(id)}/${METADATA_NAME}`) !== null) ids.push(id);
    }
    return ids.sort((a, b) => b - a);
  }

  async highestId(): Promise<number> {
    const { above } = await this.lineage();
    return Math.max(above, ...await this.#ids(CHECKPOINT_NAME), ...await this.#ids(SET_ASIDE_NAME));
  }

  async lineage(): Promise<Lineage> {
    const path = `${this.path}/${LINEAGE_NAME}`;
    if (await this.#fs.status(path) === null) return { above: 0, origin: null };
    return decodeLineage(await this.#fs.readFile(path), path);
  }

  async beginLineage(lineage: Lineage, { committed = false }: { readonly committed?: boolean } = {}): Promise<void> {
    const path = `${this.path}/${LINEAGE_NAME}`;
    await makeDurable(this.#fs, this.path);
    await writeDurably(this.#fs, `${path}.part`, encodeLineage(lineage));
    await this.#fs.rename(`${path}.part`, path);
    if (committed) await this.#mark();
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

  async owns(checkpointId: number, externalPath: string): Promise<boolean> {
    const folder = this.#folder(checkpointId);
    if (folder === externalPath) return true;
    const own = await this.#fs.status(folder);
    return own !== null && own.identity !== null && own.identity === (await this.#fs.status(externalPath))?.identity;
  }

  reader(externalPath: string): SnapshotReader {
    return new FileReader(
      this.#fs,
      { exclusive: externalPath, shared: `${parentOf(externalPath)}/${SHARED}` },
      this.#options.transfer,
    );
  }

  deleteCheckpoint(checkpointId: number): Promise<void> {
    return removeSnapshotFolder(this.#fs, this.#folder(checkpointId));
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
      await removeSnapshotFolder(this.#fs, this.#folder(id));
    }
    const shared = (await namesIn(this.#fs, `${this.path}/${SHARED}`)).filter((name) => !referenced.has(name));
    await this.deleteShared(shared);
    return { unfinished, shared };
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
      await writeDurably(this.#fs, `${this.path}/${MARKER_NAME}`, new Uint8Array(0));
    }
    this.#marked = true;
  }

  #folder(checkpointId: number): string {
    return `${this.path}/chk-${checkpointId}`;
  }

  async #ids(pattern: RegExp): Promise<number[]> {
    const ids: number[] = [];
    for (const name of await namesIn(this.#fs, this.path)) {
      const match = pattern.exec(name);
      if (match !== null) ids.push(Number(match[1]));
    }
    return ids;
  }
}
