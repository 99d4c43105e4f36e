/**
 * Nexmark q18: the last bid of everybody for each auction, so far.
 *
 * Called by: bench/nexmark/queries.ts.
 * Calls: mod.ts.
 *
 * @module
 */
import { emits, valueState } from "../../mod.ts";
import type { Bid } from "./events.ts";
import type { Query } from "./query.ts";
import { bidSerializer } from "./serializers.ts";

/** The query. */
export const q18: Query = ({ bids }, out) =>
  bids.keyBy(({ bidder, auction }) => [bidder, auction] as const)
    .process("last bids", {
      emits: emits<Bid>(),
      state: { last: valueState("last", { serializer: bidSerializer }) },
      onMessage(bid, context) {
        const last = context.state.last.value();
        if (last !== null && last.dateTime > bid.dateTime) return;
        context.state.last.update(bid);
        context.emit(bid);
      },
    })
    .sinkTo("out", out);
