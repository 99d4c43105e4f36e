/**
 * Remembers how checkpoints went: counts, and the last few in detail.
 *
 * Called by: coordinator.ts; read by the status line, the HTTP API and metrics.
 * Calls: failure.ts, statistics_summary.ts.
 *
 * @module
 */
import type { CheckpointType, SavepointFormat } from "../core/element.ts";
import type { SnapshotFigures } from "../core/snapshot.ts";
import type { CheckpointProperties } from "./checkpoint_properties.ts";
import type { CompletedCheckpoint } from "./completed_checkpoint.ts";
import { type CheckpointFailureReason, isCounted } from "./failure.ts";
import { type FigureSummary, RollingSummary } from "./statistics_summary.ts";
import type { SubtaskRef } from "./storage.ts";
import type { StoredCheckpoint } from "./under_way.ts";

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
  /** How a savepoint is written; null for a checkpoint. */
  readonly format: SavepointFormat | null;
  /** Whether it is a savepoint with which the job was to stop. */
  readonly stops: boolean;
  /** Whether it was taken after all input had ended. */
  readonly isFinal: boolean;
  /** Whether it stands alone, referring to no file of an earlier one. */
  readonly full: boolean;
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
  /** When the last answer came, milliseconds since the epoch; null before the first. */
  readonly latestAnswerMs: number | null;
  /** Bytes written for it by the subtasks that have answered. */
  readonly incrementBytes: number;
  /** Bytes that it refers to. */
  readonly fullBytes: number;
  /** Null unless completed. */
  readonly externalPath: string | null;
  /** Whether its files were deleted since, as newer ones had taken its place. */
  readonly isDiscarded: boolean;
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
  readonly restored: {
    readonly checkpointId: number;
    readonly type: CheckpointType;
    readonly externalPath: string;
    /** Milliseconds since the epoch. */
    readonly atMs: number;
  } | null;
  /** Of all that completed, savepoints among them. */
  readonly summary: {
    /** Bytes written for it. */
    readonly incrementBytes: FigureSummary;
    /** Bytes that it refers to. */
    readonly fullBytes: FigureSummary;
    /** From its start to its completion, milliseconds. */
    readonly durationMs: FigureSummary;
  };
  /** Folders of checkpoints and savepoints that the job may go back to, newest first: nobody else may remove them. */
  readonly neededPaths: readonly string[];
  /** The last few, newest first: as many as `web.checkpoints.history` says. */
  readonly history: readonly CheckpointStatistics[];
}

/** Checkpoints in the history unless told otherwise. */
export const DEFAULT_HISTORY = 10;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** What is known of a checkpoint when it starts. */
export interface StartedCheckpoint {
  readonly properties: Pick<CheckpointProperties, "type" | "format" | "synchronous" | "isFinal">;
  readonly full: boolean;
  /** Wall clock, milliseconds since the epoch. */
  readonly triggeredMs: number;
  /** Subtasks that must answer. */
  readonly subtaskCount: number;
}

/** Keeps the figures; they are read as a copy. */
export class StatisticsLog {
  readonly #length: number;
  readonly #summary: Readonly<Record<keyof CheckpointsStatistics["summary"], RollingSummary>>;
  /** Newest first. */
  #history: Mutable<CheckpointStatistics>[] = [];
  /** By id; they may have left the history. */
  readonly #inProgress = new Map<number, Mutable<CheckpointStatistics>>();
  /** The last request that has no id; it fails at once. */
  #unnamed: Mutable<CheckpointStatistics> | undefined;
  #total = 0;
  #completed = 0;
  #failed = 0;
  #givenUp = 0;
  #restoredCount = 0;
  #latestCompleted: CheckpointStatistics | null = null;
  #latestSavepoint: CheckpointStatistics | null = null;
  #latestFailed: CheckpointStatistics | null = null;
  #restored: CheckpointsStatistics["restored"] = null;

