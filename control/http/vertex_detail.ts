/**
 * Puts what is known of a vertex and its subtasks into the shapes of Flink's answers.
 *
 * Called by: control/http/vertex_routes.ts.
 * Calls: control/http/job_status.ts, control/http/vertex_metrics.ts.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import type { SubtaskView, VertexView } from "../../runtime/job_view.ts";
import type { TaskMetrics } from "../../runtime/metrics.ts";
import { elapsedMsOf, SubtaskStatus, vertexTimesOf } from "./job_detail.ts";
import {
  subtaskTimesOf,
  TASK_STATUSES,
  taskCountsOf,
  type TaskStatus,
  taskStatusOf,
  vertexStatusOf,
} from "./job_status.ts";
import { WORKER_ID } from "./process_metrics.ts";
import { Count, Id, Millis } from "./schemas.ts";
import { ioOf, type VertexIo, VertexIoMetrics } from "./vertex_metrics.ts";

/** Where all of it runs. */
const ENDPOINT = "localhost";

/** Milliseconds spent in each state; -1: never in it. */
const StatusDuration = z.record(SubtaskStatus, Millis);

/** One subtask. */
export const SubtaskDetail = z.object({
  "subtask": Count,
  "status": SubtaskStatus,
  "attempt": Count,
  "endpoint": z.string(),
  "start-time": Millis,
  "end-time": Millis,
  "duration": Millis,
  "metrics": VertexIoMetrics,
  "taskmanager-id": z.string(),
  "status-duration": StatusDuration,
}).openapi("SubtaskDetail");

const Spread = z.object({
  "min": z.number(),
  "max": z.number(),
  "avg": z.number(),
  "sum": z.number(),
  "median": z.number(),
  "p25": z.number(),
  "p75": z.number(),
  "p95": z.number(),
});

/** A vertex and its subtasks. */
export const VertexDetail = z.object({
  "id": Id,
  "name": z.string(),
  "parallelism": Count,
  "maxParallelism": Count,
  "now": Millis,
  "subtasks": z.array(SubtaskDetail),
  "aggregated": z.object({ "metrics": z.record(z.string(), Spread), "status-duration": z.record(z.string(), Spread) }),
}).openapi("VertexDetail");

const Level = z.enum(["ok", "low", "high"]);

/** How much subtasks are held back. */
export const BackPressure = z.object({
  "status": z.enum(["ok", "deprecated"]),
  "backpressureLevel": Level.optional(),
  "end-timestamp": Millis.optional(),
  "subtasks": z.array(z.object({
    "subtask": Count,
    "attempt-number": Count,
    "backpressureLevel": Level,
    "ratio": z.number(),
    "idleRatio": z.number(),
    "busyRatio": z.number(),
  })).optional(),
}).openapi("BackPressure");

/** When each subtask came to each state. */
export const SubtaskTimes = z.object({
  "id": Id,
  "name": z.string(),
  "now": Millis,
  "subtasks": z.array(z.object({
    "subtask": Count,
    "host": z.string(),
    "endpoint": z.string(),
    "duration": Millis,
    "timestamps": z.record(SubtaskStatus, Millis),
  })),
}).openapi("SubtaskTimes");

/** The vertex by processes. */
export const VertexWorkers = z.object({
  "id": Id,
  "name": z.string(),
  "now": Millis,
  "taskmanagers": z.array(z.object({
    "host": z.string(),
    "endpoint": z.string(),
    "status": SubtaskStatus,
    "start-time": Millis,
    "end-time": Millis,
    "duration": Millis,
    "metrics": VertexIoMetrics,
    "status-counts": z.record(SubtaskStatus, Count),
    "taskmanager-id": z.string(),
  })),
}).openapi("VertexTaskManagers");

/** One subtask. @param task Its metrics; undefined between two attempts. */
export function subtaskDetailOf(
  subtask: SubtaskView,
  task: TaskMetrics | undefined,
  attempt: number,
  nowMs: number,
): z.infer<typeof SubtaskDetail> {
  const times = subtaskTimesOf(subtask);
  return {
    "subtask": subtask.index,
    "status": taskStatusOf(subtask.state),
    "attempt": attempt,
    "endpoint": ENDPOINT,
    "start-time": times.startMs,
    "end-time": times.endMs,
    "duration": elapsedMsOf(times, nowMs),
    "metrics": ioOf(task === undefined ? [] : [task]),
    "taskmanager-id": WORKER_ID,
    "status-duration": statusDurationsOf(subtask, nowMs),
  };
}

/** A vertex. @param tasks Metrics of its subtasks, by index. */
export function vertexDetailOf(
  { id, name, parallelism, maxParallelism, subtasks }: VertexView,
  tasks: readonly TaskMetrics[],
  attempt: number,
  nowMs: number,
): z.infer<typeof VertexDetail> {
  const details = subtasks.map((subtask) => subtaskDetailOf(subtask, tasks[subtask.index], attempt, nowMs));
  return {
    id,
    name,
    parallelism,
    maxParallelism,
    "now": nowMs,
    "subtasks": details,
    "aggregated": {
      "metrics": spreadsOf(details.map(({ metrics }) => numbersIn(metrics))),
      "status-duration": spreadsOf(details.map((detail) => detail["status-duration"])),
    },
  };
}

