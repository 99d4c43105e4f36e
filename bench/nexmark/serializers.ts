/**
 * How events and small records are written in state: field by field, without names. Used where a query keeps them by the
 * hundred thousand; what is seldom written goes without.
 *
 * Called by: the queries beside it.
 * Calls: mod.ts.
 *
 * @module
 */
import { ByteReader, type ByteWriter, compatibilityOf, type Serializer, str } from "../../mod.ts";
import type { Auction, Bid } from "./events.ts";

/** A serializer of version 1. */
export function serializer<T>(
  id: string,
  write: (value: T, out: ByteWriter) => void,
  read: (input: ByteReader) => T,
): Serializer<T> {
  const made: Serializer<T> = {
    id,
    version: 1,
    immutable: false,
    write,
    read,
    compatibilityWith: (previous) => compatibilityOf(made, previous),
  };
  return made;
}

const NOTHING = new Uint8Array(0);
const part = new ByteReader(NOTHING);

function writeText(text: string, out: ByteWriter): void {
  const start = out.length;
  out.u32(0);
  str.write(text, out);
  out.setU32(start, out.length - start - 4);
}

function readText(input: ByteReader): string {
  const size = input.u32();
  const start = input.position;
  part.open(input.buffer, start, start + size);
  input.position = start + size;
  const text = str.read(part);
  part.open(NOTHING);
  return text;
}

/** A bid. */
export const bidSerializer: Serializer<Bid> = serializer(
  "nexmark-bid",
  (bid, out) => {
    out.f64(bid.dateTime);
    out.u32(bid.auction);
    out.u32(bid.bidder);
    out.u32(bid.price);
    writeText(bid.channel, out);
    writeText(bid.url, out);
    writeText(bid.extra, out);
  },
  (input) => ({
    kind: "bid",
    dateTime: input.f64(),
    auction: input.u32(),
    bidder: input.u32(),
    price: input.u32(),
    channel: readText(input),
    url: readText(input),
    extra: readText(input),
  }),
);

/** An auction. */
export const auctionSerializer: Serializer<Auction> = serializer(
  "nexmark-auction",
  (auction, out) => {
    out.f64(auction.dateTime);
    out.u32(auction.id);
    writeText(auction.itemName, out);
    writeText(auction.description, out);
    out.u32(auction.initialBid);
    out.u32(auction.reserve);
    out.f64(auction.expires);
    out.u32(auction.seller);
    out.u32(auction.category);
    writeText(auction.extra, out);
  },
  (input) => ({
    kind: "auction",
    dateTime: input.f64(),
    id: input.u32(),
    itemName: readText(input),
    description: readText(input),
    initialBid: input.u32(),
    reserve: input.u32(),
    expires: input.f64(),
    seller: input.u32(),
    category: input.u32(),
    extra: readText(input),
  }),
);

/** A few values, one after the other. */
export function listOf<T>(item: Serializer<T>): Serializer<T[]> {
  return serializer(
    `${item.id} list`,
    (values, out) => {
      out.u32(values.length);
      for (const value of values) item.write(value, out);
    },
    (input) => Array.from({ length: input.u32() }, () => item.read(input)),
  );
}

/** Numbers under names. @param names In the order in which objects have them. */
export function numbers<T extends { readonly [N in keyof T]: number }>(
  id: string,
  names: readonly (keyof T)[],
): Serializer<T> {
  return serializer(
    id,
    (value, out) => {
      for (const name of names) out.f64(value[name]);
    },
    (input) => {
      const value: Partial<Record<keyof T, number>> = {};
      for (const name of names) value[name] = input.f64();
      return value as T; // it has all of its names
    },
  );
}
