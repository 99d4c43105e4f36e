/**
 * Collects the answers to one checkpoint and decides when all are there.
 *
 * Called by: coordinator.ts.
 * Calls: nothing; does no I/O and knows no time.
 *
 * Invariants:
 * - each running subtask answers once; finished ones have answered from the start.
 *
 * @module
 */
import type { Barrier } from "../core/element.ts";
import type { SnapshotFigures, SubtaskSnapshot } from "../core/snapshot.ts";
import type { CheckpointPlan, SubtaskStatus } from "./checkpoint_plan.ts";
import type { CheckpointMetadata, JobStart, OperatorCheckpoint, SubtaskEntry } from "./completed_checkpoint.ts";
import type { CheckpointProperties } from "./checkpoint_properties.ts";
import { compareText } from "./metadata.ts";
import type { SubtaskRef } from "./storage.ts";

/** What the coordinator must do after one acknowledgement. */
export type AckDecision =
  | { readonly action: "wait"; readonly missing: number }
  | { readonly action: "complete" }
  | { readonly action: "ignore"; readonly reason: "duplicate" | "unknown-subtask" };

/** One answer. */
export interface SubtaskAnswer {
  readonly subtask: SubtaskStatus;
  readonly figures: SnapshotFigures;
}

/** Key of a subtask in maps. */
export function keyOf({ vertexId, subtaskIndex }: SubtaskRef): string {
  return `${subtaskIndex} ${vertexId}`;
}

/** A checkpoint that is under way. */
export class PendingCheckpoint {
  readonly barrier: Barrier;
  readonly properties: CheckpointProperties;
  readonly #plan: CheckpointPlan & { readonly action: "take" };
  readonly #expected = new Map<string, SubtaskStatus>();
  readonly #snapshots = new Map<string, SubtaskSnapshot>();
  readonly #answers: SubtaskAnswer[] = [];

  /** Finished subtasks have answered already. */
  constructor(barrier: Barrier, properties: CheckpointProperties, plan: CheckpointPlan & { readonly action: "take" }) {
    this.barrier = barrier;
    this.properties = properties;
    this.#plan = plan;
    for (const subtask of plan.running) this.#expected.set(keyOf(subtask), subtask);
  }

  /** Number of subtasks that have not answered. */
  get missing(): number {
    return this.#expected.size - this.#answers.length;
  }

  /** Number of subtasks that must answer. */
  get total(): number {
    return this.#expected.size;
  }

  /** Answers so far, in order of arrival. */
  get answers(): readonly SubtaskAnswer[] {
    return this.#answers;
  }

  /** Subtasks that have not answered. */
  waitingFor(): SubtaskStatus[] {
    return [...this.#expected].filter(([key]) => !this.#snapshots.has(key)).map(([, subtask]) => subtask);
  }

  /** Says which subtasks have not answered in time; at most three by name. */
  describeExpiry(timeoutMs: number): string {
    const names = this.waitingFor().map((subtask) => this.nameOf(subtask));
    const shown = `${names.slice(0, 3).join(", ")}${names.length > 3 ? ", …" : ""}`;
    return `${names.length} of ${this.total} subtasks have not answered within ${timeoutMs} ms (${shown})`;
  }

  /** Name of a subtask, for messages. */
  nameOf(ref: SubtaskRef): string {
    const { vertexName = ref.vertexId, parallelism = "?" } = this.#expected.get(keyOf(ref)) ?? {};
    return `"${vertexName}" (${ref.subtaskIndex + 1}/${parallelism})`;
  }

  /** Whether it must answer and has not. */
  waitsFor(ref: SubtaskRef): boolean {
    const key = keyOf(ref);
    return this.#expected.has(key) && !this.#snapshots.has(key);
  }

  /** Takes the answer of a subtask. */
  acknowledge(ref: SubtaskRef, snapshot: SubtaskSnapshot, figures: SnapshotFigures): AckDecision {
    const key = keyOf(ref);
    const subtask = this.#expected.get(key);
    if (subtask === undefined) return { action: "ignore", reason: "unknown-subtask" };
    if (this.#snapshots.has(key)) return { action: "ignore", reason: "duplicate" };
    this.#snapshots.set(key, snapshot);
    this.#answers.push({ subtask, figures });
    return this.missing === 0 ? { action: "complete" } : { action: "wait", missing: this.missing };
  }

  /**
   * What goes into the metadata.
   *
   * @throws {Error} If an answer is missing: a defect of the caller.
   */
  metadata(job: JobStart): CheckpointMetadata {
    if (this.missing > 0) {
      throw new Error(
        `Cannot complete checkpoint ${this.barrier.checkpointId}: ${this.missing} answers are missing, none may be`,
      );
    }
    const { checkpointId, timestampMs, type, format } = this.barrier;
    const { isFinal } = this.properties;
    return { checkpointId, timestampMs, type, format, isFinal, job, operators: this.#operators() };
  }

  #operators(): OperatorCheckpoint[] {
    const operators = new Map<string, { subtask: SubtaskStatus; name: string; entries: SubtaskEntry[] }>();
    for (const subtask of [...this.#plan.running, ...this.#plan.finished]) {
      const finished = subtask.status === "finished";
      const snapshots = finished ? subtask.finalSnapshot : this.#snapshots.get(keyOf(subtask));
      for (const { id, name } of subtask.operators) {
        let operator = operators.get(id);
        if (operator === undefined) {
          operator = { subtask, name, entries: [] };
          operators.set(id, operator);
        }
        const snapshot = snapshots?.get(id);
        const empty = snapshot === undefined || (snapshot.keyed === null && Object.keys(snapshot.lists).length === 0);
        operator.entries[subtask.subtaskIndex] = { finished, snapshot: empty ? null : snapshot };
      }
    }
    const all = [...operators].map(([id, { subtask, name, entries }]) => ({
      id,
      name,
      parallelism: subtask.parallelism,
      maxParallelism: subtask.maxParallelism,
      finished: entries.every((entry) => entry.finished),
      subtasks: entries,
    }));
    return all.sort((a, b) => compareText(a.id, b.id));
  }
}
