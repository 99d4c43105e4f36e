/**
 * The triggers that come with Weir.
 *
 * Called by: users.
 * Calls: trigger.ts.
 *
 * Source: the classes of the same names in Flink.
 *
 * @module
 */
import { reducingState, type ReducingStateDescriptor, type StateOptions } from "../../core/descriptors.ts";
import { valueState, type ValueStateDescriptor } from "../../core/descriptors.ts";
import { MAX_WATERMARK } from "../../core/element.ts";
import { f64 } from "../../core/serializer.ts";
import type { StateDeclarations } from "../process_function.ts";
import { type Duration, durationMs } from "./duration.ts";
import type { NoState, Trigger, TriggerContext, TriggerResult } from "./trigger.ts";
import type { Window } from "./window.ts";

const EVENT_TIME: Trigger = Object.freeze({
  onElement(_value: unknown, _timestampMs: number, { maxTimestampMs }: Window, { timers }: TriggerContext) {
    if (maxTimestampMs <= timers.currentWatermark) return "fire";
    timers.registerEventTime(maxTimestampMs);
    return "continue";
  },
  onEventTime: (timestampMs: number, window: Window) => timestampMs === window.maxTimestampMs ? "fire" : "continue",
  onMerge({ maxTimestampMs }: Window, { timers }: TriggerContext) {
    if (maxTimestampMs > timers.currentWatermark) timers.registerEventTime(maxTimestampMs);
  },
  clear: ({ maxTimestampMs }: Window, { timers }: TriggerContext) => timers.deleteEventTime(maxTimestampMs),
});

/**
 * Fires when the watermark has passed the end of the window, and again for each element that comes later while lateness
 * is allowed. The default of windows of event time.
 */
export function eventTimeTrigger(): Trigger {
  return EVENT_TIME;
}

const PROCESSING_TIME: Trigger = Object.freeze({
  onElement(_value: unknown, _timestampMs: number, { maxTimestampMs }: Window, { timers }: TriggerContext) {
    timers.registerProcessingTime(maxTimestampMs);
    return "continue";
  },
  onProcessingTime: () => "fire",
  onMerge({ maxTimestampMs }: Window, { timers }: TriggerContext) {
    if (maxTimestampMs > timers.currentProcessingTime()) timers.registerProcessingTime(maxTimestampMs);
  },
  clear: ({ maxTimestampMs }: Window, { timers }: TriggerContext) => timers.deleteProcessingTime(maxTimestampMs),
});

/** Fires when the wall clock has passed the end of the window. The default of windows of processing time. */
export function processingTimeTrigger(): Trigger {
  return PROCESSING_TIME;
}

const NEVER: Trigger = Object.freeze({ onElement: () => "continue", onMerge() {}, clear() {} });

/** Never fires. The default of the global window. */
export function neverTrigger(): Trigger {
  return NEVER;
}

const END_OF_STREAM: Trigger = Object.freeze({
  onElement(_value: unknown, _timestampMs: number, _window: Window, { timers }: TriggerContext) {
    timers.registerEventTime(MAX_WATERMARK);
    return "continue";
  },
  onEventTime: (timestampMs: number) => timestampMs === MAX_WATERMARK ? "fire" : "continue",
  onMerge: (_window: Window, { timers }: TriggerContext) => timers.registerEventTime(MAX_WATERMARK),
  clear: (_window: Window, { timers }: TriggerContext) => timers.deleteEventTime(MAX_WATERMARK),
});

/** Fires once, when all input has ended. */
export function endOfStreamTrigger(): Trigger {
  return END_OF_STREAM;
}

/** The state of {@link countTrigger}. */
export type CountState = { readonly count: ReducingStateDescriptor<number> };

/**
 * Fires for every `count`-th element of a window. It does not fire at the end of the window: what is left then is
 * forgotten.
 *
 * @param count An integer ≥ 1.
 * @throws {RangeError} If it is not.
 */
export function countTrigger(count: number): Trigger<unknown, Window, CountState> {
  if (!Number.isInteger(count) || count < 1) {
    throw new RangeError(`Cannot make a count trigger: count must be an integer ≥ 1, current value is ${count}`);
  }
  return {
    state: { count: reducingState<number>("count", (left, right) => left + right, OF_NUMBERS) },
    onElement(_value, _timestampMs, _window, { state }) {
      state.count.add(1);
      if (state.count.get()! < count) return "continue";
      state.count.clear();
      return "fire";
    },
    onMerge: (_window, context) => context.mergeState("count"),
    clear: (_window, { state }) => state.count.clear(),
  };
}

/** The state of the continuous triggers: when they fire next. */
export type ContinuousState = { readonly next: ReducingStateDescriptor<number> };

const OF_NUMBERS: StateOptions<number> = { serializer: f64 };

/** A watermark that ends event time would make an infinite window fire for ever. */
function nextFiring(timestampMs: number, intervalMs: number, { maxTimestampMs }: Window, nowMs: number): number {
  return nowMs === MAX_WATERMARK && maxTimestampMs === MAX_WATERMARK
    ? MAX_WATERMARK
    : Math.min(timestampMs + intervalMs, maxTimestampMs);
}

