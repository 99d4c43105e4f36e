/**
 * Removes a checkpoint or savepoint that lies in somebody's folder: what its
 * metadata lists and nothing else.
 *
 * Called by: savepoint_storage.ts (one that the job owns), disposal.ts.
 * Calls: the FileSystem and JobLock ports, metadata_reader.ts.
 *
 * Invariants:
 * - a file that the metadata does not list is never removed, nor a folder in which there is one;
 * - a file in a shared folder goes only when no readable snapshot beside it refers to it, and nobody works there;
 * - `_metadata` goes first, durably: a removal that is cut short leaves files, never half a snapshot.
 *
 * @module
 */
import { SnapshotCorruptError, StreamError } from "../core/errors.ts";
import { errorCode, type FileSystem } from "../core/file_system.ts";
import { type CompletedCheckpoint, filesOf } from "./completed_checkpoint.ts";
import { METADATA_NAME, namesIn, removeMetadata } from "./durable_files.ts";
import { parentOf } from "./filesystem_reader.ts";
import type { HeldLock, JobLock } from "./job_lock.ts";
import { decodeMetadata } from "./metadata_reader.ts";

/** What a removal works with. */
export interface RemovalPorts {
  readonly fileSystem: FileSystem;
  /** Tells whether a job works in the folder that a checkpoint's shared files are in; absent: none does. */
  readonly jobLock?: JobLock;
}

/** What a removal has done. */
export interface RemovalReport {
  /** Folder of the snapshot. */
  readonly path: string;
  /** Files that are gone, `_metadata` among them. */
  readonly removedCount: number;
  /** Shared files that others refer to, or may. */
  readonly keptSharedCount: number;
  /** False when there is something else in the folder. */
  readonly isFolderGone: boolean;
}

/** Removes a snapshot that could be read. */
export async function removeSnapshot(
  { externalPath, metadata }: Pick<CompletedCheckpoint, "externalPath" | "metadata">,
  { fileSystem, jobLock }: RemovalPorts,
): Promise<RemovalReport> {
  const names = { exclusive: new Set<string>(), shared: new Set<string>() };
  for (const file of filesOf(metadata.operators)) if (file.scope !== "inline") names[file.scope].add(file.name);
  const jobFolder = parentOf(externalPath);
  const lock = names.shared.size > 0 ? await lockOf(jobFolder, jobLock) : null;
  try {
    // Before anything is changed: an error here leaves everything as it is.
    const free = lock === "taken" ? new Set<string>() : await unusedBeside(fileSystem, externalPath, names.shared);
    await removeMetadata(fileSystem, externalPath);
    for (const name of names.exclusive) await fileSystem.remove(`${externalPath}/${name}`);
    const isFolderGone = await removeIfEmpty(fileSystem, externalPath);
    for (const name of free) await fileSystem.remove(`${jobFolder}/shared/${name}`);
    return {
      path: externalPath,
      removedCount: 1 + names.exclusive.size + free.size,
      keptSharedCount: names.shared.size - free.size,
      isFolderGone,
    };
  } finally {
    if (lock !== null && lock !== "taken") await lock.release();
  }
}

/** A link to a folder stays, and so does the folder: somebody has made it. */
async function removeIfEmpty(fs: FileSystem, folder: string): Promise<boolean> {
  try {
    return await fs.removeEmptyDirectory(folder);
  } catch (error) {
    if (errorCode(error) === "ENOTDIR") return false;
    throw error;
  }
}

/** Null when there is no lock to ask. Whoever works there sweeps what he does not need himself. */
async function lockOf(folder: string, jobLock: JobLock | undefined): Promise<HeldLock | "taken" | null> {
  if (jobLock === undefined) return null;
  try {
    return await jobLock.acquire(folder);
  } catch (error) {
    if (error instanceof StreamError && error.kind === "invalid") return "taken";
    throw error;
  }
}

/** Those of the names to which no other readable snapshot in the same job's folder refers. */
async function unusedBeside(fs: FileSystem, externalPath: string, names: ReadonlySet<string>): Promise<Set<string>> {
  const unused = new Set(names);
  if (unused.size === 0) return unused;
  const jobFolder = parentOf(externalPath);
  const own = (await fs.status(externalPath))?.identity ?? null;
  for (const name of await namesIn(fs, jobFolder)) {
    const folder = `${jobFolder}/${name}`;
    const path = `${folder}/${METADATA_NAME}`;
    const status = await fs.status(folder);
    if (status?.kind !== "directory" || folder === externalPath) continue;
    if ((own !== null && status.identity === own) || await fs.status(path) === null) continue;
    for (const file of await sharedIn(fs, path)) unused.delete(file);
  }
  return unused;
}

async function sharedIn(fs: FileSystem, path: string): Promise<string[]> {
  const bytes = await fs.readFile(path);
  try {
    const { operators } = decodeMetadata(bytes, path);
    return [...filesOf(operators)].flatMap((file) => file.scope === "shared" ? [file.name] : []);
  } catch (error) {
    // Nobody can go on from what cannot be read.
    if (error instanceof SnapshotCorruptError) return [];
    throw error;
  }
}
