/**
 * Makes typed errors of what the file system throws, so that each names its file and says what to do.
 *
 * Called by: local_run_writer.ts, stores on disk.
 * Calls: core/errors.ts.
 *
 * @module
 */
import { messageOf, SnapshotCorruptError, StreamError, WorkingFileError } from "../../core/errors.ts";
import { errorCode } from "../../core/file_system.ts";

/** Of an error that came from writing or creating a file. */
export function writeFailure(path: string, error: unknown): StreamError {
  return failure("write", path, error, errorCode(error) === "ENOSPC" ? "the disk is full; free space" : undefined);
}

/** Of an error that came from opening or reading a file. */
export function readFailure(path: string, error: unknown): StreamError {
  const gone = errorCode(error) === "ENOENT" ? "the file is gone; leave the folder of a running job alone" : undefined;
  return failure("read", path, error, gone);
}

function failure(verb: string, path: string, error: unknown, known: string | undefined): StreamError {
  if (error instanceof StreamError) return error;
  const why = known ?? `${messageOf(error)}; see to the disk`;
  return new StreamError("unavailable", `Cannot ${verb} "${path}": ${why} and start again from a checkpoint`, {
    cause: error,
  });
}

/** Of an error that came from reading a file that is not a checkpoint's alone: damage of it is told as such. */
export function ofWorkingFile(error: unknown): unknown {
  return error instanceof SnapshotCorruptError ? new WorkingFileError(error) : error;
}
