/**
 * Source over an asynchronous iterable, such as an async generator or a web stream.
 *
 * Called by: pipelines, tests.
 * Calls: core/, connectors/iterable_source.ts.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { NO_TIMESTAMP } from "../core/element.ts";
import type { ReadStatus, Source, SourceContext, SourceOutput, SourceReader, SplitPosition } from "../core/source.ts";
import {
  fewerThanRead,
  type IterableSourceOptions,
  NOTHING_TO_READ,
  positionAfter,
  recordsToSkip,
} from "./iterable_source.ts";

/** Records that are asked for ahead of the pipeline. */
const READ_AHEAD = 256;

/** Why no more records will come. */
type End = { readonly failed: false } | { readonly failed: true; readonly error: unknown };

class AsyncIterableReader<T> implements SourceReader<T> {
  readonly #iterator: AsyncIterator<T>;
  readonly #name: string;
  readonly #timestamp: ((value: T) => number) | undefined;
  readonly #queue: T[] = [];
  #head = 0;
  #toSkip: number;
  #count: number;
  #pulling = false;
  #closed = false;
  #end: End | null = null;
  #wake: (() => void) | null = null;

  constructor(values: AsyncIterable<T>, name: string, skip: number, timestamp: ((value: T) => number) | undefined) {
    this.#iterator = values[Symbol.asyncIterator]();
    this.#name = name;
    this.#timestamp = timestamp;
    this.#toSkip = skip;
    this.#count = skip;
  }

  read(output: SourceOutput<T>): ReadStatus {
    const timestamp = this.#timestamp;
    while (this.#head < this.#queue.length) {
      // Below the length of the queue, so there is an element.
      const value = this.#queue[this.#head++] as T;
      this.#count++;
      const timestampMs = timestamp === undefined ? NO_TIMESTAMP : timestamp(value);
      if (!output.collect(value, timestampMs)) return "ready";
    }
    this.#queue.length = 0;
    this.#head = 0;
    if (this.#end !== null) {
      if (this.#end.failed) throw this.#end.error;
      return "ended";
    }
    if (!this.#pulling) void this.#pull();
    return new Promise((resolve) => this.#wake = resolve);
  }

  position(): readonly SplitPosition[] {
    return positionAfter(this.#count);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#notify();
    if (this.#end !== null) return;
    const stopped = this.#iterator.return?.();
    if (stopped === undefined) return;
    if (!this.#pulling) {
      await stopped;
      return;
    }
    // A generator that waits for its next record answers `return` only after that, which may be never.
    stopped.catch((error: unknown) => {
      getLogger(["weir", "source"]).warn("Source {name} failed while it was stopped: {error}", {
        name: this.#name,
        error,
      });
    });
  }

  /** Fills the queue; never rejects. */
  async #pull(): Promise<void> {
    this.#pulling = true;
    try {
      while (!this.#closed && this.#queue.length < READ_AHEAD) {
        const step = await this.#iterator.next();
        if (step.done === true) {
          if (this.#toSkip > 0) throw fewerThanRead(this.#name, this.#count - this.#toSkip, this.#count);
          this.#end = { failed: false };
          break;
        }
        if (this.#toSkip > 0) this.#toSkip--;
        else {
          this.#queue.push(step.value);
          this.#notify();
        }
      }
    } catch (error) {
      this.#end = { failed: true, error };
    } finally {
      this.#pulling = false;
      this.#notify();
    }
  }

  #notify(): void {
    this.#wake?.();
    this.#wake = null;
  }
}

/**
 * Reads the records of the asynchronous iterable that `make` returns. Always one subtask; up to 256 records are
 * asked for ahead.
 *
 * It counts as not replayable, and is refused when checkpointing is on, unless `replayable` says that `make` gives
 * the same records in the same order each time.
 *
 * @example
 * ```ts
 * import { fromAsyncIterable } from "./async_iterable_source.ts";
 *
 * const ticks = fromAsyncIterable(async function* () {
 *   for (let i = 0; i < 3; i++) yield await Promise.resolve(i);
 * }, { replayable: true });
 * if (!ticks.replayable) throw new Error("declared above");
 * ```
 */
export function fromAsyncIterable<T>(
  make: () => AsyncIterable<T>,
  options: IterableSourceOptions<T> = {},
): Source<T> {
  const { replayable = false, unbounded = false, timestamp } = options;
  return {
    boundedness: unbounded ? "unbounded" : "bounded",
    replayable,
    maxParallelism: 1,
    open(context: SourceContext): SourceReader<T> {
      const skip = recordsToSkip(context);
      if (skip === null) return NOTHING_TO_READ;
      return new AsyncIterableReader(make(), context.name, skip, timestamp);
    },
  };
}
