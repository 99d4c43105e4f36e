/**
 * Puts what is known of checkpoints into the shapes of Flink's answers.
 *
 * Called by: control/http/checkpoint_routes.ts.
 * Calls: checkpoint/statistics.ts for types.
 *
 * Records in flight are never stored here, so those figures are 0.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import type { CheckpointsStatistics, CheckpointStatistics, SubtaskStatistics } from "../../checkpoint/statistics.ts";
import type { VertexView } from "../../runtime/job_view.ts";
import { pathForClients } from "./client_paths.ts";
import { Count, Millis } from "./schemas.ts";

const Figure = z.object({
  "min": z.number(),
  "max": z.number(),
  "avg": z.number(),
  "p50": z.number(),
  "p90": z.number(),
  "p95": z.number(),
  "p99": z.number(),
  "p999": z.number(),
}).openapi("FigureSummary");

const CheckpointStatus = z.enum(["IN_PROGRESS", "COMPLETED", "FAILED"]);

const sizes = {
  "latest_ack_timestamp": Millis,
  "checkpointed_size": Count,
  "state_size": Count,
  "end_to_end_duration": Millis,
  "alignment_buffered": Count,
  "processed_data": Count,
  "persisted_data": Count,
  "num_subtasks": Count,
  "num_acknowledged_subtasks": Count,
};

const TaskCheckpoint = z.object({ "id": Count, "status": CheckpointStatus, ...sizes }).openapi("TaskCheckpoint");

/** One checkpoint. */
export const Checkpoint = z.object({
  "className": z.enum(["completed", "failed", "in_progress"]),
  "id": Count,
  "status": CheckpointStatus,
  "is_savepoint": z.boolean(),
  "savepointFormat": z.enum(["CANONICAL", "NATIVE"]).nullable(),
  "trigger_timestamp": Millis,
  ...sizes,
  "checkpoint_type": z.enum(["CHECKPOINT", "SAVEPOINT", "SYNC_SAVEPOINT"]),
  "tasks": z.record(z.string(), TaskCheckpoint),
  "external_path": z.string().optional(),
  "discarded": z.boolean().optional(),
  "failure_timestamp": Millis.optional(),
  "failure_message": z.string().optional(),
}).openapi("Checkpoint");

const Restored = z.object({
  "id": Count,
  "restore_timestamp": Millis,
  "is_savepoint": z.boolean(),
  "external_path": z.string(),
});

/** How checkpoints went. */
export const Checkpoints = z.object({
  "counts": z.object({
    "restored": Count,
    "total": Count,
    "in_progress": Count,
    "completed": Count,
    "failed": Count,
  }),
  "summary": z.object({
    "checkpointed_size": Figure,
    "state_size": Figure,
    "end_to_end_duration": Figure,
    "alignment_buffered": Figure,
    "processed_data": Figure,
    "persisted_data": Figure,
  }),
  "latest": z.object({
    "completed": Checkpoint.nullable(),
    "savepoint": Checkpoint.nullable(),
    "failed": Checkpoint.nullable(),
    "restored": Restored.nullable(),
  }),
  "history": z.array(Checkpoint),
}).openapi("Checkpoints");

const Spread = z.object({ "min": z.number(), "max": z.number(), "avg": z.number() });
const Phases = z.object({ "sync": z.number(), "async": z.number() });
const Alignment = z.object({ "buffered": Count, "processed": Count, "persisted": Count, "duration": Millis });

const SubtaskCheckpoint = z.union([
  z.object({
    "index": Count,
    "status": z.literal("completed"),
    "ack_timestamp": Millis,
    "end_to_end_duration": Millis,
    "checkpointed_size": Count,
    "state_size": Count,
    "checkpoint": Phases,
    "alignment": Alignment,
    "start_delay": Millis,
    "unaligned_checkpoint": z.boolean(),
    "aborted": z.boolean(),
  }),
  z.object({ "index": Count, "status": z.literal("pending_or_failed") }),
]).openapi("SubtaskCheckpoint");

