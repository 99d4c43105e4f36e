/**
 * Nexmark q0: every bid as it is. What a pipeline costs that does nothing.
 *
 * Called by: bench/nexmark/queries.ts.
 * Calls: nothing.
 *
 * @module
 */
import type { Query } from "./query.ts";

/** The query. */
export const q0: Query = ({ bids }, out) => bids.sinkTo("out", out);
