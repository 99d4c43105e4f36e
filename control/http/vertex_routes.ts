/**
 * Routes that show a vertex: its subtasks, how long they were busy and held back, their watermarks.
 *
 * Called by: control/http/api.ts.
 * Calls: control/http/vertex_detail.ts.
 *
 * @module
 */
import { createRoute, z } from "@hono/zod-openapi";
import type { VertexView } from "../../runtime/job_view.ts";
import type { ApiApp } from "./api.ts";
import { ApiError } from "./api_error.ts";
import { type ApiContext, listedJob, vertexOf } from "./context.ts";
import { jobStatusOf } from "./job_status.ts";
import { valueText } from "./metric_values.ts";
import { Id, json, VertexParams } from "./schemas.ts";
import {
  BackPressure,
  backPressureOf,
  SubtaskDetail,
  subtaskDetailOf,
  SubtaskTimes,
  subtaskTimesTableOf,
  VertexDetail,
  vertexDetailOf,
  VertexWorkers,
  vertexWorkersOf,
} from "./vertex_detail.ts";
import { tasksOf } from "./vertex_metrics.ts";

const PATH = "/jobs/{jobId}/vertices/{vertexId}";

/** Always empty. */
const UserAccumulators = z.array(z.object({ "name": z.string(), "type": z.string(), "value": z.string() }));

const NOTHING: z.infer<typeof UserAccumulators> = [];

const SubtaskParams = VertexParams.extend({ subtaskIndex: z.coerce.number().int().min(0) });
const AttemptParams = SubtaskParams.extend({ attempt: z.coerce.number().int().min(0) });

const vertexRoute = createRoute({
  method: "get",
  path: PATH,
  summary: "A vertex and its subtasks",
  request: { params: VertexParams },
  responses: { 200: json(VertexDetail, "The vertex.") },
});

const backPressureRoute = createRoute({
  method: "get",
  path: `${PATH}/backpressure`,
  summary: "Which subtasks are held back by those behind them",
  request: { params: VertexParams },
  responses: { 200: json(BackPressure, "Shares of time.") },
});

const watermarksRoute = createRoute({
  method: "get",
  path: `${PATH}/watermarks`,
  summary: "The watermark of each subtask",
  request: { params: VertexParams },
  responses: { 200: json(z.array(z.object({ id: z.string(), value: z.string() })), "Milliseconds since the epoch.") },
});

const timesRoute = createRoute({
  method: "get",
  path: `${PATH}/subtasktimes`,
  summary: "When each subtask came to each state",
  request: { params: VertexParams },
  responses: { 200: json(SubtaskTimes, "Times.") },
});

const taskManagersRoute = createRoute({
  method: "get",
  path: `${PATH}/taskmanagers`,
  summary: "The vertex by processes: there is one",
  request: { params: VertexParams },
  responses: { 200: json(VertexWorkers, "The process.") },
});

const accumulatorsRoute = createRoute({
  method: "get",
  path: `${PATH}/accumulators`,
  summary: "Accumulators: there are none, count with metrics",
  request: { params: VertexParams },
  responses: { 200: json(z.object({ "id": Id, "user-accumulators": UserAccumulators }), "Nothing.") },
});

const subtasksAccumulatorsRoute = createRoute({
  method: "get",
  path: `${PATH}/subtasks/accumulators`,
  summary: "Accumulators of each subtask: there are none",
  request: { params: VertexParams },
  responses: {
    200: json(
      z.object({
        "id": Id,
        "parallelism": z.number().int(),
        "subtasks": z.array(z.object({
          "subtask": z.number().int(),
          "attempt": z.number().int(),
          "endpoint": z.string(),
          "user-accumulators": UserAccumulators,
        })),
      }),
      "Nothing.",
    ),
  },
});

const subtaskRoute = createRoute({
  method: "get",
  path: `${PATH}/subtasks/{subtaskIndex}`,
  summary: "One subtask",
  request: { params: SubtaskParams },
  responses: { 200: json(SubtaskDetail, "The subtask.") },
});

const attemptRoute = createRoute({
  method: "get",
  path: `${PATH}/subtasks/{subtaskIndex}/attempts/{attempt}`,
  summary: "One attempt of a subtask; only the newest is known",
  request: { params: AttemptParams },
  responses: { 200: json(SubtaskDetail, "The attempt.") },
});

const attemptAccumulatorsRoute = createRoute({
  method: "get",
  path: `${PATH}/subtasks/{subtaskIndex}/attempts/{attempt}/accumulators`,
  summary: "Accumulators of an attempt: there are none",
  request: { params: AttemptParams },
  responses: {
    200: json(
      z.object({
        "subtask": z.number().int(),
        "attempt": z.number().int(),
        "id": z.string(),
        "user-accumulators": UserAccumulators,
      }),
      "Nothing.",
    ),
  },
});

