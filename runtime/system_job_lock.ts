/**
 * Locks the folder of a job with the operating system's own file lock, which
 * ends with the process that holds it, however that ends.
 *
 * Called by: whatever starts a job.
 * Calls: Deno's file lock, or `flock` of the C library through bun:ffi: the same lock, so processes on both runtimes
 * exclude each other.
 *
 * @module
 */
import * as fs from "node:fs";
import process from "node:process";
import { StreamError } from "../core/errors.ts";
import { errorCode } from "../core/file_system.ts";
import type { HeldLock, JobLock } from "../checkpoint/job_lock.ts";
import { explained } from "./system_file_system.ts";

/** Name of the file that is locked; it stays when the lock is released, only its lock counts. */
export const LOCK_NAME = "_lock";

/** An open file whose lock was asked for. */
interface LockFile {
  readonly isLocked: boolean;
  close(): void;
}

/** Locks folders on this machine. A network file system must support `flock`. */
export const systemJobLock: JobLock = {
  async acquire(folder: string): Promise<HeldLock> {
    const path = `${folder}/${LOCK_NAME}`;
    try {
      return await take(folder, path);
    } catch (error) {
      throw lockFailure(folder, explained("lock", path, error));
    }
  },
};

/** What is wrong with the folder, and the remedy, by POSIX name. */
const FOLDER_PROBLEMS: Readonly<Record<string, readonly [kind: "invalid" | "unavailable", text: string]>> = {
  ENOENT: ["invalid", "it is not there and cannot be made"],
  ENOTDIR: ["invalid", "a part of the path is not a folder"],
  EEXIST: ["invalid", "it is not a folder"],
  EACCES: ["invalid", "access is denied"],
  EPERM: ["invalid", "the operation is not permitted"],
  EROFS: ["invalid", "the file system is read-only"],
  ENOSPC: ["unavailable", "the disk is full"],
  EDQUOT: ["unavailable", "the disk quota is used up"],
};

/** Whoever sees this has set a folder for checkpoints, perhaps without a thought of locks. */
function lockFailure(folder: string, error: unknown): unknown {
  const problem = FOLDER_PROBLEMS[errorCode(error) ?? ""];
  if (problem === undefined) return error;
  const [kind, text] = problem;
  const remedy = kind === "invalid" ? "choose another with execution.checkpointing.dir" : "free space and start again";
  return new StreamError(
    kind,
    `Cannot use "${folder}" for the checkpoints of the job: ${text} (${errorCode(error)}), ` +
      `must be a folder that can be written to; ${remedy}`,
    { cause: error },
  );
}

async function take(folder: string, path: string): Promise<HeldLock> {
  fs.mkdirSync(folder, { recursive: true });
  const file = await openLock(path);
  if (!file.isLocked) {
    file.close();
    throw new StreamError(
      "invalid",
      `Cannot start the job in "${folder}": ${readHolder(path)} works on it, no other process may; ` +
        `stop that process or give this job another name`,
    );
  }
  try {
    fs.writeFileSync(path, `${process.pid}\n`);
  } catch (error) {
    file.close();
    throw error;
  }
  return {
    release: () => {
      file.close();
      return Promise.resolve();
    },
  };
}

function readHolder(path: string): string {
  const pid = fs.readFileSync(path, "utf8").trim();
  return /^[0-9]+$/.test(pid) ? `process ${pid}` : "another process";
}

function openLock(path: string): Promise<LockFile> {
  return typeof process.versions["bun"] === "string" ? lockWithBun(path) : lockWithDeno(path);
}

/** The part of Deno's API that is used; its types are not there when this file is checked for Bun. */
interface DenoFile {
  tryLock(exclusive: boolean): Promise<boolean>;
  close(): void;
}
interface DenoFiles {
  open(path: string, options: { read: boolean; write: boolean; create: boolean }): Promise<DenoFile>;
}

async function lockWithDeno(path: string): Promise<LockFile> {
  // Only what the interface above lists is used, and only after a look.
  const { Deno: deno } = globalThis as unknown as { Deno?: DenoFiles };
  if (deno === undefined) {
    throw new StreamError("invalid", `Cannot lock "${path}": this is neither Deno nor Bun, must be one; run it there`);
  }
  const file = await deno.open(path, { read: true, write: true, create: true });
  let isOpen = true;
  return {
    // False when somebody else has it; throws when there can be no lock here.
    isLocked: await file.tryLock(true),
    close: () => {
      if (isOpen) file.close();
      isOpen = false;
    },
  };
}

/** `LOCK_EX | LOCK_NB`, the same on Linux and macOS. */
const EXCLUSIVE_NOW = 2 | 4;
const LIBRARIES = ["libc.so.6", "libSystem.B.dylib", "libc.so", "libc.musl-x86_64.so.1", "libc.musl-aarch64.so.1"];

/** The part of bun:ffi that is used. */
interface BunForeign {
  dlopen(
    library: string,
    symbols: { flock: { args: string[]; returns: string } },
  ): { symbols: { flock(fd: number, operation: number): number } };
}

async function lockWithBun(path: string): Promise<LockFile> {
  // Not a literal: Deno would look for it when it loads this file.
  const name = "bun:ffi";
  // The module is Bun's own; the interface above is its documented shape.
  const foreign = await import(name) as BunForeign;
  const flock = findFlock(foreign, path);
  const fd = fs.openSync(path, "a+");
  let isOpen = true;
  return {
    isLocked: flock(fd, EXCLUSIVE_NOW) === 0,
    close: () => {
      if (isOpen) fs.closeSync(fd);
      isOpen = false;
    },
  };
}

function findFlock(foreign: BunForeign, path: string): (fd: number, operation: number) => number {
  const failures: unknown[] = [];
  for (const library of LIBRARIES) {
    try {
      return foreign.dlopen(library, { flock: { args: ["i32", "i32"], returns: "i32" } }).symbols.flock;
    } catch (error) {
      failures.push(error);
    }
  }
  throw new StreamError(
    "unavailable",
    `Cannot lock "${path}": no C library with flock was found; run the job with Deno`,
    { cause: new AggregateError(failures) },
  );
}
