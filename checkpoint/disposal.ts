/**
 * Disposes of a savepoint, or of a retained checkpoint, that a user needs no more.
 *
 * Called by: control/ (HTTP API, command line).
 * Calls: snapshot_removal.ts, metadata_reader.ts, the FileSystem and JobLock ports.
 *
 * Invariants:
 * - nothing is removed of what is no snapshot, cannot be read, or is in use.
 *
 * @module
 */
import { messageOf, SnapshotCorruptError, StreamError, type StreamErrorKind } from "../core/errors.ts";
import { METADATA_NAME } from "./durable_files.ts";
import { parentOf, resolvePointer } from "./filesystem_reader.ts";
import type { HeldLock } from "./job_lock.ts";
import { decodeMetadata } from "./metadata_reader.ts";
import { type RemovalPorts, type RemovalReport, removeSnapshot } from "./snapshot_removal.ts";

/** Why a snapshot is not disposed of. */
export type DisposalRefusal =
  /** There is nothing, or something else. */
  | "not-a-snapshot"
  /** Its metadata cannot be read, so which files are its is not known. */
  | "damaged"
  /** A job that is alive owns it, or may go back to it. */
  | "in-use";

const KINDS: Readonly<Record<DisposalRefusal, StreamErrorKind>> = {
  "not-a-snapshot": "invalid",
  "damaged": "corrupt",
  "in-use": "invalid",
};

/** A snapshot was not disposed of; everything is as it was. */
export class DisposalRefusedError extends StreamError {
  /** Name of the class, as printed before the message. */
  override readonly name = "DisposalRefusedError";
  /** Why not. */
  readonly reason: DisposalRefusal;

  /** @param detail Completes "Cannot dispose of <path>: ". */
  constructor(path: string, reason: DisposalRefusal, detail: string, options: { readonly cause?: unknown } = {}) {
    super(KINDS[reason], `Cannot dispose of "${path}": ${detail}`, options);
    this.reason = reason;
  }
}

/** How to dispose. */
export interface DisposalOptions extends RemovalPorts {
  /** Whether a job of this process owns the snapshot or may go back to it. @param path Its folder. */
  isInUse?(path: string): boolean | Promise<boolean>;
}

/**
 * Removes a savepoint, or a checkpoint of a job that has ended: `_metadata`, the files that it lists, and the folder if
 * nothing else is in it. Files that other checkpoints of that job refer to stay.
 *
 * @param path Path of its folder or of the metadata in it.
 * @throws {DisposalRefusedError} If it is no snapshot, damaged or in use; nothing is removed then.
 */
export async function disposeSavepoint(path: string, options: DisposalOptions): Promise<RemovalReport> {
  const { fileSystem } = options;
  const externalPath = await resolvePointer(fileSystem, path, METADATA_NAME).catch((cause) => {
    throw cause instanceof StreamError ? notASnapshot(path, cause) : cause;
  });
  const metadataPath = `${externalPath}/${METADATA_NAME}`;
  const bytes = await fileSystem.readFile(metadataPath);
  let metadata;
  try {
    metadata = decodeMetadata(bytes, metadataPath);
  } catch (cause) {
    if (!(cause instanceof SnapshotCorruptError)) throw cause;
    throw new DisposalRefusedError(
      path,
      "damaged",
      `its metadata cannot be read, so which files are its is not known (${messageOf(cause)}); ` +
        `make sure that "${externalPath}" holds nothing else and remove that folder by hand`,
      { cause },
    );
  }
  if (await options.isInUse?.(externalPath)) throw inUse(path, "a job that runs owns it or may go back to it");
  const lock = await lockOfJob(path, externalPath, options);
  try {
    return await removeSnapshot({ externalPath, metadata }, { fileSystem });
  } finally {
    await lock?.release();
  }
}

/** A checkpoint lies in the folder of its job: nobody may work there meanwhile. A savepoint has no such folder. */
async function lockOfJob(
  path: string,
  externalPath: string,
  { fileSystem, jobLock }: DisposalOptions,
): Promise<HeldLock | null> {
  const folder = parentOf(externalPath);
  if (jobLock === undefined || !/\/chk-[0-9]+$/.test(externalPath)) return null;
  if (await fileSystem.status(`${folder}/shared`) === null) return null;
  try {
    return await jobLock.acquire(folder);
  } catch (cause) {
    if (!(cause instanceof StreamError) || cause.kind !== "invalid") throw cause;
    throw inUse(path, `its job may be alive (${messageOf(cause)})`, cause);
  }
}

function notASnapshot(path: string, cause: StreamError): DisposalRefusedError {
  const detail = `there is no checkpoint or savepoint (${cause.message}); give the folder of one`;
  return new DisposalRefusedError(path, "not-a-snapshot", detail, { cause });
}

function inUse(path: string, why: string, cause?: unknown): DisposalRefusedError {
  return new DisposalRefusedError(path, "in-use", `${why}; stop that job first`, cause === undefined ? {} : { cause });
}
