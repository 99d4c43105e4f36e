import { deepEqual, equal, throws } from "node:assert/strict";
import { test } from "node:test";
import { emits, MAX_WATERMARK, outputTag, reducingState, valueState } from "../../../mod.ts";
import {
  continuousEventTimeTrigger,
  continuousProcessingTimeTrigger,
  countTrigger,
  deltaTrigger,
  endOfStreamTrigger,
  eventTimeTrigger,
  globalWindow,
  processingTimeTrigger,
  purgingTrigger,
  sliding,
  type TimeWindow,
  type Trigger,
  type TriggerResult,
  tumbling,
  type Window,
  type WindowAssigner,
} from "../../../windows.ts";
import { type Item, WindowHarness } from "./window_harness.ts";

const keyOf = (item: Item) => item.key;
const add = (left: Item, right: Item): Item => ({ key: left.key, n: left.n + right.n });
const item = (n: number, key = "a"): Item => ({ key, n });
const sumOf = ({ n }: Item) => n;

test("a global window never fires by itself, and holds on to what it has [140]", async () => {
  await using harness = await WindowHarness.open(keyOf, globalWindow(), (windows) => windows.reduce("w", add));
  harness.elements([item(1), 0], [item(2), 5]);
  harness.watermark(MAX_WATERMARK);
  harness.advanceTo(1_000_000);
  deepEqual(harness.take(), []);
  deepEqual(harness.left, { entries: 1, timers: 0 });
});

test("a global window fires for every nth element with a count trigger, with all elements unless it is purged [140, 141]", async () => {
  for (const isPurged of [false, true]) {
    await using harness = await WindowHarness.open(
      keyOf,
      globalWindow(),
      (windows) =>
        windows.trigger(isPurged ? purgingTrigger(countTrigger(2)) : countTrigger(2)).reduce("w", add, sumOf),
    );
    for (const n of [1, 2, 4, 8, 16]) harness.element(item(n), n);
    harness.element(item(100, "b"), 0);
    deepEqual(
      harness.take(),
      isPurged ? [[3, MAX_WATERMARK], [12, MAX_WATERMARK]] : [[3, MAX_WATERMARK], [15, MAX_WATERMARK]],
    );
  }
});

test("a global window fires by the watermark with a continuous trigger, and once at the end of all input [140]", async () => {
  await using harness = await WindowHarness.open(
    keyOf,
    globalWindow(),
    (windows) => windows.trigger(continuousEventTimeTrigger(10)).reduce("w", add, sumOf),
  );
  harness.element(item(1), 3);
  harness.watermark(9);
  deepEqual(harness.take(), []);
  harness.watermark(10);
  harness.element(item(2), 12);
  harness.watermark(30);
  deepEqual(harness.take().map(([n]) => n), [1, 3, 3]);
  harness.watermark(MAX_WATERMARK);
  // Whatever is left until infinity is one firing.
  equal(harness.take().length <= 2, true);
});

test("an end-of-stream trigger fires when all input has ended [140]", async () => {
  await using harness = await WindowHarness.open(
    keyOf,
    globalWindow(),
    (windows) => windows.trigger(endOfStreamTrigger()).reduce("w", add, sumOf),
  );
  harness.elements([item(1), 0], [item(2), 5]);
  harness.watermark(Number.MAX_SAFE_INTEGER);
  deepEqual(harness.take(), []);
  harness.watermark(MAX_WATERMARK);
  deepEqual(harness.take(), [[3, MAX_WATERMARK]]);
});

test("a continuous trigger of processing time fires at the multiples of its interval and at the end of the window", async () => {
  await using harness = await WindowHarness.open(
    keyOf,
    tumbling(10, { time: "processing" }),
    (windows) => windows.trigger(continuousProcessingTimeTrigger(4)).reduce("w", add, sumOf),
  );
  harness.advanceTo(1);
  harness.element(item(1), 0);
  harness.advanceTo(5);
  deepEqual(harness.take(), [[1, 9]]);
  harness.element(item(2), 0);
  harness.advanceTo(9);
  deepEqual(harness.take(), [[3, 9]]);
  harness.advanceTo(10);
  deepEqual(harness.take(), [[3, 9]]);
  deepEqual(harness.left, { entries: 0, timers: 0 });
});