/** How much the subtasks of a vertex are held back, in shares of the last seconds. */
export function backPressureOf(
  { subtasks }: VertexView,
  tasks: readonly TaskMetrics[],
  attempt: number,
  nowMs: number,
): z.infer<typeof BackPressure> {
  if (tasks.length === 0) return { "status": "deprecated" };
  const ratios = subtasks.map(({ index }) => {
    const read = new Map(tasks[index]?.read().map(({ name, value }) => [name, value]));
    const share = (name: string) => shareOf(read.get(name));
    const ratio = share("backPressuredTimeMsPerSecond");
    return {
      "subtask": index,
      "attempt-number": attempt,
      "backpressureLevel": levelOf(ratio),
      "ratio": ratio,
      "idleRatio": share("idleTimeMsPerSecond"),
      "busyRatio": share("busyTimeMsPerSecond"),
    };
  });
  return {
    "status": "ok",
    "backpressureLevel": levelOf(Math.max(0, ...ratios.map(({ ratio }) => ratio))),
    "end-timestamp": nowMs,
    "subtasks": ratios,
  };
}

/** Milliseconds of a second as a share of it; 0 when it is not known yet. */
function shareOf(perSecond: unknown): number {
  return typeof perSecond === "number" && Number.isFinite(perSecond) ? Math.min(1, Math.max(0, perSecond / 1_000)) : 0;
}

/** How Flink names a share of time that a subtask is held back. */
export function levelOf(ratio: number): z.infer<typeof Level> {
  return ratio <= 0.1 ? "ok" : ratio <= 0.5 ? "low" : "high";
}

/** When each subtask of a vertex came to each state. */
export function subtaskTimesTableOf({ id, name, subtasks }: VertexView, nowMs: number): z.infer<typeof SubtaskTimes> {
  return {
    id,
    name,
    "now": nowMs,
    "subtasks": subtasks.map((subtask) => ({
      "subtask": subtask.index,
      "host": ENDPOINT,
      "endpoint": ENDPOINT,
      "duration": elapsedMsOf(subtaskTimesOf(subtask), nowMs),
      "timestamps": byStatus(0, enteredOf(subtask)),
    })),
  };
}

/** The vertex in the one process that there is. */
export function vertexWorkersOf(
  { id, name, subtasks }: VertexView,
  tasks: readonly TaskMetrics[],
  nowMs: number,
): z.infer<typeof VertexWorkers> {
  const times = vertexTimesOf(subtasks);
  const process = {
    "host": ENDPOINT,
    "endpoint": ENDPOINT,
    "status": vertexStatusOf(subtasks),
    "start-time": times.startMs,
    "end-time": times.endMs,
    "duration": elapsedMsOf(times, nowMs),
    "metrics": ioOf(tasks),
    "status-counts": taskCountsOf(subtasks),
    "taskmanager-id": WORKER_ID,
  };
  return { id, name, "now": nowMs, "taskmanagers": [process] };
}

/** When a subtask came to each state, in the order in which it did. */
function enteredOf({ enteredMs }: SubtaskView): [TaskStatus, number][] {
  // The keys of such a record are states.
  const entries = Object.entries(enteredMs) as [SubtaskView["state"], number][];
  return entries.map(([state, ms]): [TaskStatus, number] => [taskStatusOf(state), ms]).sort((a, b) => a[1] - b[1]);
}

/** Milliseconds spent in each state. */
function statusDurationsOf(subtask: SubtaskView, nowMs: number): Record<TaskStatus, number> {
  const entered = enteredOf(subtask);
  const current = taskStatusOf(subtask.state);
  const durations = entered.map(([status, ms], i): [TaskStatus, number] => {
    const isEnd = status === current && (status === "FINISHED" || status === "CANCELED" || status === "FAILED");
    return [status, isEnd ? 0 : Math.max(0, (entered[i + 1]?.[1] ?? nowMs) - ms)];
  });
  return byStatus(-1, durations);
}

function byStatus(absent: number, entries: readonly [TaskStatus, number][]): Record<TaskStatus, number> {
  // Every status is set right here.
  const all = Object.fromEntries(TASK_STATUSES.map((status) => [status, absent])) as Record<TaskStatus, number>;
  for (const [status, value] of entries) all[status] = value;
  return all;
}

function numbersIn(io: VertexIo): Record<string, number> {
  return Object.fromEntries(
    Object.entries(io).filter((entry): entry is [string, number] => typeof entry[1] === "number"),
  );
}

/** Spread of each number over some records that have the same ones. */
function spreadsOf(records: readonly Readonly<Record<string, number>>[]): Record<string, z.infer<typeof Spread>> {
  return Object.fromEntries(
    Object.keys(records[0] ?? {}).map((name) => [name, spreadOf(records.map((record) => record[name] ?? 0))]),
  );
}

function spreadOf(values: readonly number[]): z.infer<typeof Spread> {
  const sorted = [...values].sort((a, b) => a - b);
  const sum = sorted.reduce((total, value) => total + value, 0);
  const at = (q: number) => sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(q * sorted.length) - 1))] ?? 0;
  return {
    "min": at(0),
    "max": at(1),
    "avg": Math.round(sum / Math.max(1, sorted.length)),
    "sum": sum,
    "median": at(0.5),
    "p25": at(0.25),
    "p75": at(0.75),
    "p95": at(0.95),
  };
}
