/**
 * A timer service with everything around it under the test's hands: clock, mailbox, current key, what has fired.
 *
 * Called by: tests/timers/.
 * Calls: timers/, tests/support/manual_clock.ts.
 *
 * @module
 */
import type { Key, Namespace } from "../../core/key.ts";
import type { KeyContext } from "../../core/state.ts";
import type { Timer, TimerTarget } from "../../core/timer.ts";
import { HeapTimerQueue } from "../../timers/heap_timer_queue.ts";
import { MailboxProcessingTime } from "../../timers/processing_time.ts";
import { TimerService } from "../../timers/timer_service.ts";
import { ManualClock } from "../support/manual_clock.ts";

/** One callback, as the target saw it. */
export interface Fired {
  readonly time: "event" | "processing";
  readonly timestampMs: number;
  readonly key: Key;
  readonly namespace: Namespace;
  /** The current key at that moment. */
  readonly currentKey: Key;
}

/** What a harness may start with. */
export interface HarnessOptions {
  readonly startMs?: number;
  readonly eventTime?: HeapTimerQueue;
  readonly processingTime?: HeapTimerQueue;
  /** Asked between processing-time timers. */
  readonly interrupted?: () => boolean;
}

/** An empty queue over 128 key groups. */
export function queueNamed(name: string, keyGroups = { start: 0, end: 127 }): HeapTimerQueue {
  return new HeapTimerQueue({ name, maxParallelism: 128, keyGroups, tracking: false });
}

/** Records what fires. */
export class TimerHarness implements KeyContext, TimerTarget {
  readonly clock: ManualClock;
  readonly mailbox: (() => void)[] = [];
  readonly fired: Fired[] = [];
  /** Runs inside each callback, after it was recorded. */
  onTimer: (fired: Fired) => void = () => {};
  readonly eventTime: HeapTimerQueue;
  readonly processingTime: HeapTimerQueue;
  readonly timers: TimerService;
  firedCount = 0;
  private key: Key | undefined;

  constructor(options: HarnessOptions = {}) {
    this.clock = new ManualClock({ startMs: options.startMs ?? 0 });
    this.eventTime = options.eventTime ?? queueNamed("event");
    this.processingTime = options.processingTime ?? queueNamed("processing");
    const onFired = () => this.firedCount;
    this.timers = new TimerService({
      name: "timers under test",
      keys: this,
      eventTime: this.eventTime,
      processingTime: this.processingTime,
      clock: new MailboxProcessingTime(this.clock, (callback) => void this.mailbox.push(callback)),
      target: this,
      onFired: {
        inc: (n = 1) => {
          this.firedCount += n;
        },
        get count(): number {
          return onFired();
        },
      },
      ...(options.interrupted !== undefined && { interrupted: options.interrupted }),
    });
  }

  setCurrentKey(key: Key): void {
    this.key = key;
  }

  currentKey(): Key {
    if (this.key === undefined) throw new Error("no current key");
    return this.key;
  }

  onEventTime(timer: Timer): void {
    this.record("event", timer);
  }

  onProcessingTime(timer: Timer): void {
    this.record("processing", timer);
  }

  private record(time: "event" | "processing", { timestampMs, key, namespace }: Timer): void {
    const fired: Fired = { time, timestampMs, key, namespace, currentKey: this.currentKey() };
    this.fired.push(fired);
    this.onTimer(fired);
  }

  /** Timestamps of what has fired since the last call. */
  takeTimestamps(): number[] {
    return this.fired.splice(0).map((fired) => fired.timestampMs);
  }

  /** Runs what is in the mailbox now, not what that posts. */
  runMailbox(): void {
    for (const callback of this.mailbox.splice(0)) callback();
  }

  /** Moves the wall clock; each wake-up runs through the mailbox at its time. */
  advance(ms: number): void {
    for (let passed = 0; passed < ms; passed++) {
      this.clock.advance(1);
      while (this.mailbox.length > 0) this.runMailbox();
    }
  }
}
