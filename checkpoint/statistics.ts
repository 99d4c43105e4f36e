/**
 * Remembers how checkpoints went: counts, and the last few in detail.
 *
 * Called by: coordinator.ts; read by the status line, the HTTP API and metrics.
 * Calls: failure.ts.
 *
 * @module
 */
import type { CheckpointType } from "../core/element.ts";
import type { SnapshotFigures } from "../core/snapshot.ts";
import { type CheckpointFailureReason, isCounted } from "./failure.ts";
import type { SubtaskRef } from "./storage.ts";

/** What one subtask's part of a checkpoint has cost. */
export interface SubtaskStatistics extends SubtaskRef, SnapshotFigures {
  /** Making of the barrier to the answer, milliseconds. */
  readonly answerMs: number;
}

/** One checkpoint. */
export interface CheckpointStatistics {
  /** Null when it failed before it had an id. */
  readonly checkpointId: number | null;
  /** Whether the engine owns it or the user. */
  readonly type: CheckpointType;
  /** Whether it was taken after all input had ended. */
  readonly isFinal: boolean;
  /** How far it has come. */
  readonly status: "in-progress" | "completed" | "failed";
  /** Wall clock, milliseconds since the epoch. */
  readonly triggeredMs: number;
  /** To completion or failure, milliseconds; null while in progress. */
  readonly durationMs: number | null;
  /** Subtasks that must answer. */
  readonly subtaskCount: number;
  /** Answers so far, also those that came too late. */
  readonly subtasks: readonly SubtaskStatistics[];
  /** Bytes written for it by the subtasks that have answered. */
  readonly incrementBytes: number;
  /** Bytes that it refers to. */
  readonly fullBytes: number;
  /** Null unless completed. */
  readonly externalPath: string | null;
  /** Null unless failed. */
  readonly failure:
    | { readonly reason: CheckpointFailureReason; readonly message: string; readonly atMs: number }
    | null;
}

/** How checkpoints of a job went so far. */
export interface CheckpointsStatistics {
  /** Since the process began. */
  readonly counts: {
    /** Checkpoints ever asked for, those restored excluded. */
    readonly total: number;
    readonly inProgress: number;
    readonly completed: number;
    /** Those that something has gone wrong with. */
    readonly failed: number;
    /** Those that were not needed any more: the job had ended, or a newer one was there. */
    readonly givenUp: number;
    readonly restored: number;
  };
  /** Newest checkpoint that completed. */
  readonly latestCompleted: CheckpointStatistics | null;
  /** Newest savepoint that completed. */
  readonly latestSavepoint: CheckpointStatistics | null;
  /** Checkpoint or savepoint that failed last. */
  readonly latestFailed: CheckpointStatistics | null;
  /** Null unless the job was restored. */
  readonly restored: { readonly checkpointId: number; readonly externalPath: string; readonly atMs: number } | null;
  /** The last ten, newest first. */
  readonly history: readonly CheckpointStatistics[];
}

const HISTORY = 10;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Keeps the figures; they are read as a copy. */
export class StatisticsLog {
  /** Newest first. */
  #history: Mutable<CheckpointStatistics>[] = [];
  #total = 0;
  #completed = 0;
  #failed = 0;
  #givenUp = 0;
  #restoredCount = 0;
  #latestCompleted: CheckpointStatistics | null = null;
  #latestSavepoint: CheckpointStatistics | null = null;
  #latestFailed: CheckpointStatistics | null = null;
  #restored: CheckpointsStatistics["restored"] = null;

  /** A checkpoint has started. */
  triggered(
    checkpointId: number | null,
    start: Pick<CheckpointStatistics, "type" | "isFinal" | "triggeredMs" | "subtaskCount">,
  ): void {
    this.#total++;
    this.#history.unshift({
      ...start,
      checkpointId,
      status: "in-progress",
      durationMs: null,
      subtasks: [],
      incrementBytes: 0,
      fullBytes: 0,
      externalPath: null,
      failure: null,
    });
    this.#history.length = Math.min(this.#history.length, HISTORY);
  }

  /** A subtask has answered, perhaps too late. */
  answered(checkpointId: number, ref: SubtaskRef, figures: SnapshotFigures, atMs: number): void {
    const entry = this.#find(checkpointId);
    if (entry === undefined) return;
    const { vertexId, subtaskIndex } = ref;
    const answerMs = Math.max(0, atMs - entry.triggeredMs);
    entry.subtasks = [...entry.subtasks, { ...figures, vertexId, subtaskIndex, answerMs }];
    entry.incrementBytes += figures.incrementBytes;
    entry.fullBytes += figures.fullBytes;
  }

  /** A checkpoint is durable. */
  completed(checkpointId: number, externalPath: string, durationMs: number, fullBytes: number): void {
    this.#completed++;
    const entry = this.#find(checkpointId);
    if (entry === undefined) return;
    Object.assign(entry, { status: "completed", externalPath, durationMs, fullBytes });
    if (entry.type === "savepoint") this.#latestSavepoint = entry;
    else this.#latestCompleted = entry;
  }

  /** A checkpoint has failed, or was given up. */
  failed(checkpointId: number | null, reason: CheckpointFailureReason, message: string, atMs: number): void {
    if (isCounted(reason)) this.#failed++;
    else this.#givenUp++;
    const entry = checkpointId === null ? this.#history[0] : this.#find(checkpointId);
    if (entry === undefined) return;
    const durationMs = Math.max(0, atMs - entry.triggeredMs);
    Object.assign(entry, { status: "failed", durationMs, failure: { reason, message, atMs } });
    this.#latestFailed = entry;
  }

  /** The job was restored. */
  restored(checkpointId: number, externalPath: string, atMs: number): void {
    this.#restoredCount++;
    this.#restored = { checkpointId, externalPath, atMs };
  }

  /** The figures as they are now; never changes afterwards. */
  snapshot(): CheckpointsStatistics {
    const copy = (entry: CheckpointStatistics | null) => entry === null ? null : { ...entry };
    return {
      counts: {
        total: this.#total,
        inProgress: this.#total - this.#completed - this.#failed - this.#givenUp,
        completed: this.#completed,
        failed: this.#failed,
        givenUp: this.#givenUp,
        restored: this.#restoredCount,
      },
      latestCompleted: copy(this.#latestCompleted),
      latestSavepoint: copy(this.#latestSavepoint),
      latestFailed: copy(this.#latestFailed),
      restored: this.#restored,
      history: this.#history.map((entry) => ({ ...entry })),
    };
  }

  #find(checkpointId: number): Mutable<CheckpointStatistics> | undefined {
    return this.#history.find((entry) => entry.checkpointId === checkpointId);
  }
}
