import { deepEqual, equal, throws } from "node:assert/strict";
import { test } from "node:test";
import { type AggregateFunction, type DataStream, NO_TIMESTAMP } from "../../../mod.ts";
import {
  continuousEventTimeTrigger,
  countTrigger,
  deltaTrigger,
  eventTimeTrigger,
  mergeTouching,
  purgingTrigger,
  session,
  TimeWindow,
  type Trigger,
  type WindowAssigner,
  type WindowedStream,
} from "../../../windows.ts";
import { type Item, WindowHarness } from "./window_harness.ts";

const keyOf = (item: Item) => item.key;
const add = (left: Item, right: Item): Item => ({ key: left.key, n: left.n + right.n });
const item = (n: number, key = "a"): Item => ({ key, n });
const likeDefault: Trigger = { ...eventTimeTrigger() };
/** The default one with timers that lag behind, and one whose timers move with each element. */
const TRIGGERS = [eventTimeTrigger(), likeDefault];
const text = ({ n }: Item, { key, window }: { key: string; window: TimeWindow }) =>
  `${key} ${window.startMs}-${window.endMs}: ${n}`;

test("sessions that overlap or touch become one, several at once; its bounds are the outer ones [134]", async () => {
  for (const trigger of TRIGGERS) {
    await using harness = await WindowHarness.open(
      keyOf,
      session(10),
      (windows) => windows.trigger(trigger).reduce("w", add, text),
    );
    harness.elements([item(1), 0], [item(2), 20], [item(4), 41], [item(8, "b"), 5]);
    // Touches the first two, so all three are one.
    harness.element(item(16), 10);
    harness.watermark(29);
    deepEqual(harness.take().sort(), [["a 0-30: 19", 29], ["b 5-15: 8", 14]]);
    harness.watermark(50);
    deepEqual(harness.take(), [["a 41-51: 4", 50]]);
    deepEqual(harness.left, { entries: 0, timers: 0 });
  }
});

test("one element joins many sessions, and their timers leave no trace [134]", async () => {
  for (const trigger of TRIGGERS) {
    await using harness = await WindowHarness.open(
      keyOf,
      session((one: Item) => one.n),
      (windows) =>
        windows.trigger(trigger).allowedLateness(5).apply(
          "w",
          (items, { window }) =>
            `${window.startMs}-${window.endMs}: ${items.map(({ n }) => n).sort((a, b) => a - b).join()}`,
        ),
    );
    harness.elements([item(3), 0], [item(4), 10], [item(5), 20], [item(6), 30], [item(100), -50]);
    harness.watermark(49);
    deepEqual(harness.take(), [["-50-50: 3,4,5,6,100", 49]]);
    harness.watermark(53);
    equal(harness.left.entries > 0, true);
    harness.watermark(54);
    deepEqual(harness.left, { entries: 0, timers: 0 });
  }
});

test("the timer of a session that was merged away does not fire the one that has its place now [145]", async () => {
  for (const trigger of TRIGGERS) {
    await using harness = await WindowHarness.open(
      keyOf,
      session(10),
      (windows) => windows.trigger(trigger).allowedLateness(50).reduce("w", add, text),
    );
    harness.elements([item(1), 0], [item(2), 15], [item(4), 7]);
    harness.watermark(-10);
    // Ends before the watermark, so it fires at once.
    harness.element(item(8), -30);
    deepEqual(harness.take(), [["a -30--20: 8", -21]]);
    harness.watermark(24);
    deepEqual(harness.take(), [["a 0-25: 7", 24]]);
    harness.watermark(1_000);
    deepEqual(harness.take(), []);
    deepEqual(harness.left, { entries: 0, timers: 0 });
  }
});

test("windows that were merged leave no timers behind [147]", async () => {
  await using harness = await WindowHarness.open(
    keyOf,
    session(10),
    (windows) => windows.trigger(likeDefault).allowedLateness(5).reduce("w", add, text),
  );
  harness.elements([item(1), 0], [item(2), 20], [item(4), 40]);
  equal(harness.left.timers, 6);
  harness.elements([item(8), 10], [item(16), 30]);
  equal(harness.left.timers, 2);
});

test("each element has its own gap; the merged session ends last of all [136]", async () => {
  for (const trigger of TRIGGERS) {
    await using harness = await WindowHarness.open(
      keyOf,
      session((one: Item) => one.n),
      (windows) => windows.trigger(trigger).reduce("w", add, text),
    );
    harness.elements([item(50), 0], [item(3), 10], [item(5), 60]);
    harness.watermark(100);
    deepEqual(harness.take(), [["a 0-50: 53", 49], ["a 60-65: 5", 64]]);
    throws(() => harness.element(item(0), 200), /its gap is 0, must be a whole number of milliseconds ≥ 1/);
    throws(() => harness.element(item(Number.NaN), 200), /its gap is NaN/);
  }
});

