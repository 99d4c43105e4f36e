/**
 * Routes that show jobs: the list, one job, its state, its plan, its configuration.
 *
 * Called by: control/http/api.ts.
 * Calls: control/http/job_detail.ts.
 *
 * @module
 */
import { createRoute, z } from "@hono/zod-openapi";
import type { RestartSettings } from "../../runtime/restart_strategy.ts";
import type { ApiApp } from "./api.ts";
import { type ApiContext, listedJob } from "./context.ts";
import { detailOf, JobDetail, JobSummary, Plan, planOf, Status, summaryOf } from "./job_detail.ts";
import { jobStatusOf } from "./job_status.ts";
import { Count, Id, JobParams, json, mapOf } from "./schemas.ts";

const jobsRoute = createRoute({
  method: "get",
  path: "/jobs",
  summary: "Ids and states of all jobs",
  responses: { 200: json(z.object({ jobs: z.array(z.object({ id: Id, status: Status })) }), "All jobs.") },
});

const jobsOverviewRoute = createRoute({
  method: "get",
  path: "/jobs/overview",
  summary: "A line for each job",
  responses: { 200: json(z.object({ jobs: z.array(JobSummary) }), "All jobs.") },
});

const jobRoute = createRoute({
  method: "get",
  path: "/jobs/{jobId}",
  summary: "All of a job",
  request: { params: JobParams },
  responses: { 200: json(JobDetail, "The job.") },
});

const statusRoute = createRoute({
  method: "get",
  path: "/jobs/{jobId}/status",
  summary: "State of a job",
  request: { params: JobParams },
  responses: { 200: json(z.object({ status: Status }), "Its state.") },
});

const planRoute = createRoute({
  method: "get",
  path: "/jobs/{jobId}/plan",
  summary: "Vertices of a job and how they are connected",
  request: { params: JobParams },
  responses: { 200: json(z.object({ plan: Plan }), "Its plan.") },
});

const configRoute = createRoute({
  method: "get",
  path: "/jobs/{jobId}/config",
  summary: "What a job runs with, secrets masked",
  request: { params: JobParams },
  responses: {
    200: json(
      z.object({
        "jid": Id,
        "name": z.string(),
        "execution-config": z.object({
          "execution-mode": z.string(),
          "restart-strategy": z.string(),
          "job-parallelism": Count,
          "object-reuse-mode": z.boolean(),
          "user-config": mapOf(z.string()),
        }),
      }).openapi("JobConfig"),
      "Its configuration.",
    ),
  },
});

const requirementsRoute = createRoute({
  method: "get",
  path: "/jobs/{jobId}/resource-requirements",
  summary: "Parallelism of each vertex, which stays as it is while the job runs",
  request: { params: JobParams },
  responses: {
    200: json(
      mapOf(z.object({ parallelism: z.object({ lowerBound: Count, upperBound: Count }) })),
      "By vertex.",
    ),
  },
});

/** Adds `/jobs`, `/jobs/overview` and what shows one job. */
export function jobRoutes(app: ApiApp, context: ApiContext): void {
  const { jobs, clock } = context;

  app.openapi(jobsRoute, (c) => {
    const views = jobs.all().map(({ job }) => job.status());
    return c.json({ jobs: views.map(({ id, state }) => ({ id, status: jobStatusOf(state) })) }, 200);
  });

  app.openapi(jobsOverviewRoute, (c) => {
    const nowMs = clock.nowMs();
    return c.json({ jobs: jobs.all().map(({ job }) => summaryOf(job.status(), nowMs)) }, 200);
  });

  app.openapi(jobRoute, (c) => {
    const { job } = listedJob(context, c.req.valid("param").jobId);
    return c.json(detailOf(job, clock.nowMs()), 200);
  });

  app.openapi(statusRoute, (c) => {
    const { job } = listedJob(context, c.req.valid("param").jobId);
    return c.json({ status: jobStatusOf(job.status().state) }, 200);
  });

  app.openapi(planRoute, (c) => {
    const { job } = listedJob(context, c.req.valid("param").jobId);
    return c.json({ plan: planOf(job.status()) }, 200);
  });

  app.openapi(configRoute, (c) => {
    const { job, configuration } = listedJob(context, c.req.valid("param").jobId);
    const { id, name, settings } = job.status();
    return c.json({
      "jid": id,
      "name": name,
      "execution-config": {
        "execution-mode": "PIPELINED",
        "restart-strategy": restartText(settings.restart),
        "job-parallelism": settings.parallelism,
        // Chained operators share objects.
        "object-reuse-mode": true,
        "user-config": Object.fromEntries(configuration.map(({ key, value }) => [key, value])),
      },
    }, 200);
  });

  app.openapi(requirementsRoute, (c) => {
    const { job } = listedJob(context, c.req.valid("param").jobId);
    const bounds = job.status().vertices.map(({ id, parallelism }) => {
      return [id, { parallelism: { lowerBound: parallelism, upperBound: parallelism } }];
    });
    return c.json(Object.fromEntries(bounds), 200);
  });
}

/** A restart strategy in words. */
function restartText(restart: RestartSettings): string {
  switch (restart.type) {
    case "none":
      return "Restart deactivated.";
    case "fixed-delay":
      return `Restart with fixed delay (${restart.delayMs} ms). #${restart.attempts} restart attempts.`;
    case "failure-rate":
      return `Restart with fixed delay (${restart.delayMs} ms) as long as there are at most ` +
        `${restart.maxFailuresPerInterval} failures in ${restart.intervalMs} ms.`;
    case "exponential-delay":
      return `Restart with exponential delay (${restart.initialBackoffMs} ms to ${restart.maxBackoffMs} ms).`;
  }
}
