/**
 * What the queries of Nexmark must find, computed over all events at once in the plainest way. Events must be in the order of
 * their times.
 *
 * Called by: tests of bench/nexmark/.
 * Calls: nothing.
 */
import type { Auction, Bid, NexmarkEvent, Person } from "../../bench/nexmark/events.ts";
import type { NewRank } from "../../bench/nexmark/q19.ts";

/** All events, by kind. */
export interface Batch {
  readonly people: readonly Person[];
  readonly auctions: readonly Auction[];
  readonly bids: readonly Bid[];
}

/** What a query must find. */
export interface Expectation {
  /** In any order. */
  results(batch: Batch): readonly unknown[];
  /** What is compared instead of all that the query has put out. */
  readonly summary?: (results: readonly unknown[]) => readonly unknown[];
  /** Whether it works in windows of processing time. */
  readonly isSlow?: boolean;
  /** Whether times of day matter to it: it is given events of more than a day. */
  readonly needsDays?: boolean;
}

/** Divides events by their kinds. */
export function batchOf(events: readonly NexmarkEvent[]): Batch {
  return {
    people: events.filter((event) => event.kind === "person"),
    auctions: events.filter((event) => event.kind === "auction"),
    bids: events.filter((event) => event.kind === "bid"),
  };
}

/** Of results that update each other, the last ones. @param identityOf What a result takes the place of others by. */
function lastBy<R>(identityOf: (result: R) => unknown): (results: readonly unknown[]) => readonly unknown[] {
  // They are those of the query that the expectation belongs to.
  return (results) => [...new Map(results.map((result) => [identityOf(result as R), result])).values()];
}

/** Counts of all windows of each bidder. */
function totals(results: readonly unknown[]): readonly unknown[] {
  const sums: Record<string, number> = {};
  // What q12 puts out.
  for (const { bidder, count } of results as readonly { bidder: number; count: number }[]) {
    sums[bidder] = (sums[bidder] ?? 0) + count;
  }
  return Object.entries(sums);
}

/** The ten highest bids of each auction, from the changes that q19 puts out. */
function rankings(results: readonly unknown[]): readonly unknown[] {
  const byAuction: Record<string, Bid[]> = {};
  // What q19 puts out.
  for (const { rank, bid } of results as readonly NewRank[]) {
    const bids = byAuction[bid.auction] ??= [];
    bids.splice(rank - 1, 0, bid);
    bids.length = Math.min(bids.length, 10);
  }
  return Object.entries(byAuction).map(([auction, bids]) => ({ auction: Number(auction), bids }));
}

/** Where the window of an event begins. */
function windowOf({ dateTime }: NexmarkEvent, sizeMs: number): number {
  return Math.floor(dateTime / sizeMs) * sizeMs;
}

/** Counts by key. */
function tally<T>(values: readonly T[], keyOf: (value: T) => string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const value of values) counts[keyOf(value)] = (counts[keyOf(value)] ?? 0) + 1;
  return counts;
}

/** The bid that wins each auction that has any. */
function winners({ auctions, bids }: Batch): { auction: Auction; bid: Bid }[] {
  return auctions.flatMap((auction) => {
    const valid = bids.filter((bid) =>
      bid.auction === auction.id && bid.dateTime >= auction.dateTime && bid.dateTime <= auction.expires
    );
    const [best] = valid.toSorted((a, b) => b.price - a.price || a.dateTime - b.dateTime);
    return best === undefined ? [] : [{ auction, bid: best }];
  });
}

function averages(batch: Batch): unknown[] {
  const byCategory = Object.groupBy(winners(batch), ({ auction }) => auction.category);
  return Object.entries(byCategory).map(([category, sales = []]) => ({
    category: Number(category),
    average: sales.reduce((sum, { bid }) => sum + bid.price, 0) / sales.length,
  }));
}

