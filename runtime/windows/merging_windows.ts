/**
 * The windows of the current key that merge: which there are, and where each keeps its contents.
 *
 * Contents stay where the first of several merged windows has them, so that as little as possible is moved.
 *
 * Called by: runtime/windows/window_operator.ts.
 * Calls: session_numbers.ts.
 *
 * Invariants:
 * - nothing is written unless windows have changed.
 *
 * Source: Flink's `MergingWindowSet`.
 *
 * @module
 */
import type { ValueState } from "../../core/state.ts";
import { freePlace, STRIDE } from "./session_numbers.ts";
import { type MergedWindows, sameWindow, TimeWindow } from "./window.ts";

/** What is to be done when windows have become one. */
export interface Merge {
  /** What they have become. */
  readonly result: TimeWindow;
  /** Those that existed and exist no more. */
  readonly merged: readonly TimeWindow[];
  /** Where its contents are. */
  readonly place: number;
  /** Where those of the others are. */
  readonly sources: readonly number[];
}

/** Windows of the current key; `load` first. */
export class MergingWindows {
  private windows: { readonly window: TimeWindow; readonly place: number }[] = [];
  private isChanged = false;

  /**
   * @param state Where they are kept.
   * @param merge Which windows become one.
   */
  constructor(
    private readonly state: ValueState<number[] | null>,
    private readonly merge: (windows: readonly TimeWindow[]) => readonly MergedWindows[],
  ) {}

  /** Reads the windows of the key. */
  load(): void {
    this.windows = [];
    this.isChanged = false;
    const numbers = this.state.value() ?? [];
    for (let i = 0; i < numbers.length; i += STRIDE) {
      this.windows.push({ window: new TimeWindow(numbers[i]!, numbers[i + 1]!), place: numbers[i + 2]! });
    }
  }

  /** Writes the windows of the key, if they have changed. */
  persist(): void {
    if (!this.isChanged) return;
    this.isChanged = false;
    if (this.windows.length === 0) return this.state.clear();
    this.state.update(this.#numbers());
  }

  #numbers(): number[] {
    return this.windows.flatMap(({ window: { startMs, endMs }, place }) => [startMs, endMs, place]);
  }

  /** Where a window keeps its contents; undefined if there is no such window. */
  placeOf(window: TimeWindow): number | undefined {
    return this.windows.find((one) => sameWindow(one.window, window))?.place;
  }

  /**
   * Adds the window of an element.
   *
   * @param onMerge Called for windows that become one.
   * @returns The window that the element belongs to.
   */
  add(window: TimeWindow, onMerge: (merge: Merge) => void): TimeWindow {
    const present = this.windows.map((one) => one.window);
    const isKnown = present.some((one) => sameWindow(one, window));
    let actual: TimeWindow | null = null;
    for (const { result, merged } of this.merge(isKnown ? present : [...present, window])) {
      if (merged.some((one) => sameWindow(one, window))) actual = result;
      this.#join(result, merged, onMerge);
    }
    if (actual !== null) return actual;
    if (!isKnown) this.#put(window, freePlace(this.#numbers()));
    return window;
  }

  #join(result: TimeWindow, merged: readonly TimeWindow[], onMerge: (merge: Merge) => void): void {
    const joined = this.windows.filter((one) => merged.some((window) => sameWindow(one.window, window)));
    // The element's own window lies within one that is there: nothing becomes of it.
    if (joined.length === 1 && sameWindow(joined[0]!.window, result)) return;
    this.windows = this.windows.filter((one) => !joined.includes(one));
    const place = joined[0]?.place ?? freePlace(this.#numbers());
    this.#put(result, place);
    if (joined.length === 0) return;
    onMerge({
      result,
      merged: joined.map((one) => one.window),
      place,
      sources: joined.slice(1).map((one) => one.place),
    });
  }

  #put(window: TimeWindow, place: number): void {
    this.windows.push({ window, place });
    this.isChanged = true;
  }

  /** Removes a window. */
  retire(window: TimeWindow): void {
    this.windows = this.windows.filter((one) => !sameWindow(one.window, window));
    this.isChanged = true;
  }
}
