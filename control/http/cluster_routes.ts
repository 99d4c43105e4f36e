/**
 * Routes about the process as a whole: overview, configuration of dashboards, health.
 *
 * Called by: control/http/api.ts.
 * Calls: control/http/context.ts.
 *
 * This file is the pattern of all files with routes:
 * 1. zod schemas of the answers, with Flink's field names (`z.object`, exact keys; a value that may be missing is
 *    `.optional()`); shared ones come from control/http/schemas.ts;
 * 2. a `createRoute` for each path: `{id}` templates, `request.params` with the id schemas (an id that is ill-formed is
 *    answered with 400 by the framework), `request.query`, `responses` with `json(schema, "…")`; those of the guard
 *    (401, 403, 404, 405, 413, 415 …) are added to the document by themselves;
 * 3. one exported function of type `RouteModule` that adds them; it is listed in `MODULES` of control/http/api.ts.
 *    `context.jobs` has the jobs; `listedJob(context, jobId)` and `vertexOf(view, vertexId)` throw the 404;
 *    any other refusal is `throw new ApiError(status, "…")`. A stack trace is told only if
 *    `c.get("isAuthenticated")`. Handlers read a `JobView` once and never change a job;
 * 4. tests use `ApiRig` of tests/control/http_rig.ts, which checks every answer against the OpenAPI document.
 * Routes without path parameters come before those with: the first route that fits answers.
 *
 * @module
 */
import { createRoute, z } from "@hono/zod-openapi";
import type { ApiApp } from "./api.ts";
import { FLINK_VERSION } from "./api_version.ts";
import type { ApiContext } from "./context.ts";
import { jobStatusOf } from "./job_status.ts";
import { Count, json, Millis } from "./schemas.ts";
import { slotsOf } from "./slots.ts";

/** Revision where Flink tells a commit. */
const REVISION = "weir";

const Overview = z.object({
  "taskmanagers": Count,
  "taskmanagers-blocked": Count,
  "slots-total": Count,
  "slots-available": Count,
  "slots-free-and-blocked": Count,
  "jobs-running": Count,
  "jobs-finished": Count,
  "jobs-cancelled": Count,
  "jobs-failed": Count,
  "flink-version": z.string(),
  "flink-commit": z.string(),
}).openapi("ClusterOverview");

const DashboardConfig = z.object({
  "refresh-interval": Millis,
  "timezone-name": z.string(),
  "timezone-offset": Millis,
  "flink-version": z.string(),
  "flink-revision": z.string(),
  "features": z.object({
    "web-submit": z.boolean(),
    "web-cancel": z.boolean(),
    "web-history": z.boolean(),
    "web-rescale": z.boolean(),
  }),
}).openapi("DashboardConfig");

const overviewRoute = createRoute({
  method: "get",
  path: "/overview",
  summary: "Counts of jobs and slots",
  responses: { 200: json(Overview, "Counts.") },
});

const configRoute = createRoute({
  method: "get",
  path: "/config",
  summary: "What a dashboard needs to know",
  responses: { 200: json(DashboardConfig, "Settings of a dashboard.") },
});

const healthRoute = createRoute({
  method: "get",
  path: "/healthz",
  summary: "Whether the process answers; needs no token",
  responses: { 200: { description: "It does.", content: { "text/plain": { schema: z.literal("ok") } } } },
});

/** Adds `/overview`, `/config` and `/healthz`. */
export function clusterRoutes(app: ApiApp, context: ApiContext): void {
  app.openapi(overviewRoute, (c) => {
    const views = context.jobs.all().map(({ job }) => job.status());
    const count = (...statuses: string[]) => views.filter((view) => statuses.includes(jobStatusOf(view.state))).length;
    const slots = slotsOf(context.jobs);
    return c.json({
      "taskmanagers": 1,
      "taskmanagers-blocked": 0,
      "slots-total": slots.total,
      "slots-available": slots.total - slots.taken,
      "slots-free-and-blocked": 0,
      "jobs-running": count("INITIALIZING", "RUNNING", "RESTARTING", "CANCELLING"),
      "jobs-finished": count("FINISHED"),
      "jobs-cancelled": count("CANCELED"),
      "jobs-failed": count("FAILED"),
      "flink-version": FLINK_VERSION,
      "flink-commit": REVISION,
    }, 200);
  });

  app.openapi(configRoute, (c) =>
    c.json({
      "refresh-interval": context.settings.refreshIntervalMs,
      "timezone-name": "UTC",
      "timezone-offset": 0,
      "flink-version": FLINK_VERSION,
      "flink-revision": REVISION,
      "features": { "web-submit": false, "web-cancel": true, "web-history": false, "web-rescale": false },
    }, 200));

  app.openapi(healthRoute, (c) => c.text("ok", 200));
}
