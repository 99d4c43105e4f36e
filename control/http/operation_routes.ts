/**
 * Routes that change something: savepoints, stops, checkpoints, disposals, cancels, and how what they have started goes.
 *
 * Called by: control/http/api.ts.
 * Calls: control/http/operation_store.ts, control/http/confinement.ts.
 *
 * What a request asks for is checked in full before anything is started. Whether it then succeeds is told by the
 * operation, never by the status of an answer.
 *
 * @module
 */
import type { ApiApp } from "./api.ts";
import { ApiError } from "./api_error.ts";
import { confine } from "./confinement.ts";
import { type ApiContext, listedJob } from "./context.ts";
import { failureCauseOf } from "./error_texts.ts";
import { pathForClients } from "./client_paths.ts";
import { hasEnded, jobStatusOf } from "./job_status.ts";
import {
  cancelRoute,
  checkpointPollRoute,
  checkpointRoute,
  disposalPollRoute,
  disposalRoute,
  type FormatType,
  savepointPollRoute,
  savepointRoute,
  shutDownRoute,
  stopRoute,
} from "./operation_schemas.ts";
import type { OperationKey, OperationState } from "./operation_store.ts";
import type { ListedJob } from "../job_directory.ts";
import type { SavepointFormat } from "../../core/element.ts";

/** Adds everything that changes a job, and the answers to what became of it. */
export function operationRoutes(app: ApiApp, context: ApiContext): void {
  savepointRoutes(app, context);
  checkpointRoutes(app, context);
  disposalRoutes(app, context);
  endRoutes(app, context);
}

function savepointRoutes(app: ApiApp, context: ApiContext): void {
  const { operations } = context;

  app.openapi(savepointRoute, async (c) => {
    const { jobId } = c.req.valid("param");
    const body = c.req.valid("json");
    const listed = listedJob(context, jobId);
    const key = { kind: "savepoint", jobId } as const;
    const id = body.triggerId ?? undefined;
    if (id !== undefined && operations.has({ ...key, id })) return c.json({ "request-id": id }, 202);
    const options = {
      directory: await targetDirectory(context, listed, "target-directory", body["target-directory"]),
      format: formatOf(body.formatType),
    };
    refuseEnded(listed);
    // A savepoint before a cancel is a stop: no later checkpoint may commit what it does not cover.
    const begin = body["cancel-job"] === true
      ? () => listed.job.stopWithSavepoint(options)
      : () => listed.job.triggerSavepoint(options);
    return c.json({ "request-id": operations.start("savepoint", jobId, id, begin) }, 202);
  });

  app.openapi(stopRoute, async (c) => {
    const { jobId } = c.req.valid("param");
    const body = c.req.valid("json");
    const listed = listedJob(context, jobId);
    const id = body.triggerId ?? undefined;
    if (id !== undefined && operations.has({ kind: "savepoint", jobId, id })) return c.json({ "request-id": id }, 202);
    const options = {
      directory: await targetDirectory(context, listed, "targetDirectory", body.targetDirectory),
      format: formatOf(body.formatType),
      drain: body.drain ?? false,
    };
    refuseEnded(listed);
    const begin = () => listed.job.stopWithSavepoint(options);
    return c.json({ "request-id": operations.start("savepoint", jobId, id, begin) }, 202);
  });

  app.openapi(savepointPollRoute, (c) => {
    const { jobId, triggerId } = c.req.valid("param");
    const state = operationState(context, { kind: "savepoint", jobId, id: triggerId });
    if (state.status === "in-progress") return c.json(IN_PROGRESS, 200);
    const operation = state.status === "failed"
      ? { "failure-cause": failureCauseOf(state.error, c.get("isAuthenticated")) }
      : { location: pathForClients(fieldOf(state.result, "path")) };
    return c.json({ ...COMPLETED, operation }, 200);
  });
}

function checkpointRoutes(app: ApiApp, context: ApiContext): void {
  app.openapi(checkpointRoute, (c) => {
    const { jobId } = c.req.valid("param");
    const { checkpointType, triggerId } = c.req.valid("json");
    const listed = listedJob(context, jobId);
    const id = triggerId ?? undefined;
    if (id !== undefined && context.operations.has({ kind: "checkpoint", jobId, id })) {
      return c.json({ "request-id": id }, 202);
    }
    refuseEnded(listed);
    const kind = CHECKPOINT_KIND[checkpointType ?? "CONFIGURED"];
    const begin = async () => (await listed.job.triggerCheckpoint(kind)).metadata.checkpointId;
    return c.json({ "request-id": context.operations.start("checkpoint", jobId, id, begin) }, 202);
  });

  app.openapi(checkpointPollRoute, (c) => {
    const { jobId, triggerId } = c.req.valid("param");
    const state = operationState(context, { kind: "checkpoint", jobId, id: triggerId });
    if (state.status === "in-progress") return c.json(IN_PROGRESS, 200);
    const operation = state.status === "failed"
      ? { failureCause: failureCauseOf(state.error, c.get("isAuthenticated")) }
      : { checkpointId: Number(state.result) };
    return c.json({ ...COMPLETED, operation }, 200);
  });
}

