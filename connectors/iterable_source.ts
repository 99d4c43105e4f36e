/**
 * Source over an iterable or a function that makes one: arrays, sets, generators.
 *
 * Called by: pipelines, tests.
 * Calls: core/ only.
 *
 * @module
 */
import { NO_TIMESTAMP } from "../core/element.ts";
import { StreamError } from "../core/errors.ts";
import type { ReadStatus, Source, SourceContext, SourceOutput, SourceReader, SplitPosition } from "../core/source.ts";

/** Name of the only split of an iterable. */
const SPLIT = "iterable";

/** How {@link fromIterable} and `fromAsyncIterable` read. */
export interface IterableSourceOptions<T> {
  /**
   * Whether opening it again gives the same records in the same order, so that a restored job can skip what it has
   * read. Absent: true for arrays, typed arrays, sets, maps and strings, and for functions (of `fromIterable` only).
   */
  readonly replayable?: boolean;
  /** True when it never ends. */
  readonly unbounded?: boolean;
  /** Event time of a record, milliseconds since the epoch. */
  readonly timestamp?: (value: T) => number;
}

/** Records that the position of a restored or fresh subtask tells to skip; null when the split is not this subtask's. */
export function recordsToSkip(context: SourceContext): number | null {
  if (context.restored === null) return context.subtaskIndex === 0 ? 0 : null;
  const own = context.restored.find(({ split }) => split === SPLIT);
  if (own === undefined) return null;
  if (typeof own.position === "number") return own.position;
  throw new StreamError(
    "corrupt",
    `Cannot open source "${context.name}": its restored position is not a record count; ` +
      "restore from a checkpoint that this source has written",
  );
}

/** Position of the only split behind `count` records. */
export function positionAfter(count: number): readonly SplitPosition[] {
  return [{ split: SPLIT, position: count }];
}

class IterableReader<T> implements SourceReader<T> {
  readonly #iterator: Iterator<T>;
  readonly #name: string;
  readonly #timestamp: ((value: T) => number) | undefined;
  #toSkip: number;
  #count: number;

  constructor(values: Iterable<T>, name: string, skip: number, timestamp: ((value: T) => number) | undefined) {
    this.#iterator = values[Symbol.iterator]();
    this.#toSkip = skip;
    this.#count = skip;
    this.#name = name;
    this.#timestamp = timestamp;
  }

  read(output: SourceOutput<T>): ReadStatus {
    this.#skip();
    const timestamp = this.#timestamp;
    for (;;) {
      const step = this.#iterator.next();
      if (step.done === true) return "ended";
      this.#count++;
      const timestampMs = timestamp === undefined ? NO_TIMESTAMP : timestamp(step.value);
      if (!output.collect(step.value, timestampMs)) return "ready";
    }
  }

  position(): readonly SplitPosition[] {
    return positionAfter(this.#count);
  }

  close(): void {
    this.#iterator.return?.();
  }

  #skip(): void {
    for (; this.#toSkip > 0; this.#toSkip--) {
      if (this.#iterator.next().done !== true) continue;
      throw fewerThanRead(this.#name, this.#count - this.#toSkip, this.#count);
    }
  }
}

/** Arrays, which are most of all inputs, are entered in the middle, and need no iterator. */
class ArrayReader<T> implements SourceReader<T> {
  constructor(
    private readonly values: readonly T[],
    private readonly timestamp: ((value: T) => number) | undefined,
    private index: number,
  ) {}

  read(output: SourceOutput<T>): ReadStatus {
    const { values, timestamp } = this;
    while (this.index < values.length) {
      // The index is below the length; a hole of a sparse array reads as undefined, as for iteration.
      const value = values[this.index++] as T;
      if (!output.collect(value, timestamp === undefined ? NO_TIMESTAMP : timestamp(value))) return "ready";
    }
    return "ended";
  }

  position(): readonly SplitPosition[] {
    return positionAfter(this.index);
  }

  progress(): { readonly done: number; readonly total: number } {
    return { done: this.index, total: this.values.length };
  }

  close(): void {}
}

/** The error of an input that has become shorter than what was read of it before. */
export function fewerThanRead(name: string, present: number, read: number): StreamError {
  return new StreamError(
    "invalid",
    `Cannot go on reading source "${name}": it has ${present} records, ${read} were read before the restore; ` +
      "give it the same input as before, or start without --from",
  );
}

/** What a subtask gets that has no share of the only split. */
export const NOTHING_TO_READ: SourceReader<never> = {
  read: () => "ended",
  position: () => [],
  close: () => {},
};

/** Whether asking for an iterator starts anew; what is not known to be so can be read once only. */
function startsAnew(values: Iterable<unknown>): boolean {
  return Array.isArray(values) || ArrayBuffer.isView(values) || values instanceof Set || values instanceof Map ||
    values instanceof String;
}

/**
 * Reads the records of an iterable, or of what a function returns each time it is called.
 *
 * An array is copied, so that later changes to it do not matter. Always one subtask. Where a restored job goes on
 * in something that is not an array, the records before its position are iterated over again and dropped.
 *
 * Records are handed on as they are, not copied, and are read again after a restart: no step may change them.
 *
 * @example
 * ```ts
 * import { fromIterable } from "./iterable_source.ts";
 *
 * const words = fromIterable(["to", "be"]);
 * const numbers = fromIterable(function* () {
 *   for (let i = 0; i < 1_000; i++) yield i;
 * });
 * if (!words.replayable || !numbers.replayable) throw new Error("both can be read again");
 * ```
 *
 * @param values The records, or a function that gives them from the first one on.
 */
export function fromIterable<T>(
  values: Iterable<T> | (() => Iterable<T>),
  options: IterableSourceOptions<T> = {},
): Source<T> {
  const { replayable, unbounded = false, timestamp } = options;
  const kept = Array.isArray(values) ? values.slice() : values;
  const again = typeof kept === "function" || typeof kept === "string" || startsAnew(kept);
  let opened = false;
  return {
    boundedness: unbounded ? "unbounded" : "bounded",
    replayable: replayable ?? again,
    maxParallelism: 1,
    open(context: SourceContext): SourceReader<T> {
      const skip = recordsToSkip(context);
      if (skip === null) return NOTHING_TO_READ;
      const input = typeof kept === "function" ? kept() : kept;
      if (opened && !again && replayable !== true) throw readOnce(context.name);
      opened = true;
      if (!Array.isArray(input)) return new IterableReader(input, context.name, skip, timestamp);
      if (input.length < skip) throw fewerThanRead(context.name, input.length, skip);
      return new ArrayReader<T>(input, timestamp, skip);
    },
  };
}

function readOnce(name: string): StreamError {
  return new StreamError(
    "invalid",
    `Cannot open source "${name}" again: its iterable can be read only once; ` +
      "pass a function that makes the iterable, or an array",
  );
}
