/**
 * Sums up what the subtasks of a vertex have moved and how they have spent their time.
 *
 * Called by: control/http/job_detail.ts, routes of vertices.
 * Calls: runtime/metrics.ts.
 *
 * Records travel within one process, unserialized: there are no bytes to count, and they are told as 0 and complete.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import type { MetricRegistry, TaskMetrics } from "../../runtime/metrics.ts";
import { Count } from "./schemas.ts";

/** What was moved. */
export const VertexIoMetrics = z.object({
  "read-bytes": Count,
  "read-bytes-complete": z.boolean(),
  "write-bytes": Count,
  "write-bytes-complete": z.boolean(),
  "read-records": Count,
  "read-records-complete": z.boolean(),
  "write-records": Count,
  "write-records-complete": z.boolean(),
  "accumulated-backpressured-time": Count,
  "accumulated-idle-time": Count,
  "accumulated-busy-time": Count,
}).openapi("IoMetrics");

/** What was moved. */
export type VertexIo = z.infer<typeof VertexIoMetrics>;

/** Sum over the subtasks of a vertex. */
export function vertexIoOf(metrics: MetricRegistry, vertexId: string): VertexIo {
  return ioOf(tasksOf(metrics, vertexId));
}

/** Metrics of the subtasks of a vertex that there are now, by index. Makes none. */
export function tasksOf(metrics: MetricRegistry, vertexId: string): TaskMetrics[] {
  const subtaskOf = ({ scope }: TaskMetrics) => (scope.kind === "task" ? scope.subtaskIndex : -1);
  return metrics.tasks()
    .filter(({ scope }) => scope.kind === "task" && scope.vertexId === vertexId)
    .sort((left, right) => subtaskOf(left) - subtaskOf(right));
}

/** Sum over some subtasks. */
export function ioOf(tasks: readonly TaskMetrics[]): VertexIo {
  const sum = (count: (task: TaskMetrics) => number) => tasks.reduce((total, task) => total + count(task), 0);
  return {
    "read-bytes": 0,
    "read-bytes-complete": true,
    "write-bytes": 0,
    "write-bytes-complete": true,
    "read-records": sum((task) => task.numRecordsIn.count),
    "read-records-complete": true,
    "write-records": sum((task) => task.numRecordsOut.count),
    "write-records-complete": true,
    "accumulated-backpressured-time": Math.round(sum((task) => task.backPressuredTimeMs.count)),
    "accumulated-idle-time": Math.round(sum((task) => task.idleTimeMs.count)),
    "accumulated-busy-time": Math.round(sum((task) => task.busyTimeMs.count)),
  };
}
