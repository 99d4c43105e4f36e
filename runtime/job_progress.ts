/**
 * Names the states of a job and says how far it has come.
 *
 * Called by: runtime/job.ts, runtime/job_run.ts; read by control/.
 * Calls: nothing.
 *
 * @module
 */
import type { CheckpointsStatistics } from "../checkpoint/statistics.ts";
import { MIN_WATERMARK } from "../core/element.ts";
import type { Attempt } from "./attempt.ts";

/** Where a job is in its life: `stopping` gracefully, `cancelling` at once. The last four are ends. */
export type JobState =
  | "starting"
  | "running"
  | "restarting"
  | "stopping"
  | "cancelling"
  | "finished"
  | "stopped"
  | "cancelled"
  | "failed";

/** How a job has ended. A failed one has no result: its promise rejects. */
export interface JobResult {
  /** Name that the job was started with. */
  readonly name: string;
  /** `finished`: all input was read; `stopped`: after a last checkpoint or a savepoint; `cancelled`: at once. */
  readonly state: "finished" | "stopped" | "cancelled";
  /** Newest checkpoint, null when there is none. */
  readonly lastCheckpointId: number | null;
  /** How many times the job was restarted. */
  readonly restarts: number;
  /** Folder of the savepoint with which it was stopped; null when it ended in another way. */
  readonly savepointPath: string | null;
}

/** How far a job has come. Counters start at 0 with the process and do not go back at a restart. */
export interface JobProgress {
  /** Name that the job was started with. */
  readonly name: string;
  /** Where it is in its life. */
  readonly state: JobState;
  /** Records that sources have read. */
  readonly recordsIn: number;
  /** Records that sinks have been given. */
  readonly recordsOut: number;
  /** Malformed records that were skipped. */
  readonly recordsSkipped: number;
  /** The smallest watermark of all sources, milliseconds since the epoch; undefined before the first one. */
  readonly watermarkMs: number | undefined;
  /** Newest completed checkpoint: what it wrote and how long it took; undefined before the first one. */
  readonly lastCheckpoint: { readonly id: number; readonly sizeBytes: number; readonly durationMs: number } | undefined;
  /** Checkpoints that completed since the process began. */
  readonly checkpointsCompleted: number;
  /** Checkpoints that failed since the process began; not those that were given up because the job had ended. */
  readonly checkpointsFailed: number;
  /** Restarts after failures since the process began. */
  readonly restarts: number;
  /** Work of all sources in any unit, when every source knows its own; undefined otherwise. */
  readonly sources: { readonly done: number; readonly total: number } | undefined;
  /** Where output goes, one text per sink that knows. */
  readonly outputs: readonly string[];
}

/** Records counted over all attempts. */
export interface RecordTotals {
  readonly recordsIn: number;
  readonly recordsOut: number;
  readonly recordsSkipped: number;
}

/** Records that an attempt has moved. */
export function totalsOf(attempt: Attempt | null): RecordTotals {
  const sum = (operators: readonly { readonly recordCount: number }[]): number =>
    operators.reduce((total, operator) => total + operator.recordCount, 0);
  const sources = attempt?.sources() ?? [];
  const recordsSkipped = sources.reduce((total, source) => total + source.malformedCount, 0);
  return { recordsIn: sum(sources), recordsOut: sum(attempt?.sinks() ?? []), recordsSkipped };
}

/** Whether it is an end. */
export function isEnd(state: JobState): state is JobResult["state"] | "failed" {
  return state === "finished" || state === "stopped" || state === "cancelled" || state === "failed";
}

/** Both together. */
export function addTotals(left: RecordTotals, right: RecordTotals): RecordTotals {
  return {
    recordsIn: left.recordsIn + right.recordsIn,
    recordsOut: left.recordsOut + right.recordsOut,
    recordsSkipped: left.recordsSkipped + right.recordsSkipped,
  };
}

/** How far a job has come. @param former What the attempts before this one have moved. */
export function progressOf(
  job: Pick<JobProgress, "name" | "state" | "restarts" | "outputs"> & { readonly former: RecordTotals },
  attempt: Attempt | null,
  statistics: CheckpointsStatistics,
): JobProgress {
  const { name, state, restarts, outputs, former } = job;
  return {
    name,
    state,
    ...addTotals(former, totalsOf(attempt)),
    watermarkMs: watermarkOf(attempt),
    lastCheckpoint: lastCheckpointOf(statistics),
    checkpointsCompleted: statistics.counts.completed,
    checkpointsFailed: statistics.counts.failed,
    restarts,
    sources: workOf(attempt),
    outputs,
  };
}

/** The smallest watermark of the sources; undefined before the first. */
function watermarkOf(attempt: Attempt | null): number | undefined {
  const watermarks = (attempt?.sources() ?? []).map((source) => source.watermarkMs);
  const smallest = Math.min(...watermarks);
  return watermarks.length === 0 || smallest === MIN_WATERMARK ? undefined : smallest;
}

/** Work of all sources, when all know. */
function workOf(attempt: Attempt | null): { done: number; total: number } | undefined {
  const sources = attempt?.sources() ?? [];
  let done = 0;
  let total = 0;
  for (const source of sources) {
    const progress = source.reader?.progress?.() ?? null;
    if (progress === null) return undefined;
    done += progress.done;
    total += progress.total;
  }
  return sources.length === 0 ? undefined : { done, total };
}

/** The newest completed checkpoint, for people. */
function lastCheckpointOf({ latestCompleted: last }: CheckpointsStatistics): JobProgress["lastCheckpoint"] {
  if (last === null || last.checkpointId === null) return undefined;
  return { id: last.checkpointId, sizeBytes: last.incrementBytes, durationMs: last.durationMs ?? 0 };
}
