/**
 * Registers timers for the current key and fires those that are due, on event time and on processing time.
 *
 * Called by: keyed operators in runtime/ (register, delete, advance the watermark), which runs it in the mailbox only.
 * Calls: core/timer.ts (the queues, the target), timers/processing_time.ts, timers/timer_table.ts.
 *
 * Invariants:
 * - between two calls, while started, exactly one wake-up is scheduled if there is a processing-time timer, none otherwise;
 * - a callback runs with the current key of its timer, and after its timer has left the queue.
 *
 * @module
 */
import type { Cancel } from "../core/clock.ts";
import { MIN_WATERMARK } from "../core/element.ts";
import { type Namespace, VOID_NAMESPACE } from "../core/key.ts";
import type { Counter } from "../core/metrics.ts";
import type { KeyContext } from "../core/state.ts";
import type { Timer, TimerQueue, TimerTarget } from "../core/timer.ts";
import type { ProcessingTimeService } from "./processing_time.ts";
import { sameNamespace } from "./timer_table.ts";

/** What a timer service works with. */
export interface TimerServiceOptions {
  /** Names the service in errors. */
  readonly name: string;
  /** Whose current key timers are registered for. */
  readonly keys: KeyContext;
  /** Pending event-time timers; may hold restored ones. */
  readonly eventTime: TimerQueue;
  /** Pending processing-time timers; may hold restored ones. */
  readonly processingTime: TimerQueue;
  /** Tells the time and wakes up. */
  readonly clock: ProcessingTimeService;
  /** What is called when a timer is due. */
  readonly target: TimerTarget;
  /** Counts each timer that has fired. */
  readonly onFired?: Counter;
  /** Asked between two processing-time timers: true puts the rest off to a later turn of the mailbox. Default: never. */
  readonly interrupted?: () => boolean;
}

const never = () => false;

/** The timers of one keyed operator. */
export class TimerService {
  /** The watermark that was given last; a restore may set it. */
  currentWatermark: number = MIN_WATERMARK;

  private readonly options: TimerServiceOptions;
  private readonly keys: KeyContext;
  private readonly eventTime: TimerQueue;
  private readonly processingTime: TimerQueue;
  private readonly target: TimerTarget;
  private readonly onFired: Counter | null;
  private state: "created" | "started" | "closed" = "created";
  /** Whether processing-time timers are being fired: the wake-up is scheduled at the end. */
  private firing = false;
  /** Time of the scheduled wake-up, +Infinity when there may be none. */
  private wakeUpMs = Number.POSITIVE_INFINITY;
  private cancelWakeUp: Cancel | null = null;

  /** Nothing is scheduled before {@link TimerService.start}. */
  constructor(options: TimerServiceOptions) {
    this.options = options;
    this.keys = options.keys;
    this.eventTime = options.eventTime;
    this.processingTime = options.processingTime;
    this.target = options.target;
    this.onFired = options.onFired ?? null;
  }

  /** Schedules the wake-up for restored processing-time timers; those that are due fire at the mailbox's next turn. */
  start(): void {
    if (this.state !== "created") return;
    this.state = "started";
    this.scheduleWakeUp();
  }

  /** Cancels the wake-up; no processing-time timer fires any more. Safe to call twice. */
  close(): void {
    this.state = "closed";
    this.cancelWakeUp?.();
    this.cancelWakeUp = null;
    this.wakeUpMs = Number.POSITIVE_INFINITY;
  }

  /**
   * Fires for the current key once the watermark reaches the timestamp; registering the same again does nothing.
   *
   * @param timestampMs Milliseconds since the epoch; infinities are legal.
   * @throws {TypeError} If it is not a number.
   */
  registerEventTime(timestampMs: number, namespace: Namespace = VOID_NAMESPACE): void {
    if (typeof timestampMs !== "number" || timestampMs !== timestampMs) throw this.noTimestamp("register", timestampMs);
    this.eventTime.add(timestampMs, this.keys.currentKey(), namespace);
  }

  /** Takes back an event-time timer of the current key, if it is there. @throws {TypeError} As for registering. */
  deleteEventTime(timestampMs: number, namespace: Namespace = VOID_NAMESPACE): void {
    if (typeof timestampMs !== "number" || timestampMs !== timestampMs) throw this.noTimestamp("delete", timestampMs);
    this.eventTime.remove(timestampMs, this.keys.currentKey(), namespace);
  }

  /**
   * Fires for the current key once the wall clock reaches the timestamp; registering the same again does nothing.
   *
   * @param timestampMs Milliseconds since the epoch; infinities are legal.
   * @throws {TypeError} If it is not a number.
   */
  registerProcessingTime(timestampMs: number, namespace: Namespace = VOID_NAMESPACE): void {
    if (typeof timestampMs !== "number" || timestampMs !== timestampMs) throw this.noTimestamp("register", timestampMs);
    if (this.processingTime.add(timestampMs, this.keys.currentKey(), namespace)) this.scheduleWakeUp();
  }

  /** Takes back a processing-time timer of the current key, if it is there. @throws {TypeError} As for registering. */
  deleteProcessingTime(timestampMs: number, namespace: Namespace = VOID_NAMESPACE): void {
    if (typeof timestampMs !== "number" || timestampMs !== timestampMs) throw this.noTimestamp("delete", timestampMs);
    if (this.processingTime.remove(timestampMs, this.keys.currentKey(), namespace)) this.scheduleWakeUp();
  }

