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
import { auctionSerializer, bidSerializer, numbers } from "./serializers.ts";

/** An auction and the bid that wins it. */
interface Winner {
  readonly auction: Auction;
  readonly bid: Bid;
}

/** When bids count, and the one that wins. */
type Race = Readonly<Record<"fromMs" | "untilMs" | "price" | "atMs", number>>;

const RACE = numbers<Race>("nexmark-race", ["fromMs", "untilMs", "price", "atMs"]);

/** One auction. A bid that comes before its auction waits for it. */
class WinningBid extends CoActor<number, Auction, Bid, Winner> {
  readonly #auction = this.state(valueState("auction", { serializer: auctionSerializer }));
  /** What bids are compared with: less to read than the auction and the bid that wins. */
  readonly #race = this.state(valueState("race", { serializer: RACE }));
  readonly #winner = this.state(valueState("winning bid", { serializer: bidSerializer }));
  readonly #early = this.state(listState("early bids", { serializer: bidSerializer }));

  override onFirst(auction: Auction): void {
    this.#auction.update(auction);
    this.#race.update({ fromMs: auction.dateTime, untilMs: auction.expires, price: 0, atMs: 0 });
    for (const bid of this.#early.get()) this.onSecond(bid);
    this.#early.clear();
  }

  override onSecond(bid: Bid): void {
    const race = this.#race.value();
    if (race === null) return this.#early.add(bid);
    const { fromMs, untilMs, price, atMs } = race;
    const wins = bid.price > price || (bid.price === price && bid.dateTime < atMs);
    if (!wins || bid.dateTime < fromMs || bid.dateTime > untilMs) return;
    this.#race.update({ fromMs, untilMs, price: bid.price, atMs: bid.dateTime });
    this.#winner.update(bid);
    this.emit({ auction: this.#auction.value()!, bid });
  }
}

/** The query. */
export const q9: Query = ({ auctions, bids }, out) =>
  auctions.keyBy(({ id }) => id).connect(bids.keyBy(({ auction }) => auction))
    .actor("winning bids", () => new WinningBid())
    .sinkTo("out", out);