/** Adds them. */
export function vertexRoutes(app: ApiApp, context: ApiContext): void {
  /** A vertex with its job, or a 404. */
  const find = ({ jobId, vertexId }: { readonly jobId: string; readonly vertexId: string }) => {
    const { job } = listedJob(context, jobId);
    const view = job.status();
    return { view, vertex: vertexOf(view, vertexId), tasks: tasksOf(job.metrics, vertexId) };
  };

  app.openapi(vertexRoute, (c) => {
    const { view, vertex, tasks } = find(c.req.valid("param"));
    return c.json(vertexDetailOf(vertex, tasks, view.attempt, context.clock.nowMs()), 200);
  });

  app.openapi(backPressureRoute, (c) => {
    const { view, vertex, tasks } = find(c.req.valid("param"));
    const isRunning = jobStatusOf(view.state) === "RUNNING";
    return c.json(backPressureOf(vertex, isRunning ? tasks : [], view.attempt, context.clock.nowMs()), 200);
  });

  app.openapi(watermarksRoute, (c) => {
    const { tasks } = find(c.req.valid("param"));
    return c.json(
      tasks.map((task, index) => ({
        id: `${index}.currentInputWatermark`,
        value: valueText(task.currentInputWatermark),
      })),
      200,
    );
  });

  app.openapi(timesRoute, (c) => {
    const { vertex } = find(c.req.valid("param"));
    return c.json(subtaskTimesTableOf(vertex, context.clock.nowMs()), 200);
  });

  app.openapi(taskManagersRoute, (c) => {
    const { vertex, tasks } = find(c.req.valid("param"));
    return c.json(vertexWorkersOf(vertex, tasks, context.clock.nowMs()), 200);
  });

  app.openapi(accumulatorsRoute, (c) => {
    const { vertex } = find(c.req.valid("param"));
    return c.json({ "id": vertex.id, "user-accumulators": NOTHING }, 200);
  });

  app.openapi(subtasksAccumulatorsRoute, (c) => {
    const { vertex, view } = find(c.req.valid("param"));
    const subtasks = vertex.subtasks.map(({ index }) => ({
      "subtask": index,
      "attempt": view.attempt,
      "endpoint": "localhost",
      "user-accumulators": NOTHING,
    }));
    return c.json({ "id": vertex.id, "parallelism": vertex.parallelism, subtasks }, 200);
  });

  subtaskRoutes(app, context, find);
}

function subtaskRoutes(
  app: ApiApp,
  { clock }: ApiContext,
  find: (params: { readonly jobId: string; readonly vertexId: string }) => {
    readonly view: { readonly attempt: number };
    readonly vertex: VertexView;
    readonly tasks: ReturnType<typeof tasksOf>;
  },
): void {
  app.openapi(subtaskRoute, (c) => {
    const { subtaskIndex, ...path } = c.req.valid("param");
    const { view, vertex, tasks } = find(path);
    const subtask = subtaskOf(vertex, subtaskIndex);
    return c.json(subtaskDetailOf(subtask, tasks[subtaskIndex], view.attempt, clock.nowMs()), 200);
  });

  app.openapi(attemptRoute, (c) => {
    const { subtaskIndex, attempt, ...path } = c.req.valid("param");
    const { view, vertex, tasks } = find(path);
    const subtask = subtaskOf(vertex, subtaskIndex);
    checkAttempt(attempt, view.attempt);
    return c.json(subtaskDetailOf(subtask, tasks[subtaskIndex], attempt, clock.nowMs()), 200);
  });

  app.openapi(attemptAccumulatorsRoute, (c) => {
    const { subtaskIndex, attempt, ...path } = c.req.valid("param");
    const { view, vertex } = find(path);
    const { index } = subtaskOf(vertex, subtaskIndex);
    checkAttempt(attempt, view.attempt);
    return c.json(
      { "subtask": index, attempt, "id": `${vertex.id}_${index}_${attempt}`, "user-accumulators": NOTHING },
      200,
    );
  });
}

function subtaskOf({ id, subtasks }: VertexView, index: number): VertexView["subtasks"][number] {
  const subtask = subtasks[index];
  if (subtask === undefined) throw new ApiError(404, `Subtask ${index} not found in vertex ${id}`);
  return subtask;
}

function checkAttempt(attempt: number, newest: number): void {
  if (attempt !== newest) throw new ApiError(404, `Attempt ${attempt} not found; the newest is ${newest}`);
}
