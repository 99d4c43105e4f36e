/**
 * Declares what an input gate asks when a barrier arrives, and what it is told
 * to do.
 *
 * Called by: runtime/ (the input gate of a subtask); implemented by
 * barrier_aligner.ts (exactly-once) and barrier_tracker.ts (at-least-once).
 * Calls: nothing.
 *
 * @module
 */
import type { Barrier, CancelBarrier } from "../core/element.ts";

/** Why a subtask does not take part in a checkpoint. */
export type BarrierAbortReason =
  /** A newer checkpoint has begun before all its barriers were there. */
  | "subsumed"
  /** An upstream subtask has cancelled it. */
  | "cancelled"
  /** The coordinator has aborted it. */
  | "aborted"
  /** An input ended during it and checkpoints with finished subtasks are off. */
  | "input-ended";

/** One thing that the gate must do now. */
export type BarrierAction =
  /** Take nothing from this channel until it is unblocked. */
  | { readonly action: "block"; readonly channel: number }
  /** Go on with these channels, in this order. */
  | { readonly action: "unblock"; readonly channels: readonly number[] }
  /** Take the snapshot and forward the barrier, before anything else is processed. */
  | {
    readonly action: "trigger";
    readonly barrier: Barrier;
    /** First to last barrier, milliseconds; 0 with a single channel. */
    readonly alignmentMs: number;
    /** Making of the barrier to its first arrival, milliseconds. */
    readonly startDelayMs: number;
  }
  /** The checkpoint will not happen here: always forward a `CancelBarrier`. */
  | {
    readonly action: "abort";
    readonly checkpointId: number;
    readonly reason: BarrierAbortReason;
    /** Whether the coordinator must be told; otherwise it knows. */
    readonly decline: boolean;
  };

/** Nothing to do. */
export const NO_ACTIONS: readonly BarrierAction[] = Object.freeze([]);

/** What a handler is made for. */
export interface BarrierHandlerOptions {
  /** Number of input channels, ≥ 1; they are numbered from 0. */
  readonly channels: number;
  /** Channels whose barriers do not count and which are never blocked. */
  readonly feedback?: readonly number[];
  /** Whether the end of an input stands for its barrier; true when absent. Otherwise it aborts what is pending. */
  readonly afterTasksFinish?: boolean;
}

/** Decides what barriers on several channels mean. Actions are to be carried out in order. */
export interface BarrierHandler {
  /** A barrier has arrived. @param nowMs Wall clock. */
  onBarrier(channel: number, barrier: Barrier, nowMs: number): readonly BarrierAction[];
  /** An upstream subtask says that a checkpoint will not happen. */
  onCancel(channel: number, cancel: CancelBarrier): readonly BarrierAction[];
  /** A channel has ended. @param nowMs Wall clock. */
  onEnd(channel: number, nowMs: number): readonly BarrierAction[];
  /** The coordinator says that a checkpoint has failed. */
  onAborted(checkpointId: number): readonly BarrierAction[];
  /** Whether nothing may be taken from the channel. */
  isBlocked(channel: number): boolean;
}

/** Most ids that are remembered as aborted before their barrier came. */
const MAX_REMEMBERED = 128;

/** Checkpoints that were aborted before their first barrier arrived; bounded, oldest forgotten first. */
export class AbortedIds {
  readonly #ids = new Set<number>();

  /** Number of ids remembered. */
  get size(): number {
    return this.#ids.size;
  }

  /** Remembers an id. */
  add(checkpointId: number): void {
    this.#ids.add(checkpointId);
    if (this.#ids.size <= MAX_REMEMBERED) return;
    let oldest = checkpointId;
    for (const id of this.#ids) oldest = Math.min(oldest, id);
    this.#ids.delete(oldest);
  }

  /** Whether the id was remembered; forgets it and all lower ones. */
  take(checkpointId: number): boolean {
    if (this.#ids.size === 0) return false;
    const found = this.#ids.has(checkpointId);
    for (const id of this.#ids) if (id <= checkpointId) this.#ids.delete(id);
    return found;
  }
}
