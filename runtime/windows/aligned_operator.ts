/**
 * Tumbling and sliding windows that fire by their default trigger, kept as panes: pieces of time in which the same windows
 * are open. An element is written once, into its pane, however many windows it belongs to; a window that fires joins its
 * panes. A tumbling window is one pane.
 *
 * Called by: the operator upstream, the timer service.
 * Calls: window_contents.ts, firing.ts.
 *
 * Namespaces: contents have the beginning of their pane. Timers have FIRES (of the end of a window) or CLEANS.
 *
 * Invariants:
 * - while a pane of a key holds something there is a timer for the next window in which it is. The timer of a window sets
 *   the one of the window after it, if any of its panes goes on;
 * - a pane goes with the last window in which it is.
 *
 * Source: "paired windows" of Krishnamurthy, Wu, Franklin, On-the-fly sharing for streamed aggregation (2006); timers as in
 * Flink's slicing window operators.
 *
 * @module
 */
import type { Key, Namespace } from "../../core/key.ts";
import type { TimeDomain } from "../actor.ts";
import type { OperatorContext, OperatorSnapshotParts } from "../operator.ts";
import type { AlignedWindows } from "./assigners.ts";
import type { Barrier } from "../../core/element.ts";
import { listOf, valuesOf } from "../operator_lists.ts";
import { PaneFilters } from "./pane_filters.ts";
import { type Pane, type PaneLayout, PaneRing, panesInUse } from "./panes.ts";
import { TimeWindow } from "./window.ts";
import { contentsOpener } from "./window_contents.ts";
import type { WindowPlan } from "./window_plan.ts";
import { cleanupTimeOf, WindowingOperator } from "./windowing_operator.ts";

/** Where the latest pane begins, in checkpoints. */
const NEWEST = "panes";
/** Namespace of timers at the end of a window. */
const FIRES = 0;
/** Namespace of timers at the end of the lateness of a window, when there is any. */
const CLEANS = 1;

/** Windows in panes. */
export class AlignedOperator<I, A, C, O> extends WindowingOperator<I, A, C, O> {
  protected override readonly layout: string;
  private readonly panes: PaneLayout;
  /** Set by `declareWindows`. */
  private ring!: PaneRing<I, A>;
  /** Null if a window is a single pane, which always holds something. */
  private readonly filters: PaneFilters | null;
  /** The window that has fired last: the next key's is mostly the same. */
  private window = new TimeWindow(Number.NaN, Number.NaN);

  constructor(
    context: OperatorContext,
    keyOf: (value: I) => Key,
    plan: WindowPlan<I, A, C, O>,
    assigner: AlignedWindows,
  ) {
    super(context, keyOf, plan);
    const { sizeMs, slideMs, offsetMs, domain } = assigner;
    this.panes = { sizeMs, slideMs, offsetMs, splitMs: sizeMs % slideMs };
    const restored = valuesOf(context.restore?.lists[NEWEST]).map(Number);
    // Without bits of its own, a restored pane may hold anything.
    const unknownUntilMs = Math.max(Number.NEGATIVE_INFINITY, ...restored);
    this.filters = sizeMs <= slideMs ? null : new PaneFilters(panesInUse(this.panes), unknownUntilMs);
    this.layout = `panes of ${sizeMs} ms each ${slideMs} ms at ${offsetMs} ms of ${domain} time`;
  }

  protected override declareWindows(): void {
    this.ring = new PaneRing(this.panes, contentsOpener(this.states, this.plan.folding, this.check));
  }

  protected override onRecord(value: I): void {
    const { isEventTime, scope } = this;
    const pane = this.ring.at(isEventTime ? scope.timestampMs : this.timers.currentProcessingTime());
    const { timeMs } = this;
    const { sizeMs } = this.panes;
    const lastMs = pane.lastStartMs + sizeMs - 1;
    if (!pane.hasWindows || cleanupTimeOf(lastMs, this.latenessMs) <= timeMs) return this.leaveOut(value);
    const isFirst = pane.contents.add(value, scope.timestampMs);
    if (isFirst && this.filters !== null) this.note(this.filters, pane);
    const firstMs = pane.firstStartMs + sizeMs - 1;
    if (firstMs <= timeMs) this.fireLate(pane, timeMs, isFirst);
    else if (isFirst) this.setTimer(firstMs, FIRES);
    if (isFirst && this.latenessMs > 0) this.setCleanup(cleanupTimeOf(lastMs, this.latenessMs));
  }

