/**
 * Nexmark q5: every 2 seconds, the auctions with most bids in the last 10.
 *
 * Called by: bench/nexmark/queries.ts.
 * Calls: mod.ts, windows.ts.
 *
 * @module
 */
import { type AggregateFunction, emits } from "../../mod.ts";
import { sliding, tumbling } from "../../windows.ts";
import type { Query } from "./query.ts";
import { listOf, numbers } from "./serializers.ts";

/** Bids for an auction in a window. */
interface Heat {
  readonly auction: number;
  readonly count: number;
  readonly endMs: number;
}

/** Counts values of any kind. */
export const COUNT: AggregateFunction<unknown, number, number> = {
  create: () => 0,
  add: (count) => count + 1,
  merge: (left, right) => left + right,
  result: (count) => count,
};

/** Those with the highest count. */
const HOTTEST: AggregateFunction<Heat, Heat[], Heat[]> = {
  create: () => [],
  add: (hottest, heat) => {
    const count = hottest[0]?.count ?? 0;
    if (heat.count > count) return [heat];
    if (heat.count === count) hottest.push(heat);
    return hottest;
  },
  merge: (left, right) => right.reduce(HOTTEST.add, left),
  result: (hottest) => hottest,
};

/** The query. */
export const q5: Query = ({ bids }, out) =>
  bids.keyBy(({ auction }) => auction).window(sliding("10 s", "2 s"))
    .aggregate("counts", COUNT, (count, { key, window }): Heat => ({ auction: key, count, endMs: window.endMs }))
    .keyBy(({ endMs }) => endMs).window(tumbling("2 s"))
    .aggregate("hottest", HOTTEST, {
      emits: emits<Heat>(),
      process: (hottest, context) => hottest.forEach((heat) => context.emit(heat)),
    }, { serializer: listOf(numbers<Heat>("nexmark-heat", ["auction", "count", "endMs"])) })
    .sinkTo("out", out);
