/**
 * Makes the events of Nexmark: event i is a function of i and a seed, so that any part of the sequence can be made anew.
 *
 * Called by: bench/nexmark/run_query.ts, tests.
 * Calls: events.ts.
 *
 * Of 50 events the first is a person, three are auctions, 46 are bids. Half of the bids are for the hot auction, three
 * quarters by the hot bidder, three quarters of the auctions by the hot seller; the others are spread over the last 100
 * auctions and the last 1,000 people. Strings that only fill a record up come from a pool, so that events of the past cost
 * little memory.
 *
 * Source: `NexmarkGenerator`, `AuctionGenerator`, `BidGenerator` and `PersonGenerator` of nexmark-flink.
 *
 * @module
 */
import type { Auction, Bid, NexmarkEvent, Person } from "./events.ts";

/** Events until the kinds repeat: one person, three auctions, 46 bids. */
const BLOCK = 50;
const AUCTIONS = 3;
const FIRST_ID = 1_000;
const FIRST_CATEGORY = 10;
const CATEGORIES = 5;
const HOT_BLOCK = 100;
const HOT_AUCTION_RATIO = 2;
const HOT_BIDDER_RATIO = 4;
const HOT_SELLER_RATIO = 4;
const AUCTIONS_IN_FLIGHT = 100;
const ACTIVE_PEOPLE = 1_000;
/** Ids so far ahead of the newest are named already. */
const LEAD = 10;
const CHANNELS = 10_000;
const POOL = 4_096;
/** 2015-07-15T00:00:00Z. */
const START_MS = 1_436_918_400_000;
const HOT_CHANNELS = ["Google", "Facebook", "Baidu", "Apple"];
const STATES = ["AZ", "CA", "ID", "OR", "WA", "WY"];
const CITIES = "Phoenix,Los Angeles,San Francisco,Boise,Portland,Bend,Redmond,Seattle,Kent,Cheyenne".split(",");
const FIRST_NAMES = "Peter,Paul,Luke,John,Saul,Vicky,Kate,Julie,Sarah,Deiter,Walter".split(",");
const LAST_NAMES = "Shultz,Abrams,Spencer,White,Bartels,Walton,Smith,Jones,Noris".split(",");

/** What a sequence of events follows from. */
export interface GeneratorSettings {
  /** Other seeds give other events. */
  readonly seed: number;
  /** Events in a second of event time. */
  readonly eventsPerSecond: number;
}

/** Random numbers that follow from a seed and an index. Source: mixing constants of hash-prospector. */
class IndexedRandom {
  #state = 0;

  constructor(private readonly seed: number) {}

  start(index: number): void {
    this.#state = scrambled(scrambled(this.seed) ^ index);
  }

  /** In [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x9e3779b9) | 0;
    return (scrambled(this.#state) >>> 0) / 2 ** 32;
  }

  /** An integer in 0..count-1. */
  below(count: number): number {
    return Math.floor(this.next() * count);
  }

  of<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }

  /** Cents, spread evenly over the magnitudes from 1 to 1,000,000 of whatever the currency is. */
  price(): number {
    return Math.round(100 * 10 ** (6 * this.next()));
  }

  text(length: number): string {
    let text = "";
    while (text.length < length) text += String.fromCharCode(97 + this.below(26));
    return text;
  }
}

function scrambled(value: number): number {
  let mixed = value ^ (value >>> 16);
  mixed = Math.imul(mixed, 0x21f0aaad);
  mixed ^= mixed >>> 15;
  mixed = Math.imul(mixed, 0x735a2d97);
  return mixed ^ (mixed >>> 15);
}

/** A sequence of events without end. */
export class NexmarkGenerator {
  readonly #random: IndexedRandom;
  readonly #msPerEvent: number;
  readonly #channels: readonly { readonly name: string; readonly url: string }[];
  readonly #hotUrls: readonly string[];
  readonly #descriptions: readonly string[];
  /** What people, auctions and bids lack to 200, 500 and 100 bytes. */
  readonly #extras: Readonly<Record<NexmarkEvent["kind"], readonly string[]>>;

