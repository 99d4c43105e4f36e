/**
 * Source that makes its records up: record i is a function of i and a seed.
 *
 * Called by: pipelines, benches, tests.
 * Calls: core/, connectors/rate_limiter.ts.
 *
 * Invariants:
 * - record i belongs to split i modulo 64 for ever, so that splits can be dealt to any number of subtasks;
 * - a subtask emits the records of its splits in ascending order.
 *
 * @module
 */
import type { Random } from "../core/clock.ts";
import { NO_TIMESTAMP } from "../core/element.ts";
import { StreamError } from "../core/errors.ts";
import type { ReadStatus, Source, SourceContext, SourceOutput, SourceReader, SplitPosition } from "../core/source.ts";
import { checkRate, RateLimiter } from "./rate_limiter.ts";

/** Number of splits; part of the meaning of positions. */
const SPLITS = 64;
const SPLIT_NAME = /^(\d+) of 64$/;

/** What the generator makes. */
export interface GeneratorOptions<T> {
  /** Number of records over all subtasks. Absent: it never ends. */
  readonly count?: number;
  /** Most records a second over all subtasks, above 0. Absent: no limit. */
  readonly ratePerSecond?: number;
  /** Other seeds give other random numbers; 0 when absent. */
  readonly seed?: number;
  /**
   * Makes record `index`, from 0 on. Must depend on its arguments alone.
   *
   * @param random Numbers and ids that follow from the seed and the index; not to be kept.
   */
  readonly create: (index: number, random: Random) => T;
  /** Event time of a record, milliseconds since the epoch. Absent: none. */
  readonly timestamp?: (value: T, index: number) => number;
}

/** Random numbers that follow from a seed and an index. Source: mixing constants of hash-prospector. */
class IndexedRandom implements Random {
  readonly #seed: number;
  #state = 0;

  constructor(seed: number) {
    this.#seed = scrambled(seed | 0) ^ scrambled(Math.floor(seed / 2 ** 32) | 0);
  }

  /** Begins the sequence of a record. */
  start(index: number): void {
    this.#state = scrambled(this.#seed ^ scrambled(index | 0)) ^ scrambled((Math.floor(index / 2 ** 32) + 1) | 0);
  }

