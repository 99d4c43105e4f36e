/**
 * The contract of a trigger: when the function of a window is called, and when what the window holds is forgotten.
 *
 * Called by: users; runtime/windows/trigger_caller.ts.
 * Calls: nothing.
 *
 * @module
 */
import type { MetricGroup } from "../../core/metrics.ts";
import type { ActorTimers } from "../actor.ts";
import type { StateDeclarations, StateOf } from "../process_function.ts";
import type { Window } from "./window.ts";

/**
 * What becomes of a window: nothing; its function is called; what it holds is forgotten without a word; both, in this
 * order. A window that holds nothing is never given to the function.
 */
export type TriggerResult = "continue" | "fire" | "purge" | "fire-and-purge";

/** Declares no state. */
export type NoState = Record<never, never>;

/** What a trigger sees; valid during the call. */
export interface TriggerContext<S = NoState> {
  /** Handles of the declared states, of the current key and window. */
  readonly state: { readonly [N in keyof S]: StateOf<S[N]> };
  /**
   * Timers of the current key and window. A timer of processing time fires when its millisecond is over, so that what
   * arrives within the last millisecond of a window is in it.
   */
  readonly timers: ActorTimers;
  /** Metrics of this operator subtask. */
  readonly metrics: MetricGroup;
}

/** What a trigger sees when windows merge. */
export interface MergeContext<S = NoState> extends TriggerContext<S> {
  /**
   * Moves what the merged windows keep in a list, reducing or aggregating state to the window that they have become.
   *
   * @throws {StreamError} For value and map states, which cannot be merged.
   */
  mergeState(name: keyof S): void;
}

/**
 * Says when a window fires. Keep it free of state of its own: all subtasks share it; what it has to remember it declares
 * in `state`. All methods are synchronous.
 *
 * @example
 * ```ts
 * import { reducingState } from "../../mod.ts";
 * import { type Trigger, type TimeWindow } from "../../windows.ts";
 *
 * const state = { total: reducingState<number>("total", (left, right) => left + right) };
 *
 * // Fires whenever another 100 has been paid, and at the end of the window.
 * const perHundred: Trigger<{ amount: number }, TimeWindow, typeof state> = {
 *   state,
 *   onElement({ amount }, _timestampMs, window, { state: { total }, timers }) {
 *     timers.registerEventTime(window.maxTimestampMs);
 *     total.add(amount);
 *     if ((total.get() ?? 0) < 100) return "continue";
 *     total.clear();
 *     return "fire";
 *   },
 *   onEventTime: (timestampMs, window) => timestampMs === window.maxTimestampMs ? "fire" : "continue",
 *   onMerge: (_window, context) => context.mergeState("total"),
 *   clear(window, { state: { total }, timers }) {
 *     total.clear();
 *     timers.deleteEventTime(window.maxTimestampMs);
 *   },
 * };
 * if (perHundred.onMerge === undefined) throw new Error("it can be used with sessions");
 * ```
 */
export interface Trigger<T = unknown, W extends Window = Window, S extends StateDeclarations = NoState> {
  /** State of the trigger per key and window, by the name under which `context.state` has it. */
  readonly state?: S;
  /** Called for every element of a window, after it was added. */
  onElement(value: T, timestampMs: number, window: W, context: TriggerContext<S>): TriggerResult;
  /** Called when a timer of event time is due; without it, nothing happens. */
  onEventTime?(timestampMs: number, window: W, context: TriggerContext<S>): TriggerResult;
  /** Called when a timer of processing time is due; without it, nothing happens. */
  onProcessingTime?(timestampMs: number, window: W, context: TriggerContext<S>): TriggerResult;
  /**
   * Called when windows have become `window`, before they are cleared; `onElement` follows. A trigger without it cannot
   * be used where windows merge.
   */
  onMerge?(window: W, context: MergeContext<S>): void;
  /** Called when a window goes: must forget state and timers of the trigger. */
  clear(window: W, context: TriggerContext<S>): void;
}
