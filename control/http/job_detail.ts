/**
 * Turns a view of a job into what Flink's API tells of it: one line in a list, all of it, its plan.
 *
 * Called by: control/http/job_routes.ts.
 * Calls: control/http/job_status.ts, control/http/vertex_metrics.ts.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import type { ControlledJob, JobView, SubtaskView, VertexView } from "../../runtime/job_view.ts";
import {
  durationOf,
  JOB_STATUSES,
  type JobStatus,
  jobStatusOf,
  subtaskTimesOf,
  TASK_STATUSES,
  taskCountsOf,
  type TaskStatus,
  vertexStatusOf,
} from "./job_status.ts";
import { Count, Id, Millis } from "./schemas.ts";
import { type VertexIo, VertexIoMetrics, vertexIoOf } from "./vertex_metrics.ts";

/** State of a job. */
export const Status = z.enum(JOB_STATUSES);

/** State of a subtask or vertex. */
export const SubtaskStatus = z.enum(TASK_STATUSES);

/** One line of the list of jobs. */
export const JobSummary = z.object({
  "jid": Id,
  "name": z.string(),
  "state": Status,
  "start-time": Millis,
  "end-time": Millis,
  "duration": Millis,
  "last-modification": Millis,
  "tasks": z.object({
    "total": Count,
    "created": Count,
    "scheduled": Count,
    "deploying": Count,
    "running": Count,
    "finished": Count,
    "canceling": Count,
    "canceled": Count,
    "failed": Count,
    "reconciling": Count,
    "initializing": Count,
  }),
}).openapi("JobSummary");

/** Vertices and how they are connected. */
export const Plan = z.object({
  "jid": Id,
  "name": z.string(),
  "type": z.literal("STREAMING"),
  "nodes": z.array(z.object({
    "id": Id,
    "parallelism": Count,
    "operator": z.string(),
    "operator_strategy": z.string(),
    "description": z.string(),
    "inputs": z.array(z.object({
      "num": Count,
      "id": Id,
      "ship_strategy": z.string(),
      "exchange": z.string(),
    })).optional(),
    "optimizer_properties": z.object({}),
  })),
}).openapi("JobPlan");

/** All of a job. */
export const JobDetail = z.object({
  "jid": Id,
  "name": z.string(),
  "isStoppable": z.boolean(),
  "state": Status,
  "job-type": z.literal("STREAMING"),
  "start-time": Millis,
  "end-time": Millis,
  "duration": Millis,
  "maxParallelism": Count,
  "now": Millis,
  "timestamps": z.record(Status, Millis),
  "vertices": z.array(z.object({
    "id": Id,
    "slotSharingGroupId": Id,
    "name": z.string(),
    "maxParallelism": Count,
    "parallelism": Count,
    "status": SubtaskStatus,
    "start-time": Millis,
    "end-time": Millis,
    "duration": Millis,
    "tasks": z.record(SubtaskStatus, Count),
    "metrics": VertexIoMetrics,
  })),
  "status-counts": z.record(SubtaskStatus, Count),
  "plan": Plan,
}).openapi("JobDetail");

/** Every slot holds subtasks of all vertices: there is one group. */
const SLOT_SHARING_GROUP = "0".repeat(32);

const SHIP_STRATEGY = { forward: "FORWARD", hash: "HASH", rebalance: "REBALANCE", broadcast: "BROADCAST" } as const;

/** One line of the list of jobs. */
export function summaryOf(view: JobView, nowMs: number): z.infer<typeof JobSummary> {
  const subtasks = view.vertices.flatMap((vertex) => vertex.subtasks);
  const counts = taskCountsOf(subtasks);
  return {
    "jid": view.id,
    "name": view.name,
    "state": jobStatusOf(view.state),
    "start-time": view.startedMs,
    "end-time": view.endedMs ?? -1,
    "duration": durationOf(view.startedMs, view.endedMs, nowMs),
    "last-modification": Math.max(view.startedMs, ...Object.values(view.enteredMs)),
    "tasks": {
      "total": subtasks.length,
      "created": counts.CREATED,
      "scheduled": counts.SCHEDULED,
      "deploying": counts.DEPLOYING,
      "running": counts.RUNNING,
      "finished": counts.FINISHED,
      "canceling": counts.CANCELING,
      "canceled": counts.CANCELED,
      "failed": counts.FAILED,
      "reconciling": counts.RECONCILING,
      "initializing": counts.INITIALIZING,
    },
  };
}