  constructor({ seed, eventsPerSecond }: GeneratorSettings) {
    const random = new IndexedRandom(seed);
    random.start(-1);
    this.#random = random;
    this.#msPerEvent = 1_000 / eventsPerSecond;
    this.#hotUrls = HOT_CHANNELS.map(() => urlOf(random));
    this.#channels = Array.from({ length: CHANNELS }, (_, i) => {
      const url = urlOf(random);
      return { name: `channel-${i}`, url: random.below(10) > 0 ? `${url}&channel_id=${scrambled(i) >>> 1}` : url };
    });
    const pool = (length: number) =>
      Array.from({ length: POOL }, () => random.text(Math.round(length * (0.8 + 0.4 * random.next()))));
    this.#descriptions = pool(100);
    this.#extras = { person: pool(139), auction: pool(333), bid: pool(68) };
  }

  /** Event time of event `index`, whole milliseconds since the epoch. */
  timeOf(index: number): number {
    return START_MS + Math.floor(index * this.#msPerEvent);
  }

  /** Event `index`, from 0 on. */
  eventAt(index: number): NexmarkEvent {
    this.#random.start(index);
    const place = index % BLOCK;
    if (place === 0) return this.#person(index);
    return place <= AUCTIONS ? this.#auction(index) : this.#bid(index);
  }

  /** The first `count` events. */
  first(count: number): NexmarkEvent[] {
    return Array.from({ length: count }, (_, index) => this.eventAt(index));
  }

  #person(index: number): Person {
    const random = this.#random;
    const [first, last] = [random.of(FIRST_NAMES), random.of(LAST_NAMES)];
    return {
      kind: "person",
      dateTime: this.timeOf(index),
      id: FIRST_ID + lastPerson(index),
      name: `${first} ${last}`,
      emailAddress: `${first}@${last}.com`,
      creditCard: `${1_000 + random.below(9_000)} ${1_000 + random.below(9_000)}`,
      city: random.of(CITIES),
      state: random.of(STATES),
      extra: random.of(this.#extras.person),
    };
  }

  #auction(index: number): Auction {
    const random = this.#random;
    const dateTime = this.timeOf(index);
    const initialBid = random.price();
    // Until about as many auctions have begun as are in flight, up to twice that.
    const horizonMs = this.timeOf(index + Math.floor(AUCTIONS_IN_FLIGHT * BLOCK / AUCTIONS)) - dateTime;
    return {
      kind: "auction",
      dateTime,
      id: FIRST_ID + lastAuction(index),
      itemName: `item ${random.below(1_000_000)}`,
      description: random.of(this.#descriptions),
      initialBid,
      reserve: initialBid + random.price(),
      expires: dateTime + 1 + random.below(Math.max(horizonMs * 2, 1)),
      seller: random.below(HOT_SELLER_RATIO) > 0 ? hotSeller(index) : somePerson(index, random),
      category: FIRST_CATEGORY + random.below(CATEGORIES),
      extra: random.of(this.#extras.auction),
    };
  }

  #bid(index: number): Bid {
    const random = this.#random;
    const auction = random.below(HOT_AUCTION_RATIO) > 0 ? hotAuction(index) : someAuction(index, random);
    const bidder = random.below(HOT_BIDDER_RATIO) > 0 ? hotSeller(index) + 1 : somePerson(index, random);
    const price = random.price();
    const hot = random.below(2) > 0 ? random.below(HOT_CHANNELS.length) : -1;
    const channel = hot >= 0 ? null : random.of(this.#channels);
    return {
      kind: "bid",
      dateTime: this.timeOf(index),
      auction,
      bidder,
      price,
      channel: channel === null ? HOT_CHANNELS[hot]! : channel.name,
      url: channel === null ? this.#hotUrls[hot]! : channel.url,
      extra: random.of(this.#extras.bid),
    };
  }
}

function urlOf(random: IndexedRandom): string {
  return `https://www.nexmark.com/${random.text(5)}/${random.text(5)}/${random.text(5)}/item.htm?query=1`;
}

/** Number of the newest person at an event, from 0 on. */
function lastPerson(index: number): number {
  return Math.floor(index / BLOCK);
}

/** Number of the newest auction at an event, from 0 on; -1 at the very first event. */
function lastAuction(index: number): number {
  return Math.floor(index / BLOCK) * AUCTIONS + Math.min(index % BLOCK, AUCTIONS) - 1;
}

function hotSeller(index: number): number {
  return FIRST_ID + lastPerson(index) - lastPerson(index) % HOT_BLOCK;
}

function hotAuction(index: number): number {
  return FIRST_ID + lastAuction(index) - lastAuction(index) % HOT_BLOCK;
}

function somePerson(index: number, random: IndexedRandom): number {
  const people = lastPerson(index) + 1;
  const active = Math.min(people, ACTIVE_PEOPLE);
  return FIRST_ID + people - active + random.below(active + LEAD);
}

function someAuction(index: number, random: IndexedRandom): number {
  const newest = lastAuction(index);
  const oldest = Math.max(newest - AUCTIONS_IN_FLIGHT, 0);
  return FIRST_ID + oldest + random.below(newest - oldest + 1 + LEAD);
}
