/**
 * Sink that calls a function for each record.
 *
 * Called by: pipelines.
 * Calls: core/ only.
 *
 * @module
 */
import type { Sink, SinkWriter } from "../core/sink.ts";

/** How the function is called. */
export interface CallbackSinkOptions {
  /** Most promises of the function that may be under way before records wait; 16 when absent. */
  readonly maxConcurrency?: number;
}

class CallbackWriter<T> implements SinkWriter<T, never> {
  readonly #call: (value: T, timestampMs: number) => unknown;
  readonly #maxConcurrency: number;
  readonly #underWay = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | null = null;

  constructor(call: (value: T, timestampMs: number) => unknown, maxConcurrency: number) {
    this.#call = call;
    this.#maxConcurrency = maxConcurrency;
  }

  recover(): void {}

  write(value: T, timestampMs: number): void {
    if (this.#failure !== null) throw this.#failure.error;
    const result = this.#call(value, timestampMs);
    if (result instanceof Promise) this.#follow(result);
  }

  backpressure(): Promise<void> | undefined {
    return this.#underWay.size >= this.#maxConcurrency ? Promise.race(this.#underWay) : undefined;
  }

  prepareCommit(): () => Promise<undefined> {
    return async () => {
      await this.#drain();
      return undefined;
    };
  }

  commit(): void {}

  async close(): Promise<void> {
    await this.#drain();
  }

  #follow(result: Promise<unknown>): void {
    const followed: Promise<void> = result.then(() => {
      this.#underWay.delete(followed);
    }, (error: unknown) => {
      this.#failure ??= { error };
      this.#underWay.delete(followed);
    });
    this.#underWay.add(followed);
  }

  async #drain(): Promise<void> {
    await Promise.all(this.#underWay);
    if (this.#failure !== null) throw this.#failure.error;
  }
}

/**
 * Calls `call` with each record. At-least-once: after a failure records come again; a checkpoint completes only when
 * all promises that `call` returned before it have resolved. An error that it throws, or rejects with, fails the job.
 *
 * @example
 * ```ts
 * import { callbackSink } from "./callback_sink.ts";
 *
 * const seen: string[] = [];
 * const sink = callbackSink<string>((word) => {
 *   seen.push(word);
 * });
 * if (sink.guarantee !== "at-least-once") throw new Error("a call cannot be taken back");
 * ```
 *
 * @param call May return a promise; 16 of them per subtask may be under way before records wait.
 * @throws {RangeError} If `maxConcurrency` is not an integer above 0.
 */
export function callbackSink<T>(
  call: (value: T, timestampMs: number) => unknown,
  options: CallbackSinkOptions = {},
): Sink<T, never> {
  const { maxConcurrency = 16 } = options;
  if (!(Number.isInteger(maxConcurrency) && maxConcurrency > 0)) {
    throw new RangeError(
      `Cannot make a callback sink: maxConcurrency is ${maxConcurrency}, must be an integer above 0`,
    );
  }
  return { guarantee: "at-least-once", open: () => new CallbackWriter(call, maxConcurrency) };
}
