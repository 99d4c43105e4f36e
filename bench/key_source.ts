/**
 * Sends keys as fast as a job takes them: each once, then keys at random, until the job is cancelled. Can be held.
 *
 * Called by: the benches that measure what records notice of something else.
 * Calls: nothing of the project.
 *
 * @module
 */
import type { Source } from "../mod.ts";
import type { SeededRandom } from "./harness.ts";

/** Records between two looks at the clock. */
const LOOK_INTERVAL = 32;

/** A source of one subtask that says how fast and how evenly it is read. */
export class KeySource implements Source<string> {
  readonly boundedness = "unbounded";
  readonly replayable = true;
  readonly maxParallelism = 1;
  /** Records so far. */
  sent = 0;
  /** Longest time between two looks since {@link KeySource.startGaps}, milliseconds. */
  longestGapMs = 0;
  #lastMs = performance.now();
  #held: PromiseWithResolvers<void> | null = null;
  readonly #filled = Promise.withResolvers<void>();

  /** @param keys At least one. */
  constructor(private readonly keys: readonly string[], private readonly random: SeededRandom) {}

  /** Resolves when each key was sent once. */
  get filled(): Promise<void> {
    return this.#filled.promise;
  }

  /** Forgets the gaps so far. */
  startGaps(): void {
    this.longestGapMs = 0;
    this.#lastMs = performance.now();
  }

  /** Sends nothing, from one of the next milliseconds on. @returns Ends that. */
  hold(): () => void {
    const held = Promise.withResolvers<void>();
    this.#held = held;
    return () => {
      this.#held = null;
      held.resolve();
    };
  }

  /** Records per millisecond while `work` runs. */
  async rateWhile(work: () => Promise<unknown>): Promise<number> {
    const sent = this.sent;
    const startMs = performance.now();
    await work();
    return (this.sent - sent) / (performance.now() - startMs);
  }

  /** Called by the engine. */
  open(): ReturnType<Source<string>["open"]> {
    return {
      read: (output) => {
        if (this.#held !== null) return this.#held.promise;
        do {
          if (this.sent % LOOK_INTERVAL === 0) this.#look();
          const i = this.sent < this.keys.length ? this.sent : Math.floor(this.random() * this.keys.length);
          if (++this.sent === this.keys.length) this.#filled.resolve();
          if (!output.collect(this.keys[i]!, 0)) break; // i is below the length.
        } while (true);
        this.#look();
        return "ready";
      },
      position: () => [{ split: "keys", position: this.sent }],
      close: () => this.#held?.resolve(),
    };
  }

  #look(): void {
    const nowMs = performance.now();
    if (nowMs - this.#lastMs > this.longestGapMs) this.longestGapMs = nowMs - this.#lastMs;
    this.#lastMs = nowMs;
  }
}
