/**
 * Makes the timer queues of a keyed operator, and lets what is in them travel in the snapshots of its backend.
 *
 * Called by: runtime/operators/keyed_operator.ts.
 * Calls: the queues in timers/.
 *
 * @module
 */
import type { StateBackend } from "../../core/backend.ts";
import type { KeyGroupRange } from "../../core/key_groups.ts";
import type { TimerQueue } from "../../core/timer.ts";
import { HeapTimerQueue } from "../../timers/heap_timer_queue.ts";
import { noStoreForTimers, type TimerSettings } from "../timer_settings.ts";

/** What a queue is made for. */
export interface TimerQueueContext {
  /** Open, and without a record yet. */
  readonly backend: StateBackend;
  /** Names the backend in errors. */
  readonly backendName: string;
  readonly timers: TimerSettings;
  readonly maxParallelism: number;
  readonly keyGroups: KeyGroupRange;
  readonly incremental: boolean;
}

/**
 * The queue of a time domain, with the timers of the snapshot that the backend has restored. In snapshots both kinds of
 * queue are the same, so a job may change from one to the other.
 *
 * @throws {StreamError} If timers are to be on disk and the backend has no store there.
 */
export async function openTimerQueue(
  domain: "event" | "processing",
  context: TimerQueueContext,
): Promise<TimerQueue> {
  const { backend, timers, maxParallelism, keyGroups } = context;
  const name = `_timer_state/${domain}_user-timers`;
  const hasStore = backend.orderedRows !== undefined;
  if (timers.kind === "embedded" && !hasStore) throw noStoreForTimers(context.backendName);
  if (hasStore && timers.kind !== "heap") {
    // Loaded only where it is needed.
    const { EmbeddedTimerQueue } = await import("../../timers/embedded_timer_queue.ts");
    const rows = backend.orderedRows!(name);
    return new EmbeddedTimerQueue({ name, rows, maxParallelism, keyGroups, cacheSize: timers.cacheSize });
  }
  const queue = new HeapTimerQueue({ name, maxParallelism, keyGroups, tracking: context.incremental });
  backend.attach(queue);
  return queue;
}
