/**
 * The window assigners that come with Weir: tumbling, sliding, session, global.
 *
 * Called by: users.
 * Calls: window.ts, triggers.ts.
 *
 * Source: the classes of the same names in Flink.
 *
 * @module
 */
import { StreamError } from "../../core/errors.ts";
import type { TimeDomain } from "../actor.ts";
import { type Duration, durationMs } from "./duration.ts";
import type { Trigger } from "./trigger.ts";
import { eventTimeTrigger, neverTrigger, processingTimeTrigger } from "./triggers.ts";
import { GLOBAL_WINDOW, type GlobalWindow, type MergedWindows, mergeTouching, TimeWindow } from "./window.ts";
import type { AssignerContext, WindowAssigner } from "./window_assigner.ts";

/** What windows of time are cut by. */
export interface TimeOptions {
  /** Time of the elements, or the wall clock when they arrive. Default "event". */
  readonly time?: TimeDomain;
}

/** Where windows of fixed size begin. */
export interface AlignedOptions extends TimeOptions {
  /**
   * Windows begin at multiples of their size (their slide) plus this; "-8 h" for days of UTC+8. Less than the size (the
   * slide), to either side. Default 0.
   */
  readonly offset?: Duration;
}

/** @throws {StreamError} If a record has no time. */
export function checkTimestamp(timestampMs: number): void {
  if (timestampMs - timestampMs === 0) return;
  throw new StreamError(
    "invalid",
    `Cannot put a record into a window of event time: its timestamp is ${timestampMs}, must be a time; give the source ` +
      `a strategy, watermarks((record) => record.timeMs), or cut the windows by the wall clock: { time: "processing" }`,
  );
}

/** Windows of one size at regular distances: made by `tumbling` and `sliding`. */
export class AlignedWindows implements WindowAssigner<unknown, TimeWindow> {
  /**
   * For `tumbling` and `sliding`, which check what they are given.
   *
   * @param sizeMs Of each window, ≥ 1.
   * @param slideMs Between the beginnings of two windows, ≥ 1.
   * @param offsetMs One window begins here, nearer to 0 than `slideMs`.
   * @param domain What they are cut by.
   */
  constructor(
    readonly sizeMs: number,
    readonly slideMs: number,
    readonly offsetMs: number,
    readonly domain: TimeDomain,
  ) {}

  /** The windows of an element, the latest first. @throws {StreamError} For an element without a time. */
  assign(_value: unknown, timestampMs: number, context: AssignerContext): TimeWindow[] {
    const { sizeMs, slideMs, offsetMs } = this;
    const atMs = this.domain === "event" ? timestampMs : context.currentProcessingTime();
    checkTimestamp(atMs);
    const windows: TimeWindow[] = [];
    let startMs = Math.floor((atMs - offsetMs) / slideMs) * slideMs + offsetMs;
    for (; startMs > atMs - sizeMs; startMs -= slideMs) windows.push(new TimeWindow(startMs, startMs + sizeMs));
    return windows;
  }

  /** Fires at the end of the window. */
  defaultTrigger(): Trigger {
    return this.domain === "event" ? eventTimeTrigger() : processingTimeTrigger();
  }
}

/**
 * Windows of one size, one after the other: each element is in one of them.
 *
 * @example
 * ```ts
 * import { collectSink, fromIterable, StreamEnvironment, watermarks } from "../../mod.ts";
 * import { tumbling } from "../../windows.ts";
 *
 * const env = StreamEnvironment.create({ argv: [] });
 * const out = collectSink<string>();
 * const sales = [{ shop: "a", atMs: 1_000 }, { shop: "a", atMs: 4_000 }, { shop: "a", atMs: 12_000 }];
 * env.fromSource("sales", fromIterable(sales), watermarks((sale) => sale.atMs))
 *   .keyBy((sale) => sale.shop)
 *   .window(tumbling("10 s"))
 *   .apply("count", (sales, { key, window }) => `${key} ${window.startMs} ${sales.length}`)
 *   .sinkTo("out", out);
 * await (await env.executeAsync("sales")).result;
 * if (out.values.join() !== "a 0 2,a 10000 1") throw new Error(out.values.join());
 * ```
 *
 * @param size "10 s", or milliseconds; ≥ 1 ms.
 * @throws {RangeError} If size or offset are no such times.
 */
export function tumbling(size: Duration, options: AlignedOptions = {}): AlignedWindows {
  const sizeMs = durationMs(size, "the size of windows", 1);
  return new AlignedWindows(sizeMs, sizeMs, offsetOf(options, sizeMs), options.time ?? "event");
}

/**
 * Windows of one size that begin at regular distances: each element is in all that are open at its time. What `reduce`
 * and `aggregate` keep is shared by the windows, see docs/guide/windows.md.
 *
 * @param size "10 s", or milliseconds; ≥ 1 ms.
 * @param slide Between the beginnings of two windows; ≥ 1 ms. Larger than the size: there are gaps in which elements are
 * in no window.
 * @throws {RangeError} If size, slide or offset are no such times.
 */
