/**
 * Nexmark q17: of each auction and day how many bids there were so far, by rank, and their prices.
 *
 * Called by: bench/nexmark/queries.ts.
 * Calls: mod.ts.
 *
 * @module
 */
import { KeyedActor, valueState } from "../../mod.ts";
import { rankOf } from "./bid_statistics.ts";
import { type Bid, dayOf, dayText } from "./events.ts";
import type { Query } from "./query.ts";
import { numbers } from "./serializers.ts";

/** Prices of the bids for an auction. */
interface Prices {
  readonly bids: number;
  readonly low: number;
  readonly middle: number;
  readonly high: number;
  readonly min: number;
  readonly max: number;
  readonly sum: number;
}

const PRICES = numbers<Prices>("nexmark-prices", ["bids", "low", "middle", "high", "min", "max", "sum"]);
const NONE: Prices = { bids: 0, low: 0, middle: 0, high: 0, min: Number.MAX_SAFE_INTEGER, max: 0, sum: 0 };

/** Bids for an auction on a day. */
class AuctionDay extends KeyedActor<readonly [auction: number, day: number], Bid, unknown> {
  readonly #prices = this.state(valueState("prices", { serializer: PRICES }));

  override onMessage({ price }: Bid): void {
    const before = this.#prices.value() ?? NONE;
    const rank = rankOf(price);
    const prices = {
      bids: before.bids + 1,
      low: before.low + (rank === 1 ? 1 : 0),
      middle: before.middle + (rank === 2 ? 1 : 0),
      high: before.high + (rank === 3 ? 1 : 0),
      min: Math.min(before.min, price),
      max: Math.max(before.max, price),
      sum: before.sum + price,
    };
    this.#prices.update(prices);
    const [auction, day] = this.key;
    this.emit({ auction, day: dayText(day), ...prices, average: prices.sum / prices.bids });
  }
}

/** The query. */
export const q17: Query = ({ bids }, out) =>
  bids.keyBy(({ auction, dateTime }) => [auction, dayOf(dateTime)] as const)
    .actor("prices", () => new AuctionDay())
    .sinkTo("out", out);
