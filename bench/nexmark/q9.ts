/**
 * Nexmark q9: the winning bid of each auction, so far: the highest, of equal ones the first.
 *
 * Called by: bench/nexmark/queries.ts.
 * Calls: mod.ts.
 *
 * @module
 */
import { CoActor, listState, valueState } from "../../mod.ts";
import type { Auction, Bid } from "./events.ts";
import type { Query } from "./query.ts";

/** An auction and the bid that wins it. */
interface Winner {
  readonly auction: Auction;
  readonly bid: Bid;
}

/** One auction. A bid that comes before its auction waits for it. */
class WinningBid extends CoActor<number, Auction, Bid, Winner> {
  readonly #auction = this.state(valueState<Auction>("auction"));
  readonly #winner = this.state(valueState<Bid>("winning bid"));
  readonly #early = this.state(listState<Bid>("early bids"));

  override onFirst(auction: Auction): void {
    this.#auction.update(auction);
    for (const bid of this.#early.get()) this.onSecond(bid);
    this.#early.clear();
  }

  override onSecond(bid: Bid): void {
    const auction = this.#auction.value();
    if (auction === null) return this.#early.add(bid);
    if (bid.dateTime < auction.dateTime || bid.dateTime > auction.expires) return;
    const winner = this.#winner.value();
    if (winner !== null && !beats(bid, winner)) return;
    this.#winner.update(bid);
    this.emit({ auction, bid });
  }
}

function beats(bid: Bid, winner: Bid): boolean {
  return bid.price > winner.price || (bid.price === winner.price && bid.dateTime < winner.dateTime);
}

/** The query. */
export const q9: Query = ({ auctions, bids }, out) =>
  auctions.keyBy(({ id }) => id).connect(bids.keyBy(({ auction }) => auction))
    .actor("winning bids", () => new WinningBid())
    .sinkTo("out", out);
