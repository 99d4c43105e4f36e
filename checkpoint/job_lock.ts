/**
 * Declares the lock that keeps two live processes from working on one job.
 *
 * Called by: runtime/ at start; `runtime/system_job_lock.ts` is the only real one.
 * Calls: nothing.
 *
 * @module
 */

/** Holds the folder of a job until released, or until the process is gone in whatever way. */
export interface HeldLock {
  /** Lets go; safe to call twice. */
  release(): Promise<void>;
}

/** Locks folders of jobs. */
export interface JobLock {
  /**
   * Takes the lock at once or fails.
   *
   * @param folder Folder of the job; made when it is missing.
   * @throws {StreamError} Of kind "invalid" if another process, or this one, holds it.
   */
  acquire(folder: string): Promise<HeldLock>;
}