/** All of a job. */
export function detailOf(job: ControlledJob, nowMs: number): z.infer<typeof JobDetail> {
  const view = job.status();
  const statuses = view.vertices.map(({ subtasks }) => vertexStatusOf(subtasks));
  return {
    "jid": view.id,
    "name": view.name,
    // Flink's answer, too: it stands for a way of stopping that was removed.
    "isStoppable": false,
    "state": jobStatusOf(view.state),
    "job-type": "STREAMING",
    "start-time": view.startedMs,
    "end-time": view.endedMs ?? -1,
    "duration": durationOf(view.startedMs, view.endedMs, nowMs),
    "maxParallelism": view.settings.maxParallelism ?? -1,
    "now": nowMs,
    "timestamps": timestampsOf(view),
    "vertices": view.vertices.map((vertex) => vertexLine(vertex, vertexIoOf(job.metrics, vertex.id), nowMs)),
    "status-counts": countsOf(statuses),
    "plan": planOf(view),
  };
}

/** Vertices and how they are connected. Texts are escaped: dashboards show them as HTML. */
export function planOf(view: JobView): z.infer<typeof Plan> {
  return {
    "jid": view.id,
    "name": view.name,
    "type": "STREAMING",
    "nodes": view.vertices.map(({ id, name, parallelism, inputs }) => ({
      "id": id,
      "parallelism": parallelism,
      "operator": "",
      "operator_strategy": "",
      "description": escapeHtml(name),
      ...(inputs.length === 0 ? {} : {
        "inputs": inputs.map(({ vertexId, partitioning }, index) => ({
          "num": index,
          "id": vertexId,
          "ship_strategy": SHIP_STRATEGY[partitioning],
          "exchange": "pipelined_bounded",
        })),
      }),
      "optimizer_properties": {},
    })),
  };
}

/** When a vertex has begun and ended, milliseconds since the epoch; -1: not yet. */
export function vertexTimesOf(subtasks: readonly SubtaskView[]): { readonly startMs: number; readonly endMs: number } {
  const times = subtasks.map(subtaskTimesOf);
  const starts = times.map(({ startMs }) => startMs).filter((ms) => ms >= 0);
  const ends = times.map(({ endMs }) => endMs);
  return {
    startMs: starts.length === 0 ? -1 : Math.min(...starts),
    endMs: ends.length === 0 || ends.includes(-1) ? -1 : Math.max(...ends),
  };
}

/** Milliseconds from the start to the end or until now; -1: not started. */
export function elapsedMsOf({ startMs, endMs }: ReturnType<typeof vertexTimesOf>, nowMs: number): number {
  return startMs < 0 ? -1 : durationOf(startMs, endMs < 0 ? null : endMs, nowMs);
}

function vertexLine(vertex: VertexView, io: VertexIo, nowMs: number): z.infer<typeof JobDetail>["vertices"][number] {
  const times = vertexTimesOf(vertex.subtasks);
  return {
    "id": vertex.id,
    "slotSharingGroupId": SLOT_SHARING_GROUP,
    "name": vertex.name,
    "maxParallelism": vertex.maxParallelism,
    "parallelism": vertex.parallelism,
    "status": vertexStatusOf(vertex.subtasks),
    "start-time": times.startMs,
    "end-time": times.endMs,
    "duration": elapsedMsOf(times, nowMs),
    "tasks": taskCountsOf(vertex.subtasks),
    "metrics": io,
  };
}

/** When the job came to each of Flink's states last; 0: never. */
function timestampsOf(view: JobView): Record<JobStatus, number> {
  // Every status is set right here.
  const timestamps = Object.fromEntries(JOB_STATUSES.map((status) => [status, 0])) as Record<JobStatus, number>;
  timestamps.INITIALIZING = view.startedMs;
  for (const [state, atMs] of Object.entries(view.enteredMs)) {
    // The keys of `enteredMs` are states. A graceful stop is no state of its own there.
    const status = jobStatusOf(state as JobView["state"]);
    if (state !== "stopping") timestamps[status] = Math.max(timestamps[status], atMs);
  }
  return timestamps;
}

function countsOf(statuses: readonly TaskStatus[]): Record<TaskStatus, number> {
  // Every status is set right here.
  const counts = Object.fromEntries(TASK_STATUSES.map((status) => [status, 0])) as Record<TaskStatus, number>;
  for (const status of statuses) counts[status]++;
  return counts;
}

function escapeHtml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}
