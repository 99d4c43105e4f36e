/**
 * Aligns barriers: a channel whose barrier has arrived waits until those of all
 * other channels have, so that a snapshot holds exactly what came before them.
 *
 * Called by: runtime/ (the input gate of a subtask in mode exactly-once).
 * Calls: barrier_handler.ts (types).
 *
 * What it does at the end of an input (`onEnd`) is Flink's and tested, but no gate calls it yet: a source passes barriers
 * on until the job is over, so that channels end with the job and not before.
 *
 * Source: Flink's `SingleCheckpointBarrierHandler`.
 *
 * Invariants:
 * - at most one checkpoint is pending; ids only go up;
 * - a channel is blocked only while the pending checkpoint waits for another one.
 *
 * @module
 */
import type { Barrier, CancelBarrier } from "../core/element.ts";
import {
  AbortedIds,
  type BarrierAction,
  type BarrierHandler,
  type BarrierHandlerOptions,
  NO_ACTIONS,
} from "./barrier_handler.ts";

/** Alignment for exactly-once. */
export class BarrierAligner implements BarrierHandler {
  readonly #feedback: Uint8Array;
  readonly #ended: Uint8Array;
  readonly #arrived: Uint8Array;
  readonly #blocked: Uint8Array;
  readonly #aborted = new AbortedIds();
  readonly #afterTasksFinish: boolean;
  /** Channels that have neither ended nor are feedback. */
  #open: number;
  /** Highest id seen, whatever became of it. */
  #lastId = 0;
  #pending: Barrier | null = null;
  /** Channels that the pending checkpoint waits for. */
  #missing = 0;
  #firstMs = 0;
  /** Channels blocked, in order of arrival. */
  #order: number[] = [];

  /** @throws {RangeError} If there is no channel. */
  constructor({ channels, feedback = [], afterTasksFinish = true }: BarrierHandlerOptions) {
    if (!(Number.isInteger(channels) && channels >= 1)) {
      throw new RangeError(`Cannot align barriers: channels is ${channels}, must be an integer ≥ 1`);
    }
    this.#feedback = new Uint8Array(channels);
    for (const channel of feedback) this.#feedback[channel] = 1;
    this.#ended = new Uint8Array(channels);
    this.#arrived = new Uint8Array(channels);
    this.#blocked = new Uint8Array(channels);
    this.#open = channels - feedback.length;
    this.#afterTasksFinish = afterTasksFinish;
  }

  isBlocked(channel: number): boolean {
    return this.#blocked[channel] === 1;
  }

  onBarrier(channel: number, barrier: Barrier, nowMs: number): readonly BarrierAction[] {
    if (this.#feedback[channel] === 1 || this.#ended[channel] === 1) return NO_ACTIONS;
    const id = barrier.checkpointId;
    if (id < this.#lastId) return NO_ACTIONS;
    if (id === this.#lastId) {
      if (this.#pending === null || this.#arrived[channel] === 1) return NO_ACTIONS;
      return this.#arrive(channel, nowMs, []);
    }
    const actions: BarrierAction[] = this.#pending === null ? [] : this.#abort("subsumed", true);
    this.#lastId = id;
    if (this.#aborted.take(id)) {
      actions.push({ action: "abort", checkpointId: id, reason: "aborted", decline: false });
      return actions;
    }
    this.#pending = barrier;
    this.#missing = this.#open;
    this.#firstMs = nowMs;
    this.#arrived.fill(0);
    return this.#arrive(channel, nowMs, actions);
  }

  onCancel(channel: number, { checkpointId }: CancelBarrier): readonly BarrierAction[] {
    if (this.#feedback[channel] === 1 || checkpointId < this.#lastId) return NO_ACTIONS;
    if (checkpointId === this.#lastId) return this.#pending === null ? NO_ACTIONS : this.#abort("cancelled", false);
    const actions: BarrierAction[] = this.#pending === null ? [] : this.#abort("subsumed", true);
    this.#lastId = checkpointId;
    this.#aborted.take(checkpointId);
    actions.push({ action: "abort", checkpointId, reason: "cancelled", decline: false });
    return actions;
  }

  onEnd(channel: number, nowMs: number): readonly BarrierAction[] {
    if (this.#feedback[channel] === 1 || this.#ended[channel] === 1) return NO_ACTIONS;
    this.#ended[channel] = 1;
    this.#open--;
    if (this.#pending === null) return NO_ACTIONS;
    if (!this.#afterTasksFinish) return this.#abort("input-ended", true);
    if (this.#arrived[channel] === 1) return NO_ACTIONS;
    this.#missing--;
    return this.#missing === 0 ? this.#complete(nowMs, []) : NO_ACTIONS;
  }

  onAborted(checkpointId: number): readonly BarrierAction[] {
    if (checkpointId > this.#lastId) {
      this.#aborted.add(checkpointId);
      return NO_ACTIONS;
    }
    return this.#pending?.checkpointId === checkpointId ? this.#abort("aborted", false) : NO_ACTIONS;
  }

  #arrive(channel: number, nowMs: number, actions: BarrierAction[]): readonly BarrierAction[] {
    this.#arrived[channel] = 1;
    this.#missing--;
    if (this.#missing === 0) return this.#complete(nowMs, actions);
    this.#blocked[channel] = 1;
    this.#order.push(channel);
    actions.push({ action: "block", channel });
    return actions;
  }

  #complete(nowMs: number, actions: BarrierAction[]): readonly BarrierAction[] {
    const barrier = this.#pending;
    if (barrier === null) return actions;
    this.#pending = null;
    actions.push({
      action: "trigger",
      barrier,
      alignmentMs: Math.max(0, nowMs - this.#firstMs),
      startDelayMs: Math.max(0, this.#firstMs - barrier.timestampMs),
    });
    this.#unblock(actions);
    return actions;
  }

  #abort(reason: "subsumed" | "cancelled" | "aborted" | "input-ended", decline: boolean): BarrierAction[] {
    const actions: BarrierAction[] = [{ action: "abort", checkpointId: this.#pending!.checkpointId, reason, decline }];
    this.#pending = null;
    this.#unblock(actions);
    return actions;
  }

  #unblock(actions: BarrierAction[]): void {
    if (this.#order.length === 0) return;
    this.#blocked.fill(0);
    actions.push({ action: "unblock", channels: this.#order });
    this.#order = [];
  }
}
