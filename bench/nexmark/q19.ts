/**
 * Nexmark q19: the ten highest bids for each auction, so far; of equal ones the first.
 *
 * Called by: bench/nexmark/queries.ts.
 * Calls: mod.ts.
 *
 * @module
 */
import { KeyedActor, valueState } from "../../mod.ts";
import type { Bid } from "./events.ts";
import type { Query } from "./query.ts";

/** An auction with its bids, highest first. */
interface Ranking {
  readonly auction: number;
  readonly bids: readonly Bid[];
}

const MOST = 10;

/** One auction. */
class TopBids extends KeyedActor<number, Bid, Ranking> {
  readonly #top = this.state(valueState<readonly Bid[]>("top bids"));

  override onMessage(bid: Bid): void {
    const top = this.#top.value() ?? [];
    let rank = top.length;
    while (rank > 0 && top[rank - 1]!.price < bid.price) rank--;
    if (rank === MOST) return;
    const bids = [...top.slice(0, rank), bid, ...top.slice(rank, MOST - 1)];
    this.#top.update(bids);
    this.emit({ auction: bid.auction, bids });
  }
}

/** The query. */
export const q19: Query = ({ bids }, out) =>
  bids.keyBy(({ auction }) => auction).actor("top bids", () => new TopBids()).sinkTo("out", out);