  next(): number {
    return ((this.#bits() >>> 5) * 2 ** 26 + (this.#bits() >>> 6)) / 2 ** 53;
  }

  id(): string {
    let text = "";
    for (let part = 0; part < 4; part++) text += this.#bits().toString(16).padStart(8, "0");
    return text;
  }

  #bits(): number {
    this.#state = (this.#state + 0x9e3779b9) | 0;
    return scrambled(this.#state) >>> 0;
  }
}

function scrambled(value: number): number {
  let mixed = value ^ (value >>> 16);
  mixed = Math.imul(mixed, 0x21f0aaad);
  mixed ^= mixed >>> 15;
  mixed = Math.imul(mixed, 0x735a2d97);
  return mixed ^ (mixed >>> 15);
}

class GeneratorReader<T> implements SourceReader<T> {
  readonly #options: GeneratorOptions<T>;
  readonly #count: number;
  readonly #random: IndexedRandom;
  readonly #limiter: RateLimiter | null;
  /** Index of the next record of each own split; ascending from #head on, around the end. */
  readonly #next: number[];
  /** Place in #next of the smallest index. */
  #head = 0;
  /** Whether the splits are in step, so that they take turns. */
  #inStep: boolean;

  constructor(options: GeneratorOptions<T>, next: number[], limiter: RateLimiter | null) {
    this.#options = options;
    this.#count = options.count ?? Infinity;
    this.#random = new IndexedRandom(options.seed ?? 0);
    this.#limiter = limiter;
    this.#next = next.sort((a, b) => a - b);
    this.#inStep = isInStep(this.#next);
  }

  read(output: SourceOutput<T>): ReadStatus {
    const { create, timestamp } = this.#options;
    const limiter = this.#limiter;
    for (;;) {
      const index = this.#next[this.#head];
      if (index === undefined || index >= this.#count) return "ended";
      if (limiter !== null) {
        if (!limiter.ready()) return limiter.wait();
        limiter.spend();
      }
      this.#random.start(index);
      const value = create(index, this.#random);
      this.#advance(index);
      const timestampMs = timestamp === undefined ? NO_TIMESTAMP : timestamp(value, index);
      if (!output.collect(value, timestampMs)) return "ready";
    }
  }

  position(): readonly SplitPosition[] {
    return this.#next.map((index) => ({ split: `${index % SPLITS} of ${SPLITS}`, position: index }));
  }

  progress(): { readonly done: number; readonly total: number } | null {
    if (this.#count === Infinity) return null;
    let done = 0;
    let total = 0;
    for (const index of this.#next) {
      done += (index - index % SPLITS) / SPLITS;
      total += Math.max(0, Math.ceil((this.#count - index % SPLITS) / SPLITS));
    }
    return { done, total };
  }

  close(): void {
    this.#limiter?.close();
  }

  #advance(index: number): void {
    this.#next[this.#head] = index + SPLITS;
    if (this.#inStep) {
      this.#head = this.#head + 1 === this.#next.length ? 0 : this.#head + 1;
      return;
    }
    // Splits of subtasks that had come to different places: those behind catch up first.
    this.#next.sort((a, b) => a - b);
    this.#inStep = isInStep(this.#next);
  }
}

/** Whether, in ascending order, each split that emits one record becomes the last. */
function isInStep(next: readonly number[]): boolean {
  return (next.at(-1) ?? 0) - (next[0] ?? 0) < SPLITS;
}

function nextIndices(context: SourceContext): number[] {
  if (context.restored === null) {
    const own: number[] = [];
    for (let split = context.subtaskIndex; split < SPLITS; split += context.parallelism) own.push(split);
    return own;
  }
  return context.restored.map(({ split, position }) => {
    const number = SPLIT_NAME.exec(split)?.[1];
    if (number !== undefined && typeof position === "number" && position % SPLITS === Number(number)) return position;
    throw new StreamError(
      "corrupt",
      `Cannot open source "${context.name}": the restored position of "${split}" is not one of a generator; ` +
        "restore from a checkpoint that this source has written",
    );
  });
}

/**
 * Makes records up, the same ones on each run: for load tests, benches and examples.
 *
 * @example
 * ```ts
 * import { generator } from "./generator_source.ts";
 *
 * const readings = generator({
 *   count: 1_000_000,
 *   ratePerSecond: 50_000,
 *   seed: 7,
 *   create: (index, random) => ({ sensor: index % 100, celsius: 15 + 10 * random.next() }),
 *   timestamp: (_, index) => index * 20,
 * });
 * if (readings.boundedness !== "bounded") throw new Error("it has a count");
 * ```
 *
 * @throws {RangeError} If `count` is not an integer ≥ 0, `ratePerSecond` not above 0, or `seed` not a safe integer.
 */
export function generator<T>(options: GeneratorOptions<T>): Source<T> {
  const { count, ratePerSecond, seed = 0 } = options;
  checkRate(ratePerSecond);
  if (count !== undefined && !(Number.isSafeInteger(count) && count >= 0)) {
    throw new RangeError(`Cannot generate records: count is ${count}, must be an integer ≥ 0`);
  }
  if (!Number.isSafeInteger(seed)) throw new RangeError(`Cannot generate records: seed is ${seed}, must be an integer`);
  return {
    boundedness: count === undefined ? "unbounded" : "bounded",
    replayable: true,
    maxParallelism: SPLITS,
    open(context: SourceContext): SourceReader<T> {
      const next = nextIndices(context);
      const share = (ratePerSecond ?? 0) * next.length / SPLITS;
      return new GeneratorReader(options, next, share > 0 ? new RateLimiter(context.clock, share) : null);
    },
  };
}
