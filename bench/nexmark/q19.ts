/**
 * Nexmark q19: the ten highest bids for each auction, so far; of equal ones the first. What is put out are changes.
 *
 * Called by: bench/nexmark/queries.ts.
 * Calls: mod.ts.
 *
 * @module
 */
import { KeyedActor, mapState, valueState } from "../../mod.ts";
import type { Bid } from "./events.ts";
import type { Query } from "./query.ts";
import { bidSerializer, listOf, numbers } from "./serializers.ts";

/** A bid has come to a rank, from 1 on: those behind it move back by one, and the eleventh is gone. */
export interface NewRank {
  readonly rank: number;
  readonly bid: Bid;
}

/** A price, and where its bid is. */
type Place = Readonly<Record<"price" | "place", number>>;

const MOST = 10;

/** One auction. */
class TopBids extends KeyedActor<number, Bid, NewRank> {
  readonly #bids = this.state(mapState<number, Bid>("bids by place", { serializer: bidSerializer }));
  /** Highest first. */
  readonly #ranking = this.state(valueState("ranking", {
    serializer: listOf(numbers<Place>("nexmark-place", ["price", "place"])),
  }));

  override onMessage(bid: Bid): void {
    const ranking = this.#ranking.value() ?? [];
    let index = ranking.length;
    while (index > 0 && ranking[index - 1]!.price < bid.price) index--;
    if (index === MOST) return;
    const place = ranking.length < MOST ? ranking.length : ranking[MOST - 1]!.place;
    this.#bids.set(place, bid);
    this.#ranking.update([...ranking.slice(0, index), { price: bid.price, place }, ...ranking.slice(index, MOST - 1)]);
    this.emit({ rank: index + 1, bid });
  }
}

/** The query. */
export const q19: Query = ({ bids }, out) =>
  bids.keyBy(({ auction }) => auction).actor("top bids", () => new TopBids()).sinkTo("out", out);
