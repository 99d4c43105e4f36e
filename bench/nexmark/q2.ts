/**
 * Nexmark q2: the bids for one auction in 123.
 *
 * Called by: bench/nexmark/queries.ts.
 * Calls: nothing.
 *
 * @module
 */
import type { Query } from "./query.ts";

/** The query. */
export const q2: Query = ({ bids }, out) =>
  bids
    .filter(({ auction }) => auction % 123 === 0)
    .map(({ auction, price }) => ({ auction, price }))
    .sinkTo("out", out);
