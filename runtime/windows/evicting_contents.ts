/**
 * Contents of windows with an evictor: every element with its time, folded only when the window fires.
 *
 * Called by: runtime/windows/window_operator.ts.
 * Calls: the state backend, the user's evictor.
 *
 * @module
 */
import { listState } from "../../core/descriptors.ts";
import type { ListState, MergingState } from "../../core/state.ts";
import type { KeyedStates } from "../keyed_states.ts";
import type { Evictor, EvictorContext, TimestampedElement } from "./evictor.ts";
import type { Window } from "./window.ts";
import { ContentsInState } from "./window_contents.ts";

type Stored<T> = readonly [value: T, timestampMs: number];

/** Elements with their times. */
export class EvictingContents<T> extends ContentsInState<T, readonly TimestampedElement<T>[]> {
  protected override readonly state: ListState<Stored<T>> & MergingState;

  constructor(
    states: KeyedStates,
    private readonly evictor: Evictor<T, Window>,
    private readonly context: EvictorContext,
  ) {
    super();
    this.state = states.open(listState<Stored<T>>("_window/elements"));
  }

  add(value: T, timestampMs: number): boolean {
    this.state.add([value, timestampMs]);
    return true;
  }

  kept(): readonly TimestampedElement<T>[] | undefined {
    const stored = this.state.get();
    return stored.length === 0 ? undefined : stored.map(([value, timestampMs]) => ({ value, timestampMs }));
  }

  /** Calls the function with the elements that the evictor leaves, and keeps those that it leaves afterwards. */
  fire(window: Window, kept: readonly TimestampedElement<T>[], call: (elements: T[]) => void): void {
    const { evictor, context } = this;
    const before = evictor.evictBefore === undefined ? kept : evictor.evictBefore(kept, window, context);
    if (before.length > 0) call(before.map(({ value }) => value));
    const after = evictor.evictAfter === undefined ? before : evictor.evictAfter(before, window, context);
    if (after.length !== kept.length) this.state.update(after.map(({ value, timestampMs }) => [value, timestampMs]));
  }
}
