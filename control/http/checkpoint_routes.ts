/**
 * Routes that show checkpoints and savepoints: how they went, how they are configured, one in detail.
 *
 * Called by: control/http/api.ts.
 * Calls: control/http/checkpoint_figures.ts.
 *
 * @module
 */
import { createRoute, z } from "@hono/zod-openapi";
import type { CheckpointStatistics } from "../../checkpoint/statistics.ts";
import type { ControlledJob } from "../../runtime/job_view.ts";
import type { ApiApp } from "./api.ts";
import { ApiError } from "./api_error.ts";
import {
  Checkpoint,
  checkpointOf,
  Checkpoints,
  checkpointsOf,
  VertexCheckpoint,
  vertexCheckpointOf,
} from "./checkpoint_figures.ts";
import { type ApiContext, listedJob, vertexOf } from "./context.ts";
import { Count, Id, JobParams, json, Millis } from "./schemas.ts";

const CheckpointParams = JobParams.extend({ checkpointId: z.coerce.number().int().min(0) });

const CheckpointConfig = z.object({
  "mode": z.enum(["exactly_once", "at_least_once"]),
  "interval": Millis,
  "timeout": Millis,
  "min_pause": Millis,
  "max_concurrent": Count,
  "externalization": z.object({ "enabled": z.boolean(), "delete_on_cancellation": z.boolean() }),
  "state_backend": z.string(),
  "checkpoint_storage": z.string(),
  "unaligned_checkpoints": z.boolean(),
  "tolerable_failed_checkpoints": Count,
  "aligned_checkpoint_timeout": Millis,
  "checkpoints_after_tasks_finish": z.boolean(),
  "state_changelog_enabled": z.boolean(),
  "changelog_periodic_materialization_interval": Millis,
  "changelog_storage": z.string(),
}).openapi("CheckpointConfig");

const checkpointsRoute = createRoute({
  method: "get",
  path: "/jobs/{jobId}/checkpoints",
  summary: "How checkpoints and savepoints of a job went",
  request: { params: JobParams },
  responses: { 200: json(Checkpoints, "Counts, a summary, the last ones.") },
});

const configRoute = createRoute({
  method: "get",
  path: "/jobs/{jobId}/checkpoints/config",
  summary: "How checkpoints of a job are configured",
  request: { params: JobParams },
  responses: { 200: json(CheckpointConfig, "Settings.") },
});

const detailsRoute = createRoute({
  method: "get",
  path: "/jobs/{jobId}/checkpoints/details/{checkpointId}",
  summary: "One checkpoint, vertex by vertex",
  request: { params: CheckpointParams },
  responses: { 200: json(Checkpoint, "The checkpoint.") },
});

const vertexDetailsRoute = createRoute({
  method: "get",
  path: "/jobs/{jobId}/checkpoints/details/{checkpointId}/subtasks/{vertexId}",
  summary: "The part of a checkpoint that a vertex has, subtask by subtask",
  request: { params: CheckpointParams.extend({ vertexId: Id }) },
  responses: { 200: json(VertexCheckpoint, "The vertex's part.") },
});

/** What Flink shows for an interval that is not set. */
const NEVER_MS = Number.MAX_SAFE_INTEGER;

/** Adds them. */
export function checkpointRoutes(app: ApiApp, context: ApiContext): void {
  app.openapi(checkpointsRoute, (c) => {
    const { job } = listedJob(context, c.req.valid("param").jobId);
    return c.json(checkpointsOf(job.checkpoints), 200);
  });

  app.openapi(configRoute, (c) => c.json(configOf(listedJob(context, c.req.valid("param").jobId)), 200));

  app.openapi(detailsRoute, (c) => {
    const { jobId, checkpointId } = c.req.valid("param");
    const { job } = listedJob(context, jobId);
    return c.json(checkpointOf(remembered(job, checkpointId), job.status().vertices), 200);
  });

  app.openapi(vertexDetailsRoute, (c) => {
    const { jobId, checkpointId, vertexId } = c.req.valid("param");
    const { job } = listedJob(context, jobId);
    const one = remembered(job, checkpointId);
    return c.json(vertexCheckpointOf(one, vertexOf(job.status(), vertexId)), 200);
  });
}

/** A checkpoint that is still known. @throws {ApiError} 404 if it is not. */
function remembered({ checkpoints }: ControlledJob, checkpointId: number): CheckpointStatistics {
  const { history, latestCompleted, latestSavepoint, latestFailed } = checkpoints;
  const known = [...history, latestCompleted, latestSavepoint, latestFailed];
  const found = known.find((one) => one?.checkpointId === checkpointId) ?? null;
  if (found === null) throw new ApiError(404, `Could not find checkpointing statistics for checkpoint ${checkpointId}`);
  return found;
}

function configOf({ job }: ReturnType<typeof listedJob>): z.infer<typeof CheckpointConfig> {
  const { checkpointing, changelog, stateBackend } = job.status().settings;
  return {
    "mode": checkpointing?.exactlyOnce ?? true ? "exactly_once" : "at_least_once",
    "interval": checkpointing?.intervalMs ?? NEVER_MS,
    "timeout": checkpointing?.timeoutMs ?? job.status().settings.savepoints.timeoutMs,
    "min_pause": checkpointing?.minPauseMs ?? 0,
    "max_concurrent": checkpointing?.maxConcurrent ?? 1,
    "externalization": {
      "enabled": checkpointing !== null && checkpointing.directory !== null,
      "delete_on_cancellation": checkpointing !== null && checkpointing.retention !== "RETAIN_ON_CANCELLATION",
    },
    "state_backend": stateBackend,
    "checkpoint_storage": checkpointing === null || checkpointing.directory === null ? "jobmanager" : "filesystem",
    "unaligned_checkpoints": false,
    "tolerable_failed_checkpoints": checkpointing?.tolerableFailures ?? 0,
    "aligned_checkpoint_timeout": 0,
    "checkpoints_after_tasks_finish": true,
    "state_changelog_enabled": changelog !== null,
    "changelog_periodic_materialization_interval": changelog?.intervalMs ?? 0,
    "changelog_storage": changelog?.inFiles ? "filesystem" : "memory",
  };
}