test("a continuous trigger of the wall clock fires for what comes in the last millisecond, also where that is a multiple [157]", async () => {
  await using harness = await WindowHarness.open(
    keyOf,
    tumbling(10, { time: "processing", offset: 1 }),
    (windows) => windows.trigger(continuousProcessingTimeTrigger(5)).reduce("w", add, sumOf),
  );
  harness.advanceTo(10);
  harness.element(item(1), 0);
  harness.advanceTo(11);
  deepEqual(harness.take(), [[1, 10]]);
  deepEqual(harness.left, { entries: 0, timers: 0 });
});

test("a window of a class of its own is refused: nothing would tell it from the next [154]", async () => {
  const oneEach: WindowAssigner<Item, Window> = {
    domain: "event",
    assign: (_item, timestampMs) => [{ maxTimestampMs: timestampMs }],
    defaultTrigger: () => eventTimeTrigger(),
  };
  await using harness = await WindowHarness.open(keyOf, oneEach, (windows) => windows.reduce("w", add));
  throws(
    () => harness.element(item(1), 7),
    /Cannot keep window \{"maxTimestampMs":7\}: .* must be a TimeWindow or GLOB/,
  );
});

test("a delta trigger fires when an element differs too much from the last one that fired", async () => {
  await using harness = await WindowHarness.open(
    keyOf,
    globalWindow(),
    (windows) =>
      windows.trigger(purgingTrigger(deltaTrigger(5, (a: Item, b: Item) => Math.abs(b.n - a.n)))).apply(
        "w",
        (items) => items.map(sumOf),
      ),
  );
  for (const n of [1, 6, 7, 3, 13, 12]) harness.element(item(n), 0);
  deepEqual(harness.take().map(([value]) => value), [[1, 6, 7], [3, 13]]);
});

test("a purging trigger makes a late firing hold the late element alone [141, 144]", async () => {
  await using harness = await WindowHarness.open(
    keyOf,
    tumbling(10),
    (windows) => windows.trigger(purgingTrigger(eventTimeTrigger())).allowedLateness(10).reduce("w", add, sumOf),
  );
  harness.elements([item(1), 0], [item(2), 1]);
  harness.watermark(9);
  harness.element(item(4), 2);
  harness.element(item(8), 3);
  deepEqual(harness.take().map(([n]) => n), [3, 4, 8]);
  harness.watermark(19);
  deepEqual(harness.left, { entries: 0, timers: 0 });
});

/** Does what elements say; timers of both clocks say it, too: `n` of the last element chooses. */
const RESULTS: readonly TriggerResult[] = ["continue", "fire", "purge", "fire-and-purge"];

function scripted(from: "element" | "event" | "processing"): Trigger<Item, Window, { last: ReturnType<typeof last> }> {
  const state = { last: last() };
  return {
    state,
    onElement({ n }, _timestampMs, _window, { state, timers }) {
      if (from === "element") return RESULTS[n % 10]!;
      state.last.update(n % 10);
      if (from === "event") timers.registerEventTime(n);
      else timers.registerProcessingTime(n);
      return "continue";
    },
    onEventTime: (timestampMs, window, { state }) =>
      timestampMs === window.maxTimestampMs ? "continue" : RESULTS[state.last.value() ?? 0]!,
    onProcessingTime: (_timestampMs, _window, { state }) => RESULTS[state.last.value() ?? 0]!,
    clear: (_window, { state }) => state.last.clear(),
  };
}
const last = () => valueState<number>("last");

for (const from of ["element", "event", "processing"] as const) {
  test(`each result of a trigger does the same when it comes from ${from === "element" ? "an element" : `a timer of ${from} time`} [151]`, async () => {
    const samples: readonly (readonly [first: number, second: number, fired: readonly number[][]])[] = [
      [10, 21, [[10, 21]]], // continue, fire
      [11, 21, [[11], [11, 21]]], // fire keeps
      [12, 21, [[21]]], // purge clears
      [13, 21, [[13], [21]]], // fire-and-purge fires, then clears
      [12, 22, []], // nothing is left to fire
    ];
    for (const [first, second, fired] of samples) {
      await using harness = await WindowHarness.open(
        keyOf,
        tumbling(1_000),
        (windows) => windows.trigger(scripted(from)).apply("w", (items) => items.map(sumOf)),
      );
      for (const n of [first, second]) {
        harness.element(item(n), n);
        harness.watermark(n);
        harness.advanceTo(n + 1);
      }
      deepEqual(harness.take().map(([value]) => value), fired);
      // Without contents a window is not given to the function.
      harness.watermark(5_000);
      deepEqual(harness.take(), []);
      deepEqual(harness.left, { entries: 0, timers: 0 });
    }
  });
}

