/**
 * Routes that tell how a job has gone: its failures, its result, its accumulators, of which there are none.
 *
 * Called by: control/http/api.ts.
 * Calls: control/http/error_texts.ts.
 *
 * @module
 */
import { createRoute, z } from "@hono/zod-openapi";
import type { FailureView, JobView } from "../../runtime/job_view.ts";
import type { ApiApp } from "./api.ts";
import { type ApiContext, listedJob } from "./context.ts";
import { className, FailureCause, failureCauseOf, stackText } from "./error_texts.ts";
import { durationOf, jobStatusOf } from "./job_status.ts";
import { Id, JobParams, json, mapOf, Millis } from "./schemas.ts";

/** Id of the one process. */
const PROCESS = "local";

const FailureEntry = z.object({
  "exceptionName": z.string(),
  "stacktrace": z.string(),
  "timestamp": Millis,
  "taskName": z.string().nullable(),
  "endpoint": z.string().nullable(),
  "taskManagerId": z.string().nullable(),
  "failureLabels": mapOf(z.string()),
  "concurrentExceptions": z.array(z.object({})),
});

const Failures = z.object({
  "root-exception": z.string().nullable(),
  "timestamp": Millis.nullable(),
  "all-exceptions": z.array(z.object({
    "exception": z.string(),
    "task": z.string(),
    "location": z.string(),
    "timestamp": Millis,
    "taskManagerId": z.string(),
  })),
  "truncated": z.boolean(),
  "exceptionHistory": z.object({ entries: z.array(FailureEntry), truncated: z.boolean() }),
}).openapi("JobExceptions");

const failuresRoute = createRoute({
  method: "get",
  path: "/jobs/{jobId}/exceptions",
  summary: "Failures of a job, the newest first; with stack traces only for a client with the token",
  request: {
    params: JobParams,
    query: z.object({
      maxExceptions: z.string().regex(/^\d{1,6}$/, "must be a whole number").optional(),
      failureLabelFilter: z.string().regex(/^[^:]+:[^:]+$/, "must be key:value").optional(),
    }),
  },
  responses: { 200: json(Failures, "Its failures.") },
});

const resultRoute = createRoute({
  method: "get",
  path: "/jobs/{jobId}/execution-result",
  summary: "How a job has ended",
  request: { params: JobParams },
  responses: {
    200: json(
      z.object({
        "status": z.object({ id: z.enum(["IN_PROGRESS", "COMPLETED"]) }),
        "job-execution-result": z.object({
          "id": Id,
          "application-status": z.enum(["SUCCEEDED", "FAILED", "CANCELED"]),
          "accumulator-results": z.object({}),
          "net-runtime": Millis,
          "failure-cause": FailureCause.optional(),
        }).nullable(),
      }).openapi("JobExecutionResult"),
      "Its end, once there is one.",
    ),
  },
});

const accumulatorsRoute = createRoute({
  method: "get",
  path: "/jobs/{jobId}/accumulators",
  summary: "Accumulators of a job: none",
  request: { params: JobParams },
  responses: {
    200: json(
      z.object({
        "job-accumulators": z.array(z.object({})),
        "user-task-accumulators": z.array(z.object({})),
        "serialized-user-task-accumulators": z.object({}),
      }),
      "None.",
    ),
  },
});

/** Adds `exceptions`, `execution-result` and `accumulators`. */
export function jobOutcomeRoutes(app: ApiApp, context: ApiContext): void {
  const { settings, clock } = context;

  app.openapi(failuresRoute, (c) => {
    const { job } = listedJob(context, c.req.valid("param").jobId);
    const { maxExceptions, failureLabelFilter } = c.req.valid("query");
    const limit = Math.min(settings.exceptionHistorySize, Number(maxExceptions ?? settings.exceptionHistorySize));
    // No failure has labels, so a filter leaves none.
    const all = failureLabelFilter === undefined ? job.status().failures : [];
    const told = all.slice(0, limit).map((failure) => failureEntry(failure, c.get("isAuthenticated")));
    const [newest] = told;
    return c.json({
      "root-exception": newest?.stacktrace ?? null,
      "timestamp": newest?.timestamp ?? null,
      "all-exceptions": [],
      "truncated": told.length < all.length,
      "exceptionHistory": { entries: told, truncated: told.length < all.length },
    }, 200);
  });

  app.openapi(resultRoute, (c) => {
    const view = listedJob(context, c.req.valid("param").jobId).job.status();
    if (view.endedMs === null) {
      return c.json({ "status": { id: "IN_PROGRESS" as const }, "job-execution-result": null }, 200);
    }
    const failure = view.state === "failed" ? view.failures[0]?.error : undefined;
    return c.json({
      "status": { id: "COMPLETED" as const },
      "job-execution-result": {
        "id": view.id,
        "application-status": applicationStatusOf(view),
        "accumulator-results": {},
        "net-runtime": durationOf(view.startedMs, view.endedMs, clock.nowMs()),
        ...(failure === undefined ? {} : { "failure-cause": failureCauseOf(failure, c.get("isAuthenticated")) }),
      },
    }, 200);
  });

  app.openapi(accumulatorsRoute, (c) => {
    listedJob(context, c.req.valid("param").jobId);
    return c.json({
      "job-accumulators": [],
      "user-task-accumulators": [],
      "serialized-user-task-accumulators": {},
    }, 200);
  });
}

function failureEntry({ atMs, error, subtask }: FailureView, withStack: boolean): z.infer<typeof FailureEntry> {
  return {
    "exceptionName": className(error),
    "stacktrace": stackText(error, withStack),
    "timestamp": atMs,
    "taskName": subtask === null ? null : `${subtask.vertexName} (subtask ${subtask.index})`,
    "endpoint": subtask === null ? null : PROCESS,
    "taskManagerId": subtask === null ? null : PROCESS,
    "failureLabels": {},
    "concurrentExceptions": [],
  };
}

function applicationStatusOf(view: JobView): "SUCCEEDED" | "FAILED" | "CANCELED" {
  const status = jobStatusOf(view.state);
  if (status === "FAILED") return "FAILED";
  return status === "CANCELED" ? "CANCELED" : "SUCCEEDED";
}
