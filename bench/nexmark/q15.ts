/**
 * Nexmark q15: of each day how many bids, bidders and auctions there were so far, by rank of price.
 *
 * Called by: bench/nexmark/queries.ts.
 * Calls: bid_statistics.ts.
 *
 * @module
 */
import { BidStatistics } from "./bid_statistics.ts";
import { dayOf, dayText } from "./events.ts";
import type { Query } from "./query.ts";

/** The query. */
export const q15: Query = ({ bids }, out) =>
  bids.keyBy(({ dateTime }) => dayOf(dateTime))
    .actor("statistics", () =>
      new BidStatistics((day: number, { bids, bidders, auctions }) => ({ day, bids, bidders, auctions })))
    .map(({ day, ...statistics }) => ({ day: dayText(day), ...statistics }))
    .sinkTo("out", out);
