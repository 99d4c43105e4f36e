/**
 * What do windows cost beside a loop that keeps the same folds in Maps?
 *
 * Run: deno task bench window/
 *
 * @module
 */
import { type AggregateFunction, fromIterable, type Sink, StreamEnvironment, watermarks } from "../mod.ts";
import { session, sliding, tumbling, type WindowedStream } from "../windows.ts";
import type { TimeWindow } from "../windows.ts";
import { bench, type SeededRandom } from "./harness.ts";

interface Bid {
  readonly auction: number;
  readonly price: number;
  readonly atMs: number;
}

interface Size {
  readonly keys: number;
  readonly records: number;
}

/** Records per second of event time. */
const RATE = 10_000;
const SECOND = 1_000;

/** Kept between the rounds of a size: making them is not what is measured. */
let bids: readonly Bid[] = [];

function makeBids({ keys, records }: Size, random: SeededRandom): readonly Bid[] {
  if (bids.length === records) return bids;
  bids = Array.from({ length: records }, (_, index) => ({
    // Half of all bids are for one of a few hot auctions.
    auction: random() < 0.5 ? Math.floor(random() * 10) : Math.floor(random() * keys),
    price: Math.floor(random() * 100),
    atMs: Math.floor(index * SECOND / RATE),
  }));
  return bids;
}

/** Adds up what reaches it. */
function summingSink(): Sink<number, never> & { sum: number } {
  const sink = {
    guarantee: "at-least-once" as const,
    sum: 0,
    open: () => ({
      recover: () => {},
      write: (count: number) => {
        sink.sum += count;
      },
      prepareCommit: () => () => Promise.resolve(undefined),
      commit: () => {},
      close: () => {},
    }),
  };
  return sink;
}

const total: AggregateFunction<Bid, number, number> = {
  create: () => 0,
  add: (sum, { price }) => sum + price,
  result: (sum) => sum,
  merge: (left, right) => left + right,
};

type Describe = (windows: WindowedStream<number, Bid, TimeWindow>) => WindowedStream<number, Bid, TimeWindow>;

async function runWindows(
  size: Size,
  random: SeededRandom,
  assigner: ReturnType<typeof tumbling> | ReturnType<typeof session<Bid>>,
  describe: Describe = (windows) => windows,
): Promise<number> {
  const records = makeBids(size, random);
  const env = StreamEnvironment.create({ argv: [], config: {} });
  const sink = summingSink();
  describe(
    env.fromSource("bids", fromIterable(records), watermarks((bid) => bid.atMs)).keyBy((bid) => bid.auction)
      .window<TimeWindow>(assigner),
  ).aggregate("sums", total).sinkTo("sum", sink);
  await (await env.executeAsync("windows")).result;
  return sink.sum;
}

/** Folds into a Map per window that begins at a multiple of the slide. */
function bareWindows(size: Size, random: SeededRandom, sizeMs: number, slideMs: number): number {
  const windows = new Map<number, Map<number, number>>();
  let sum = 0;
  let nextMs = slideMs;
  for (const { auction, price, atMs } of makeBids(size, random)) {
    if (atMs >= nextMs) {
      nextMs = Math.floor(atMs / slideMs) * slideMs + slideMs;
      for (const [startMs, folds] of windows) {
        if (startMs + sizeMs > atMs) continue;
        for (const fold of folds.values()) sum += fold;
        windows.delete(startMs);
      }
    }
    for (let startMs = Math.floor(atMs / slideMs) * slideMs; startMs > atMs - sizeMs; startMs -= slideMs) {
      let folds = windows.get(startMs);
      if (folds === undefined) windows.set(startMs, folds = new Map());
      folds.set(auction, (folds.get(auction) ?? 0) + price);
    }
  }
  for (const folds of windows.values()) for (const fold of folds.values()) sum += fold;
  return sum;
}

/** Adds up per key; the sum of all sessions is the sum of all prices. */
function bareSessions(size: Size, random: SeededRandom, gapMs: number): number {
  const sessions = new Map<number, { sum: number; endMs: number }>();
  let sum = 0;
  for (const { auction, price, atMs } of makeBids(size, random)) {
    const open = sessions.get(auction);
    if (open !== undefined && open.endMs >= atMs) {
      open.sum += price;
      open.endMs = atMs + gapMs;
    } else {
      if (open !== undefined) sum += open.sum;
      sessions.set(auction, { sum: price, endMs: atMs + gapMs });
    }
  }
  for (const open of sessions.values()) sum += open.sum;
  return sum;
}

const SIZES = { smoke: { keys: 100, records: 5_000 }, full: { keys: 10_000, records: 1_000_000 } };

bench<Size>("window/tumbling/heap", {
  ...SIZES,
  against: "a Map per window",
  run: async (size, random) => ({
    ops: size.records,
    checksum: await runWindows(size, random, tumbling("10 s")),
  }),
  baseline: (size, random) => ({
    ops: size.records,
    checksum: bareWindows(size, random, 10 * SECOND, 10 * SECOND),
  }),
});

bench<Size>("window/sliding_panes/heap", {
  ...SIZES,
  against: "a Map per window",
  run: async (size, random) => ({
    ops: size.records,
    checksum: await runWindows(size, random, sliding("10 s", "2 s")),
  }),
  baseline: (size, random) => ({
    ops: size.records,
    checksum: bareWindows(size, random, 10 * SECOND, 2 * SECOND),
  }),
});

bench<Size>("window/session/heap", {
  ...SIZES,
  against: "a Map of sessions",
  run: async (size, random) => ({
    ops: size.records,
    checksum: await runWindows(size, random, session<Bid>("1 s")),
  }),
  baseline: (size, random) => ({ ops: size.records, checksum: bareSessions(size, random, SECOND) }),
});
