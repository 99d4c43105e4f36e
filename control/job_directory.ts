/**
 * Knows the jobs of this process that the HTTP API shows: those that live, and the last ones that have ended.
 *
 * Called by: control/http/ (adds and finds them).
 * Calls: runtime/job_view.ts.
 *
 * Invariants:
 * - no two live jobs have one id;
 * - a live job is never forgotten.
 *
 * @module
 */
import { StreamError } from "../core/errors.ts";
import type { ShownEntry } from "../core/config.ts";
import type { ControlledJob } from "../runtime/job_view.ts";

/** Ended jobs that are remembered. */
const ENDED_JOBS = 100;

/** A job with what it was started with. */
export interface ListedJob {
  /** What is shown and done. */
  readonly job: ControlledJob;
  /** Its configuration, secrets masked. */
  readonly configuration: readonly ShownEntry[];
  /** Folder for savepoints that name none; null: there is none. */
  readonly savepointDirectory: string | null;
  /** Folder of its checkpoints; null: there is none. */
  readonly checkpointDirectory: string | null;
}

/** A place that a job takes before it starts. */
export interface ReservedPlace {
  /** The job has started. */
  fill(listed: ListedJob): void;
  /** It never will. Nothing happens once it is filled. */
  giveBack(): void;
}

/** Jobs by id, in the order in which they were started. */
export class JobDirectory {
  readonly #listed = new Map<string, ListedJob>();
  readonly #reserved = new Set<string>();
  /** Ids of jobs that have not ended. */
  readonly #live = new Set<string>();

  /**
   * Keeps a place for a job that is about to start.
   *
   * @throws {StreamError} "invalid" if a job with this id lives or is about to start.
   */
  reserve(jobId: string): ReservedPlace {
    if (this.#reserved.has(jobId) || this.#live.has(jobId)) {
      throw new StreamError(
        "invalid",
        `Cannot start job "${jobId}": one with this id runs in this process, an id must be unique; ` +
          "give it another name, or set pipeline.job-id",
      );
    }
    this.#reserved.add(jobId);
    return {
      fill: (listed) => {
        this.#reserved.delete(jobId);
        this.#add(listed);
      },
      giveBack: () => {
        this.#reserved.delete(jobId);
      },
    };
  }

  /** Whether a job lives or is about to start. */
  get isBusy(): boolean {
    return this.#reserved.size + this.#live.size > 0;
  }

  /** All jobs, the oldest first. */
  all(): readonly ListedJob[] {
    return [...this.#listed.values()];
  }

  /** The job with this id; undefined when there is none. */
  find(jobId: string): ListedJob | undefined {
    return this.#listed.get(jobId);
  }

  /** Whether a job has not ended. */
  isLive(jobId: string): boolean {
    return this.#live.has(jobId);
  }

  #add(listed: ListedJob): void {
    const { id, result } = listed.job;
    // One that has ended and runs again moves to the end.
    this.#listed.delete(id);
    this.#listed.set(id, listed);
    this.#live.add(id);
    const end = () => {
      this.#live.delete(id);
      this.#forgetOldest();
    };
    result.then(end, end);
  }

  #forgetOldest(): void {
    let tooMany = this.#listed.size - this.#live.size - ENDED_JOBS;
    for (const id of this.#listed.keys()) {
      if (tooMany <= 0) return;
      if (this.#live.has(id)) continue;
      this.#listed.delete(id);
      tooMany--;
    }
  }
}