function hottest({ bids }: Batch): unknown[] {
  const results: unknown[] = [];
  const [first, last] = [windowOf(bids[0]!, 2_000) - 8_000, windowOf(bids.at(-1)!, 2_000)];
  for (let startMs = first; startMs <= last; startMs += 2_000) {
    const within = bids.filter(({ dateTime }) => dateTime >= startMs && dateTime < startMs + 10_000);
    const counts = Object.entries(tally(within, ({ auction }) => String(auction)));
    const most = Math.max(...counts.map(([_, count]) => count));
    for (const [auction, count] of counts) {
      if (count === most) results.push({ auction: Number(auction), count, endMs: startMs + 10_000 });
    }
  }
  return results;
}

function highest({ bids }: Batch): unknown[] {
  return bids.filter((bid) =>
    bids.every((other) => windowOf(other, 10_000) !== windowOf(bid, 10_000) || other.price <= bid.price)
  );
}

function newcomers({ people, auctions }: Batch): unknown[] {
  return people
    .filter((person) =>
      auctions.some((sale) => sale.seller === person.id && windowOf(sale, 10_000) === windowOf(person, 10_000))
    )
    .map((person) => ({ id: person.id, name: person.name, startMs: windowOf(person, 10_000) }));
}

function localSales({ people, auctions }: Batch): unknown[] {
  return auctions.filter(({ category }) => category === 10).flatMap(({ id, seller }) =>
    people
      .filter((person) => person.id === seller && ["OR", "ID", "CA"].includes(person.state))
      .map(({ name, city, state }) => ({ name, city, state, auction: id }))
  );
}

/** Bids of each bidder with less than 10 seconds from one to the next. */
function sessions({ bids }: Batch): unknown[] {
  const results: { bidder: number; count: number; startMs: number; endMs: number }[] = [];
  for (const { bidder, dateTime } of bids) {
    const open = results.findLast((session) => session.bidder === bidder && session.endMs >= dateTime);
    if (open === undefined) results.push({ bidder, count: 1, startMs: dateTime, endMs: dateTime + 10_000 });
    else Object.assign(open, { count: open.count + 1, endMs: dateTime + 10_000 });
  }
  return results;
}

/** Counts of some bids by rank of price. @param idOf Only different ones count. */
function ranks(bids: readonly Bid[], idOf: (bid: Bid) => unknown): number[] {
  const within = (least: number, limit: number) =>
    new Set(bids.filter(({ price }) => price >= least && price < limit).map(idOf)).size;
  return [within(0, Infinity), within(0, 10_000), within(10_000, 1_000_000), within(1_000_000, Infinity)];
}

function countsOf(bids: readonly Bid[]): Record<string, unknown> {
  return {
    bids: ranks(bids, (bid) => bid),
    bidders: ranks(bids, ({ bidder }) => bidder),
    auctions: ranks(bids, ({ auction }) => auction),
  };
}

/** 2015-07-15T13:05:00.000Z. */
function textOf(dateTime: number): string {
  return new Date(dateTime).toISOString();
}

function byDay({ bids }: Batch): unknown[] {
  const days = Object.groupBy(bids, ({ dateTime }) => textOf(dateTime).slice(0, 10));
  return Object.entries(days).map(([day, some = []]) => ({ day, ...countsOf(some) }));
}

function byChannel({ bids }: Batch): unknown[] {
  const groups = Object.groupBy(bids, ({ channel, dateTime }) => `${channel} ${textOf(dateTime).slice(0, 10)}`);
  return Object.values(groups).map((some = []) => {
    const { channel, dateTime } = some.at(-1)!;
    return { channel, day: textOf(dateTime).slice(0, 10), minute: textOf(dateTime).slice(11, 16), ...countsOf(some) };
  });
}

function prices({ bids }: Batch): unknown[] {
  const groups = Object.groupBy(bids, ({ auction, dateTime }) => `${auction} ${textOf(dateTime).slice(0, 10)}`);
  return Object.values(groups).map((some = []) => {
    const { auction, dateTime } = some[0]!;
    const [count, low, middle, high] = ranks(some, (bid) => bid);
    const all = some.map(({ price }) => price);
    const sum = all.reduce((left, right) => left + right);
    const [min, max] = [Math.min(...all), Math.max(...all)];
    const day = textOf(dateTime).slice(0, 10);
    return { auction, day, bids: count, low, middle, high, min, max, sum, average: sum / some.length };
  });
}

