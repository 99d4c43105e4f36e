/**
 * Nexmark q16: of each channel and day how many bids, bidders and auctions there were so far, by rank of price.
 *
 * Called by: bench/nexmark/queries.ts.
 * Calls: bid_statistics.ts.
 *
 * @module
 */
import { BidStatistics } from "./bid_statistics.ts";
import { dayOf, dayText, minuteText } from "./events.ts";
import type { Query } from "./query.ts";

/** The query. */
export const q16: Query = ({ bids }, out) =>
  bids.keyBy(({ channel, dateTime }) => [channel, dayOf(dateTime)] as const)
    .actor("statistics", () =>
      new BidStatistics(([channel, day]: readonly [string, number], { bids, bidders, auctions, dateTime }) => ({
        channel,
        day: dayText(day),
        minute: minuteText(dateTime),
        bids,
        bidders,
        auctions,
      })))
    .sinkTo("out", out);
