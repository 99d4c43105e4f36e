/**
 * Windows: what `window(…)` and `windowAll(…)` take and return; `mod.ts` has the rest.
 *
 * Called by: users.
 * Calls: nothing; it names what is public.
 *
 * @module
 */

// The stream in windows
export { WindowedStream } from "./runtime/windowed_stream.ts";
export { GlobalWindow } from "./runtime/windows/window.ts";
export { GLOBAL_WINDOW } from "./runtime/windows/window.ts";
export { TimeWindow } from "./runtime/windows/window.ts";
export { type Window } from "./runtime/windows/window.ts";
export { type WindowContext } from "./runtime/windows/window_function.ts";
export { type WindowFunction } from "./runtime/windows/window_function.ts";
export { type WindowProcessFunction } from "./runtime/windows/window_function.ts";
export { type WindowStates } from "./runtime/windows/window_function.ts";
export { type WindowView } from "./runtime/windows/window_function.ts";
export { type Duration } from "./runtime/windows/duration.ts";

// Assigners
export { type AlignedOptions } from "./runtime/windows/assigners.ts";
export { AlignedWindows } from "./runtime/windows/assigners.ts";
export { GlobalWindows } from "./runtime/windows/assigners.ts";
export { globalWindow } from "./runtime/windows/assigners.ts";
export { session } from "./runtime/windows/assigners.ts";
export { type SessionGap } from "./runtime/windows/assigners.ts";
export { SessionWindows } from "./runtime/windows/assigners.ts";
export { sliding } from "./runtime/windows/assigners.ts";
export { type TimeOptions } from "./runtime/windows/assigners.ts";
export { tumbling } from "./runtime/windows/assigners.ts";
export { type AssignerContext } from "./runtime/windows/window_assigner.ts";
export { type WindowAssigner } from "./runtime/windows/window_assigner.ts";
export { type MergedWindows } from "./runtime/windows/window.ts";
export { mergeTouching } from "./runtime/windows/window.ts";

// Triggers
export { continuousEventTimeTrigger } from "./runtime/windows/triggers.ts";
export { continuousProcessingTimeTrigger } from "./runtime/windows/triggers.ts";
export { type ContinuousState } from "./runtime/windows/triggers.ts";
export { type CountState } from "./runtime/windows/triggers.ts";
export { countTrigger } from "./runtime/windows/triggers.ts";
export { deltaTrigger } from "./runtime/windows/triggers.ts";
export { endOfStreamTrigger } from "./runtime/windows/triggers.ts";
export { eventTimeTrigger } from "./runtime/windows/triggers.ts";
export { neverTrigger } from "./runtime/windows/triggers.ts";
export { processingTimeTrigger } from "./runtime/windows/triggers.ts";
export { purgingTrigger } from "./runtime/windows/triggers.ts";
export { type MergeContext } from "./runtime/windows/trigger.ts";
export { type NoState } from "./runtime/windows/trigger.ts";
export { type Trigger } from "./runtime/windows/trigger.ts";
export { type TriggerContext } from "./runtime/windows/trigger.ts";
export { type TriggerResult } from "./runtime/windows/trigger.ts";

// Evictors
export { countEvictor } from "./runtime/windows/evictor.ts";
export { deltaEvictor } from "./runtime/windows/evictor.ts";
export { type Evictor } from "./runtime/windows/evictor.ts";
export { type EvictorContext } from "./runtime/windows/evictor.ts";
export { type EvictorOptions } from "./runtime/windows/evictor.ts";
export { timeEvictor } from "./runtime/windows/evictor.ts";
export { type TimestampedElement } from "./runtime/windows/evictor.ts";
