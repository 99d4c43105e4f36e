/**
 * Decides where a job starts: afresh, again after a process that died, or from
 * a checkpoint; and deals the checkpoint's state out to the operators.
 *
 * Called by: runtime/attempt_starts.ts, runtime/job.ts.
 * Calls: checkpoint/recovery.ts, checkpoint/rescaling.ts.
 *
 * @module
 */
import { verifyRun } from "../backends/runs/verify_run.ts";
import type { CompletedCheckpoint } from "../checkpoint/completed_checkpoint.ts";
import type { RestoredCheckpoints } from "../checkpoint/restart_points.ts";
import {
  findAt,
  findLatest,
  type RecoveryEvent,
  type RecoveryOptions,
  startAfresh,
  type VerifySegment,
} from "../checkpoint/recovery.ts";
import { assignState, type OperatorAssignment } from "../checkpoint/rescaling.ts";
import type { CheckpointStorage } from "../checkpoint/storage.ts";
import { StreamError } from "../core/errors.ts";
import type { SinkStart } from "../core/sink.ts";
import type { JobGraph } from "./job_graph.ts";
import type { JobSettings } from "./job_settings.ts";
import type { OperatorRestore } from "./operator.ts";
import { takenBy } from "./taken_state.ts";

/** What the start has come to. */
export type JobStartPoint =
  /** Nothing to restore. `highestId`: checkpoint ids go on above it. */
  | { readonly kind: "fresh" | "restart"; readonly highestId: number }
  | { readonly kind: "restore"; readonly found: RestoredCheckpoints };

/**
 * Refuses to start from the latest checkpoint when there is nowhere to look for it, and to own a checkpoint when none can
 * take its place. A path can be read in any case.
 *
 * @throws {StreamError} Of kind "invalid".
 */
export function checkStart({ name, start, checkpointing }: JobSettings): void {
  if (start.kind === "fresh" || (checkpointing !== null && checkpointing.directory !== null)) return;
  if (start.kind === "path") {
    if (start.claimMode === "NO_CLAIM") return;
    throw new StreamError(
      "invalid",
      `Cannot start "${name}" from "${start.path}" with CLAIM: checkpoints are off or kept in memory, nothing durable ` +
        "would ever take its place; set execution.checkpointing.interval and execution.checkpointing.dir, or use NO_CLAIM",
    );
  }
  throw new StreamError(
    "invalid",
    `Cannot start "${name}" from its latest checkpoint: checkpoints are off or kept in memory; set ` +
      "execution.checkpointing.interval and execution.checkpointing.dir, or give the path of a checkpoint or savepoint",
  );
}

/** Loaded where a checkpoint has a log. */
const verifySegment: VerifySegment = async (input, segment) => {
  const loaded = await import("../backends/changelog/verify_segment.ts");
  loaded.verifySegment(input, segment);
};

/**
 * Looks at the job's folder, or at the path the user points to.
 *
 * @throws {StreamError} If there is something where nothing may be, nothing where something must be, or it is damaged.
 */
export async function findStart(
  settings: JobSettings,
  storage: CheckpointStorage,
  listener: (event: RecoveryEvent) => void,
): Promise<JobStartPoint> {
  const { start } = settings;
  const options: RecoveryOptions = { storage, verify: verifyRun, verifySegment, listener };
  if (start.kind === "path") return { kind: "restore", found: await findAt(start.path, options, start.claimMode) };
  if (start.kind === "latest") {
    const recovery = await findLatest(options);
    return recovery.kind === "restored"
      ? { kind: "restore", found: recovery }
      : { kind: "restart", highestId: recovery.highestId };
  }
  return { kind: "fresh", highestId: await startAfresh(options) };
}

/**
 * The newest whole checkpoint, when the one that an attempt wanted to start from turned out to be damaged.
 *
 * @returns Null when there is no other: the damage is what the job fails with.
 */
export async function findOlder(
  damaged: CompletedCheckpoint | null,
  storage: CheckpointStorage,
  listener: (event: RecoveryEvent) => void,
): Promise<RestoredCheckpoints | null> {
  const recovery = await findLatest({ storage, verify: verifyRun, verifySegment, listener });
  if (recovery.kind !== "restored") return null;
  return recovery.restored.metadata.checkpointId === damaged?.metadata.checkpointId ? null : recovery;
}

/** What the operators of one attempt start with. */
export interface AttemptStart {
  readonly start: SinkStart;
  restoreOf(operatorId: string, subtaskIndex: number): OperatorRestore | null;
  maxParallelismOf(operatorId: string): number;
}

/** An attempt without a checkpoint. */
export function startWithout(graph: JobGraph, kind: "fresh" | "restart"): AttemptStart {
  const byId = maxParallelisms(graph);
  return { start: { kind }, restoreOf: () => null, maxParallelismOf: (operatorId) => byId.get(operatorId)! };
}

/**
 * An attempt from a checkpoint.
 *
 * @throws {StreamError} If the checkpoint does not fit the graph.
 */
export function startFrom(
  checkpoint: CompletedCheckpoint,
  graph: JobGraph,
  settings: JobSettings,
  storage: CheckpointStorage,
): AttemptStart {
  const { checkpointId, operators } = checkpoint.metadata;
  const targets = graph.vertices.flatMap((vertex) =>
    vertex.operators.map(({ operatorId, node, isTold }) => ({
      id: operatorId,
      name: node.name,
      parallelism: vertex.parallelism,
      maxParallelism: vertex.maxParallelism,
      maxParallelismIsExplicit: settings.maxParallelism !== null,
      takes: takenBy(node, isTold),
    }))
  );
  const assigned = assignState(operators, targets, { ignoreUnclaimed: settings.ignoreUnclaimedState });
  const reader = storage.reader(checkpoint.externalPath);
  return {
    start: { kind: "restore", checkpointId },
    restoreOf: (operatorId, subtaskIndex) => restoreOf(assigned.get(operatorId), subtaskIndex, checkpointId, reader),
    maxParallelismOf: (operatorId) => assigned.get(operatorId)!.maxParallelism,
  };
}

function restoreOf(
  assignment: OperatorAssignment | undefined,
  subtaskIndex: number,
  checkpointId: number,
  reader: OperatorRestore["reader"],
): OperatorRestore | null {
  const subtask = assignment?.subtasks?.[subtaskIndex];
  return subtask === undefined ? null : { checkpointId, keyed: subtask.keyed, lists: subtask.lists, reader };
}

function maxParallelisms(graph: JobGraph): Map<string, number> {
  return new Map(
    graph.vertices.flatMap((vertex) => vertex.operators.map(({ operatorId }) => [operatorId, vertex.maxParallelism])),
  );
}
