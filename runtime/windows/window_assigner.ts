/**
 * The contract of a window assigner: which windows an element belongs to.
 *
 * Called by: users; runtime/windows/window_operator.ts.
 * Calls: nothing.
 *
 * @module
 */
import type { TimeDomain } from "../actor.ts";
import type { Trigger } from "./trigger.ts";
import type { MergedWindows, TimeWindow, Window } from "./window.ts";

/** What an assigner can ask. */
export interface AssignerContext {
  /** The wall clock, milliseconds since the epoch. */
  currentProcessingTime(): number;
}

/** Says which windows an element belongs to. Keep it free of state: all subtasks share it. */
export interface WindowAssigner<T = unknown, W extends Window = TimeWindow> {
  /** What its windows are pieces of: time of the elements, or of the wall clock. */
  readonly domain: TimeDomain;
  /** Called once for each element; synchronous. May return none; those that it returns are `TimeWindow`s or `GLOBAL_WINDOW`. */
  assign(value: T, timestampMs: number, context: AssignerContext): readonly W[];
  /** The trigger of windows for which none is set. */
  defaultTrigger(): Trigger;
  /**
   * Present if windows of a key merge: says which of them do. Sessions join all that overlap or touch.
   *
   * @param windows The windows of a key that exist, and the one of the element in hand.
   */
  merge?(windows: readonly TimeWindow[]): readonly MergedWindows[];
}
