/**
 * What a user says about asynchronous calls, checked and with its defaults.
 *
 * Called by: users, through `asyncMap()` in runtime/stream.ts; async_map_operator.ts.
 * Calls: nothing.
 *
 * @module
 */
import { type Duration, durationMs } from "../windows/duration.ts";

/** What a call is given besides its value. */
export interface AsyncCallContext {
  /** Aborted when the result is not wanted any more: after the timeout, or when the job ends. Pass it on to `fetch`. */
  readonly signal: AbortSignal;
  /** 1 for the first call for a record since it was read or restored, 2 for the first time that it is called again. */
  readonly attempt: number;
}

/** A function that takes its time. */
export type AsyncFunction<I, O> = (value: I, context: AsyncCallContext) => Promise<O> | O;

/** When a call that has failed is made again. */
export interface RetryOptions {
  /** Calls in all, at least 1. Default 3. */
  readonly attempts?: number;
  /** Time before the second call. Default "100 ms". */
  readonly delay?: Duration;
  /** The time grows by this factor with each call, at least 1. Default 2. */
  readonly backoff?: number;
  /** Longest time between two calls. Default "10 s". */
  readonly maxDelay?: Duration;
  /** Whether a failure is worth another call. Default: every one. */
  readonly when?: (error: unknown) => boolean;
}

/** What may be said of asynchronous calls. */
export interface AsyncOptions<I, O> {
  /** Records whose result is awaited, or waits to be sent on, for each subtask; at this number no more are read. Default 100. */
  readonly capacity?: number;
  /** Longest time for a record, all calls and waits between them together. Default "30 s". */
  readonly timeout?: Duration;
  /** Whether results come in the order of the records. False: as they come, but never past a watermark. Default true. */
  readonly ordered?: boolean;
  /** Calls a failed one again. Default: it is not called again, and the job fails. */
  readonly retry?: RetryOptions;
  /** Gives the result when the time is over. Default: the job fails. */
  readonly onTimeout?: (value: I) => O;
  /** Gives the result when the last call has failed. Default: the job fails. */
  readonly onError?: (value: I, error: unknown) => O;
}

/** The options with their defaults. */
export interface AsyncSettings<I, O> {
  readonly capacity: number;
  readonly timeoutMs: number;
  readonly ordered: boolean;
  readonly attempts: number;
  readonly delayMs: number;
  readonly backoff: number;
  readonly maxDelayMs: number;
  readonly isWorthAnother: (error: unknown) => boolean;
  readonly onTimeout: ((value: I) => O) | null;
  readonly onError: ((value: I, error: unknown) => O) | null;
}

/** @throws {RangeError} If a number or a time is out of range. */
export function asyncSettings<I, O>(options: AsyncOptions<I, O>): AsyncSettings<I, O> {
  const { capacity = 100, timeout = "30 s", ordered = true, retry, onTimeout = null, onError = null } = options;
  const { attempts = retry === undefined ? 1 : 3, delay = "100 ms", backoff = 2, maxDelay = "10 s" } = retry ?? {};
  checkNumber("capacity", capacity, Number.isInteger(capacity) && capacity >= 1, "an integer of at least 1");
  checkNumber("retry.attempts", attempts, Number.isInteger(attempts) && attempts >= 1, "an integer of at least 1");
  checkNumber("retry.backoff", backoff, Number.isFinite(backoff) && backoff >= 1, "a number of at least 1");
  return {
    capacity,
    timeoutMs: durationMs(timeout, "the timeout of asynchronous calls", 1),
    ordered,
    attempts,
    delayMs: durationMs(delay, "the delay between asynchronous calls", 0),
    backoff,
    maxDelayMs: durationMs(maxDelay, "the longest delay between asynchronous calls", 0),
    isWorthAnother: retry?.when ?? (() => true),
    onTimeout,
    onError,
  };
}

/** Wait before the next call, milliseconds. @param attempt Number of the call that has failed, 1-based. */
export function delayBefore<I, O>({ delayMs, backoff, maxDelayMs }: AsyncSettings<I, O>, attempt: number): number {
  return Math.min(maxDelayMs, delayMs * backoff ** (attempt - 1));
}

function checkNumber(name: string, value: number, isRight: boolean, must: string): void {
  if (!isRight) throw new RangeError(`Cannot make asynchronous calls: ${name} is ${value}, it must be ${must}`);
}
