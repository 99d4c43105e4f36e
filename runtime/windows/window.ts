/**
 * Windows: finite pieces of a stream of one key, and how state and timers are addressed by them.
 *
 * Called by: everything in this folder; users read them in window functions and triggers.
 * Calls: core/key.ts.
 *
 * @module
 */
import { MAX_WATERMARK } from "../../core/element.ts";
import { StreamError } from "../../core/errors.ts";
import { type Namespace, VOID_NAMESPACE } from "../../core/key.ts";

/** A piece of a stream of one key. */
export interface Window {
  /** The last millisecond that belongs to it: once time has come that far it is complete. Results have this timestamp. */
  readonly maxTimestampMs: number;
}

/**
 * All times from `startMs` to before `endMs`. Immutable.
 *
 * @example
 * ```ts
 * import { TimeWindow } from "../../windows.ts";
 *
 * const window = new TimeWindow(0, 10_000);
 * if (window.maxTimestampMs !== 9_999) throw new Error("it ends before 10 s");
 * ```
 */
export class TimeWindow implements Window {
  /**
   * Makes a window.
   *
   * @param startMs First time that belongs to it, milliseconds since the epoch.
   * @param endMs First time that does not.
   */
  constructor(readonly startMs: number, readonly endMs: number) {}

  /** `endMs - 1`. */
  get maxTimestampMs(): number {
    return this.endMs - 1;
  }
}

/** The one window that holds everything; it never ends by itself. */
export class GlobalWindow implements Window {
  /** Infinity: the end of event time. */
  readonly maxTimestampMs: number = MAX_WATERMARK;
}

/** The only global window there is. */
export const GLOBAL_WINDOW: GlobalWindow = new GlobalWindow();

/**
 * Under which namespace triggers keep state and timers of a window; inverse of {@link windowOf}.
 *
 * @throws {StreamError} For a window of another class: nothing would tell it from the next.
 */
export function namespaceOf(window: Window): Namespace {
  if (window instanceof TimeWindow) return [window.startMs, window.endMs];
  if (window instanceof GlobalWindow) return VOID_NAMESPACE;
  throw new StreamError(
    "invalid",
    `Cannot keep window ${
      JSON.stringify(window)
    }: it is of a class of its own, must be a TimeWindow or GLOBAL_WINDOW; ` +
      `check assign() of the window assigner`,
  );
}

/** The window whose state and timers have this namespace. @throws {StreamError} If no window has it. */
export function windowOf(namespace: Namespace): Window {
  if (namespace === VOID_NAMESPACE) return GLOBAL_WINDOW;
  if (Array.isArray(namespace) && typeof namespace[0] === "number" && typeof namespace[1] === "number") {
    return new TimeWindow(namespace[0], namespace[1]);
  }
  throw new StreamError("corrupt", `Cannot go on with a timer of namespace ${String(namespace)}: it is no window's`);
}

/** Whether two windows are the same piece of time. */
export function sameWindow(left: Window, right: Window): boolean {
  if (left === right) return true;
  return left instanceof TimeWindow && right instanceof TimeWindow && left.startMs === right.startMs &&
    left.endMs === right.endMs;
}

/** Windows that become one. */
export interface MergedWindows {
  /** What they become. */
  readonly result: TimeWindow;
  /** Those that it takes the place of; each belongs to one merge. */
  readonly merged: readonly TimeWindow[];
}

/** Joins windows that overlap or touch, several at once if they are linked; windows that stay alone are not named. */
export function mergeTouching(windows: readonly TimeWindow[]): MergedWindows[] {
  const sorted = [...windows].sort((left, right) => left.startMs - right.startMs || left.endMs - right.endMs);
  const groups: { startMs: number; endMs: number; merged: TimeWindow[] }[] = [];
  for (const window of sorted) {
    const group = groups.at(-1);
    if (group !== undefined && window.startMs <= group.endMs) {
      group.endMs = Math.max(group.endMs, window.endMs);
      group.merged.push(window);
    } else {
      groups.push({ startMs: window.startMs, endMs: window.endMs, merged: [window] });
    }
  }
  return groups.filter(({ merged }) => merged.length > 1).map(({ startMs, endMs, merged }) => ({
    result: new TimeWindow(startMs, endMs),
    merged,
  }));
}
