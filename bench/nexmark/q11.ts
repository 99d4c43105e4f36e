/**
 * Nexmark q11: how many bids everybody makes in a session, which 10 seconds without a bid end.
 *
 * Called by: bench/nexmark/queries.ts.
 * Calls: windows.ts.
 *
 * @module
 */
import { session } from "../../windows.ts";
import { COUNT } from "./q5.ts";
import type { Query } from "./query.ts";

/** The query. */
export const q11: Query = ({ bids }, out) =>
  bids.keyBy(({ bidder }) => bidder).window(session("10 s"))
    .aggregate("counts", COUNT, (count, { key, window }) => ({
      bidder: key,
      count,
      startMs: window.startMs,
      endMs: window.endMs,
    }))
    .sinkTo("out", out);