test("every kind of function sees the merged bounds and the same elements [135]", async () => {
  const sum: AggregateFunction<Item, { n: number }, number> = {
    create: () => ({ n: 0 }),
    add: (kept, { n }) => ({ n: kept.n + n }),
    result: ({ n }) => n,
    merge: (left, right) => ({ n: left.n + right.n }),
  };
  type Windows = WindowedStream<string, Item, TimeWindow>;
  const kinds: ((windows: Windows) => DataStream<string>)[] = [
    (windows) => windows.reduce("w", add, text),
    (windows) => windows.reduce("w", add, { process: (one, context) => context.emit(text(one, context)) }),
    (windows) => windows.aggregate("w", sum, (n, context) => text(item(n), context)),
    (windows) => windows.aggregate("w", sum, { process: (n, context) => context.emit(text(item(n), context)) }),
    (windows) => windows.apply("w", (items, context) => text(items.reduce(add), context)),
    (windows) => windows.process("w", { process: (items, context) => context.emit(text(items.reduce(add), context)) }),
  ];
  for (const trigger of TRIGGERS) {
    for (const describe of kinds) {
      await using harness = await WindowHarness.open(
        keyOf,
        session(10),
        (windows) => describe(windows.trigger(trigger)),
      );
      harness.elements([item(1), 0], [item(2), 15], [item(4), 7], [item(8), 40]);
      harness.watermark(49);
      deepEqual(harness.take(), [["a 0-25: 7", 24], ["a 40-50: 8", 49]]);
      deepEqual(harness.left, { entries: 0, timers: 0 });
    }
  }
});

test("a count trigger adds up the counts of merged sessions and fires when they reach it [137]", async () => {
  await using harness = await WindowHarness.open(
    keyOf,
    session(10),
    (windows) => windows.trigger(purgingTrigger(countTrigger(4))).reduce("w", add, text),
  );
  harness.elements([item(1), 0], [item(2), 1], [item(4), 15]);
  deepEqual(harness.take(), []);
  harness.element(item(8), 8);
  deepEqual(harness.take(), [["a 0-25: 15", 24]]);
  // Purged, but the session goes on.
  harness.elements([item(16), 20], [item(32), 21], [item(64), 22]);
  deepEqual(harness.take(), []);
  harness.watermark(100);
  deepEqual(harness.take(), []);
  deepEqual(harness.left, { entries: 0, timers: 0 });
});

test("a continuous trigger fires sessions at its interval and at their end, the earliest time of merged ones [138]", async () => {
  await using harness = await WindowHarness.open(
    keyOf,
    session(10),
    (windows) => windows.trigger(continuousEventTimeTrigger(5)).reduce("w", add, text),
  );
  harness.elements([item(1), 2], [item(2), 17], [item(4), 9]);
  harness.watermark(4);
  deepEqual(harness.take(), []);
  harness.watermark(5);
  deepEqual(harness.take(), [["a 2-27: 7", 26]]);
  harness.watermark(9);
  deepEqual(harness.take(), []);
  harness.watermark(10);
  deepEqual(harness.take(), [["a 2-27: 7", 26]]);
  harness.watermark(26);
  // At 15, 20, 25 and the end.
  equal(harness.take().length, 4);
  deepEqual(harness.left, { entries: 0, timers: 0 });
});

/** Elements of 0 are points in time; all others have a gap of 10. */
const withPoints: WindowAssigner<Item> = {
  domain: "event",
  assign: ({ n }, timestampMs) => [new TimeWindow(timestampMs, timestampMs + (n === 0 ? 0 : 10))],
  merge: mergeTouching,
  defaultTrigger: () => eventTimeTrigger(),
};

test("windows without extent join what they touch, else they stay alone; none is lost [139]", async () => {
  await using harness = await WindowHarness.open(
    keyOf,
    withPoints,
    (windows) => windows.apply("w", (items, { window }) => `${window.startMs}-${window.endMs}: ${items.length}`),
  );
  harness.elements([item(0), 5], [item(0), 5], [item(0), 6], [item(1), 20], [item(0), 30], [item(0), 25]);
  harness.watermark(4);
  deepEqual(harness.take(), [["5-5: 2", 4]]);
  harness.watermark(100);
  deepEqual(harness.take(), [["6-6: 1", 5], ["20-30: 3", 29]]);
  deepEqual(harness.left, { entries: 0, timers: 0 });
});

