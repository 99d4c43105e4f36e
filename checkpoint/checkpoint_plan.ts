/**
 * Decides which subtasks a checkpoint starts at and which it waits for.
 *
 * Called by: coordinator.ts.
 * Calls: nothing.
 *
 * @module
 */
import type { SubtaskSnapshot } from "../core/snapshot.ts";
import type { SubtaskRef } from "./storage.ts";

/** An operator of a chain. */
export interface OperatorRef {
  /** The operator's identity across restarts. */
  readonly id: string;
  /** For messages. */
  readonly name: string;
}

/** One subtask as the job sees it now. */
export interface SubtaskStatus extends SubtaskRef {
  /** For messages. */
  readonly vertexName: string;
  readonly parallelism: number;
  readonly maxParallelism: number;
  /** Operators of its chain, in the order of the chain. */
  readonly operators: readonly OperatorRef[];
  /** A source whose input has ended is running until the final checkpoint has completed. */
  readonly status: "created" | "running" | "finished";
  /** Whether no subtask that sends to it is running: then the barrier is given to it instead of flowing to it. */
  readonly predecessorsFinished: boolean;
  /** Its last state when it has finished; null when there is none. */
  readonly finalSnapshot: SubtaskSnapshot | null;
}

/** What a checkpoint is about to do. */
export type CheckpointPlan =
  | {
    readonly action: "take";
    /** Subtasks that are given the barrier. */
    readonly trigger: readonly SubtaskStatus[];
    /** Subtasks that must answer. */
    readonly running: readonly SubtaskStatus[];
    /** Subtasks whose answer is their last state. */
    readonly finished: readonly SubtaskStatus[];
  }
  | { readonly action: "reject"; readonly detail: string };

/** @param afterTasksFinish Whether subtasks may have finished. */
export function planCheckpoint(subtasks: readonly SubtaskStatus[], afterTasksFinish: boolean): CheckpointPlan {
  const trigger: SubtaskStatus[] = [];
  const running: SubtaskStatus[] = [];
  const finished: SubtaskStatus[] = [];
  for (const subtask of subtasks) {
    if (subtask.status === "finished") {
      finished.push(subtask);
    } else if (subtask.status === "running") {
      running.push(subtask);
      if (subtask.predecessorsFinished) trigger.push(subtask);
    } else {
      const which = `"${subtask.vertexName}" (${subtask.subtaskIndex + 1}/${subtask.parallelism})`;
      return { action: "reject", detail: `subtask ${which} is not running yet, all must be; try again later` };
    }
  }
  if (finished.length > 0 && !afterTasksFinish) {
    return {
      action: "reject",
      detail: `${finished.length} subtasks have finished, none may have; ` +
        `set execution.checkpointing.checkpoints-after-tasks-finish`,
    };
  }
  if (trigger.length === 0) {
    return { action: "reject", detail: "no subtask is running, one must be; the job has ended" };
  }
  return { action: "take", trigger, running, finished };
}
