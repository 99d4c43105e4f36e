/**
 * Counts slots: a slot holds one subtask of every operator of a job, so the widest vertex tells how many a job takes.
 *
 * Called by: files with routes.
 * Calls: control/job_directory.ts.
 *
 * @module
 */
import type { JobView } from "../../runtime/job_view.ts";
import type { JobDirectory } from "../job_directory.ts";

/** Slots of the process; all are taken. */
export interface Slots {
  readonly total: number;
  readonly taken: number;
  /** Jobs that have not ended. */
  readonly runningJobs: number;
}

/** Slots that a job takes. */
export function slotsOfJob({ vertices }: JobView): number {
  return Math.max(0, ...vertices.map(({ parallelism }) => parallelism));
}

/** Slots of all live jobs together. */
export function slotsOf(jobs: JobDirectory): Slots {
  const live = jobs.all().map(({ job }) => job.status()).filter(({ endedMs }) => endedMs === null);
  const total = live.reduce((sum, view) => sum + slotsOfJob(view), 0);
  return { total, taken: total, runningJobs: live.length };
}
