/**
 * The calls for one record: the first, those after failures, and what ends them all.
 *
 * Called by: async_map_operator.ts.
 * Calls: the user's function.
 *
 * Invariants:
 * - it ends once: with a result, or with what the job fails with;
 * - after its end nothing of it is left but a promise of the user's that nobody listens to.
 *
 * @module
 */
import type { Cancel, Clock } from "../../core/clock.ts";
import { StreamError } from "../../core/errors.ts";
import { type AsyncCallContext, type AsyncFunction, type AsyncSettings, delayBefore } from "./async_settings.ts";

/** What becomes of a record. */
export interface CallEnd<O> {
  result(result: O): void;
  failure(error: unknown): void;
}

/** One record, from its first call to its end. */
export class PendingCall<I, O> implements AsyncCallContext {
  attempt = 0;
  #abort: AbortController | null = null;
  #cancelTimeout: Cancel | null;
  #cancelDelay: Cancel | null = null;
  #hasEnded = false;

  constructor(
    private readonly value: I,
    private readonly apply: AsyncFunction<I, O>,
    private readonly settings: AsyncSettings<I, O>,
    private readonly clock: Clock,
    private readonly end: CallEnd<O>,
  ) {
    this.#cancelTimeout = clock.schedule(settings.timeoutMs, () => this.#timedOut());
    this.#call();
  }

  /** Made when it is asked for: few functions do. */
  get signal(): AbortSignal {
    return (this.#abort ??= new AbortController()).signal;
  }

  /** Nobody wants the result any more. */
  cancel(reason: unknown): void {
    this.#finish();
    this.#abort?.abort(reason);
  }

  #call(): void {
    this.attempt++;
    const { attempt } = this;
    // A function that throws at once has failed like one whose promise is rejected.
    Promise.try(this.apply, this.value, this).then(
      (result) => {
        if (this.#isOf(attempt)) this.#succeed(result);
      },
      (error) => {
        if (this.#isOf(attempt)) this.#failed(error);
      },
    );
  }

  #isOf(attempt: number): boolean {
    return !this.#hasEnded && attempt === this.attempt;
  }

  #succeed(result: O): void {
    this.#finish();
    this.end.result(result);
  }

  #failed(error: unknown): void {
    const { settings } = this;
    try {
      if (this.attempt < settings.attempts && settings.isWorthAnother(error)) {
        this.#cancelDelay = this.clock.schedule(delayBefore(settings, this.attempt), () => this.#call());
        return;
      }
      if (settings.onError !== null) return this.#succeed(checked(settings.onError(this.value, error), "onError()"));
      this.#fail(error);
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  #timedOut(): void {
    const { timeoutMs, onTimeout } = this.settings;
    const error = new StreamError(
      "unavailable",
      `the asynchronous call has not ended within ${timeoutMs} ms, call ${this.attempt}; raise timeout, or give onTimeout`,
    );
    this.#finish();
    this.#abort?.abort(error);
    if (onTimeout === null) return this.end.failure(error);
    try {
      this.end.result(checked(onTimeout(this.value), "onTimeout()"));
    } catch (thrown) {
      this.end.failure(thrown);
    }
  }

  #fail(error: unknown): void {
    this.#finish();
    this.end.failure(error);
  }

  #finish(): void {
    this.#hasEnded = true;
    this.#cancelTimeout?.();
    this.#cancelDelay?.();
    this.#cancelTimeout = this.#cancelDelay = null;
  }
}

/** What answers in place of a call must have the answer at hand: nothing awaits it. */
function checked<O>(result: O, what: string): O {
  if (!(result instanceof Promise)) return result;
  result.catch(() => {}); // the job fails with the error below
  throw new TypeError(`${what} has returned a promise, it must return the result itself; retry makes calls again`);
}
