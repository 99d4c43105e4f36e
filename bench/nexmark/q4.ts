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
import { bidSerializer, numbers } from "./serializers.ts";

/** The highest bid of an auction has risen; from 0 with the first. */
type Rise = Readonly<Record<"category" | "from" | "to", number>>;

/** What is kept of an auction. */
type Sale = Readonly<Record<"category" | "dateTime" | "expires" | "highest", number>>;

const SALE = numbers<Sale>("nexmark-sale", ["category", "dateTime", "expires", "highest"]);

/** One auction. A bid that comes before its auction waits for it. */
class HighestBid extends CoActor<number, Auction, Bid, Rise> {
  readonly #sale = this.state(valueState("sale", { serializer: SALE }));
  readonly #early = this.state(listState("early bids", { serializer: bidSerializer }));

  override onFirst({ category, dateTime, expires }: Auction): void {
    this.#sale.update({ category, dateTime, expires, highest: 0 });
    for (const bid of this.#early.get()) this.onSecond(bid);
    this.#early.clear();
  }

  override onSecond(bid: Bid): void {
    const sale = this.#sale.value();
    if (sale === null) return this.#early.add(bid);
    const { category, dateTime, expires, highest } = sale;
    if (bid.price <= highest || bid.dateTime < dateTime || bid.dateTime > expires) return;
    this.#sale.update({ category, dateTime, expires, highest: bid.price });
    this.emit({ category, from: highest, to: bid.price });
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