/**
 * Fires at every multiple of the interval that the watermark passes, and at the end of the window.
 *
 * @param interval "10 s", or milliseconds; > 0.
 * @throws {RangeError} If it is no such time.
 */
export function continuousEventTimeTrigger(interval: Duration): Trigger<unknown, Window, ContinuousState> {
  const intervalMs = durationMs(interval, "the interval of a trigger", 1);
  const setNext = (fromMs: number, window: Window, { state, timers }: TriggerContext<ContinuousState>) => {
    const nextMs = nextFiring(fromMs, intervalMs, window, timers.currentWatermark);
    state.next.add(nextMs);
    timers.registerEventTime(nextMs);
  };
  return {
    state: { next: reducingState<number>("next", Math.min, OF_NUMBERS) },
    onElement(_value, timestampMs, window, context) {
      const { state, timers } = context;
      if (window.maxTimestampMs <= timers.currentWatermark) return "fire";
      timers.registerEventTime(window.maxTimestampMs);
      if (state.next.get() === null) setNext(Math.floor(timestampMs / intervalMs) * intervalMs, window, context);
      return "continue";
    },
    onEventTime(timestampMs, window, context) {
      if (timestampMs === window.maxTimestampMs) return "fire";
      if (context.state.next.get() !== timestampMs) return "continue";
      context.state.next.clear();
      setNext(timestampMs, window, context);
      return "fire";
    },
    onMerge(_window, context) {
      context.mergeState("next");
      const nextMs = context.state.next.get();
      if (nextMs !== null) context.timers.registerEventTime(nextMs);
    },
    clear(window, { state, timers }) {
      const nextMs = state.next.get();
      if (nextMs !== null) timers.deleteEventTime(nextMs);
      timers.deleteEventTime(window.maxTimestampMs);
      state.next.clear();
    },
  };
}

/**
 * Fires at every multiple of the interval that the wall clock passes, and at the end of the window.
 *
 * @param interval "10 s", or milliseconds; > 0.
 * @throws {RangeError} If it is no such time.
 */
export function continuousProcessingTimeTrigger(interval: Duration): Trigger<unknown, Window, ContinuousState> {
  const intervalMs = durationMs(interval, "the interval of a trigger", 1);
  const setNext = (fromMs: number, window: Window, { state, timers }: TriggerContext<ContinuousState>) => {
    const nextMs = Math.min(fromMs + intervalMs, window.maxTimestampMs);
    state.next.add(nextMs);
    timers.registerProcessingTime(nextMs);
  };
  return {
    state: { next: reducingState<number>("next", Math.min, OF_NUMBERS) },
    onElement(_value, _timestampMs, window, context) {
      if (context.state.next.get() === null) {
        setNext(Math.floor(context.timers.currentProcessingTime() / intervalMs) * intervalMs, window, context);
      }
      return "continue";
    },
    onProcessingTime(timestampMs, window, context) {
      if (context.state.next.get() !== timestampMs) return "continue";
      context.state.next.clear();
      if (timestampMs < window.maxTimestampMs) setNext(timestampMs, window, context);
      return "fire";
    },
    onMerge(_window, context) {
      context.mergeState("next");
      const nextMs = context.state.next.get();
      if (nextMs !== null) context.timers.registerProcessingTime(nextMs);
    },
    clear(_window, { state, timers }) {
      const nextMs = state.next.get();
      if (nextMs !== null) timers.deleteProcessingTime(nextMs);
      state.next.clear();
    },
  };
}

/**
 * Fires when an element differs from the one that fired last, or from the first one, by more than the threshold. Not
 * for windows that merge.
 *
 * @param threshold The difference that does not fire yet.
 * @param difference Synchronous.
 */
export function deltaTrigger<T>(
  threshold: number,
  difference: (former: T, latter: T) => number,
): Trigger<T, Window, { readonly last: ValueStateDescriptor<T | null> }> {
  return {
    state: { last: valueState<T>("last") },
    onElement(value, _timestampMs, _window, { state }) {
      const last = state.last.value();
      if (last === null) {
        state.last.update(value);
        return "continue";
      }
      if (!(difference(last, value) > threshold)) return "continue";
      state.last.update(value);
      return "fire";
    },
    clear: (_window, { state }) => state.last.clear(),
  };
}

/** As another trigger, but what a window holds is forgotten whenever it has fired. */
export function purgingTrigger<T, W extends Window, S extends StateDeclarations = NoState>(
  trigger: Trigger<T, W, S>,
): Trigger<T, W, S> {
  const purging = (result: TriggerResult): TriggerResult => result === "fire" ? "fire-and-purge" : result;
  const { state } = trigger;
  return {
    ...(state === undefined ? {} : { state }),
    onElement: (value, timestampMs, window, context) => purging(trigger.onElement(value, timestampMs, window, context)),
    onEventTime: (timestampMs, window, context) =>
      purging(trigger.onEventTime?.(timestampMs, window, context) ?? "continue"),
    onProcessingTime: (timestampMs, window, context) =>
      purging(trigger.onProcessingTime?.(timestampMs, window, context) ?? "continue"),
    ...(trigger.onMerge === undefined ? {} : { onMerge: (window, context) => trigger.onMerge!(window, context) }),
    clear: (window, context) => trigger.clear(window, context),
  };
}
