/**
 * Counts bids, and the different bidders and auctions among them, by rank of price.
 *
 * Called by: bench/nexmark/q15.ts, bench/nexmark/q16.ts.
 * Calls: mod.ts.
 *
 * @module
 */
import { type ByteReader, type Key, KeyedActor, type MapState, mapState, valueState } from "../../mod.ts";
import type { Bid } from "./events.ts";
import { serializer } from "./serializers.ts";

/** Counts of all, and of those of rank 1, 2 and 3. */
export type Ranks = readonly [all: number, low: number, middle: number, high: number];

/** Of some bids. */
export interface Statistics {
  readonly bids: Ranks;
  /** Different ones. */
  readonly bidders: Ranks;
  /** Different ones. */
  readonly auctions: Ranks;
  /** Time of the newest bid. */
  readonly dateTime: number;
}

const NONE: Ranks = [0, 0, 0, 0];
const NOTHING: Statistics = { bids: NONE, bidders: NONE, auctions: NONE, dateTime: 0 };
const STATISTICS = serializer<Statistics>(
  "nexmark-statistics",
  ({ bids, bidders, auctions, dateTime }, out) => {
    for (const ranks of [bids, bidders, auctions]) ranks.forEach((count) => out.u32(count));
    out.f64(dateTime);
  },
  (input) => ({
    bids: readRanks(input),
    bidders: readRanks(input),
    auctions: readRanks(input),
    dateTime: input.f64(),
  }),
);

function readRanks(input: ByteReader): Ranks {
  return [input.u32(), input.u32(), input.u32(), input.u32()];
}

/** 1 below 10,000, 2 below 1,000,000, 3 from there. */
export function rankOf(price: number): number {
  return price < 10_000 ? 1 : price < 1_000_000 ? 2 : 3;
}

/** Keeps the statistics of each key; emits them after each bid. */
export class BidStatistics<K extends Key, O> extends KeyedActor<K, Bid, O> {
  readonly #statistics = this.state(valueState("statistics", { serializer: STATISTICS }));
  /** In which ranks a bidder, an auction has been seen: a bit each. */
  readonly #bidders = this.state(mapState<number, number>("ranks by bidder"));
  readonly #auctions = this.state(mapState<number, number>("ranks by auction"));

  /** @param result What is emitted. */
  constructor(private readonly result: (key: K, statistics: Statistics) => O) {
    super();
  }

  /** Counts a bid. */
  override onMessage({ bidder, auction, price, dateTime }: Bid): void {
    const before = this.#statistics.value() ?? NOTHING;
    const rank = rankOf(price);
    const statistics = {
      bids: counted(before.bids, rank, true),
      bidders: countedOnce(before.bidders, rank, this.#bidders, bidder),
      auctions: countedOnce(before.auctions, rank, this.#auctions, auction),
      dateTime: Math.max(before.dateTime, dateTime),
    };
    this.#statistics.update(statistics);
    this.emit(this.result(this.key, statistics));
  }
}

/** @param isNew Whether it counts among all, too. */
function counted([all, low, middle, high]: Ranks, rank: number, isNew: boolean): Ranks {
  return [
    all + (isNew ? 1 : 0),
    low + (rank === 1 ? 1 : 0),
    middle + (rank === 2 ? 1 : 0),
    high + (rank === 3 ? 1 : 0),
  ];
}

/** Counts what has not been seen in this rank. */
function countedOnce(ranks: Ranks, rank: number, seen: MapState<number, number>, id: number): Ranks {
  const before = seen.get(id) ?? 0;
  const after = before | 1 << rank;
  if (after === before) return ranks;
  seen.set(id, after);
  return counted(ranks, rank, before === 0);
}