test("a trigger's timer at the moment of the cleanup fires before the window goes [150]", async () => {
  for (const latenessMs of [0, 5]) {
    const atCleanup: Trigger = {
      onElement(_value, _timestampMs, window, { timers }) {
        timers.registerEventTime(window.maxTimestampMs + latenessMs);
        return "continue";
      },
      onEventTime: () => "fire",
      clear() {},
    };
    await using harness = await WindowHarness.open(
      keyOf,
      tumbling(10),
      (windows) => windows.trigger(atCleanup).allowedLateness(latenessMs).reduce("w", add, sumOf),
    );
    harness.element(item(1), 0);
    harness.watermark(9 + latenessMs);
    deepEqual(harness.take(), [[1, 9]]);
    deepEqual(harness.left, { entries: 0, timers: 0 });
  }
});

test("what a trigger purges is gone, its timers come nevertheless and emit nothing [149, 152]", async () => {
  const purgesAtOnce: Trigger = {
    ...eventTimeTrigger(),
    onElement(value, timestampMs, window, context) {
      eventTimeTrigger().onElement(value, timestampMs, window, context);
      return "purge";
    },
  };
  await using harness = await WindowHarness.open(
    keyOf,
    tumbling(10),
    (windows) => windows.trigger(purgesAtOnce).allowedLateness(3).reduce("w", add, sumOf),
  );
  harness.element(item(1), 0);
  deepEqual(harness.left, { entries: 0, timers: 2 });
  harness.watermark(9);
  deepEqual(harness.take(), []);
  deepEqual(harness.left, { entries: 0, timers: 1 });
  harness.watermark(12);
  deepEqual(harness.left, { entries: 0, timers: 0 });
});

test("a trigger takes timers back, and has state per key and window [153]", async () => {
  const state = { sum: reducingState<number>("sum", (left, right) => left + right) };
  // Fires 5 ms behind the last element of a window that holds at most 10.
  const quiet: Trigger<Item, TimeWindow, typeof state & { last: ReturnType<typeof last> }> = {
    state: { ...state, last: last() },
    onElement({ n }, timestampMs, _window, { state, timers }) {
      const former = state.last.value();
      if (former !== null) {
        timers.deleteEventTime(former + 5);
        timers.deleteProcessingTime(former + 5);
      }
      state.sum.add(n);
      state.last.update(timestampMs);
      if (state.sum.get()! > 10) return "continue";
      timers.registerEventTime(timestampMs + 5);
      timers.registerProcessingTime(timestampMs + 5);
      return "continue";
    },
    onEventTime: () => "fire",
    onProcessingTime: () => "fire",
    clear(_window, { state, timers }) {
      const former = state.last.value();
      if (former !== null) timers.deleteProcessingTime(former + 5);
      state.sum.clear();
      state.last.clear();
    },
  };
  await using harness = await WindowHarness.open(
    keyOf,
    sliding(100, 50),
    (windows) => windows.trigger(quiet).reduce("w", add, ({ n }, { key, window }) => `${key} ${window.startMs} ${n}`),
  );
  harness.elements([item(4), 10], [item(8, "b"), 10], [item(5), 60]);
  harness.watermark(15);
  // Those of "a" in the window at 0 were taken back; at -50 there is only its first element.
  deepEqual(harness.take().sort(), [["a -50 4", 49], ["b -50 8", 49], ["b 0 8", 99]]);
  harness.watermark(65);
  // The windows at -50 fire as they are cleaned up; 9 in the window at 0, 5 in that at 50, both below 10.
  deepEqual(harness.take().sort(), [["a -50 4", 49], ["a 0 9", 99], ["a 50 5", 149], ["b -50 8", 49]]);
  // Too much for both windows: their timers of processing time are taken back, and no others set.
  harness.element(item(6), 70);
  harness.advanceTo(100);
  harness.watermark(98);
  deepEqual(harness.take().sort(), [["b 0 8", 99]]);
  harness.watermark(1_000);
  deepEqual(harness.left, { entries: 0, timers: 0 });
});

