/**
 * Declares what a job takes from outside: time, randomness, files, the lock,
 * the state backend. A simulation gives its own.
 *
 * Called by: runtime/job_run.ts, control/stream_environment.ts.
 * Calls: nothing.
 *
 * @module
 */
import type { JobLock } from "../checkpoint/job_lock.ts";
import type { StateBackendFactory } from "../core/backend.ts";
import type { Clock, Random } from "../core/clock.ts";
import type { FileSystem } from "../core/file_system.ts";

/** The world as a job sees it. */
export interface JobPorts {
  /** Time and the event loop. */
  readonly clock: Clock;
  /** Randomness and ids. */
  readonly random: Random;
  /** Files of checkpoints, sources and sinks. */
  readonly fileSystem: FileSystem;
  /** Refuses a second live process on the same checkpoints. */
  readonly jobLock: JobLock;
  /** Makes the state backend of each operator subtask. */
  readonly backendFactory: StateBackendFactory;
}
