/**
 * What happens at the auction house of Nexmark: people come, put things up for auction, and bid.
 *
 * Called by: bench/nexmark/ and its tests.
 * Calls: nothing.
 *
 * Source: the model of Apache Beam's and Flink's Nexmark; fields have their names.
 *
 * @module
 */

/** Somebody has come. */
export interface Person {
  readonly kind: "person";
  /** Event time, milliseconds since the epoch. */
  readonly dateTime: number;
  readonly id: number;
  readonly name: string;
  readonly emailAddress: string;
  readonly creditCard: string;
  readonly city: string;
  readonly state: string;
  readonly extra: string;
}

/** Something is for sale. */
export interface Auction {
  readonly kind: "auction";
  /** Event time, milliseconds since the epoch. */
  readonly dateTime: number;
  readonly id: number;
  readonly itemName: string;
  readonly description: string;
  /** Cents. */
  readonly initialBid: number;
  /** Cents. */
  readonly reserve: number;
  /** Bids count until then, milliseconds since the epoch. */
  readonly expires: number;
  /** Id of a person. */
  readonly seller: number;
  /** 10 to 14. */
  readonly category: number;
  readonly extra: string;
}

/** Somebody offers a price. */
export interface Bid {
  readonly kind: "bid";
  /** Event time, milliseconds since the epoch. */
  readonly dateTime: number;
  /** Id of an auction, which may begin a little later. */
  readonly auction: number;
  /** Id of a person. */
  readonly bidder: number;
  /** Cents. */
  readonly price: number;
  readonly channel: string;
  readonly url: string;
  readonly extra: string;
}

/** Any of the three. */
export type NexmarkEvent = Person | Auction | Bid;

/** Milliseconds of a day. */
export const DAY_MS = 86_400_000;

/** Number of the day since the epoch. */
export function dayOf(dateTime: number): number {
  return Math.floor(dateTime / DAY_MS);
}

let latest = { day: 0, text: "1970-01-01" };

/** A day by its number, as in 2015-07-15. */
export function dayText(day: number): string {
  // Mostly the same as before: what dates cost is not what is measured.
  if (day !== latest.day) latest = { day, text: new Date(day * DAY_MS).toISOString().slice(0, 10) };
  return latest.text;
}

/** The minute of the day, as in 13:05. */
export function minuteText(dateTime: number): string {
  const minutes = Math.floor(dateTime % DAY_MS / 60_000);
  return `${String(Math.floor(minutes / 60)).padStart(2, "0")}:${String(minutes % 60).padStart(2, "0")}`;
}
