/**
 * Nexmark q22: the first three folders in the URL of each bid.
 *
 * Called by: bench/nexmark/queries.ts.
 * Calls: nothing.
 *
 * @module
 */
import type { Query } from "./query.ts";

/** The query. */
export const q22: Query = ({ bids }, out) =>
  bids
    .map(({ auction, bidder, price, channel, url }) => {
      const parts = url.split("/", 6);
      return { auction, bidder, price, channel, dir1: parts[3], dir2: parts[4], dir3: parts[5] };
    })
    .sinkTo("out", out);