/** The part of a checkpoint that a vertex has. */
export const VertexCheckpoint = z.object({
  "id": Count,
  "status": CheckpointStatus,
  ...sizes,
  "summary": z.object({
    "checkpointed_size": Spread,
    "state_size": Spread,
    "end_to_end_duration": Spread,
    "checkpoint_duration": z.object({ "sync": Spread, "async": Spread }),
    "alignment": z.object({ "buffered": Spread, "processed": Spread, "persisted": Spread, "duration": Spread }),
    "start_delay": Spread,
  }),
  "subtasks": z.array(SubtaskCheckpoint),
}).openapi("VertexCheckpoint");

/** Of what is never stored here. */
const NONE: z.infer<typeof Figure> = { min: 0, max: 0, avg: 0, p50: 0, p90: 0, p95: 0, p99: 0, p999: 0 };
const NO_SPREAD: z.infer<typeof Spread> = { min: 0, max: 0, avg: 0 };

/** How all checkpoints of a job went. */
export function checkpointsOf(statistics: CheckpointsStatistics): z.infer<typeof Checkpoints> {
  const { counts, summary, latestCompleted, latestSavepoint, latestFailed, restored, history } = statistics;
  const line = (one: CheckpointStatistics | null) => one === null ? null : checkpointOf(one, []);
  return {
    "counts": {
      "restored": counts.restored,
      "total": counts.total,
      "in_progress": counts.inProgress,
      "completed": counts.completed,
      // Flink has no word for those that were not needed any more.
      "failed": counts.failed + counts.givenUp,
    },
    "summary": {
      "checkpointed_size": summary.incrementBytes,
      "state_size": summary.fullBytes,
      "end_to_end_duration": summary.durationMs,
      "alignment_buffered": NONE,
      "processed_data": NONE,
      "persisted_data": NONE,
    },
    "latest": {
      "completed": line(latestCompleted),
      "savepoint": line(latestSavepoint),
      "failed": line(latestFailed),
      "restored": restored === null ? null : {
        "id": restored.checkpointId,
        "restore_timestamp": restored.atMs,
        "is_savepoint": restored.type === "savepoint",
        "external_path": pathForClients(restored.externalPath),
      },
    },
    // One without an id has never begun.
    "history": history.filter(({ checkpointId }) => checkpointId !== null).map((one) => checkpointOf(one, [])),
  };
}

/** One checkpoint. @param vertices Those of the job for details, none for a line of a list. */
export function checkpointOf(
  one: CheckpointStatistics,
  vertices: readonly VertexView[],
): z.infer<typeof Checkpoint> {
  const { status, failure } = one;
  const className = status === "in-progress" ? "in_progress" : status;
  return {
    className,
    "id": one.checkpointId ?? -1,
    "status": STATUS[status],
    "is_savepoint": one.type === "savepoint",
    "savepointFormat": one.format === null ? null : one.format === "canonical" ? "CANONICAL" : "NATIVE",
    "trigger_timestamp": one.triggeredMs,
    "latest_ack_timestamp": one.latestAnswerMs ?? -1,
    "checkpointed_size": one.incrementBytes,
    "state_size": one.fullBytes,
    "end_to_end_duration": one.durationMs ?? -1,
    "alignment_buffered": 0,
    "processed_data": 0,
    "persisted_data": 0,
    "num_subtasks": one.subtaskCount,
    "num_acknowledged_subtasks": one.subtasks.length,
    "checkpoint_type": one.type === "checkpoint" ? "CHECKPOINT" : one.stops ? "SYNC_SAVEPOINT" : "SAVEPOINT",
    "tasks": Object.fromEntries(vertices.map((vertex) => [vertex.id, taskOf(one, vertex)])),
    ...(one.externalPath === null ? {} : { "external_path": pathForClients(one.externalPath) }),
    ...(status === "completed" ? { "discarded": one.isDiscarded } : {}),
    ...(failure === null ? {} : { "failure_timestamp": failure.atMs, "failure_message": failure.message }),
  };
}

