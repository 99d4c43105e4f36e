/**
 * A pipeline whose output depends on its input alone: a step with all three kinds of state without a key that holds
 * numbers back in batches, over a source that emits one a millisecond.
 *
 * Called by: tests of operator state.
 * Calls: mod.ts.
 */
import {
  broadcastState,
  type CollectSink,
  collectSink,
  emits,
  fromIterable,
  generator,
  operatorListState,
  type Source,
  type StreamEnvironment,
} from "../../mod.ts";

/** Numbers that are emitted, 0-based. */
export const COUNT = 400;
/** All of them. */
export const ALL: readonly number[] = Array.from({ length: COUNT }, (_, n) => n);

/** In ascending order. */
export function sorted(values: Iterable<number>): number[] {
  return [...values].sort((a, b) => a - b);
}

/** Emits a number about every millisecond. */
export function numbers(count: number | null = COUNT): Source<number> {
  return generator({ ...count === null ? {} : { count }, ratePerSecond: 1_000, create: (index) => index });
}

/** What one subtask was opened with. */
export interface Opening {
  readonly subtaskIndex: number;
  readonly isRestored: boolean;
  readonly waiting: readonly number[];
  readonly union: readonly string[];
  readonly copy: readonly (readonly [string, number])[];
}

/** Keeps numbers back in batches of seven, knows of every subtask that ever was, and has a copy of the rates. */
export class Batches {
  readonly out: CollectSink<number> = collectSink<number>();
  openings: Opening[] = [];
  /** Numbers at which it fails, once each. */
  readonly failAt = new Set<number>();

  readonly build = (env: StreamEnvironment): void => {
    const { openings, failAt } = this;
    const rates = env.fromSource("rates", fromIterable([["eur", 2], ["usd", 3]] as [string, number][]))
      .map((rate): number | [string, number] => rate).broadcast();
    env.fromSource("numbers", numbers()).map((n): number | [string, number] => n).union(rates).process("batches", {
      emits: emits<number>(),
      state: {
        waiting: operatorListState<number>("waiting"),
        union: operatorListState<string>("union", { distribution: "union" }),
        rates: broadcastState<string, number>("rates"),
      },
      onOpen({ state: { waiting, union, rates }, subtaskIndex, parallelism, isRestored }) {
        openings.push({ subtaskIndex, isRestored, waiting: waiting.get(), union: union.get(), copy: [...rates] });
        union.update([`${subtaskIndex}/${parallelism}`]);
      },
      onMessage(value, context) {
        const { waiting, rates } = context.state;
        if (typeof value !== "number") return void rates.set(...value);
        if (failAt.delete(value)) throw new Error(`fails at ${value}`);
        waiting.add(value);
        if (waiting.size < 7) return;
        for (const one of waiting) context.emit(one);
        waiting.clear();
      },
      onEnd(context) {
        for (const one of context.state.waiting) context.emit(one);
        context.state.waiting.clear();
      },
    }).sinkTo("out", this.out);
  };

  /** What the newest attempt was opened with, by subtask. */
  takeOpenings(): Opening[] {
    return this.openings.splice(0).sort((a, b) => a.subtaskIndex - b.subtaskIndex);
  }
}
