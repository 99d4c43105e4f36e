/**
 * Windows of every kind, each in the ways in which it can be kept, and random histories for them.
 *
 * Called by: tests of windows that hold for all kinds.
 * Calls: windows.ts.
 */
import type { AggregateFunction, DataStream } from "../../../mod.ts";
import {
  continuousEventTimeTrigger,
  countEvictor,
  countTrigger,
  eventTimeTrigger,
  globalWindow,
  purgingTrigger,
  session,
  sliding,
  type TimeWindow,
  type Trigger,
  tumbling,
  type Window,
  type WindowAssigner,
  type WindowedStream,
} from "../../../windows.ts";
import type { HarnessOptions, Item, Result } from "./window_harness.ts";
import { WindowHarness } from "./window_harness.ts";

/** Sums, the count, and the numbers in order: changed in place wherever that is allowed. */
interface Sum {
  n: number;
  readonly all: number[];
}

/** Changes accumulators in place, and returns whichever holds more. */
export const inPlace: AggregateFunction<Item, Sum, string> = {
  create: () => ({ n: 0, all: [] }),
  add(sum, { n }) {
    sum.n += n;
    sum.all.push(n);
    return sum;
  },
  result: ({ n, all }) => `${n} of ${all.toSorted((left, right) => left - right).join()}`,
  merge(left, right) {
    if (left.all.length === 0) return right;
    left.n += right.n;
    left.all.push(...right.all);
    return left;
  },
};

type Windows<W extends Window> = WindowedStream<string, Item, W>;
type Describe<W extends Window> = (windows: Windows<W>) => DataStream<string>;
type View = { readonly key: string; readonly window: Window };

const bounds = (window: Window) => {
  const { startMs, endMs } = window as Partial<TimeWindow>; // a global window has neither
  return startMs === undefined ? "all" : `${startMs}-${endMs}`;
};
const text = (contents: string, { key, window }: View) => `${key} ${bounds(window)}: ${contents}`;
const sorted = (items: readonly Item[]) => items.map(({ n }) => n).sort((left, right) => left - right).join();
const add = (left: Item, right: Item): Item => ({ key: left.key, n: left.n + right.n });

/** What is made of windows. */
const ends = <W extends Window>(): Readonly<Record<string, Describe<W>>> => ({
  reduce: (windows) => windows.reduce("w", add, ({ n }, view) => text(`${n}`, view)),
  aggregate: (windows) => windows.aggregate("w", inPlace, text),
  apply: (windows) => windows.apply("w", (items, view) => text(sorted(items), view)),
});

/** A kind of windows, put together. */
export interface WindowKind {
  readonly name: string;
  open(options?: HarnessOptions): Promise<WindowHarness<Item, string>>;
}

function kindsOf<W extends Window>(
  name: string,
  assigner: WindowAssigner<Item, W>,
  change: (windows: Windows<W>) => Windows<W> = (windows) => windows,
): WindowKind[] {
  return Object.entries(ends<W>()).map(([end, describe]) => ({
    name: `${name}, ${end}`,
    open: (options) => WindowHarness.open(({ key }) => key, assigner, (windows) => describe(change(windows)), options),
  }));
}

/** As the default trigger, but not the same: windows are kept one by one, and timers move. */
export const likeDefault: Trigger = { ...eventTimeTrigger() };

/** Kinds that have a quick way, with the slow one beside it. */
export function pairs(latenessMs: number): (readonly [quick: WindowKind, slow: WindowKind])[] {
  const assigners: [string, WindowAssigner<Item>][] = [
    ["tumbling", tumbling(10, { offset: 3 })],
    ["sliding in halves", sliding(20, 10)],
    ["sliding in uneven panes", sliding(17, 5, { offset: -2 })],
    ["sliding with gaps", sliding(3, 7)],
    ["sessions", session(6)],
    ["sessions of own gaps", session(({ n }: Item) => 1 + n % 12)],
  ];
  return assigners.flatMap(([name, assigner]) => {
    const quick = kindsOf(name, assigner, (windows) => windows.allowedLateness(latenessMs));
    const slow = kindsOf(name, assigner, (windows) => windows.trigger(likeDefault).allowedLateness(latenessMs));
    return quick.map((kind, index) => [kind, slow[index]!] as const);
  });
}

/** Every kind, also with triggers and evictors. */
export function allKinds(): WindowKind[] {
  const purging = purgingTrigger(countTrigger(3));
  return [
    ...pairs(4).flatMap(([quick, slow]) => [quick, { ...slow, name: `${slow.name}, one by one` }]),
    ...kindsOf("global, count", globalWindow(), (windows) => windows.trigger(purging)),
    ...kindsOf("sessions, count", session<Item>(6), (windows) => windows.trigger(purging)),
    ...kindsOf("tumbling, continuous", tumbling(20), (windows) => windows.trigger(continuousEventTimeTrigger(7))),
    ...kindsOf("sessions, continuous", session<Item>(6), (windows) => windows.trigger(continuousEventTimeTrigger(4))),
    ...kindsOf("sliding, evicting", sliding(20, 10), (windows) => windows.evictor(countEvictor(3))),
  ];
}

/** What happens to an operator. */
export type Event =
  | { readonly kind: "element"; readonly item: Item; readonly timestampMs: number }
  | { readonly kind: "watermark"; readonly watermarkMs: number };

/** Elements of a few keys, up to 30 ms out of order, and watermarks among them. */
export function history(random: () => number, length: number): Event[] {
  const events: Event[] = [];
  let nowMs = -50;
  for (let n = 0; n < length; n++) {
    nowMs += Math.floor(random() * 4);
    const key = "abcd"[Math.floor(random() * 4)]!;
    events.push({ kind: "element", item: { key, n }, timestampMs: nowMs - Math.floor(random() * random() * 30) });
    if (random() < 0.2) events.push({ kind: "watermark", watermarkMs: nowMs - Math.floor(random() * 20) });
  }
  return [...events, { kind: "watermark", watermarkMs: nowMs + 1_000 }];
}

/** Feeds an operator; its results since the last call, those of one step in order of their text. */
export function play(harness: WindowHarness<Item, string>, event: Event): Result<string>[] {
  if (event.kind === "element") harness.element(event.item, event.timestampMs);
  else harness.watermark(event.watermarkMs);
  return harness.take().sort(([left], [right]) => left < right ? -1 : left > right ? 1 : 0);
}
