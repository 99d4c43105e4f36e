/**
 * Sink that calls a function for each record.
 *
 * Called by: pipelines.
 * Calls: core/ only.
 *
 * @module
 */
import type { Sink, SinkContext, SinkWriter } from "../core/sink.ts";

/** How the function is called. */
export interface CallbackSinkOptions {
  /** Most promises of the function that may be under way in a subtask; further records wait. 16 when absent. */
  readonly maxConcurrency?: number;
}

/** The calls between two checkpoints. */
interface Transaction {
  /** Calls that have not ended, or not begun. */
  openCount: number;
}

/** A call that waits for its turn. */
interface WaitingCall<T> {
  readonly value: T;
  readonly timestampMs: number;
  readonly transaction: Transaction;
}

class CallbackWriter<T> implements SinkWriter<T, never> {
  readonly #call: (value: T, timestampMs: number) => unknown;
  readonly #maxConcurrency: number;
  readonly #context: SinkContext;
  /** Promises that are under way. */
  #runningCount = 0;
  /** Not long: while there are any, records wait. */
  #waiting: WaitingCall<T>[] = [];
  #transaction: Transaction = { openCount: 0 };
  /** Transactions that have ended and still have calls. */
  #ended: Transaction[] = [];
  /** Looked at again whenever a call ends. */
  #watchers: (() => void)[] = [];
  #failure: { readonly error: unknown } | null = null;

  constructor(
    call: (value: T, timestampMs: number) => unknown,
    maxConcurrency: number,
    context: SinkContext,
  ) {
    this.#call = call;
    this.#maxConcurrency = maxConcurrency;
    this.#context = context;
  }

  recover(): void {}

  write(value: T, timestampMs: number): void {
    if (this.#failure !== null) throw this.#failure.error;
    const transaction = this.#transaction;
    if (this.#runningCount < this.#maxConcurrency && this.#waiting.length === 0) {
      this.#begin(value, timestampMs, transaction);
    } else {
      transaction.openCount++;
      this.#waiting.push({ value, timestampMs, transaction });
    }
  }

  backpressure(): Promise<void> | undefined {
    return this.#hasRoom() ? undefined : this.#until(() => this.#hasRoom());
  }

  prepareCommit(): () => Promise<undefined> {
    this.#ended.push(this.#transaction);
    const ended = [...this.#ended];
    this.#transaction = { openCount: 0 };
    return async () => {
      await this.#until(() => ended.every(({ openCount }) => openCount === 0));
      if (this.#failure !== null) throw this.#failure.error;
      this.#ended = this.#ended.filter(({ openCount }) => openCount > 0);
      return undefined;
    };
  }

  commit(): void {}

  async close(): Promise<void> {
    this.#waiting = [];
    while (this.#runningCount > 0) await new Promise<void>((resolve) => this.#watchers.push(resolve));
  }

  #hasRoom(): boolean {
    return this.#waiting.length === 0 && this.#runningCount < this.#maxConcurrency;
  }

  #begin(value: T, timestampMs: number, transaction: Transaction): void {
    const result = this.#call(value, timestampMs);
    if (!isThenable(result)) return;
    this.#runningCount++;
    transaction.openCount++;
    Promise.resolve(result).then(() => this.#end(transaction), (error: unknown) => {
      this.#fail(error);
      this.#end(transaction);
    });
  }

  #end(transaction: Transaction): void {
    this.#runningCount--;
    transaction.openCount--;
    while (this.#failure === null && this.#runningCount < this.#maxConcurrency) {
      const next = this.#waiting.shift();
      if (next === undefined) break;
      try {
        this.#begin(next.value, next.timestampMs, next.transaction);
      } catch (error) {
        this.#fail(error);
      }
      next.transaction.openCount--;
    }
    const watchers = this.#watchers;
    this.#watchers = [];
    for (const look of watchers) look();
  }

  /** The job ends now, also when no further record ever comes. */
  #fail(error: unknown): void {
    if (this.#failure !== null) return;
    this.#failure = { error };
    this.#waiting = [];
    this.#context.fail(error);
  }

  /** Resolves when that holds, and after a failure. */
  async #until(holds: () => boolean): Promise<void> {
    while (this.#failure === null && !holds()) await new Promise<void>((resolve) => this.#watchers.push(resolve));
  }
}

function isThenable(result: unknown): result is PromiseLike<unknown> {
  if (typeof result !== "object" && typeof result !== "function") return false;
  return result !== null && "then" in result && typeof result.then === "function";
}

/**
 * Calls `call` with each record. At-least-once: after a failure records come again; a checkpoint completes only when
 * all promises that `call` returned before it have resolved. An error that it throws, or rejects with, fails the job at
 * once. Calls begin in the order of the records.
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
 * @param call May return a promise, or anything with a `then`; see `maxConcurrency`.
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
  return { guarantee: "at-least-once", open: (context) => new CallbackWriter(call, maxConcurrency, context) };
}