  private note(filters: PaneFilters, { number, startMs }: Pane<I, A>): void {
    filters.note(number, startMs, filters.hashOf(this.backend.currentKey()));
  }

  private setCleanup(timeMs: number): void {
    if (timeMs < Number.POSITIVE_INFINITY) this.setTimer(timeMs, CLEANS);
  }

  /** An element has come behind the end of windows in which it is: those that are not gone yet fire again. */
  private fireLate(pane: Pane<I, A>, timeMs: number, isFirst: boolean): void {
    const { sizeMs, slideMs } = this.panes;
    let nextMs = Number.POSITIVE_INFINITY;
    for (let startMs = pane.lastStartMs; startMs >= pane.firstStartMs; startMs -= slideMs) {
      const maxTimestampMs = startMs + sizeMs - 1;
      if (maxTimestampMs > timeMs) nextMs = maxTimestampMs;
      else if (cleanupTimeOf(maxTimestampMs, this.latenessMs) > timeMs) this.fire(startMs);
    }
    if (isFirst && nextMs < Number.POSITIVE_INFINITY) this.setTimer(nextMs, FIRES);
  }

  /** Gives a window to the function, if it holds something. Whether one of its panes is in the next window, too. */
  private fire(startMs: number): boolean {
    const { ring, filters, panes: { sizeMs, slideMs, offsetMs, splitMs }, plan: { folding } } = this;
    const endMs = startMs + sizeMs;
    const hash = filters === null ? 0 : filters.hashOf(this.backend.currentKey());
    let number = Math.round((startMs - offsetMs) / slideMs) * 2;
    let kept: A | undefined;
    let isJoined = false;
    let goesOn = false;
    for (let stepMs = startMs; stepMs < endMs; stepMs += slideMs, number += 2) {
      for (let half = 0; half < 2; half++) {
        const paneMs = half === 0 ? stepMs : stepMs + splitMs;
        if (half === 1 && (splitMs === 0 || paneMs >= endMs)) break;
        if (filters !== null && !filters.mayHold(number + half, paneMs, hash)) continue;
        const next = ring.at(paneMs).contents.kept();
        if (next === undefined) continue;
        if (stepMs > startMs) goesOn = true;
        if (kept === undefined) {
          kept = next;
        } else {
          kept = folding.combine(kept, next, !isJoined);
          isJoined = true;
        }
      }
    }
    if (kept === undefined) return false;
    if (this.window.startMs !== startMs) this.window = new TimeWindow(startMs, endMs);
    this.firing.fire(folding.result(kept), this.window);
    return goesOn;
  }

  protected override onWindowTimer(timestampMs: number, _domain: TimeDomain, namespace: Namespace): void {
    const { sizeMs, slideMs } = this.panes;
    if (namespace === CLEANS) return this.clean(timestampMs - this.latenessMs + 1 - sizeMs);
    const startMs = timestampMs + 1 - sizeMs;
    if (this.fire(startMs)) this.setTimer(timestampMs + slideMs, FIRES);
    if (this.latenessMs === 0) this.clean(startMs);
  }

  override snapshot(barrier: Barrier): OperatorSnapshotParts {
    const { keyed, lists } = super.snapshot(barrier);
    if (this.filters === null) return { keyed, lists };
    const newest = listOf("union", [this.filters.newestStartMs]);
    return { keyed, lists: async () => ({ ...await lists(), [NEWEST]: newest }) };
  }

  /** A window goes, and with it the panes whose last window it is. */
  private clean(startMs: number): void {
    const { ring, panes: { splitMs, sizeMs } } = this;
    ring.at(startMs).contents.clear();
    if (splitMs > 0 && splitMs < sizeMs) ring.at(startMs + splitMs).contents.clear();
    if (!this.firing.clears) return;
    if (this.window.startMs !== startMs) this.window = new TimeWindow(startMs, startMs + sizeMs);
    this.firing.clear(this.window);
  }
}
