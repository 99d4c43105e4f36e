/**
 * Nexmark q12: how many bids everybody makes in 10 seconds of the wall clock.
 *
 * Called by: bench/nexmark/queries.ts.
 * Calls: windows.ts.
 *
 * @module
 */
import { tumbling } from "../../windows.ts";
import { COUNT } from "./q5.ts";
import type { Query } from "./query.ts";

/** The query. */
export const q12: Query = ({ bids }, out) =>
  bids.keyBy(({ bidder }) => bidder).window(tumbling("10 s", { time: "processing" }))
    .aggregate("counts", COUNT, (count, { key, window }) => ({
      bidder: key,
      count,
      startMs: window.startMs,
      endMs: window.endMs,
    }))
    .sinkTo("out", out);
