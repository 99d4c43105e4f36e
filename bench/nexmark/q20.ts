/**
 * Nexmark q20: the bids for auctions of category 10, with the auction.
 *
 * Called by: bench/nexmark/queries.ts.
 * Calls: mod.ts.
 *
 * @module
 */
import { CoActor, listState, valueState } from "../../mod.ts";
import type { Auction, Bid } from "./events.ts";
import type { Query } from "./query.ts";

/** A bid and its auction. */
interface Offer {
  readonly auction: Auction;
  readonly bid: Bid;
}

/** One auction, false if it is of another category. A bid that comes before its auction waits for it. */
class ExpandedBids extends CoActor<number, Auction, Bid, Offer> {
  readonly #auction = this.state(valueState<Auction | false>("auction"));
  readonly #early = this.state(listState<Bid>("early bids"));

  override onFirst(auction: Auction): void {
    this.#auction.update(auction.category === 10 && auction);
    for (const bid of this.#early.get()) this.onSecond(bid);
    this.#early.clear();
  }

  override onSecond(bid: Bid): void {
    const auction = this.#auction.value();
    if (auction === null) this.#early.add(bid);
    else if (auction !== false) this.emit({ auction, bid });
  }
}

/** The query. */
export const q20: Query = ({ auctions, bids }, out) =>
  auctions.keyBy(({ id }) => id).connect(bids.keyBy(({ auction }) => auction))
    .actor("expanded bids", () => new ExpandedBids())
    .sinkTo("out", out);
