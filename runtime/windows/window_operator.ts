/**
 * Windows of any assigner, trigger and evictor. What fires by the default trigger has operators of its own that do less.
 *
 * Called by: the operator upstream, the timer service.
 * Calls: trigger_caller.ts, merging_windows.ts, window_contents.ts, evicting_contents.ts, firing.ts.
 *
 * Namespaces: contents have the beginning and end of their window; of windows that merge, the place of their window. Trigger
 * and timers have beginning and end.
 *
 * Invariants:
 * - a window that holds something, or was purged, has a timer that cleans up behind it, unless it never ends;
 * - when a window has gone nothing of it is left, provided that the trigger clears what it has set.
 *
 * Source: Flink's `WindowOperator` and `EvictingWindowOperator`.
 *
 * @module
 */
import { StreamError } from "../../core/errors.ts";
import { type Key, type Namespace, VOID_NAMESPACE } from "../../core/key.ts";
import type { TimeDomain } from "../actor.ts";
import type { OperatorContext } from "../operator.ts";
import { EvictingContents } from "./evicting_contents.ts";
import type { TimestampedElement } from "./evictor.ts";
import { type Merge, MergingWindows } from "./merging_windows.ts";
import { sessionNumbers } from "./session_numbers.ts";
import type { TriggerResult } from "./trigger.ts";
import { TriggerCaller } from "./trigger_caller.ts";
import { GLOBAL_WINDOW, sameWindow, type TimeWindow, type Window, windowOf } from "./window.ts";
import { contentsOpener, type WindowContents } from "./window_contents.ts";
import type { WindowPlan } from "./window_plan.ts";
import { cleanupTimeOf, WindowingOperator } from "./windowing_operator.ts";

/** Windows of one subtask. */
export class WindowOperator<I, A, C, O> extends WindowingOperator<I, A, C, O> {
  protected override readonly layout: string;
  /** Set by `declareWindows`, as the following ones. */
  private trigger!: TriggerCaller<I>;
  private contents!: WindowContents<I, unknown>;
  /** The same as `contents` if there is an evictor. */
  private evicting: EvictingContents<I> | null = null;
  /** Null unless windows merge. */
  private merging: MergingWindows | null = null;
  /** What `contents` speaks of. */
  private window: Window | null = null;
  private readonly onMerge = (merge: Merge): void => this.mergeWindows(merge);

  constructor(context: OperatorContext, keyOf: (value: I) => Key, plan: WindowPlan<I, A, C, O>) {
    super(context, keyOf, plan);
    const { assigner, evictor } = plan;
    this.layout = `${assigner.merge === undefined ? "windows" : "merging windows"}${
      evictor === null ? "" : " of elements with their times"
    }`;
  }

  protected override declareWindows(): void {
    const { plan: { assigner, trigger, evictor, folding }, states, scope } = this;
    this.trigger = new TriggerCaller(trigger ?? assigner.defaultTrigger(), scope, this.timers, this.check);
    if (evictor !== null) this.contents = this.evicting = new EvictingContents(states, evictor, scope.timers);
    else this.contents = contentsOpener(states, folding, this.check)();
    if (assigner.merge === undefined) return;
    this.merging = new MergingWindows(states.open(sessionNumbers()), (windows) => assigner.merge!(windows));
  }

  protected override onRecord(value: I): void {
    const { timestampMs, timers } = this.scope;
    const windows = this.plan.assigner.assign(value, timestampMs, timers);
    let isTaken = false;
    if (this.merging !== null) {
      this.merging.load();
      for (const window of windows) {
        if (this.addMerging(value, timestampMs, window as TimeWindow)) isTaken = true; // only those can merge
      }
      this.merging.persist();
    } else {
      for (const window of windows) {
        if (this.isLate(window)) continue;
        isTaken = true;
        this.enter(window, null);
        this.addTo(value, timestampMs, window);
      }
    }
    if (!isTaken) this.leaveOut(value);
  }

  private isLate(window: Window): boolean {
    return this.isEventTime &&
      cleanupTimeOf(window.maxTimestampMs, this.latenessMs) <= this.timers.currentWatermark;
  }

