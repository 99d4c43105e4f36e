/**
 * Turns the error of a file operation into one that names the file and says what to do.
 *
 * Called by: file sources and sinks.
 * Calls: core/ only.
 *
 * @module
 */
import { StreamError } from "../core/errors.ts";
import { errorCode } from "../core/file_system.ts";

/** Ends the remedy of what is wrong with a disk: a job without checkpoints can only begin anew. */
export const START_AGAIN = "start again, with --from latest where checkpoints are on";

/** What is wrong, and the remedy, by POSIX name. */
const EXPLANATIONS: Readonly<Record<string, readonly [kind: "invalid" | "unavailable", text: string]>> = {
  ENOENT: ["invalid", "there is no such file or folder; check the path"],
  ENOTDIR: ["invalid", "a part of the path is not a folder; check the path"],
  EISDIR: ["invalid", "it is a folder, must be a file; check the path"],
  EACCES: ["invalid", "access is denied; change its permissions or the user"],
  EPERM: ["invalid", "the operation is not permitted; change its permissions or the user"],
  EROFS: ["invalid", "the file system is read-only; choose another folder"],
  ENOSPC: ["unavailable", `the disk is full (ENOSPC); free space and ${START_AGAIN}`],
  EDQUOT: ["unavailable", `the disk quota is used up (EDQUOT); free space and ${START_AGAIN}`],
  EIO: ["unavailable", `the device failed (EIO); check the disk and ${START_AGAIN}`],
  EMFILE: ["unavailable", "too many files are open (EMFILE); raise the limit (ulimit -n) or lower the parallelism"],
};

/**
 * The error to throw for `error`, which stopped `action` on `path`. Errors that explain themselves already are kept.
 *
 * @param action A verb as in "Cannot <action> "path"".
 */
export function fileFailure(action: string, path: string, error: unknown): StreamError {
  if (error instanceof StreamError) return error;
  const code = errorCode(error);
  const [kind, text] = EXPLANATIONS[code ?? ""] ??
    ["unavailable" as const, `${code ?? String(error)}; check the file system and ${START_AGAIN}`];
  return new StreamError(kind, `Cannot ${action} "${path}": ${text}`, { cause: error });
}

/** Runs a file operation; its failure is explained by {@link fileFailure}. */
export async function explained<T>(action: string, path: string, operation: Promise<T>): Promise<T> {
  try {
    return await operation;
  } catch (error) {
    throw fileFailure(action, path, error);
  }
}
