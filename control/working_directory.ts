/**
 * Makes the folder that state on disk works in, and removes it with all it holds; also those that processes which are
 * gone have left behind.
 *
 * A folder is locked as long as its process lives, so one whose lock is free belongs to nobody. Its content is never
 * needed again: checkpoints are what is durable.
 *
 * Called by: control/state_backends.ts.
 * Calls: the ports for files and locks.
 *
 * @module
 */
import type { HeldLock, JobLock } from "../checkpoint/job_lock.ts";
import type { Random } from "../core/clock.ts";
import { StreamError } from "../core/errors.ts";
import type { FileSystem } from "../core/file_system.ts";

const PREFIX = "weir-";
const ATTEMPTS = 3;

/** What working folders are made with. */
export interface WorkingDirectoryPorts {
  readonly fileSystem: FileSystem;
  readonly random: Random;
  readonly jobLock: JobLock;
}

/** A folder of this process alone. */
export interface WorkingDirectory {
  readonly path: string;
  /** Removes it with all it holds; safe to call twice. */
  close(): Promise<void>;
}

/**
 * Makes a working folder in `parent`, which must be there.
 *
 * @throws {StreamError} If it cannot be made or locked.
 */
export async function openWorkingDirectory(
  parent: string,
  ports: WorkingDirectoryPorts,
): Promise<WorkingDirectory> {
  await sweep(parent, ports);
  const { fileSystem, random, jobLock } = ports;
  let cause: unknown;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const path = `${parent}/${PREFIX}${random.id()}`;
    let lock: HeldLock;
    try {
      lock = await jobLock.acquire(path);
      // Another process that sweeps may have been faster than the lock.
      await fileSystem.makeDirectory(path);
    } catch (error) {
      cause = error;
      continue;
    }
    let isOpen = true;
    const close = async () => {
      if (!isOpen) return;
      isOpen = false;
      await fileSystem.removeDirectory(path);
      await lock.release();
    };
    return { path, close };
  }
  throw new StreamError("unavailable", `Cannot make a folder for state on disk in "${parent}"; look at its cause`, {
    cause,
  });
}

/** Removes working folders without an owner. What cannot be looked at is somebody else's. */
async function sweep(parent: string, { fileSystem, jobLock }: WorkingDirectoryPorts): Promise<void> {
  for (const name of await fileSystem.list(parent)) {
    if (!/^weir-[0-9a-f]{32}$/.test(name)) continue;
    const path = `${parent}/${name}`;
    let lock: HeldLock;
    try {
      lock = await jobLock.acquire(path);
    } catch {
      continue; // Its owner lives, or it is another user's.
    }
    try {
      await fileSystem.removeDirectory(path);
    } finally {
      await lock.release();
    }
  }
}
