/**
 * Evictors: take elements out of a window when it fires, before or after its function is called.
 *
 * Called by: users; runtime/windows/evicting_contents.ts.
 * Calls: nothing.
 *
 * Source: the classes of the same names in Flink.
 *
 * @module
 */
import { NO_TIMESTAMP } from "../../core/element.ts";
import { type Duration, durationMs } from "./duration.ts";
import type { Window } from "./window.ts";

/** An element of a window, with its time. */
export interface TimestampedElement<T> {
  /** The element. */
  readonly value: T;
  /** Event time, milliseconds since the epoch; -Infinity when it has none. */
  readonly timestampMs: number;
}

/** What an evictor can ask. */
export interface EvictorContext {
  /** Event time has come this far; -Infinity before the first watermark. */
  readonly currentWatermark: number;
  /** The wall clock, milliseconds since the epoch. */
  currentProcessingTime(): number;
}

/**
 * Says which elements of a window that fires stay. What goes is forgotten for good: a window with an evictor keeps all
 * its elements until then, also for `reduce` and `aggregate`.
 */
export interface Evictor<T = unknown, W extends Window = Window> {
  /** The elements that the function is to see, and that stay; in the order in which they came. */
  evictBefore?(
    elements: readonly TimestampedElement<T>[],
    window: W,
    context: EvictorContext,
  ): readonly TimestampedElement<T>[];
  /** Of what the function has seen, the elements that stay. */
  evictAfter?(
    elements: readonly TimestampedElement<T>[],
    window: W,
    context: EvictorContext,
  ): readonly TimestampedElement<T>[];
}

/** When an evictor acts. */
export interface EvictorOptions {
  /** After the function was called, not before. Default false. */
  readonly after?: boolean;
}

type Keep<T> = (elements: readonly TimestampedElement<T>[]) => readonly TimestampedElement<T>[];

function evicting<T>(keep: Keep<T>, { after = false }: EvictorOptions): Evictor<T> {
  return after ? { evictAfter: keep } : { evictBefore: keep };
}

/**
 * Keeps the last `count` elements.
 *
 * @param count An integer ≥ 0.
 * @throws {RangeError} If it is not.
 */
export function countEvictor<T>(count: number, options: EvictorOptions = {}): Evictor<T> {
  if (!Number.isInteger(count) || count < 0) {
    throw new RangeError(`Cannot make a count evictor: count must be an integer ≥ 0, current value is ${count}`);
  }
  return evicting((elements) => elements.slice(Math.max(0, elements.length - count)), options);
}

/**
 * Keeps the elements whose time is less than `time` before that of the latest. Elements without a time all stay.
 *
 * @param time "10 s", or milliseconds; ≥ 0.
 * @throws {RangeError} If it is no such time.
 */
export function timeEvictor<T>(time: Duration, options: EvictorOptions = {}): Evictor<T> {
  const timeMs = durationMs(time, "the time of an evictor", 0);
  return evicting((elements) => {
    if (elements[0]?.timestampMs === NO_TIMESTAMP) return elements;
    let latestMs = NO_TIMESTAMP;
    for (const { timestampMs } of elements) latestMs = Math.max(latestMs, timestampMs);
    return elements.filter(({ timestampMs }) => timestampMs > latestMs - timeMs);
  }, options);
}

/**
 * Keeps the elements that differ from the last one by less than the threshold.
 *
 * @param threshold The smallest difference that is too much.
 * @param difference Synchronous.
 */
export function deltaEvictor<T>(
  threshold: number,
  difference: (element: T, last: T) => number,
  options: EvictorOptions = {},
): Evictor<T> {
  return evicting((elements) => {
    const last = elements.at(-1);
    if (last === undefined) return elements;
    return elements.filter(({ value }) => difference(value, last.value) < threshold);
  }, options);
}
