/**
 * A sink that counts what it is given and forgets it.
 *
 * Called by: bench/nexmark/run_query.ts.
 * Calls: nothing.
 *
 * @module
 */
import type { Sink } from "../../mod.ts";

/** Counts. */
export interface Blackhole extends Sink<unknown, never> {
  /** Records so far, over all subtasks. */
  readonly count: number;
}

/** Makes one. */
export function blackhole(): Blackhole {
  let count = 0;
  return {
    get count() {
      return count;
    },
    guarantee: "at-least-once",
    open: () => ({
      recover: () => {},
      write() {
        count++;
      },
      prepareCommit: () => () => Promise.resolve(undefined),
      commit: () => {},
      close: () => {},
    }),
  };
}
