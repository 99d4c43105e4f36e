/**
 * Translates states of jobs and subtasks into Flink's.
 *
 * Called by: files with routes.
 * Calls: nothing.
 *
 * @module
 */
import type { JobView, SubtaskState, SubtaskView } from "../../runtime/job_view.ts";

/** States of jobs that Flink has. */
export const JOB_STATUSES = [
  "INITIALIZING",
  "CREATED",
  "RUNNING",
  "FAILING",
  "FAILED",
  "CANCELLING",
  "CANCELED",
  "FINISHED",
  "RESTARTING",
  "SUSPENDED",
  "RECONCILING",
] as const;

/** State of a job. */
export type JobStatus = typeof JOB_STATUSES[number];

/** States of subtasks that Flink has. */
export const TASK_STATUSES = [
  "CREATED",
  "SCHEDULED",
  "DEPLOYING",
  "INITIALIZING",
  "RUNNING",
  "FINISHED",
  "CANCELING",
  "CANCELED",
  "FAILED",
  "RECONCILING",
] as const;

/** State of a subtask. */
export type TaskStatus = typeof TASK_STATUSES[number];

const JOB_STATUS: Readonly<Record<JobView["state"] | "cancelling", JobStatus>> = {
  starting: "INITIALIZING",
  running: "RUNNING",
  restarting: "RESTARTING",
  // It still works: what it has read is on its way to the sinks.
  stopping: "RUNNING",
  cancelling: "CANCELLING",
  finished: "FINISHED",
  stopped: "FINISHED",
  cancelled: "CANCELED",
  failed: "FAILED",
};

const TASK_STATUS: Readonly<Record<SubtaskState, TaskStatus>> = {
  created: "CREATED",
  opening: "INITIALIZING",
  running: "RUNNING",
  finished: "FINISHED",
  cancelled: "CANCELED",
  failed: "FAILED",
};

/** State of a job as Flink names it. */
export function jobStatusOf(state: JobView["state"]): JobStatus {
  return JOB_STATUS[state];
}

/** State of a subtask as Flink names it. */
export function taskStatusOf(state: SubtaskState): TaskStatus {
  return TASK_STATUS[state];
}

/** How many subtasks are in each state, all states named. */
export function taskCountsOf(subtasks: readonly SubtaskView[]): Record<TaskStatus, number> {
  // Every status is set right here.
  const counts = Object.fromEntries(TASK_STATUSES.map((status) => [status, 0])) as Record<TaskStatus, number>;
  for (const { state } of subtasks) counts[taskStatusOf(state)]++;
  return counts;
}

/** State of a vertex, from those of its subtasks: the first that any is in, all of them for an end. */
export function vertexStatusOf(subtasks: readonly SubtaskView[]): TaskStatus {
  const states = new Set(subtasks.map(({ state }) => taskStatusOf(state)));
  for (const status of ["FAILED", "CANCELING", "CANCELED"] as const) if (states.has(status)) return status;
  if (states.size === 1 && states.has("FINISHED")) return "FINISHED";
  for (const status of ["INITIALIZING", "RUNNING"] as const) if (states.has(status)) return status;
  return states.has("FINISHED") ? "RUNNING" : "CREATED";
}

/** Whether a job has come to an end. */
export function hasEnded(view: JobView): boolean {
  return view.endedMs !== null;
}

/** Milliseconds from start to end, or until now. */
export function durationOf(startMs: number, endMs: number | null, nowMs: number): number {
  return Math.max(0, (endMs ?? nowMs) - startMs);
}

/** When a subtask has begun and ended, milliseconds since the epoch; -1: not yet. */
export function subtaskTimesOf({ enteredMs }: SubtaskView): { readonly startMs: number; readonly endMs: number } {
  return {
    startMs: enteredMs.opening ?? enteredMs.running ?? enteredMs.created ?? -1,
    endMs: enteredMs.finished ?? enteredMs.cancelled ?? enteredMs.failed ?? -1,
  };
}
