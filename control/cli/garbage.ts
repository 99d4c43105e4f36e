/**
 * Finds what nothing refers to in the folder of a job: folders of checkpoints that never completed, shared files of
 * none, checkpoints that were set aside because they are damaged.
 *
 * Called by: control/cli/gc.ts.
 * Calls: the file system, checkpoint/metadata_reader.ts.
 *
 * Invariants:
 * - a shared file is listed only when every checkpoint of the folder could be read, and none refers to it;
 * - nothing is changed here.
 *
 * @module
 */
import { filesOf } from "../../checkpoint/completed_checkpoint.ts";
import { METADATA_NAME } from "../../checkpoint/durable_files.ts";
import { decodeMetadata } from "../../checkpoint/metadata_reader.ts";
import { messageOf, StreamError } from "../../core/errors.ts";
import { errorCode, type FileSystem } from "../../core/file_system.ts";

const CHECKPOINT_NAME = /^chk-[1-9][0-9]{0,14}$/;
const SET_ASIDE_NAME = /^damaged-chk-[1-9][0-9]{0,14}(?:-.*)?$/;
const SHARED = "shared";
/** One of these makes a folder that of a job. */
const MARKS = ["_completed_once", "_lock", "_lineage", SHARED, "taskowned"];

/** Something that may go. */
export interface Garbage {
  readonly path: string;
  readonly kind: "unfinished checkpoint" | "shared file" | "damaged checkpoint";
  /** Of all files in it. */
  readonly sizeBytes: number;
  /** Newest change, milliseconds since the epoch. */
  readonly modifiedMs: number;
}

/** What was found in the folder of a job. */
export interface FoundGarbage {
  readonly garbage: readonly Garbage[];
  /** Why shared files were left alone; null when they were looked at. */
  readonly unknown: string | null;
}

/** Whether the folder is that of a job. */
export async function isJobFolder(fileSystem: FileSystem, path: string): Promise<boolean> {
  const names = await fileSystem.list(path);
  return names.some((name) => MARKS.includes(name) || CHECKPOINT_NAME.test(name));
}

/** What may go, by kind and path. @param damaged Whether checkpoints that were set aside may. */
export async function findGarbage(
  fileSystem: FileSystem,
  folder: string,
  { damaged }: { readonly damaged: boolean },
): Promise<FoundGarbage> {
  const names = await fileSystem.list(folder);
  const garbage: Garbage[] = [];
  const referenced = new Set<string>();
  let unknown: string | null = null;
  for (const name of names.filter((one) => CHECKPOINT_NAME.test(one))) {
    const path = `${folder}/${name}`;
    const metadata = `${path}/${METADATA_NAME}`;
    if (await fileSystem.status(metadata) === null) {
      garbage.push({ ...await measured(fileSystem, path), kind: "unfinished checkpoint" });
      continue;
    }
    try {
      const { operators } = decodeMetadata(await fileSystem.readFile(metadata), metadata);
      for (const file of filesOf(operators)) if (file.scope === "shared") referenced.add(file.name);
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
      unknown = `shared files are left alone, since it is not known which of them "${name}" needs: ${messageOf(error)}`;
    }
  }
  for (const name of names.filter((one) => damaged && SET_ASIDE_NAME.test(one))) {
    garbage.push({ ...await measured(fileSystem, `${folder}/${name}`), kind: "damaged checkpoint" });
  }
  if (unknown === null && names.includes(SHARED)) {
    for (const name of await fileSystem.list(`${folder}/${SHARED}`)) {
      if (referenced.has(name)) continue;
      garbage.push({ ...await measured(fileSystem, `${folder}/${SHARED}/${name}`), kind: "shared file" });
    }
  }
  return { garbage, unknown };
}

/** Size and newest change of a file, or of a folder with the files in it. */
async function measured(
  fileSystem: FileSystem,
  path: string,
): Promise<Pick<Garbage, "path" | "sizeBytes" | "modifiedMs">> {
  const status = await fileSystem.status(path);
  if (status === null) return { path, sizeBytes: 0, modifiedMs: 0 };
  let { sizeBytes, modifiedMs } = status;
  if (status.kind !== "directory") return { path, sizeBytes, modifiedMs };
  sizeBytes = 0;
  for (const name of await fileSystem.list(path)) {
    const inner = await fileSystem.status(`${path}/${name}`);
    sizeBytes += inner?.kind === "file" ? inner.sizeBytes : 0;
    modifiedMs = Math.max(modifiedMs, inner?.modifiedMs ?? 0);
  }
  return { path, sizeBytes, modifiedMs };
}

/** Removes it. @throws What the file system throws. */
export async function removeGarbage(fileSystem: FileSystem, { path, kind }: Garbage): Promise<void> {
  if (kind === "shared file") return await fileSystem.remove(path);
  try {
    await fileSystem.removeDirectory(path);
  } catch (error) {
    // Somebody else was faster.
    if (errorCode(error) !== "ENOENT") throw error;
  }
}