  /** When the next event-time timer is due; +Infinity when there is none. */
  get nextEventTimeMs(): number {
    return this.eventTime.headTimestampMs;
  }

  /** Wall clock, milliseconds since the epoch. */
  currentProcessingTime(): number {
    return this.options.clock.nowMs();
  }

  /**
   * Sets the watermark and fires the event-time timers that are due, in the order of their timestamps, those included
   * that callbacks register meanwhile.
   *
   * @param interrupted Asked after each timer while more are due: true stops.
   * @returns False when timers that are due are left: call again with the same watermark, and only then pass it on.
   */
  advanceWatermark(watermarkMs: number, interrupted: () => boolean): boolean {
    this.currentWatermark = watermarkMs;
    if (this.eventTime.headTimestampMs > watermarkMs) return true;
    return this.fireEventTime(watermarkMs, interrupted);
  }

  private fireEventTime(watermarkMs: number, interrupted: () => boolean): boolean {
    const { eventTime: queue, keys, target, onFired } = this;
    for (;;) {
      // Null only when the watermark is +Infinity, which is also the head of an empty queue.
      const timer = queue.poll();
      if (timer === null) return true;
      keys.setCurrentKey(timer.key);
      target.onEventTime(timer);
      if (onFired !== null) onFired.inc();
      if (queue.headTimestampMs > watermarkMs) return true;
      // Rare: not asked for its size, which a queue on disk would have to count.
      if (queue.headTimestampMs === Number.POSITIVE_INFINITY && queue.peek() === null) return true;
      if (interrupted()) return false;
    }
  }

  /**
   * Fires the processing-time timers that are due now. The wake-up does this by itself.
   *
   * @param interrupted Asked after each timer while more are due: true stops.
   * @returns False when timers that are due are left; a wake-up for them is in the mailbox then.
   */
  fireProcessingTime(interrupted: () => boolean): boolean {
    if (this.state !== "started" || this.firing) return true;
    this.firing = true;
    try {
      return this.fireUntil(this.options.clock.nowMs(), interrupted);
    } finally {
      this.firing = false;
      this.scheduleWakeUp();
    }
  }

  private fireUntil(nowMs: number, interrupted: () => boolean): boolean {
    const { processingTime: queue, keys, target, onFired } = this;
    while (queue.headTimestampMs <= nowMs) {
      const timer = queue.poll();
      if (timer === null) return true;
      keys.setCurrentKey(timer.key);
      target.onProcessingTime(timer);
      if (onFired !== null) onFired.inc();
      // A callback may have closed the service.
      if (this.state !== "started") return true;
      if (queue.headTimestampMs <= nowMs && interrupted()) return false;
    }
    return true;
  }

  /** Makes the wake-up the one for the head of the queue. */
  private scheduleWakeUp(): void {
    if (this.state !== "started" || this.firing) return;
    const headMs = this.processingTime.headTimestampMs;
    if (headMs === this.wakeUpMs) return;
    this.cancelWakeUp?.();
    this.cancelWakeUp = null;
    this.wakeUpMs = headMs;
    if (headMs !== Number.POSITIVE_INFINITY) this.cancelWakeUp = this.options.clock.schedule(headMs, this.wakeUp);
  }

  private readonly wakeUp = (): void => {
    this.cancelWakeUp = null;
    this.wakeUpMs = Number.POSITIVE_INFINITY;
    this.fireProcessingTime(this.options.interrupted ?? never);
  };

  /** Number of pending event-time timers, of one namespace or of all; for one it walks them. */
  eventTimeTimerCount(namespace?: Namespace): number {
    return countOf(this.eventTime, namespace);
  }

  /** Number of pending processing-time timers, of one namespace or of all; for one it walks them. */
  processingTimeTimerCount(namespace?: Namespace): number {
    return countOf(this.processingTime, namespace);
  }

  /** Calls back for each event-time timer, in any order, with its key as the current one; which it is afterwards is open. */
  forEachEventTimeTimer(callback: (timer: Timer) => void): void {
    this.forEach(this.eventTime, callback);
  }

  /** As {@link TimerService.forEachEventTimeTimer}, for processing-time timers. */
  forEachProcessingTimeTimer(callback: (timer: Timer) => void): void {
    this.forEach(this.processingTime, callback);
  }

  private forEach(queue: TimerQueue, callback: (timer: Timer) => void): void {
    for (const timer of queue) {
      this.keys.setCurrentKey(timer.key);
      callback(timer);
    }
  }

  private noTimestamp(action: string, timestampMs: unknown): TypeError {
    return new TypeError(
      `Cannot ${action} a timer of "${this.options.name}": timestamp is ${String(timestampMs)}, must be a number of ` +
        `milliseconds since the epoch; check how it is computed`,
    );
  }
}

function countOf(queue: TimerQueue, namespace: Namespace | undefined): number {
  if (namespace === undefined) return queue.size;
  let count = 0;
  for (const timer of queue) {
    if (sameNamespace(timer.namespace, namespace)) count++;
  }
  return count;
}
