/**
 * Decides where the timers of a job are kept. Pure.
 *
 * Called by: runtime/job_settings.ts.
 * Calls: runtime/timer_options.ts.
 *
 * @module
 */
import type { Configuration } from "../core/config.ts";
import { StreamError } from "../core/errors.ts";
import { DEFAULT_TIMER_CACHE_SIZE, type TimerQueueKind, TIMERS, TIMERS_OF_BACKEND } from "./timer_options.ts";

/** Where timers are kept. */
export interface TimerSettings {
  /** Null: in the backend's store if it has one. */
  readonly kind: TimerQueueKind | null;
  /** Timers of each key group that a queue on disk keeps in memory. */
  readonly cacheSize: number;
}

/**
 * Reads the settings of timers; those of the backend win over those of all backends.
 *
 * @param backendName As in `state.backend.type`, or that of a user's own.
 * @throws {StreamError} If timers are to be on disk and the backend has no store there.
 */
export function timerSettings(configuration: Configuration, backendName: string): TimerSettings {
  const own = Object.hasOwn(TIMERS_OF_BACKEND, backendName) ? TIMERS_OF_BACKEND[backendName] : undefined;
  const ownKind = own === undefined ? undefined : configuration.get(own.factory);
  const kind = ownKind ?? configuration.get(TIMERS.factory) ?? null;
  const ownSize = own === undefined ? undefined : configuration.get(own.cacheSize);
  const cacheSize = ownSize ?? configuration.get(TIMERS.cacheSize) ?? DEFAULT_TIMER_CACHE_SIZE;
  if (kind === "embedded" && backendName === "hashmap") throw noStoreForTimers("hashmap");
  return { kind, cacheSize };
}

/** The error for timers that are to be on disk when the backend has no store there. */
export function noStoreForTimers(backendName: string): StreamError {
  return new StreamError(
    "invalid",
    `Cannot keep timers on disk: timer-service.factory is "embedded", and the state backend "${backendName}" has no ` +
      `store for them; set it to heap, or state.backend.type to lsm or lmdb`,
  );
}
