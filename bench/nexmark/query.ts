/**
 * What a query of Nexmark is given, and the three streams that it reads.
 *
 * Called by: the queries beside it, bench/nexmark/queries.ts, tests.
 * Calls: mod.ts.
 *
 * @module
 */
import { type DataStream, type Sink, type Source, type StreamEnvironment, watermarks } from "../../mod.ts";
import type { Auction, Bid, NexmarkEvent, Person } from "./events.ts";

/** Views of the one stream of events. */
export interface Inputs {
  readonly people: DataStream<Person>;
  readonly auctions: DataStream<Auction>;
  readonly bids: DataStream<Bid>;
}

/** A query; what it finds goes to the sink. */
export type Query = (inputs: Inputs, out: Sink<unknown>) => void;

/** Events may come so much out of order, milliseconds. */
const DISORDER_MS = 4_000;

/** Reads events. */
export function inputsFrom(
  env: Pick<StreamEnvironment, "fromSource">,
  source: Source<NexmarkEvent>,
): Inputs {
  const strategy = watermarks<NexmarkEvent>((event) => event.dateTime).boundedOutOfOrderness(DISORDER_MS);
  const events = env.fromSource("events", source, strategy);
  return {
    people: events.filter((event) => event.kind === "person"),
    auctions: events.filter((event) => event.kind === "auction"),
    bids: events.filter((event) => event.kind === "bid"),
  };
}