function topBids({ bids }: Batch): unknown[] {
  return Object.values(Object.groupBy(bids, ({ auction }) => auction)).map((some = []) => ({
    auction: some[0]!.auction,
    bids: some.toSorted((a, b) => b.price - a.price).slice(0, 10),
  }));
}

function offers({ auctions, bids }: Batch): unknown[] {
  return auctions.filter(({ category }) => category === 10)
    .flatMap((auction) => bids.filter((bid) => bid.auction === auction.id).map((bid) => ({ auction, bid })));
}

function dearBids({ bids }: Batch): unknown[] {
  return bids.map((bid) => ({ ...bid, price: bid.price * 0.908 }))
    .filter(({ price }) => price > 1_000_000 && price < 50_000_000)
    .map(({ auction, bidder, price, dateTime, extra }) => {
      const hour = new Date(dateTime).getUTCHours();
      const bidTimeType = hour >= 8 && hour <= 18 ? "dayTime" : hour > 6 && hour < 20 ? "otherTime" : "nightTime";
      return { auction, bidder, price, bidTimeType, dateTime, extra, cCounts: extra.split("c").length - 1 };
    });
}

/** By name of the query. */
export const EXPECTATIONS: Readonly<Record<string, Expectation>> = {
  q0: { results: ({ bids }) => bids },
  q1: {
    results: ({ bids }) =>
      bids.map(({ auction, bidder, price, dateTime, extra }) => (
        { auction, bidder, price: price * 0.908, dateTime, extra }
      )),
  },
  q2: {
    results: ({ bids }) =>
      bids.filter(({ auction }) => auction % 123 === 0).map(({ auction, price }) => ({ auction, price })),
  },
  q3: { results: localSales },
  q4: { results: averages, summary: lastBy(({ category }: { category: number }) => category) },
  q5: { results: hottest },
  q7: { results: highest },
  q8: { results: newcomers },
  q9: { results: winners, summary: lastBy(({ auction }: { auction: Auction }) => auction.id) },
  q11: { results: sessions },
  // Where windows of the wall clock begin is not known: what is compared is added up, see totals().
  q12: {
    results: ({ bids }) => Object.entries(tally(bids, ({ bidder }) => String(bidder))),
    isSlow: true,
    summary: totals,
  },
  q13: {
    results: ({ bids }) =>
      bids.map(({ auction, bidder, price, dateTime }) => (
        { auction, bidder, price, dateTime, value: `value ${auction % 10_000}` }
      )),
  },
  q14: { results: dearBids, needsDays: true },
  q15: { results: byDay, summary: lastBy(({ day }: { day: string }) => day), needsDays: true },
  q16: {
    results: byChannel,
    summary: lastBy(({ channel, day }: { channel: string; day: string }) => `${channel} ${day}`),
    needsDays: true,
  },
  q17: {
    results: prices,
    summary: lastBy(({ auction, day }: { auction: number; day: string }) => `${auction} ${day}`),
    needsDays: true,
  },
  q18: {
    results: ({ bids }) => [...new Map(bids.map((bid) => [`${bid.bidder} ${bid.auction}`, bid])).values()],
    summary: lastBy(({ bidder, auction }: Bid) => `${bidder} ${auction}`),
  },
  q19: { results: topBids, summary: rankings },
  q20: { results: offers },
  q22: {
    results: ({ bids }) =>
      bids.map(({ auction, bidder, price, channel, url }) => {
        const [, dir1, dir2, dir3] = /^https:\/\/[^/]+\/([^/]+)\/([^/]+)\/([^/]+)\//.exec(url)!;
        return { auction, bidder, price, channel, dir1, dir2, dir3 };
      }),
  },
};