export function sliding(size: Duration, slide: Duration, options: AlignedOptions = {}): AlignedWindows {
  const sizeMs = durationMs(size, "the size of windows", 1);
  const slideMs = durationMs(slide, "the slide of windows", 1);
  return new AlignedWindows(sizeMs, slideMs, offsetOf(options, slideMs), options.time ?? "event");
}

function offsetOf({ offset = 0 }: AlignedOptions, slideMs: number): number {
  const offsetMs = durationMs(offset, "the offset of windows", Number.NEGATIVE_INFINITY);
  if (Math.abs(offsetMs) < slideMs) return offsetMs;
  throw new RangeError(
    `Cannot shift windows by ${JSON.stringify(offset)}: the offset must be less than ${slideMs} ms, to either side`,
  );
}

/** How long an element keeps its session open, milliseconds; synchronous. */
export type SessionGap<T> = (value: T) => number;

/** Windows of activity that silence ends: made by `session`. */
export class SessionWindows<T> implements WindowAssigner<T, TimeWindow> {
  /**
   * For `session`, which checks what it is given.
   *
   * @param gapMs Silence that ends a session, ≥ 1; or how to find it for each element.
   * @param domain What they are cut by.
   */
  constructor(readonly gapMs: number | SessionGap<T>, readonly domain: TimeDomain) {}

  /** From the element on, for as long as its gap. @throws {StreamError} For an element without a time or with a wrong gap. */
  assign(value: T, timestampMs: number, context: AssignerContext): TimeWindow[] {
    const atMs = this.startOf(timestampMs, context);
    return [new TimeWindow(atMs, atMs + this.gapOf(value))];
  }

  /** Where the window of an element begins. @throws {StreamError} For an element without a time. */
  startOf(timestampMs: number, context: AssignerContext): number {
    const atMs = this.domain === "event" ? timestampMs : context.currentProcessingTime();
    checkTimestamp(atMs);
    return atMs;
  }

  /** The gap of an element, ≥ 1. @throws {RangeError} If the function gives none. */
  gapOf(value: T): number {
    if (typeof this.gapMs === "number") return this.gapMs;
    const gapMs: unknown = this.gapMs(value);
    if (Number.isSafeInteger(gapMs) && gapMs as number > 0) return gapMs as number; // a safe integer is a number
    throw new RangeError(
      `Cannot put a record into a session: its gap is ${String(gapMs)}, must be a whole number of milliseconds ≥ 1; ` +
        `check the function given to session()`,
    );
  }

  /** Sessions that overlap or touch are one. */
  merge(windows: readonly TimeWindow[]): MergedWindows[] {
    return mergeTouching(windows);
  }

  /** Fires at the end of the session. */
  defaultTrigger(): Trigger {
    return this.domain === "event" ? eventTimeTrigger() : processingTimeTrigger();
  }
}

/**
 * Windows of activity: a session ends when nothing has come for as long as the gap.
 *
 * @example
 * ```ts
 * import { collectSink, fromIterable, StreamEnvironment, watermarks } from "../../mod.ts";
 * import { session } from "../../windows.ts";
 *
 * const env = StreamEnvironment.create({ argv: [] });
 * const out = collectSink<string>();
 * env.fromSource("clicks", fromIterable([1, 3, 4, 20]), watermarks((second) => second * 1_000))
 *   .keyBy(() => "visitor")
 *   .window(session("5 s"))
 *   .apply("visits", (clicks, { window }) => `${window.startMs}-${window.endMs}: ${clicks.length}`)
 *   .sinkTo("out", out);
 * await (await env.executeAsync("visits")).result;
 * if (out.values.join() !== "1000-9000: 3,20000-25000: 1") throw new Error(out.values.join());
 * ```
 *
 * @param gap "30 min", or milliseconds, ≥ 1; or a function that gives the gap of each element in milliseconds.
 * @throws {RangeError} If it is no such time.
 */
export function session<T>(gap: Duration | SessionGap<T>, options: TimeOptions = {}): SessionWindows<T> {
  const gapMs = typeof gap === "function" ? gap : durationMs(gap, "the gap of sessions", 1);
  return new SessionWindows(gapMs, options.time ?? "event");
}

/** All elements of a key in one window: made by `globalWindow`. */
export class GlobalWindows implements WindowAssigner<unknown, GlobalWindow> {
  /** No time ends it, so nothing is late. */
  readonly domain = "processing";
  readonly #all: readonly GlobalWindow[] = [GLOBAL_WINDOW];

  /** Always the same one. */
  assign(): readonly GlobalWindow[] {
    return this.#all;
  }

  /** Never fires. */
  defaultTrigger(): Trigger {
    return neverTrigger();
  }
}

const GLOBAL_WINDOWS = new GlobalWindows();

/** One window per key that never ends; give it a trigger. */
export function globalWindow(): GlobalWindows {
  return GLOBAL_WINDOWS;
}
