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
import { auctionSerializer, bidSerializer } from "./serializers.ts";

/** A bid and its auction. */
interface Offer {
  readonly auction: Auction;
  readonly bid: Bid;
}

/** One auction. A bid that comes before its auction waits for it. */
class ExpandedBids extends CoActor<number, Auction, Bid, Offer> {
  /** Of category 10 only. */
  readonly #auction = this.state(valueState("auction", { serializer: auctionSerializer }));
  /** Null before the auction has come. */
  readonly #isWanted = this.state(valueState<boolean>("is of category 10"));
  readonly #early = this.state(listState("early bids", { serializer: bidSerializer }));

  override onFirst(auction: Auction): void {
    this.#isWanted.update(auction.category === 10);
    if (auction.category === 10) this.#auction.update(auction);
    for (const bid of this.#early.get()) this.onSecond(bid);
    this.#early.clear();
  }

  override onSecond(bid: Bid): void {
    const isWanted = this.#isWanted.value();
    if (isWanted === null) this.#early.add(bid);
    else if (isWanted) this.emit({ auction: this.#auction.value()!, bid });
  }
}

/** The query. */
export const q20: Query = ({ auctions, bids }, out) =>
  auctions.keyBy(({ id }) => id).connect(bids.keyBy(({ auction }) => auction))
    .actor("expanded bids", () => new ExpandedBids())
    .sinkTo("out", out);