test("a late element that meets a live session is not late, extends it, and fires it at once if its end has passed [145]", async () => {
  for (const trigger of TRIGGERS) {
    await using harness = await WindowHarness.open(
      keyOf,
      session(10),
      (windows) => windows.trigger(trigger).allowedLateness(20).reduce("w", add, text),
    );
    harness.element(item(1), 20);
    harness.watermark(35);
    deepEqual(harness.take(), [["a 20-30: 1", 29]]);
    // Alone it would be late: 14 + 20 <= 35.
    harness.element(item(2), 5);
    equal(harness.lateCount, 1);
    harness.element(item(4), 11);
    deepEqual(harness.take(), [["a 11-30: 5", 29]]);
    // Now it would not be late any more, for the session has grown.
    harness.element(item(8), 2);
    deepEqual(harness.take(), [["a 2-30: 13", 29]]);
    equal(harness.lateCount, 1);
    // Beyond the watermark: it fires at its new end.
    harness.element(item(16), 28);
    deepEqual(harness.take(), []);
    harness.watermark(37);
    deepEqual(harness.take(), [["a 2-38: 29", 37]]);
    harness.watermark(56);
    equal(harness.left.entries > 0, true);
    harness.watermark(57);
    deepEqual(harness.left, { entries: 0, timers: 0 });
  }
});

test("a merge that ends before the watermark or the wall clock is refused [146]", async () => {
  for (const domain of ["event", "processing"] as const) {
    const shrinking: WindowAssigner<Item> = {
      ...withPoints,
      domain,
      assign: (_item, timestampMs) => [new TimeWindow(timestampMs, timestampMs + 10)],
      merge: (windows) => windows.length < 2 ? [] : [{ result: new TimeWindow(0, 5), merged: windows }],
    };
    await using harness = await WindowHarness.open(keyOf, shrinking, (windows) => windows.reduce("w", add, text));
    harness.element(item(1), 10);
    if (domain === "event") harness.watermark(15);
    else harness.advanceTo(15);
    throws(() => harness.element(item(2), 12), /Cannot merge windows in "op": what they would become ends at 5/);
  }
});

test("a session that was purged gets its timers but emits nothing, and is gone in the end [152]", async () => {
  await using harness = await WindowHarness.open(
    keyOf,
    session(10),
    (windows) => windows.trigger(purgingTrigger(eventTimeTrigger())).allowedLateness(10).reduce("w", add, text),
  );
  harness.element(item(1), 0);
  harness.watermark(9);
  deepEqual(harness.take(), [["a 0-10: 1", 9]]);
  equal(harness.left.entries, 1); // the session itself
  // It still exists: an element joins it.
  harness.element(item(2), 5);
  deepEqual(harness.take(), []);
  harness.watermark(14);
  deepEqual(harness.take(), [["a 0-15: 2", 14]]);
  harness.watermark(24);
  deepEqual(harness.take(), []);
  deepEqual(harness.left, { entries: 0, timers: 0 });
});

test("sessions of processing time follow the wall clock [157]", async () => {
  for (const isDefault of [true, false]) {
    const assigner = session<Item>(10, { time: "processing" });
    await using harness = await WindowHarness.open(
      keyOf,
      assigner,
      (windows) => (isDefault ? windows : windows.trigger({ ...assigner.defaultTrigger() })).reduce("w", add, text),
    );
    harness.element(item(1), 777);
    harness.advanceTo(9);
    harness.element(item(2), NO_TIMESTAMP);
    harness.watermark(1_000_000);
    harness.advanceTo(18);
    deepEqual(harness.take(), []);
    harness.advanceTo(19);
    deepEqual(harness.take(), [["a 0-19: 3", 18]]);
    harness.element(item(4), 0);
    harness.advanceTo(100);
    deepEqual(harness.take(), [["a 19-29: 4", 28]]);
    deepEqual(harness.left, { entries: 0, timers: 0 });
  }
});

test("state per window, and triggers that cannot merge, are refused for sessions [154]", async () => {
  const state = { seen: { kind: "value", name: "seen" } } as const;
  await WindowHarness.open(keyOf, session(10), (windows) => {
    throws(
      () => windows.process("w", { state, process() {} }),
      /Cannot keep state per window in "w": its windows merge/,
    );
    throws(() => windows.trigger(deltaTrigger(1, () => 0)), /Cannot use this trigger with windows that merge/);
    return windows.reduce("w", add);
  });
});
