/**
 * The contract of a time-ordered queue of timers.
 * `tests/contracts/timer_queue.ts` is its conformance suite.
 *
 * Called by: timers/timer_service.ts; implemented by heap and, later, embedded queues.
 * Calls: nothing.
 *
 * @module
 */
import type { Key, Namespace } from "./key.ts";

/** Identity is all three fields: the same registered twice fires once. Immutable. */
export interface Timer {
  readonly timestampMs: number;
  readonly key: Key;
  readonly namespace: Namespace;
}

/** A set of timers, ordered by timestamp. */
export interface TimerQueue extends Iterable<Timer> {
  /** Timestamp of the head, +Infinity when empty. Cheap: asked for every watermark. */
  readonly headTimestampMs: number;
  readonly size: number;
  /** Adds unless it is there; true iff the head possibly changed. */
  add(timestampMs: number, key: Key, namespace: Namespace): boolean;
  /** Removes if it is there; true iff the head possibly changed. */
  remove(timestampMs: number, key: Key, namespace: Namespace): boolean;
  /** The earliest, or null. Ties come in any order. */
  peek(): Timer | null;
  /** Removes and returns the earliest, or null. */
  poll(): Timer | null;
  /** The timers whose keys fall into a key group, in any order. */
  ofKeyGroup(keyGroup: number): Iterable<Timer>;
}

/** Called when a timer is due, with the current key already set to the timer's. */
export interface TimerTarget {
  onEventTime(timer: Timer): void;
  onProcessingTime(timer: Timer): void;
}
