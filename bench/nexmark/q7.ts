/**
 * Nexmark q7: the highest bids of every 10 seconds. The window keeps them as they come, so nothing is joined to the maximum
 * afterwards.
 *
 * Called by: bench/nexmark/queries.ts.
 * Calls: mod.ts, windows.ts.
 *
 * @module
 */
import { type AggregateFunction, emits } from "../../mod.ts";
import { tumbling } from "../../windows.ts";
import type { Bid } from "./events.ts";
import type { Query } from "./query.ts";

const HIGHEST: AggregateFunction<Bid, Bid[], Bid[]> = {
  create: () => [],
  add: (highest, bid) => {
    const price = highest[0]?.price ?? 0;
    if (bid.price > price) return [bid];
    if (bid.price === price) highest.push(bid);
    return highest;
  },
  merge: (left, right) => right.reduce(HIGHEST.add, left),
  result: (highest) => highest,
};

/** The query. */
export const q7: Query = ({ bids }, out) =>
  bids.windowAll(tumbling("10 s"))
    .aggregate("highest bids", HIGHEST, {
      emits: emits<Bid>(),
      process: (highest, context) => highest.forEach((bid) => context.emit(bid)),
    })
    .sinkTo("out", out);
