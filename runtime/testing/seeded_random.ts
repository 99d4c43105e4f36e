/**
 * Randomness that a test can repeat.
 *
 * Called by: runtime/testing/, control/testing/, tests.
 * Calls: nothing.
 *
 * @module
 */
import type { Random } from "../../core/clock.ts";

/** Numbers and ids that follow from a seed. Ids are unique within this process. */
export class SeededRandom implements Random {
  static #ids = 0;
  #state: number;

  /** @param seed An integer. */
  constructor(seed = 1) {
    this.#state = seed;
  }

  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  id(): string {
    return (++SeededRandom.#ids).toString(16).padStart(32, "0");
  }
}
