/**
 * Sessions that fire by their default trigger. A session that grows moves no timer: one that comes too early is set anew.
 *
 * Called by: the operator upstream, the timer service.
 * Calls: session_numbers.ts, window_contents.ts, firing.ts.
 *
 * Namespaces: contents have the place of their session. Timers have twice the place, and one more if they are for the end of
 * the lateness.
 *
 * Invariants:
 * - sessions of a key neither overlap nor touch;
 * - for each session that has not ended there is a timer at its end or before; for one that has ended, while lateness is
 *   allowed, a timer at the end of that or before.
 *
 * Source: Flink's `MergingWindowSet`, for windows whose trigger keeps nothing.
 *
 * @module
 */
import type { Key, Namespace } from "../../core/key.ts";
import type { Namespaced, ValueState } from "../../core/state.ts";
import type { TimeDomain } from "../actor.ts";
import type { OperatorContext } from "../operator.ts";
import type { SessionWindows } from "./assigners.ts";
import { freePlace, indexOfPlace, sessionNumbers, STRIDE } from "./session_numbers.ts";
import { TimeWindow } from "./window.ts";
import { contentsOpener, type OpenContents, type WindowContents } from "./window_contents.ts";
import type { WindowPlan } from "./window_plan.ts";
import { cleanupTimeOf, WindowingOperator } from "./windowing_operator.ts";

/** Sessions of one subtask. */
export class SessionOperator<I, A, C, O> extends WindowingOperator<I, A, C, O> {
  protected override readonly layout: string;
  /** Set by `declareWindows`. */
  private sessions!: ValueState<number[] | null> & Namespaced;
  private openContents!: OpenContents<I, A>;
  /** Handles by place. */
  private readonly places: WindowContents<I, A>[] = [];

  constructor(
    context: OperatorContext,
    keyOf: (value: I) => Key,
    plan: WindowPlan<I, A, C, O>,
    private readonly assigner: SessionWindows<I>,
  ) {
    super(context, keyOf, plan);
    this.layout = `sessions of ${assigner.domain} time`;
  }

  protected override declareWindows(): void {
    this.sessions = this.states.open(sessionNumbers());
    this.openContents = contentsOpener(this.states, this.plan.folding, this.check);
    this.contentsOf(0);
  }

  private contentsOf(place: number): WindowContents<I, A> {
    while (this.places.length <= place) {
      const contents = this.openContents();
      contents.setNamespace(this.places.length);
      this.places.push(contents);
    }
    return this.places[place]!;
  }

  protected override onRecord(value: I): void {
    const { assigner, scope } = this;
    const startMs = assigner.domain === "event" && scope.timestampMs - scope.timestampMs === 0
      ? scope.timestampMs
      : assigner.startOf(scope.timestampMs, scope.timers);
    const endMs = startMs + (typeof assigner.gapMs === "number" ? assigner.gapMs : assigner.gapOf(value));
    const timeMs = this.timeMs;
    const windows = this.sessions.value();
    if (windows !== null && windows.length === STRIDE && windows[0]! <= endMs && windows[1]! >= startMs) {
      const formerEndMs = windows[1]!;
      if (startMs < windows[0]! || endMs > formerEndMs) {
        if (startMs < windows[0]!) windows[0] = startMs;
        if (endMs > formerEndMs) windows[1] = endMs;
        this.sessions.update(windows);
      }
      this.addTo(windows, 0, formerEndMs, value, timeMs);
    } else {
      this.addAmong(windows ?? [], startMs, endMs, value, timeMs);
    }
  }

  /** Adds to the session at `index`, which the element has extended already. @param formerEndMs Where it ended before. */
  private addTo(windows: number[], index: number, formerEndMs: number, value: I, timeMs: number): void {
    const place = windows[index + 2]!;
    const contents = this.contentsOf(place);
    contents.add(value, this.scope.timestampMs);
    const maxTimestampMs = windows[index + 1]! - 1;
    if (maxTimestampMs <= timeMs) this.fire(windows, index);
    else if (formerEndMs - 1 <= timeMs) this.setTimer(maxTimestampMs, place * 2);
  }

  private addAmong(windows: number[], startMs: number, endMs: number, value: I, timeMs: number): void {
    let into = -1;
    let formerEndMs = 0;
    const sources: number[] = [];
    for (let i = 0; i < windows.length; i += STRIDE) {
      if (windows[i]! > endMs || windows[i + 1]! < startMs) continue;
      if (into < 0) {
        into = i;
        formerEndMs = windows[i + 1]!;
        windows[i] = Math.min(windows[i]!, startMs);
        windows[i + 1] = Math.max(windows[i + 1]!, endMs);
      } else {
        windows[into] = Math.min(windows[into]!, windows[i]!);
        windows[into + 1] = Math.max(windows[into + 1]!, windows[i + 1]!);
        sources.push(windows[i + 2]!);
        windows.splice(i, STRIDE);
        i -= STRIDE;
      }
    }
    if (into < 0) return this.begin(windows, startMs, endMs, value, timeMs);
    this.sessions.update(windows);
    const place = windows[into + 2]!;
    if (sources.length > 0) this.contentsOf(place).mergeNamespaces(place, sources);
    this.addTo(windows, into, formerEndMs, value, timeMs);
  }

  private begin(windows: number[], startMs: number, endMs: number, value: I, timeMs: number): void {
    const cleanupMs = cleanupTimeOf(endMs - 1, this.latenessMs);
    if (cleanupMs <= timeMs) return this.leaveOut(value);
    const place = freePlace(windows);
    windows.push(startMs, endMs, place);
    this.sessions.update(windows);
    if (this.latenessMs > 0 && cleanupMs < Number.POSITIVE_INFINITY) this.setTimer(cleanupMs, place * 2 + 1);
    this.addTo(windows, windows.length - STRIDE, Number.NEGATIVE_INFINITY, value, timeMs);
  }

  private fire(windows: readonly number[], index: number): void {
    const kept = this.contentsOf(windows[index + 2]!).kept();
    if (kept === undefined) return;
    this.firing.fire(this.plan.folding.result(kept), new TimeWindow(windows[index]!, windows[index + 1]!));
  }

  protected override onWindowTimer(timestampMs: number, _domain: TimeDomain, namespace: Namespace): void {
    const number = namespace as number; // this operator sets timers with numbers alone
    const place = Math.floor(number / 2);
    const isCleanup = number % 2 === 1;
    const windows = this.sessions.value();
    const index = windows === null ? -1 : indexOfPlace(windows, place);
    // Merged into another since.
    if (windows === null || index < 0) return;
    const maxTimestampMs = windows[index + 1]! - 1;
    const dueMs = isCleanup ? cleanupTimeOf(maxTimestampMs, this.latenessMs) : maxTimestampMs;
    if (dueMs > timestampMs) {
      if (dueMs < Number.POSITIVE_INFINITY) this.setTimer(dueMs, number);
      return;
    }
    // Of a session that was merged and had this place before.
    if (dueMs < timestampMs) return;
    if (!isCleanup) this.fire(windows, index);
    if (isCleanup || this.latenessMs === 0) this.clean(windows, index);
  }

  private clean(windows: number[], index: number): void {
    const place = windows[index + 2]!;
    if (this.firing.clears) this.firing.clear(new TimeWindow(windows[index]!, windows[index + 1]!));
    this.contentsOf(place).clear();
    windows.splice(index, STRIDE);
    if (windows.length === 0) this.sessions.clear();
    else this.sessions.update(windows);
  }
}
