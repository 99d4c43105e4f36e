/**
 * Declares the routes that change something: what they take and what they answer.
 *
 * Called by: control/http/operation_routes.ts.
 * Calls: control/http/schemas.ts.
 *
 * Bodies are strict: a field that is not known or not of its type is answered with 400. A field that may be left out
 * may be null as well, as Flink's clients send it. The fields of a savepoint are in kebab-case, those of a stop in
 * camelCase: so they are in Flink.
 *
 * @module
 */
import { createRoute, z } from "@hono/zod-openapi";
import { FailureCause } from "./error_texts.ts";
import { ErrorBody, Id, JobParams, json, jsonBody } from "./schemas.ts";

/** How a savepoint is written; in any case, as Flink reads it. */
const Format = z.preprocess(
  (value) => (typeof value === "string" ? value.toUpperCase() : value),
  z.enum(["CANONICAL", "NATIVE", "DEFAULT"]).nullish(),
);

/** How a savepoint is written; `DEFAULT` is canonical. */
export type FormatType = "CANONICAL" | "NATIVE" | "DEFAULT";

const Path = z.string().min(1).max(4096);

const SavepointRequest = z.strictObject({
  "target-directory": Path.nullish(),
  "cancel-job": z.boolean().nullish(),
  "formatType": Format,
  "triggerId": Id.nullish(),
}).openapi("SavepointRequest");

const StopRequest = z.strictObject({
  targetDirectory: Path.nullish(),
  drain: z.boolean().nullish(),
  formatType: Format,
  triggerId: Id.nullish(),
}).openapi("StopRequest");

const CheckpointRequest = z.strictObject({
  checkpointType: z.preprocess(
    (value) => (typeof value === "string" ? value.toUpperCase() : value),
    z.enum(["CONFIGURED", "FULL", "INCREMENTAL"]).nullish(),
  ),
  triggerId: Id.nullish(),
}).openapi("CheckpointRequest");

const DisposalRequest = z.strictObject({
  "savepoint-path": Path,
  "triggerId": Id.nullish(),
}).openapi("SavepointDisposalRequest");

/** What a request that starts something is answered with. */
const Started = z.object({ "request-id": Id }).openapi("TriggerResponse");

const Poll = { status: z.object({ id: z.enum(["IN_PROGRESS", "COMPLETED"]) }) };

const TriggerParams = z.object({ jobId: Id, triggerId: Id });

const ended = { 409: json(ErrorBody, "The job has ended.") };

/** Starts a savepoint. */
export const savepointRoute = createRoute({
  method: "post",
  path: "/jobs/{jobId}/savepoints",
  summary: "Take a savepoint; with cancel-job, stop with it",
  request: { params: JobParams, body: jsonBody(SavepointRequest) },
  responses: { 202: json(Started, "Started, or it had been started with this triggerId."), ...ended },
});

/** Stops with a savepoint. */
export const stopRoute = createRoute({
  method: "post",
  path: "/jobs/{jobId}/stop",
  summary: "Stop with a savepoint; with drain, after all that is under way",
  request: { params: JobParams, body: jsonBody(StopRequest) },
  responses: { 202: json(Started, "Started, or it had been started with this triggerId."), ...ended },
});

/** Asks for a savepoint or a stop. */
export const savepointPollRoute = createRoute({
  method: "get",
  path: "/jobs/{jobId}/savepoints/{triggerId}",
  summary: "How a savepoint or a stop goes",
  request: { params: TriggerParams },
  responses: {
    200: json(
      z.object({
        ...Poll,
        operation: z.union([z.object({ location: z.string() }), z.object({ "failure-cause": FailureCause })])
          .nullable(),
      }),
      "How it goes; a failure is told with this status, too.",
    ),
  },
});

/** Starts a checkpoint. */
export const checkpointRoute = createRoute({
  method: "post",
  path: "/jobs/{jobId}/checkpoints",
  summary: "Take a checkpoint now",
  request: { params: JobParams, body: jsonBody(CheckpointRequest) },
  responses: { 202: json(Started, "Started, or it had been started with this triggerId."), ...ended },
});

/** Asks for a checkpoint. */
export const checkpointPollRoute = createRoute({
  method: "get",
  path: "/jobs/{jobId}/checkpoints/{triggerId}",
  summary: "How a checkpoint that was asked for goes",
  request: { params: TriggerParams },
  responses: {
    200: json(
      z.object({
        ...Poll,
        operation: z.union([z.object({ checkpointId: z.number() }), z.object({ failureCause: FailureCause })])
          .nullable(),
      }),
      "How it goes; a failure is told with this status, too.",
    ),
  },
});

/** Starts a disposal. */
export const disposalRoute = createRoute({
  method: "post",
  path: "/savepoint-disposal",
  summary: "Delete a savepoint",
  request: { body: jsonBody(DisposalRequest) },
  responses: { 200: json(Started, "Started, or it had been started with this triggerId.") },
});

/** Asks for a disposal. */
export const disposalPollRoute = createRoute({
  method: "get",
  path: "/savepoint-disposal/{triggerId}",
  summary: "How a disposal goes",
  request: { params: z.object({ triggerId: Id }) },
  responses: {
    200: json(
      z.object({ ...Poll, operation: z.object({ "failure-cause": FailureCause.optional() }).nullable() }),
      "How it goes; a failure is told with this status, too.",
    ),
  },
});

/** Ends a job at once. */
export const cancelRoute = createRoute({
  method: "patch",
  path: "/jobs/{jobId}",
  summary: "Cancel a job",
  request: { params: JobParams, query: z.object({ mode: z.enum(["cancel", "stop"]).optional() }) },
  responses: {
    202: json(z.object({}), "It ends."),
    308: json(ErrorBody, "mode=stop: use POST /jobs/{jobId}/stop."),
    ...ended,
  },
});

/** Ends everything. */
export const shutDownRoute = createRoute({
  method: "delete",
  path: "/cluster",
  summary: "Cancel all jobs of the process, which ends with them; only where a token is configured",
  responses: { 200: json(z.object({}), "They end.") },
});
