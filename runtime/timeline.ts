/**
 * Remembers in which state something is, and when it came to each.
 *
 * Called by: runtime/job_run.ts, runtime/subtask.ts.
 * Calls: the clock.
 *
 * @module
 */
import type { Clock } from "../core/clock.ts";

/** One way through states; each remembers the last time only. */
export class Timeline<S extends string> {
  readonly #enteredMs = new Map<S, number>();
  #state: S;

  /** Begins in `first`. */
  constructor(first: S, private readonly clock: Clock) {
    this.#state = first;
    this.#enteredMs.set(first, clock.nowMs());
  }

  /** Where it is. */
  get state(): S {
    return this.#state;
  }

  /** Comes to a state; does nothing in that state. */
  enter(state: S): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#enteredMs.set(state, this.clock.nowMs());
  }

  /** When it came to a state, milliseconds since the epoch; undefined if it never did. */
  enteredMs(state: S): number | undefined {
    return this.#enteredMs.get(state);
  }

  /** All of them, as a copy. */
  times(): Readonly<Partial<Record<S, number>>> {
    // Its entries are those of the map, whose keys are of S.
    return Object.fromEntries(this.#enteredMs) as Partial<Record<S, number>>;
  }
}