/** The part of a checkpoint that a vertex has, subtask by subtask. */
export function vertexCheckpointOf(
  one: CheckpointStatistics,
  vertex: VertexView,
): z.infer<typeof VertexCheckpoint> {
  const answers = answersOf(one, vertex);
  const spread = (figure: (answer: SubtaskStatistics) => number) => spreadOf(answers.map(figure));
  const byIndex = new Map(answers.map((answer) => [answer.subtaskIndex, answer]));
  return {
    ...taskOf(one, vertex),
    "summary": {
      "checkpointed_size": spread((answer) => answer.incrementBytes),
      "state_size": spread((answer) => answer.fullBytes),
      "end_to_end_duration": spread((answer) => answer.answerMs),
      "checkpoint_duration": {
        "sync": spread((answer) => answer.syncMs),
        "async": spread((answer) => answer.asyncMs),
      },
      "alignment": {
        "buffered": NO_SPREAD,
        "processed": NO_SPREAD,
        "persisted": NO_SPREAD,
        "duration": spread((answer) => answer.alignmentMs),
      },
      "start_delay": spread((answer) => answer.startDelayMs),
    },
    "subtasks": Array.from({ length: vertex.parallelism }, (_, index) => {
      const answer = byIndex.get(index);
      return answer === undefined ? { index, "status": "pending_or_failed" as const } : subtaskOf(one, answer);
    }),
  };
}

const STATUS = { "in-progress": "IN_PROGRESS", "completed": "COMPLETED", "failed": "FAILED" } as const;

function answersOf({ subtasks }: CheckpointStatistics, { id }: VertexView): SubtaskStatistics[] {
  return subtasks.filter(({ vertexId }) => vertexId === id);
}

function taskOf(one: CheckpointStatistics, vertex: VertexView): z.infer<typeof TaskCheckpoint> {
  const answers = answersOf(one, vertex);
  const sum = (figure: (answer: SubtaskStatistics) => number) =>
    answers.reduce((total, answer) => total + figure(answer), 0);
  const latestMs = Math.max(-1, ...answers.map(({ answerMs }) => answerMs));
  const isWhole = answers.length === vertex.parallelism;
  return {
    "id": one.checkpointId ?? -1,
    "status": isWhole ? "COMPLETED" : STATUS[one.status],
    "latest_ack_timestamp": latestMs < 0 ? -1 : one.triggeredMs + latestMs,
    "checkpointed_size": sum((answer) => answer.incrementBytes),
    "state_size": sum((answer) => answer.fullBytes),
    "end_to_end_duration": latestMs,
    "alignment_buffered": 0,
    "processed_data": 0,
    "persisted_data": 0,
    "num_subtasks": vertex.parallelism,
    "num_acknowledged_subtasks": answers.length,
  };
}

function subtaskOf(one: CheckpointStatistics, answer: SubtaskStatistics): z.infer<typeof SubtaskCheckpoint> {
  return {
    "index": answer.subtaskIndex,
    "status": "completed",
    "ack_timestamp": one.triggeredMs + answer.answerMs,
    "end_to_end_duration": answer.answerMs,
    "checkpointed_size": answer.incrementBytes,
    "state_size": answer.fullBytes,
    "checkpoint": { "sync": answer.syncMs, "async": answer.asyncMs },
    "alignment": { "buffered": 0, "processed": 0, "persisted": 0, "duration": answer.alignmentMs },
    "start_delay": answer.startDelayMs,
    "unaligned_checkpoint": false,
    "aborted": one.status === "failed",
  };
}

function spreadOf(values: readonly number[]): z.infer<typeof Spread> {
  if (values.length === 0) return NO_SPREAD;
  const sum = values.reduce((total, value) => total + value, 0);
  return { "min": Math.min(...values), "max": Math.max(...values), "avg": sum / values.length };
}
