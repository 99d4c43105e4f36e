/**
 * Declares what routes are given: the jobs, time, settings, and how to find what a path names.
 *
 * Called by: every file with routes.
 * Calls: control/job_directory.ts, control/http/operation_store.ts.
 *
 * @module
 */
import type { Clock, Random } from "../../core/clock.ts";
import type { JobView, VertexView } from "../../runtime/job_view.ts";
import type { JobDirectory, ListedJob } from "../job_directory.ts";
import { ApiError } from "./api_error.ts";
import type { OperationStore } from "./operation_store.ts";

/** Settings of the API, from its options. */
export interface ApiSettings {
  /** Null: whoever may connect is let in, and is told no stack traces. */
  readonly token: string | null;
  /** Names and addresses that a request may be for, in lower case, without port. */
  readonly hosts: ReadonlySet<string>;
  /** Whether it listens on every address of the machine, so that a request may be for any. */
  readonly listensEverywhere: boolean;
  /** Origins of web pages that are let in. */
  readonly allowedOrigins: readonly string[];
  /** Largest body, bytes. */
  readonly maxContentLength: number;
  /** How long results are kept, milliseconds. */
  readonly storeDurationMs: number;
  /** How often a dashboard asks, milliseconds. */
  readonly refreshIntervalMs: number;
  /** How many failures are told. */
  readonly exceptionHistorySize: number;
}

/** What an API is made of. A test gives its own. */
export interface ApiContext {
  /** Jobs that are shown. */
  readonly jobs: JobDirectory;
  /** Savepoints, checkpoints and disposals that were asked for. */
  readonly operations: OperationStore;
  /** Time. */
  readonly clock: Clock;
  /** Ids. */
  readonly random: Random;
  /** From the options. */
  readonly settings: ApiSettings;
  /** When the API was started, milliseconds since the epoch. */
  readonly startedMs: number;
  /** The path that a path leads to, all links followed, as far as it exists; the rest of it stays as it is. Absolute. */
  readonly resolvePath: (path: string) => Promise<string>;
  /** Deletes a savepoint or checkpoint. @throws {StreamError} If it is none, or is in use. */
  readonly disposeSavepoint: (path: string) => Promise<unknown>;
}

/** What each request carries along. */
export interface ApiEnv {
  /** Set before any route is called. */
  Variables: {
    /** Whether the client has sent the token: it may see stack traces. */
    isAuthenticated: boolean;
  };
}

/** The job that a path names. @throws {ApiError} 404 if there is none. */
export function listedJob({ jobs }: ApiContext, jobId: string): ListedJob {
  const listed = jobs.find(jobId);
  if (listed === undefined) throw new ApiError(404, `Job ${jobId} not found`);
  return listed;
}

/** The vertex that a path names. @throws {ApiError} 404 if there is none. */
export function vertexOf(view: JobView, vertexId: string): VertexView {
  const vertex = view.vertices.find(({ id }) => id === vertexId);
  if (vertex === undefined) throw new ApiError(404, `Job vertex ${vertexId} not found in job ${view.id}`);
  return vertex;
}
