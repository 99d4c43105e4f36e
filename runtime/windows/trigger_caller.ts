/**
 * Calls the trigger of an operator's windows: sets the window that its state and timers speak of; is its context.
 *
 * Called by: runtime/windows/window_operator.ts.
 * Calls: the user's trigger, the timer service.
 *
 * @module
 */
import { StreamError } from "../../core/errors.ts";
import { type Namespace, VOID_NAMESPACE } from "../../core/key.ts";
import type { MetricGroup } from "../../core/metrics.ts";
import type { MergingState, Namespaced } from "../../core/state.ts";
import type { TimerService } from "../../timers/timer_service.ts";
import type { ActorScope, ActorTimers } from "../actor.ts";
import type { StateDeclarations } from "../process_function.ts";
import { openStates } from "./firing.ts";
import type { MergeContext, Trigger, TriggerResult } from "./trigger.ts";
import { namespaceOf, sameWindow, TimeWindow, type Window } from "./window.ts";
import type { CheckSynchronous } from "./window_contents.ts";
import type { WindowStates } from "./window_function.ts";

const RESULTS: ReadonlySet<unknown> = new Set<TriggerResult>(["continue", "fire", "purge", "fire-and-purge"]);

/** A trigger at work. */
export class TriggerCaller<I> implements MergeContext<StateDeclarations> {
  readonly state: WindowStates<StateDeclarations>;
  readonly timers: ActorTimers;
  private readonly handles: Namespaced[] = [];
  private readonly windowTimers: TimersOfWindow;
  /** What state and timers speak of. */
  private window: Window = new TimeWindow(0, 0);
  private namespace: Namespace = namespaceOf(this.window);
  /** Windows that have become `window`, while the trigger hears of it. */
  private merged: readonly Window[] = [];

  /** Declares the states of the trigger. */
  constructor(
    private readonly trigger: Trigger<I, Window, StateDeclarations>,
    private readonly scope: ActorScope,
    timers: TimerService,
    private readonly check: CheckSynchronous,
  ) {
    this.state = openStates(scope, trigger.state, this.handles, "_trigger/");
    this.timers = this.windowTimers = new TimersOfWindow(timers);
    for (const handle of this.handles) handle.setNamespace(this.namespace);
    this.windowTimers.namespace = this.namespace;
  }

  get metrics(): MetricGroup {
    return this.scope.metrics;
  }

  /** Where state and timers of a window are. */
  namespaceOf(window: Window): Namespace {
    this.enter(window);
    return this.namespace;
  }

  private enter(window: Window): void {
    if (sameWindow(window, this.window)) return;
    this.window = window;
    const namespace = namespaceOf(window);
    this.namespace = this.windowTimers.namespace = namespace;
    for (const handle of this.handles) handle.setNamespace(namespace);
  }

  /** An element was added to a window. */
  onElement(value: I, timestampMs: number, window: Window): TriggerResult {
    this.enter(window);
    return this.checked(this.trigger.onElement(value, timestampMs, window, this), "onElement()");
  }

  /** A timer of event time is due. */
  onEventTime(timestampMs: number, window: Window): TriggerResult {
    if (this.trigger.onEventTime === undefined) return "continue";
    this.enter(window);
    return this.checked(this.trigger.onEventTime(timestampMs, window, this), "onEventTime()");
  }

  /** A timer of processing time is due. */
  onProcessingTime(timestampMs: number, window: Window): TriggerResult {
    if (this.trigger.onProcessingTime === undefined) return "continue";
    this.enter(window);
    return this.checked(this.trigger.onProcessingTime(timestampMs, window, this), "onProcessingTime()");
  }

  private checked(result: unknown, what: string): TriggerResult {
    if (RESULTS.has(result)) return result as TriggerResult; // the set holds nothing else
    this.check(result, `${what} of the trigger`);
    throw new StreamError(
      "invalid",
      `Cannot go on in "${this.scope.operatorName}": ${what} of the trigger has returned ${
        String(result)
      }, must return ` +
        `"continue", "fire", "purge" or "fire-and-purge"`,
    );
  }

  /** Windows have become `window`. */
  onMerge(window: Window, merged: readonly Window[]): void {
    this.enter(window);
    this.merged = merged;
    this.trigger.onMerge!(window, this); // who makes the operator checks that it is there
    this.merged = [];
  }

  mergeState(name: string): void {
    // A name that is not declared has no handle.
    const handle = this.state[name] as (Partial<MergingState> & Namespaced) | undefined;
    if (handle?.mergeNamespaces === undefined) {
      throw new StreamError(
        "invalid",
        `Cannot merge state "${name}" of the trigger in "${this.scope.operatorName}": it must be a declared list, ` +
          `reducing or aggregating state`,
      );
    }
    handle.mergeNamespaces(this.namespace, this.merged.map(namespaceOf));
    handle.setNamespace(this.namespace);
  }

  /** A window goes. */
  clear(window: Window): void {
    this.enter(window);
    this.trigger.clear(window, this);
  }
}

/** Timers of the current key and a window. */
class TimersOfWindow implements ActorTimers {
  namespace: Namespace = VOID_NAMESPACE;

  constructor(private readonly service: TimerService) {}

  get currentWatermark(): number {
    return this.service.currentWatermark;
  }

  currentProcessingTime(): number {
    return this.service.currentProcessingTime();
  }

  registerEventTime(timestampMs: number): void {
    this.service.registerEventTime(timestampMs, this.namespace);
  }

  deleteEventTime(timestampMs: number): void {
    this.service.deleteEventTime(timestampMs, this.namespace);
  }

  // A millisecond later: see WindowingOperator.
  registerProcessingTime(timestampMs: number): void {
    this.service.registerProcessingTime(timestampMs + 1, this.namespace);
  }

  deleteProcessingTime(timestampMs: number): void {
    this.service.deleteProcessingTime(timestampMs + 1, this.namespace);
  }
}
