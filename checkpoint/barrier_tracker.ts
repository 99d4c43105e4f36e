/**
 * Counts barriers without blocking anything: a checkpoint is taken when the
 * last channel's barrier has come, so records behind earlier ones may be in it.
 *
 * Called by: runtime/ (the input gate of a subtask in mode at-least-once).
 * Calls: barrier_handler.ts (types).
 *
 * What it does at the end of an input (`onEnd`) is Flink's and tested, but no gate calls it yet: a source passes barriers
 * on until the job is over, so that channels end with the job and not before.
 *
 * Source: Flink's `CheckpointBarrierTracker`.
 *
 * Invariants:
 * - pending ids go up; at most MAX_PENDING are kept;
 * - a checkpoint is triggered at most once and aborted at most once, never both.
 *
 * @module
 */
import type { Barrier, CancelBarrier } from "../core/element.ts";
import {
  AbortedIds,
  type BarrierAbortReason,
  type BarrierAction,
  type BarrierHandler,
  type BarrierHandlerOptions,
  NO_ACTIONS,
} from "./barrier_handler.ts";

/** Most checkpoints that are counted at once; the oldest goes first. */
const MAX_PENDING = 50;

interface Pending {
  readonly id: number;
  /** Null while only a cancellation has been seen. */
  barrier: Barrier | null;
  readonly arrived: Uint8Array;
  firstMs: number;
  /** Stays in the list until all barriers have come, so that late ones do not start it again. */
  aborted: boolean;
}

/** Tracking for at-least-once. */
export class BarrierTracker implements BarrierHandler {
  readonly #feedback: Uint8Array;
  readonly #ended: Uint8Array;
  readonly #aborted = new AbortedIds();
  readonly #afterTasksFinish: boolean;
  /** By id, ascending. */
  #pending: Pending[] = [];
  /** Ids up to this one are no longer started. */
  #lastId = 0;

  /** @throws {RangeError} If there is no channel. */
  constructor({ channels, feedback = [], afterTasksFinish = true }: BarrierHandlerOptions) {
    if (!(Number.isInteger(channels) && channels >= 1)) {
      throw new RangeError(`Cannot track barriers: channels is ${channels}, must be an integer ≥ 1`);
    }
    this.#feedback = new Uint8Array(channels);
    for (const channel of feedback) this.#feedback[channel] = 1;
    this.#ended = new Uint8Array(channels);
    this.#afterTasksFinish = afterTasksFinish;
  }

  /** Always false. */
  isBlocked(_channel: number): boolean {
    return false;
  }

  /** Number of checkpoints that are being counted, those aborted included. */
  get pendingCount(): number {
    return this.#pending.length;
  }

  onBarrier(channel: number, barrier: Barrier, nowMs: number): readonly BarrierAction[] {
    if (this.#feedback[channel] === 1 || this.#ended[channel] === 1) return NO_ACTIONS;
    const id = barrier.checkpointId;
    let pending = this.#pending.find((one) => one.id === id);
    const actions: BarrierAction[] = [];
    if (pending === undefined) {
      if (id <= this.#lastId) return NO_ACTIONS;
      pending = this.#start(id, actions);
      if (this.#aborted.take(id)) {
        pending.aborted = true;
        actions.push({ action: "abort", checkpointId: id, reason: "aborted", decline: false });
      }
    }
    if (pending.barrier === null) {
      pending.barrier = barrier;
      pending.firstMs = nowMs;
    }
    pending.arrived[channel] = 1;
    if (this.#isComplete(pending)) this.#complete(pending, nowMs, actions);
    return actions;
  }

  onCancel(channel: number, { checkpointId }: CancelBarrier): readonly BarrierAction[] {
    if (this.#feedback[channel] === 1) return NO_ACTIONS;
    let pending = this.#pending.find((one) => one.id === checkpointId);
    if (pending === undefined && checkpointId <= this.#lastId) return NO_ACTIONS;
    const actions: BarrierAction[] = [];
    while (this.#pending.length > 0 && this.#pending[0]!.id < checkpointId) {
      this.#markAborted(this.#pending.shift()!, "subsumed", true, actions);
    }
    pending ??= this.#start(checkpointId, actions);
    this.#aborted.take(checkpointId);
    this.#markAborted(pending, "cancelled", false, actions);
    // The cancellation stands for the barrier that this channel will not send.
    pending.arrived[channel] = 1;
    if (this.#isComplete(pending)) this.#pending = this.#pending.filter((one) => one !== pending);
    return actions;
  }

  onEnd(channel: number, nowMs: number): readonly BarrierAction[] {
    if (this.#feedback[channel] === 1 || this.#ended[channel] === 1) return NO_ACTIONS;
    this.#ended[channel] = 1;
    const actions: BarrierAction[] = [];
    if (!this.#afterTasksFinish) {
      for (const pending of this.#pending) this.#markAborted(pending, "input-ended", true, actions);
      this.#pending = [];
      return actions;
    }
    const newest = this.#pending.findLast((pending) => !pending.aborted && this.#isComplete(pending));
    if (newest !== undefined) this.#complete(newest, nowMs, actions);
    this.#pending = this.#pending.filter((pending) => !this.#isComplete(pending));
    return actions;
  }

  onAborted(checkpointId: number): readonly BarrierAction[] {
    const actions: BarrierAction[] = [];
    const pending = this.#pending.find((one) => one.id === checkpointId);
    if (pending !== undefined) this.#markAborted(pending, "aborted", false, actions);
    else if (checkpointId > this.#lastId) this.#aborted.add(checkpointId);
    return actions;
  }

  #start(id: number, actions: BarrierAction[]): Pending {
    const pending: Pending = {
      id,
      barrier: null,
      arrived: new Uint8Array(this.#feedback.length),
      firstMs: 0,
      aborted: false,
    };
    this.#lastId = Math.max(this.#lastId, id);
    this.#pending.push(pending);
    if (this.#pending.length > MAX_PENDING) this.#markAborted(this.#pending.shift()!, "subsumed", true, actions);
    return pending;
  }

  /** Takes it and drops those before it. */
  #complete(pending: Pending, nowMs: number, actions: BarrierAction[]): void {
    const at = this.#pending.indexOf(pending);
    if (pending.aborted || pending.barrier === null) {
      this.#pending.splice(at, 1);
      return;
    }
    for (const older of this.#pending.splice(0, at + 1)) {
      if (older !== pending) this.#markAborted(older, "subsumed", true, actions);
    }
    actions.push({
      action: "trigger",
      barrier: pending.barrier,
      alignmentMs: Math.max(0, nowMs - pending.firstMs),
      startDelayMs: Math.max(0, pending.firstMs - pending.barrier.timestampMs),
    });
  }

  #markAborted(pending: Pending, reason: BarrierAbortReason, decline: boolean, actions: BarrierAction[]): void {
    if (pending.aborted) return;
    pending.aborted = true;
    actions.push({ action: "abort", checkpointId: pending.id, reason, decline });
  }

  #isComplete({ arrived }: Pending): boolean {
    for (let channel = 0; channel < arrived.length; channel++) {
      if (arrived[channel] === 0 && this.#ended[channel] === 0 && this.#feedback[channel] === 0) return false;
    }
    return true;
  }
}
