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
import { bidSerializer, listOf } from "./serializers.ts";

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

/**
 * Makes a function that says whether a bid may be one of the highest: it saves the window most of them. What it remembers
 * need not be in checkpoints, as a bid that it drops is beaten by one that has gone on.
 */
function mayWin(): (bid: Bid) => boolean {
  let window = 0;
  let highest = 0;
  return ({ dateTime, price }) => {
    const current = Math.floor(dateTime / 10_000);
    if (current > window) [window, highest] = [current, price];
    if (current < window) return true;
    highest = Math.max(highest, price);
    return price === highest;
  };
}

/** The query. */
export const q7: Query = ({ bids }, out) =>
  bids.filter(mayWin()).windowAll(tumbling("10 s"))
    .aggregate("highest bids", HIGHEST, {
      emits: emits<Bid>(),
      process: (highest, context) => highest.forEach((bid) => context.emit(bid)),
    }, { serializer: listOf(bidSerializer) })
    .sinkTo("out", out);
