/**
 * Nexmark q13: every bid with what a table of 10,000 rows says of its auction.
 *
 * Called by: bench/nexmark/queries.ts.
 * Calls: nothing.
 *
 * @module
 */
import type { Query } from "./query.ts";

/** The side input: it is bounded, and read before the first bid. */
const TABLE = new Map(Array.from({ length: 10_000 }, (_, key) => [key, `value ${key}`]));

/** The query. */
export const q13: Query = ({ bids }, out) =>
  bids
    .map(({ auction, bidder, price, dateTime }) => (
      { auction, bidder, price, dateTime, value: TABLE.get(auction % 10_000)! }
    ))
    .sinkTo("out", out);
