/**
 * Routes that show what is measured: of jobs, vertices, single subtasks and the process, one by one or made one number.
 *
 * Called by: control/http/api.ts.
 * Calls: control/http/metric_values.ts, control/http/process_metrics.ts.
 *
 * Without `get` they list the names that there are; unknown names are silently left out, as in Flink.
 *
 * @module
 */
import { createRoute, z } from "@hono/zod-openapi";
import type { ApiApp } from "./api.ts";
import { ApiError } from "./api_error.ts";
import { type ApiContext, listedJob, vertexOf } from "./context.ts";
import {
  aggregate,
  type Aggregation,
  AGGREGATIONS,
  jobValues,
  type NamedValue,
  numbersById,
  parseRanges,
  valueText,
  vertexValues,
} from "./metric_values.ts";
import { processValues, WORKER_ID } from "./process_metrics.ts";
import { JobParams, json, VertexParams } from "./schemas.ts";

/** What is asked for: names with commas in between. */
/** A list with commas; a parameter that is repeated is one list, as in Flink. */
const List = z.preprocess(
  (value) => Array.isArray(value) ? value.join(",") : value,
  z.string().max(8_192).optional(),
).openapi({ type: "string" });

const Get = z.object({ get: List });

const AggregateQuery = Get.extend({
  agg: List.openapi({ description: `Any of ${AGGREGATIONS.join(", ")}; all when absent.` }),
});

/** Names, or names with values. */
const Metrics = z.array(z.object({ id: z.string(), value: z.string().optional() })).openapi("Metrics");

/** Numbers made of many; those that were asked for. JSON has no NaN: a number that is none is left out. */
const Aggregated = z.array(
  z.object({
    id: z.string(),
    min: z.number().optional(),
    max: z.number().optional(),
    sum: z.number().optional(),
    avg: z.number().optional(),
    skew: z.number().optional(),
  }),
).openapi("AggregatedMetrics");

const jobMetricsRoute = createRoute({
  method: "get",
  path: "/jobs/{jobId}/metrics",
  summary: "What is measured of a job",
  request: { params: JobParams, query: Get },
  responses: { 200: json(Metrics, "Names, or names with values.") },
});

const allJobsMetricsRoute = createRoute({
  method: "get",
  path: "/jobs/metrics",
  summary: "What is measured of jobs, made one number",
  request: { query: AggregateQuery.extend({ jobs: List }) },
  responses: { 200: json(Aggregated, "Names, or names with numbers.") },
});

const vertexMetricsRoute = createRoute({
  method: "get",
  path: "/jobs/{jobId}/vertices/{vertexId}/metrics",
  summary: "What is measured of each subtask of a vertex",
  request: { params: VertexParams, query: Get },
  responses: { 200: json(Metrics, "Names, or names with values; the number of the subtask in front.") },
});

const subtasksMetricsRoute = createRoute({
  method: "get",
  path: "/jobs/{jobId}/vertices/{vertexId}/subtasks/metrics",
  summary: "What is measured of the subtasks of a vertex, made one number",
  request: { params: VertexParams, query: AggregateQuery.extend({ subtasks: List }) },
  responses: { 200: json(Aggregated, "Names, or names with numbers.") },
});

const subtaskMetricsRoute = createRoute({
  method: "get",
  path: "/jobs/{jobId}/vertices/{vertexId}/subtasks/{subtaskIndex}/metrics",
  summary: "What is measured of one subtask",
  request: { params: VertexParams.extend({ subtaskIndex: z.coerce.number().int().min(0) }), query: Get },
  responses: { 200: json(Metrics, "Names, or names with values.") },
});

const coordinatorMetricsRoute = createRoute({
  method: "get",
  path: "/jobs/{jobId}/vertices/{vertexId}/jm-operator-metrics",
  summary: "What is measured of coordinators of operators: there are none",
  request: { params: VertexParams, query: Get },
  responses: { 200: json(Metrics, "Nothing.") },
});

const jobmanagerMetricsRoute = createRoute({
  method: "get",
  path: "/jobmanager/metrics",
  summary: "What is measured of the process",
  request: { query: Get },
  responses: { 200: json(Metrics, "Names, or names with values.") },
});

const taskmanagersMetricsRoute = createRoute({
  method: "get",
  path: "/taskmanagers/metrics",
  summary: "What is measured of the process, as of many",
  request: { query: AggregateQuery },
  responses: { 200: json(Aggregated, "Names, or names with numbers.") },
});

const taskmanagerMetricsRoute = createRoute({
  method: "get",
  path: "/taskmanagers/{taskManagerId}/metrics",
  summary: "What is measured of the process",
  request: { params: z.object({ taskManagerId: z.string() }), query: Get },
  responses: { 200: json(Metrics, "Names, or names with values.") },
});

