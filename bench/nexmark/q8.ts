/**
 * Nexmark q8: who came and put something up for auction in the same 10 seconds.
 *
 * Called by: bench/nexmark/queries.ts.
 * Calls: mod.ts, windows.ts.
 *
 * @module
 */
import { type AggregateFunction, emits } from "../../mod.ts";
import { tumbling } from "../../windows.ts";
import type { Query } from "./query.ts";

/** Somebody has come, and has a name then, or has put something up for auction. */
interface Sign {
  readonly id: number;
  readonly name: string | null;
}

/** What is known of somebody in a window. */
interface Newcomer {
  readonly name: string | null;
  readonly sells: boolean;
}

const NEWCOMER: AggregateFunction<Sign, Newcomer, Newcomer> = {
  create: () => ({ name: null, sells: false }),
  add: ({ name, sells }, sign) => ({ name: sign.name ?? name, sells: sells || sign.name === null }),
  merge: (left, right) => ({ name: left.name ?? right.name, sells: left.sells || right.sells }),
  result: (newcomer) => newcomer,
};

/** The query. */
export const q8: Query = ({ people, auctions }, out) =>
  people.map(({ id, name }): Sign => ({ id, name }))
    .union(auctions.map(({ seller }): Sign => ({ id: seller, name: null })))
    .keyBy(({ id }) => id).window(tumbling("10 s"))
    .aggregate("newcomers", NEWCOMER, {
      emits: emits<{ readonly id: number; readonly name: string; readonly startMs: number }>(),
      process({ name, sells }, context) {
        if (name !== null && sells) context.emit({ id: context.key, name, startMs: context.window.startMs });
      },
    })
    .sinkTo("out", out);