  private addMerging(value: I, timestampMs: number, window: TimeWindow): boolean {
    const merging = this.merging!; // the caller has looked
    const actual = merging.add(window, this.onMerge);
    if (this.isLate(actual)) {
      merging.retire(actual);
      return false;
    }
    this.enter(actual, merging.placeOf(actual)!); // it has just been added
    this.addTo(value, timestampMs, actual);
    return true;
  }

  private addTo(value: I, timestampMs: number, window: Window): void {
    this.contents.add(value, timestampMs);
    this.apply(this.trigger.onElement(value, timestampMs, window), window);
    const timeMs = cleanupTimeOf(window.maxTimestampMs, this.latenessMs);
    if (timeMs < Number.POSITIVE_INFINITY) this.setTimer(timeMs, this.trigger.namespaceOf(window));
  }

  /** Makes `contents` speak of a window. @param place Of windows that merge. */
  private enter(window: Window, place: number | null): void {
    if (place === null) {
      if (this.window !== null && sameWindow(this.window, window)) return;
      this.window = window;
    }
    const namespace: Namespace = place ??
      (window === GLOBAL_WINDOW ? VOID_NAMESPACE : this.trigger.namespaceOf(window));
    this.contents.setNamespace(namespace);
  }

  private mergeWindows({ result, merged, place, sources }: Merge): void {
    const nowMs = this.isEventTime ? this.timers.currentWatermark : this.timers.currentProcessingTime();
    if (cleanupTimeOf(result.maxTimestampMs, this.latenessMs) <= nowMs) {
      throw new StreamError(
        "invalid",
        `Cannot merge windows in "${this.name}": what they would become ends at ${result.endMs}, ${this.plan.assigner.domain} ` +
          `time is at ${nowMs} already; merge() of the window assigner must not make windows shorter`,
      );
    }
    this.trigger.onMerge(result, merged);
    for (const window of merged) {
      if (sameWindow(window, result)) continue;
      this.trigger.clear(window);
      this.deleteCleanup(window);
    }
    if (sources.length > 0) this.contents.mergeNamespaces(place, sources);
  }

  private deleteCleanup(window: Window): void {
    const timeMs = cleanupTimeOf(window.maxTimestampMs, this.latenessMs);
    if (timeMs === Number.POSITIVE_INFINITY) return;
    const namespace = this.trigger.namespaceOf(window);
    if (this.isEventTime) this.timers.deleteEventTime(timeMs, namespace);
    else this.timers.deleteProcessingTime(timeMs + 1, namespace);
  }

  /** Does what the trigger says with the window that `contents` speaks of. */
  private apply(result: TriggerResult, window: Window): void {
    if (result === "continue") return;
    if (result !== "purge") this.fire(window);
    if (result !== "fire") this.contents.clear();
  }

  private fire(window: Window): void {
    const kept = this.contents.kept();
    if (kept === undefined) return;
    const { folding } = this.plan;
    if (this.evicting === null) return this.firing.fire(folding.result(kept as A), window); // the folding's own contents
    this.evicting.fire(
      window,
      kept as readonly TimestampedElement<I>[], // what evicting contents keep
      (elements) => this.firing.fire(folding.result(folding.foldAll(elements)), window),
    );
  }

  protected override onWindowTimer(timestampMs: number, domain: TimeDomain, namespace: Namespace): void {
    const window = windowOf(namespace);
    const { merging } = this;
    if (merging === null) {
      this.enter(window, null);
    } else {
      merging.load();
      const place = merging.placeOf(window as TimeWindow); // only those can merge
      // The trigger has left a timer of a window that was merged.
      if (place === undefined) return;
      this.enter(window, place);
    }
    const { trigger } = this;
    const isEvent = domain === "event";
    this.apply(
      isEvent ? trigger.onEventTime(timestampMs, window) : trigger.onProcessingTime(timestampMs, window),
      window,
    );
    const timeMs = cleanupTimeOf(window.maxTimestampMs, this.latenessMs);
    if (isEvent === this.isEventTime && timestampMs === timeMs && timeMs < Number.POSITIVE_INFINITY) this.clean(window);
    merging?.persist();
  }

  private clean(window: Window): void {
    this.contents.clear();
    this.trigger.clear(window);
    this.firing.clear(window);
    this.merging?.retire(window as TimeWindow); // only those can merge
  }
}