/** Adds them. */
export function metricRoutes(app: ApiApp, context: ApiContext): void {
  const { jobs } = context;

  app.openapi(allJobsMetricsRoute, (c) => {
    const { get, agg, jobs: wanted } = c.req.valid("query");
    const ids = wanted === undefined ? null : wanted.split(",").filter((id) => id !== "");
    const chosen = ids === null ? jobs.all() : ids.map((id) => listedJob(context, id));
    return c.json(aggregated(chosen.flatMap(({ job }) => jobValues(job.metrics)), get, agg), 200);
  });

  app.openapi(jobMetricsRoute, (c) => {
    const { job } = listedJob(context, c.req.valid("param").jobId);
    return c.json(selected(jobValues(job.metrics), c.req.valid("query").get), 200);
  });

  vertexMetricRoutes(app, context);

  app.openapi(jobmanagerMetricsRoute, (c) => c.json(selected(processValues(jobs), c.req.valid("query").get), 200));

  app.openapi(taskmanagersMetricsRoute, (c) => {
    const { get, agg } = c.req.valid("query");
    return c.json(aggregated(processValues(jobs), get, agg), 200);
  });

  app.openapi(taskmanagerMetricsRoute, (c) => {
    checkWorker(c.req.valid("param").taskManagerId);
    return c.json(selected(processValues(jobs), c.req.valid("query").get), 200);
  });
}

function vertexMetricRoutes(app: ApiApp, context: ApiContext): void {
  /** Values of a vertex that is there. */
  const valuesOf = (jobId: string, vertexId: string) => {
    const { job } = listedJob(context, jobId);
    const vertex = vertexOf(job.status(), vertexId);
    return { vertex, values: vertexValues(job.metrics, vertexId) };
  };

  app.openapi(vertexMetricsRoute, (c) => {
    const { jobId, vertexId } = c.req.valid("param");
    const named = valuesOf(jobId, vertexId).values.map(({ subtaskIndex, id, value }) => ({
      id: `${subtaskIndex}.${id}`,
      value,
    }));
    return c.json(selected(named, c.req.valid("query").get), 200);
  });

  app.openapi(coordinatorMetricsRoute, (c) => {
    const { jobId, vertexId } = c.req.valid("param");
    valuesOf(jobId, vertexId);
    return c.json([], 200);
  });

  app.openapi(subtasksMetricsRoute, (c) => {
    const { jobId, vertexId } = c.req.valid("param");
    const { get, agg, subtasks } = c.req.valid("query");
    const wanted = subtasks === undefined ? undefined : parseRanges(subtasks);
    if (subtasks !== undefined && wanted === undefined) {
      throw new ApiError(400, "Bad request: subtasks must be numbers and ranges such as 0-3,7");
    }
    const { values } = valuesOf(jobId, vertexId);
    return c.json(
      aggregated(values.filter(({ subtaskIndex }) => wanted?.has(subtaskIndex) ?? true), get, agg),
      200,
    );
  });

  app.openapi(subtaskMetricsRoute, (c) => {
    const { jobId, vertexId, subtaskIndex } = c.req.valid("param");
    const { vertex, values } = valuesOf(jobId, vertexId);
    if (subtaskIndex >= vertex.parallelism) {
      throw new ApiError(404, `Subtask ${subtaskIndex} not found in vertex ${vertexId}`);
    }
    const own = values.filter((value) => value.subtaskIndex === subtaskIndex);
    return c.json(selected(own, c.req.valid("query").get), 200);
  });
}

/** @throws {ApiError} 404 for any other than the process. */
export function checkWorker(taskManagerId: string): void {
  if (taskManagerId !== WORKER_ID) throw new ApiError(404, `Task manager ${taskManagerId} not found`);
}

/** Names alone, or those that are asked for with their values. */
function selected(values: readonly NamedValue[], get: string | undefined): z.infer<typeof Metrics> {
  if (get === undefined || get === "") return values.map(({ id }) => ({ id }));
  const byId = new Map(values.map(({ id, value }) => [id, value]));
  return [...new Set(get.split(","))].flatMap((id) => {
    const value = byId.get(id);
    return value === undefined ? [] : [{ id, value: valueText(value) }];
  });
}

/** Names alone, or one number for each way to make one. */
function aggregated(
  values: readonly NamedValue[],
  get: string | undefined,
  agg: string | undefined,
): z.infer<typeof Aggregated> {
  const byId = numbersById(values);
  if (get === undefined || get === "") return [...byId.keys()].map((id) => ({ id }));
  const ways = agg === undefined || agg === "" ? AGGREGATIONS : agg.split(",").map(aggregationOf);
  return [...new Set(get.split(","))].flatMap((id) => {
    const numbers = byId.get(id);
    if (numbers === undefined) return [];
    const made = ways.map((way) => [way, aggregate(way, numbers)] as const);
    return [{ id, ...Object.fromEntries(made.filter(([, number]) => Number.isFinite(number))) }];
  });
}

function aggregationOf(text: string): Aggregation {
  const known = AGGREGATIONS.find((aggregation) => aggregation === text.trim().toLowerCase());
  if (known === undefined) throw new ApiError(400, `Bad request: agg must be any of ${AGGREGATIONS.join(", ")}`);
  return known;
}
