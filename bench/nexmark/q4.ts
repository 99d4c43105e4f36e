/**
 * Nexmark q4: the average of the highest bids of each category, so far.
 *
 * Called by: bench/nexmark/queries.ts.
 * Calls: mod.ts.
 *
 * @module
 */
import { CoActor, emits, listState, valueState } from "../../mod.ts";
import type { Auction, Bid } from "./events.ts";
import type { Query } from "./query.ts";

/** The highest bid of an auction has risen; from 0 with the first. */
interface Rise {
  readonly category: number;
  readonly from: number;
  readonly to: number;
}

/** One auction. A bid that comes before its auction waits for it. */
class HighestBid extends CoActor<number, Auction, Bid, Rise> {
  readonly #auction = this.state(valueState<Pick<Auction, "category" | "dateTime" | "expires">>("auction"));
  readonly #highest = this.state(valueState<number>("highest bid", { default: 0 }));
  readonly #early = this.state(listState<Bid>("early bids"));

  override onFirst({ category, dateTime, expires }: Auction): void {
    this.#auction.update({ category, dateTime, expires });
    for (const bid of this.#early.get()) this.onSecond(bid);
    this.#early.clear();
  }

  override onSecond(bid: Bid): void {
    const auction = this.#auction.value();
    if (auction === null) return this.#early.add(bid);
    if (bid.dateTime < auction.dateTime || bid.dateTime > auction.expires) return;
    const from = this.#highest.value();
    if (bid.price <= from) return;
    this.#highest.update(bid.price);
    this.emit({ category: auction.category, from, to: bid.price });
  }
}

/** The query. */
export const q4: Query = ({ auctions, bids }, out) =>
  auctions.keyBy(({ id }) => id).connect(bids.keyBy(({ auction }) => auction))
    .actor("highest bids", () => new HighestBid())
    .keyBy(({ category }) => category)
    .process("averages", {
      emits: emits<{ readonly category: number; readonly average: number }>(),
      state: { sum: valueState<number>("sum", { default: 0 }), count: valueState<number>("count", { default: 0 }) },
      onMessage({ category, from, to }, context) {
        const { sum, count } = context.state;
        sum.update(sum.value() - from + to);
        if (from === 0) count.update(count.value() + 1);
        context.emit({ category, average: sum.value() / count.value() });
      },
    })
    .sinkTo("out", out);
