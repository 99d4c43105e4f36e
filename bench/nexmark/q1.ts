/**
 * Nexmark q1: every bid with its price in another currency.
 *
 * Called by: bench/nexmark/queries.ts.
 * Calls: nothing.
 *
 * @module
 */
import type { Query } from "./query.ts";

/** The query. */
export const q1: Query = ({ bids }, out) =>
  bids
    .map(({ auction, bidder, price, dateTime, extra }) => ({ auction, bidder, price: 0.908 * price, dateTime, extra }))
    .sinkTo("out", out);
