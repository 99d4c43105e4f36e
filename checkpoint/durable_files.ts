/**
 * Makes folders and small files durable, and takes the folder of a snapshot away so that it is never half there.
 *
 * Called by: filesystem_storage.ts, snapshot_folder.ts, savepoint_storage.ts.
 * Calls: the FileSystem port.
 *
 * Invariants:
 * - `_metadata` goes first, durably: what is half deleted is not complete.
 *
 * @module
 */
import { errorCode, type FileSystem } from "../core/file_system.ts";
import { parentOf } from "./filesystem_reader.ts";

/** Name of the file that makes a checkpoint or savepoint complete. */
export const METADATA_NAME = "_metadata";

/** How often the removal of a folder is tried in which files still appear. */
const REMOVAL_TRIES = 5;

/** Makes a folder, and durable the names of those that were not there. */
export async function makeDurable(fs: FileSystem, path: string): Promise<void> {
  const grown: string[] = [];
  for (let at = path; await fs.status(at) === null; at = parentOf(at)) grown.push(parentOf(at));
  await fs.makeDirectory(path);
  for (const parent of grown.reverse()) await fs.syncDirectory(parent);
}

/** Writes a whole file; its content is durable, its name is not. */
export async function writeDurably(fs: FileSystem, path: string, bytes: Uint8Array): Promise<void> {
  const file = await fs.create(path, "truncate");
  try {
    await file.write(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** From then on, a crash included, nobody finds a snapshot in the folder. */
export async function removeMetadata(fs: FileSystem, folder: string): Promise<void> {
  if (await fs.status(`${folder}/${METADATA_NAME}`) === null) return;
  await fs.remove(`${folder}/${METADATA_NAME}`);
  await fs.syncDirectory(folder);
}

/** Removes a folder that the engine has made, with all it holds. */
export async function removeSnapshotFolder(fs: FileSystem, folder: string): Promise<void> {
  if (await fs.status(folder) === null) return;
  await removeMetadata(fs, folder);
  for (let tries = 1;; tries++) {
    try {
      return await fs.removeDirectory(folder);
    } catch (error) {
      // A subtask that has not heard yet may just have made a file there.
      if (errorCode(error) !== "ENOTEMPTY" || tries === REMOVAL_TRIES) throw error;
    }
  }
}

/** Names in a folder; none when there is no such folder. */
export async function namesIn(fs: FileSystem, folder: string): Promise<string[]> {
  try {
    return await fs.list(folder);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return [];
    throw error;
  }
}