  /** @param length Checkpoints in the history, ≥ 0. */
  constructor(length: number = DEFAULT_HISTORY) {
    this.#length = length;
    const window = Math.max(1, length);
    this.#summary = {
      incrementBytes: new RollingSummary(window),
      fullBytes: new RollingSummary(window),
      durationMs: new RollingSummary(window),
    };
  }

  /** A checkpoint has started; with a null id, a request for one that cannot. */
  triggered(checkpointId: number | null, { properties, full, triggeredMs, subtaskCount }: StartedCheckpoint): void {
    this.#total++;
    const { type, format, synchronous, isFinal } = properties;
    const entry: Mutable<CheckpointStatistics> = {
      checkpointId,
      type,
      format,
      stops: type === "savepoint" && synchronous,
      isFinal,
      full,
      status: "in-progress",
      triggeredMs,
      durationMs: null,
      subtaskCount,
      subtasks: [],
      latestAnswerMs: null,
      incrementBytes: 0,
      fullBytes: 0,
      externalPath: null,
      isDiscarded: false,
      failure: null,
    };
    if (checkpointId === null) this.#unnamed = entry;
    else this.#inProgress.set(checkpointId, entry);
    this.#history.unshift(entry);
    this.#history.length = Math.min(this.#history.length, this.#length);
  }

  /** A subtask has answered, perhaps too late. */
  answered(checkpointId: number, ref: SubtaskRef, figures: SnapshotFigures, atMs: number): void {
    const entry = this.#find(checkpointId);
    if (entry === undefined) return;
    const { vertexId, subtaskIndex } = ref;
    const answerMs = Math.max(0, atMs - entry.triggeredMs);
    entry.subtasks = [...entry.subtasks, { ...figures, vertexId, subtaskIndex, answerMs }];
    entry.latestAnswerMs = atMs;
    entry.incrementBytes += figures.incrementBytes;
    entry.fullBytes += figures.fullBytes;
  }

  /** A checkpoint is durable. */
  completed(
    checkpointId: number,
    { externalPath, durationMs, incrementBytes, fullBytes }: StoredCheckpoint,
  ): void {
    this.#completed++;
    this.#summary.incrementBytes.add(incrementBytes);
    this.#summary.fullBytes.add(fullBytes);
    this.#summary.durationMs.add(durationMs);
    const entry = this.#find(checkpointId);
    if (entry === undefined) return;
    this.#inProgress.delete(checkpointId);
    Object.assign(entry, { status: "completed", externalPath, durationMs, incrementBytes, fullBytes });
    if (entry.type === "savepoint") this.#latestSavepoint = entry;
    else this.#latestCompleted = entry;
  }

  /** Files of checkpoints were deleted. */
  discarded(checkpointIds: readonly number[]): void {
    for (const entry of this.#history) {
      if (entry.checkpointId === null || !checkpointIds.includes(entry.checkpointId)) continue;
      entry.isDiscarded = entry.status === "completed";
    }
  }

  /** A checkpoint has failed, or was given up; with a null id, the one that was told last. */
  failed(checkpointId: number | null, failure: NonNullable<CheckpointStatistics["failure"]>): void {
    if (isCounted(failure.reason)) this.#failed++;
    else this.#givenUp++;
    const entry = checkpointId === null ? this.#unnamed : this.#find(checkpointId);
    if (entry === undefined) return;
    if (checkpointId !== null) this.#inProgress.delete(checkpointId);
    const durationMs = Math.max(0, failure.atMs - entry.triggeredMs);
    Object.assign(entry, { status: "failed", durationMs, failure });
    this.#latestFailed = entry;
  }

  /** The job was restored. */
  restored({ metadata: { checkpointId, type }, externalPath }: CompletedCheckpoint, atMs: number): void {
    this.#restoredCount++;
    this.#restored = { checkpointId, type, externalPath, atMs };
  }

  /** The figures as they are now; never changes afterwards. @param neededPaths Folders that the job may go back to. */
  snapshot(neededPaths: readonly string[] = []): CheckpointsStatistics {
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
      summary: {
        incrementBytes: this.#summary.incrementBytes.snapshot(),
        fullBytes: this.#summary.fullBytes.snapshot(),
        durationMs: this.#summary.durationMs.snapshot(),
      },
      neededPaths,
      history: this.#history.map((entry) => ({ ...entry })),
    };
  }

  #find(checkpointId: number): Mutable<CheckpointStatistics> | undefined {
    return this.#inProgress.get(checkpointId) ?? this.#history.find((entry) => entry.checkpointId === checkpointId);
  }
}