test("a trigger that returns something else is told what it may return", async () => {
  const wrong = { onElement: () => undefined, clear() {} } as unknown as Trigger; // a mistake in JavaScript
  await using harness = await WindowHarness.open(
    keyOf,
    tumbling(10),
    (windows) => windows.trigger(wrong).reduce("w", add),
  );
  throws(
    () => harness.element(item(1), 0),
    /onElement\(\) of the trigger has returned undefined, must return "continue"/,
  );
});

test("functions that return a promise are refused with their name", async () => {
  const wait = (() => Promise.resolve(1)) as unknown as () => number; // a mistake in JavaScript
  const later = { create: wait, add: (n: number) => n, result: wait, merge: (n: number) => n };
  await using returned = await WindowHarness.open(keyOf, tumbling(10), (windows) => windows.apply("w", wait));
  await using processed = await WindowHarness.open(
    keyOf,
    tumbling(10),
    (windows) => windows.process("w", { process: wait }),
  );
  await using reduced = await WindowHarness.open(
    keyOf,
    tumbling(10),
    (windows) => windows.reduce("w", wait as unknown as typeof add),
  );
  await using result = await WindowHarness.open(
    keyOf,
    tumbling(10),
    (windows) => windows.aggregate("w", { ...later, create: () => 0 }),
  );
  for (const harness of [returned, processed, result]) {
    harness.element(item(1), 0);
    throws(() => harness.watermark(9), /Cannot wait in "op": .* returned a promise/);
  }
  reduced.element(item(1), 0);
  throws(() => reduced.element(item(1), 0), /the function given to reduce\(\) returned a promise/);
});

test("the assigner is called once for each element; a function has side outputs and state per window, gone with it [154]", async () => {
  let calls = 0;
  const counted: WindowAssigner<Item> = {
    domain: "event",
    assign(_value, timestampMs, context) {
      calls++;
      return sliding(10, 5).assign(_value, timestampMs, context);
    },
    defaultTrigger: () => eventTimeTrigger(),
  };
  const side = outputTag<string>("side");
  const gone: string[] = [];
  await using harness = await WindowHarness.open(
    keyOf,
    counted,
    (windows) =>
      windows.allowedLateness(100).process("w", {
        emits: emits<string>(),
        state: { firings: valueState<number>("firings", { default: 0 }) },
        globalState: { total: valueState<number>("total", { default: 0 }) },
        process(items, context) {
          const { state: { firings }, globalState: { total }, window, key } = context;
          firings.update(firings.value() + 1);
          total.update(total.value() + 1);
          context.emit(`${key} ${window.startMs}: ${items.length}, firing ${firings.value()} of ${total.value()}`);
          context.emitTo(side, `${context.currentWatermark} ${context.currentProcessingTime()}`);
        },
        clear: ({ window, state: { firings } }) => gone.push(`${window.startMs} ${firings.value()}`),
      }),
    { sides: ["side"] },
  );
  harness.advanceTo(77);
  harness.element(item(1), 7);
  equal(calls, 1);
  harness.watermark(9);
  harness.element(item(2), 8);
  harness.watermark(14);
  deepEqual(harness.take(), [
    ["a 0: 1, firing 1 of 1", 9],
    ["a 0: 2, firing 2 of 2", 9],
    ["a 5: 2, firing 1 of 3", 14],
  ]);
  deepEqual(harness.takeSide("side"), [["9 77", 9], ["9 77", 9], ["14 77", 14]]);
  harness.watermark(109);
  deepEqual(gone, ["0 2"]);
  harness.watermark(200);
  deepEqual(gone, ["0 2", "5 1"]);
  // What belongs to the key stays.
  deepEqual(harness.left, { entries: 1, timers: 0 });
});

test("processing-time trigger fires on the windows of processing time as the default does [157]", async () => {
  await using harness = await WindowHarness.open(
    keyOf,
    tumbling(10, { time: "processing" }),
    (windows) => windows.trigger(purgingTrigger(processingTimeTrigger())).reduce("w", add, sumOf),
  );
  harness.element(item(1), 5);
  harness.advanceTo(10);
  deepEqual(harness.take(), [[1, 9]]);
  deepEqual(harness.left, { entries: 0, timers: 0 });
});
