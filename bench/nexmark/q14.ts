/**
 * Nexmark q14: bids in a range of prices, with the time of day and the number of times that "c" is in their extra text.
 *
 * Called by: bench/nexmark/queries.ts.
 * Calls: nothing.
 *
 * @module
 */
import { DAY_MS } from "./events.ts";
import type { Query } from "./query.ts";

function timeOfDay(dateTime: number): string {
  const hour = Math.floor(dateTime % DAY_MS / 3_600_000);
  return hour >= 8 && hour <= 18 ? "dayTime" : hour <= 6 || hour >= 20 ? "nightTime" : "otherTime";
}

function countOf(text: string, code: number): number {
  let count = 0;
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) === code) count++;
  return count;
}

/** The query. */
export const q14: Query = ({ bids }, out) =>
  bids
    .filter(({ price }) => 0.908 * price > 1_000_000 && 0.908 * price < 50_000_000)
    .map(({ auction, bidder, price, dateTime, extra }) => ({
      auction,
      bidder,
      price: 0.908 * price,
      bidTimeType: timeOfDay(dateTime),
      dateTime,
      extra,
      cCounts: countOf(extra, 99),
    }))
    .sinkTo("out", out);