function disposalRoutes(app: ApiApp, context: ApiContext): void {
  const { operations, jobs, resolvePath } = context;

  app.openapi(disposalRoute, async (c) => {
    const body = c.req.valid("json");
    const id = body.triggerId ?? undefined;
    if (id !== undefined && operations.has({ kind: "disposal", jobId: "", id })) {
      return c.json({ "request-id": id }, 200);
    }
    const roots = [...new Set(jobs.all().flatMap(rootsOf))];
    const path = await confine("savepoint-path", body["savepoint-path"], roots, resolvePath);
    const started = operations.start("disposal", "", id, () => context.disposeSavepoint(path));
    return c.json({ "request-id": started }, 200);
  });

  app.openapi(disposalPollRoute, (c) => {
    const state = operationState(context, { kind: "disposal", jobId: "", id: c.req.valid("param").triggerId });
    if (state.status === "in-progress") return c.json(IN_PROGRESS, 200);
    const operation = state.status === "failed"
      ? { "failure-cause": failureCauseOf(state.error, c.get("isAuthenticated")) }
      : {};
    return c.json({ ...COMPLETED, operation }, 200);
  });
}

function endRoutes(app: ApiApp, context: ApiContext): void {
  app.openapi(cancelRoute, (c) => {
    const { mode = "cancel" } = c.req.valid("query");
    const { job } = listedJob(context, c.req.valid("param").jobId);
    if (mode === "stop") {
      throw new ApiError(308, "There is no such mode any more; use POST /jobs/:jobid/stop, which takes a savepoint");
    }
    const view = job.status();
    const status = jobStatusOf(view.state);
    if (hasEnded(view)) {
      if (status !== "CANCELED") throw new ApiError(409, `Job ${job.id} has ended: it is ${status}`);
    } else job.cancel();
    return c.json({}, 202);
  });

  app.openapi(shutDownRoute, (c) => {
    if (context.settings.token === null) {
      throw new ApiError(
        403,
        "Ending all jobs of the process needs a token, and none is configured; set rest.auth.token",
      );
    }
    for (const { job } of context.jobs.all()) if (!hasEnded(job.status())) job.cancel();
    return c.json({}, 200);
  });
}

const IN_PROGRESS = { status: { id: "IN_PROGRESS" as const }, operation: null };
const COMPLETED = { status: { id: "COMPLETED" as const } };

const CHECKPOINT_KIND = { CONFIGURED: "configured", FULL: "full", INCREMENTAL: "incremental" } as const;

function operationState({ operations }: ApiContext, key: OperationKey): OperationState {
  const state = operations.read(key);
  if (state !== undefined) return state;
  throw new ApiError(404, `There is no operation ${key.id}; results are kept for a while only`);
}

/** The folder for a savepoint: the client's if it may be used, else the configured one. */
async function targetDirectory(
  { resolvePath }: ApiContext,
  listed: ListedJob,
  field: string,
  path: string | null | undefined,
): Promise<string> {
  if (path !== undefined && path !== null) return await confine(field, path, rootsOf(listed), resolvePath);
  if (listed.savepointDirectory !== null) return listed.savepointDirectory;
  throw new ApiError(
    400,
    `There is no folder for the savepoint; send ${field}, or set execution.checkpointing.savepoint-dir`,
  );
}

function rootsOf({ savepointDirectory, checkpointDirectory }: ListedJob): string[] {
  return [savepointDirectory, checkpointDirectory].filter((folder) => folder !== null);
}

function refuseEnded({ job }: ListedJob): void {
  const view = job.status();
  if (hasEnded(view)) throw new ApiError(409, `Job ${job.id} has ended: it is ${jobStatusOf(view.state)}`);
}

function formatOf(type: FormatType | null | undefined): SavepointFormat {
  return type === "NATIVE" ? "native" : "canonical";
}

function fieldOf(result: unknown, field: string): string {
  const value: unknown = typeof result === "object" && result !== null ? Reflect.get(result, field) : undefined;
  if (typeof value !== "string") throw new TypeError(`Cannot tell the result: "${field}" is not a text`);
  return value;
}
