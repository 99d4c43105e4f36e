/**
 * A source that takes its time: so many records, a pause, and so on, and a longer pause before it ends. So there are
 * checkpoints while it runs, and time passes behind its last record.
 *
 * Called by: tests of whole jobs.
 * Calls: nothing.
 */
import { delay } from "../../core/clock.ts";
import type { ReadStatus, Source, SourceContext, SourceOutput, SourceReader } from "../../core/source.ts";

/** How it reads. */
export interface Pace {
  /** Records between two pauses. */
  readonly count: number;
  /** A pause, milliseconds. */
  readonly pauseMs: number;
  /** The pause at the end, milliseconds. */
  readonly lingerMs: number;
}

/** Reads an array at a pace. */
export function pacedSource<T>(values: readonly T[], pace: Pace): Source<T> {
  return {
    boundedness: "bounded",
    replayable: true,
    maxParallelism: 1,
    open: (context: SourceContext) => new PacedReader(values, pace, context),
  };
}

class PacedReader<T> implements SourceReader<T> {
  #next: number;
  #rests = false;
  #lingered = false;

  constructor(
    private readonly values: readonly T[],
    private readonly pace: Pace,
    private readonly context: SourceContext,
  ) {
    // What `position` has said.
    this.#next = (context.restored?.[0]?.position ?? 0) as number;
  }

  read(output: SourceOutput<T>): ReadStatus {
    const { values, pace, context } = this;
    while (this.#next < values.length) {
      if (this.#next % pace.count === 0 && !this.#rests) {
        this.#rests = true;
        return delay(context.clock, pace.pauseMs);
      }
      this.#rests = false;
      // Below the length.
      if (!output.collect(values[this.#next++] as T, Number.NEGATIVE_INFINITY)) return "ready";
    }
    if (this.#lingered) return "ended";
    this.#lingered = true;
    return delay(context.clock, pace.lingerMs);
  }

  position() {
    return [{ split: "values", position: this.#next }];
  }

  close(): void {}
}
