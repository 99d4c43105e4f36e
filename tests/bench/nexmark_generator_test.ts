import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import type { NexmarkEvent } from "../../bench/nexmark/events.ts";
import { NexmarkGenerator } from "../../bench/nexmark/generator.ts";
import { batchOf } from "../support/nexmark_batch.ts";

const SETTINGS = { seed: 3, eventsPerSecond: 1_000 };
const EVENTS = new NexmarkGenerator(SETTINGS).first(50_000);
const { people, auctions, bids } = batchOf(EVENTS);

/** Asserts a share of the events of a kind. */
function about<T>(what: string, values: readonly T[], holds: (value: T) => boolean, share: number): void {
  const found = values.filter(holds).length / values.length;
  ok(Math.abs(found - share) < 0.02, `${what}: ${found}, must be about ${share}`);
}

/** The first id of a block of 100, of which there is one for each new person or auction. */
function isFirstOfBlock(id: number): boolean {
  return id % 100 === 0;
}

test("NexmarkGenerator makes of 50 events one person, then three auctions, then 46 bids", () => {
  const kinds = EVENTS.slice(0, 50).map(({ kind }) => kind);
  deepEqual(kinds, ["person", ...Array(3).fill("auction"), ...Array(46).fill("bid")]);
  deepEqual([people.length, auctions.length, bids.length], [1_000, 3_000, 46_000]);
});

test("NexmarkGenerator numbers people and auctions from 1000 on, one after the other", () => {
  deepEqual(people.map(({ id }) => id), people.map((_, i) => 1_000 + i));
  deepEqual(auctions.map(({ id }) => id), auctions.map((_, i) => 1_000 + i));
});

test("NexmarkGenerator spreads events evenly over event time, in its order", () => {
  equal(EVENTS.at(-1)!.dateTime - EVENTS[0]!.dateTime, 49_999);
  ok(EVENTS.every(({ dateTime }, i) => i === 0 || dateTime >= EVENTS[i - 1]!.dateTime));
});

test("NexmarkGenerator prefers hot auctions, bidders, sellers and channels", () => {
  // A cold one may be the hot one by chance.
  about("bids for the hot auction", bids, ({ auction }) => isFirstOfBlock(auction), 0.5 + 0.5 / 100);
  about("bids by the hot bidder", bids, ({ bidder }) => isFirstOfBlock(bidder - 1), 0.75 + 0.25 / 100);
  about("auctions by the hot seller", auctions, ({ seller }) => isFirstOfBlock(seller), 0.75 + 0.25 / 100);
  about("bids by hot channels", bids, ({ channel }) => !channel.startsWith("channel-"), 0.5);
  const cold = bids.filter(({ channel }) => channel.startsWith("channel-"));
  about("cold urls with a channel id", cold, ({ url }) => url.includes("channel_id="), 0.9);
  about("urls with a channel id", bids, ({ url }) => url.includes("channel_id="), 0.45);
});

test("NexmarkGenerator names only people and auctions that are there, or come soon", () => {
  let newestPerson = 0;
  let newestAuction = 0;
  const early = { auctions: 0, people: 0 };
  for (const event of EVENTS) {
    if (event.kind === "person") newestPerson = event.id;
    if (event.kind === "auction") newestAuction = event.id;
    if (event.kind !== "bid") continue;
    if (event.auction > newestAuction) early.auctions++;
    if (event.bidder > newestPerson) early.people++;
    ok(event.auction >= Math.max(1_000, newestAuction - 199) && event.auction <= newestAuction + 10);
    ok(event.bidder >= Math.max(1_000, newestPerson - 1_100) && event.bidder <= newestPerson + 10);
  }
  ok(early.auctions > 1_000, `${early.auctions} bids come before their auction`);
  ok(early.people > 50, `${early.people} bids come before their bidder`);
});

test("NexmarkGenerator spreads prices evenly over six magnitudes", () => {
  for (const magnitude of [100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000]) {
    about(`prices from ${magnitude}`, bids, ({ price }) => price >= magnitude && price < magnitude * 10, 1 / 6);
  }
});

test("NexmarkGenerator ends auctions after a while, of five categories alike", () => {
  ok(auctions.every(({ dateTime, expires }) => expires > dateTime && expires <= dateTime + 3_334));
  for (const category of [10, 11, 12, 13, 14]) {
    about(`category ${category}`, auctions, (auction) => auction.category === category, 0.2);
  }
});

/** Fields that do not count. */
const BESIDE = ["kind", "channel", "url"];

test("NexmarkGenerator makes people of about 200 bytes, auctions of 500, bids of 100, beside its channel", () => {
  const sizeOf = (event: NexmarkEvent) =>
    Object.entries(event).reduce(
      (sum, [name, value]) => sum + (BESIDE.includes(name) ? 0 : typeof value === "string" ? value.length : 8),
      0,
    );
  const mean = (events: readonly NexmarkEvent[]) =>
    events.reduce((sum, event) => sum + sizeOf(event), 0) / events.length;
  const sizes = [mean(people), mean(auctions), mean(bids)];
  for (const [i, wanted] of [200, 500, 100].entries()) {
    ok(Math.abs(sizes[i]! - wanted) < wanted * 0.1, `${sizes[i]} bytes, must be about ${wanted}`);
  }
});

test("NexmarkGenerator makes any event alone as among all, and others from another seed", () => {
  const again = new NexmarkGenerator(SETTINGS);
  for (const index of [49_999, 0, 12_345, 1, 12_345]) deepEqual(again.eventAt(index), EVENTS[index]);
  const other = new NexmarkGenerator({ ...SETTINGS, seed: 4 }).first(1_000);
  const same = other.filter((event, i) => JSON.stringify(event) === JSON.stringify(EVENTS[i])).length;
  equal(same, 0);
});
