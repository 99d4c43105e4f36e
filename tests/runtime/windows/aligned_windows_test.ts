import { deepEqual, equal, rejects, throws } from "node:assert/strict";
import { test } from "node:test";
import { NO_TIMESTAMP, outputTag } from "../../../mod.ts";
import { eventTimeTrigger, sliding, type Trigger, tumbling } from "../../../windows.ts";
import { type Item, WindowHarness } from "./window_harness.ts";

const keyOf = (item: Item) => item.key;
const add = (left: Item, right: Item): Item => ({ key: left.key, n: left.n + right.n });
const item = (n: number, key = "a"): Item => ({ key, n });
/** As the default one, but not the same: windows are kept one by one. */
const likeDefault: Trigger = { ...eventTimeTrigger() };

for (const trigger of [eventTimeTrigger(), likeDefault]) {
  const how = trigger === likeDefault ? "one by one" : "in panes";

  test(`tumbling windows kept ${how} begin at multiples of their size plus offset, before 1970 too [132]`, async () => {
    const samples: [offsetMs: number, timestampMs: number, startMs: number][] = [
      [0, 0, 0],
      [0, 9, 0],
      [0, 10, 10],
      [0, -1, -10],
      [0, -10, -10],
      [3, 2, -7],
      [3, 3, 3],
      [-4, 5, -4],
      [-4, 6, 6],
    ];
    for (const [offset, timestampMs, startMs] of samples) {
      await using harness = await WindowHarness.open(
        keyOf,
        tumbling(10, { offset }),
        (windows) => windows.trigger(trigger).apply("w", (items, { window }) => `${window.startMs} ${items.length}`),
      );
      harness.element(item(1), timestampMs);
      harness.watermark(startMs + 8);
      deepEqual(harness.take(), []);
      harness.watermark(startMs + 9);
      deepEqual(harness.take(), [[`${startMs} 1`, startMs + 9]]);
      deepEqual(harness.left, { entries: 0, timers: 0 });
    }
  });

  test(`sliding windows kept ${how} hold an element ceil(size / slide) times and fire one by one [133]`, async () => {
    await using harness = await WindowHarness.open(
      keyOf,
      sliding(10, 4),
      (windows) =>
        windows.trigger(trigger).reduce("w", add, ({ n }, { key, window }) => `${key} ${window.startMs} ${n}`),
    );
    harness.elements([item(1), 5], [item(10), 9], [item(100), 12], [item(7, "b"), 9]);
    harness.watermark(40);
    const results = harness.take();
    const byKey = (key: string) => results.filter(([text]) => text.startsWith(key));
    deepEqual(byKey("a"), [["a -4 1", 5], ["a 0 11", 9], ["a 4 111", 13], ["a 8 110", 17], ["a 12 100", 21]]);
    deepEqual(byKey("b"), [["b 0 7", 9], ["b 4 7", 13], ["b 8 7", 17]]);
    deepEqual(harness.left, { entries: 0, timers: 0 });
  });
}

test("a sliding window whose slide is longer leaves out what falls into the gaps, and does not call it late [133]", async () => {
  for (const trigger of [eventTimeTrigger(), likeDefault]) {
    await using harness = await WindowHarness.open(
      keyOf,
      sliding(2, 5),
      (windows) => windows.trigger(trigger).reduce("w", add, ({ n }, { window }) => `${window.startMs} ${n}`),
    );
    harness.elements([item(1), 0], [item(2), 1], [item(4), 2], [item(8), 4], [item(16), 5]);
    harness.watermark(100);
    deepEqual(harness.take(), [["0 3", 1], ["5 16", 6]]);
    equal(harness.lateCount, 0);
    deepEqual(harness.left, { entries: 0, timers: 0 });
  }
});

test("an element without a time is refused by windows of event time", async () => {
  for (const trigger of [eventTimeTrigger(), likeDefault]) {
    await using harness = await WindowHarness.open(
      keyOf,
      tumbling(10),
      (windows) => windows.trigger(trigger).reduce("w", add),
    );
    throws(() => harness.element(item(1), NO_TIMESTAMP), /Cannot put a record into a window of event time/);
  }
});

test("sizes, slides and offsets are checked", () => {
  throws(() => tumbling(0), RangeError);
  throws(() => tumbling("soon"), RangeError);
  throws(() => tumbling(1.5), RangeError);
  throws(() => sliding("10 s", -1), RangeError);
  throws(() => tumbling("10 s", { offset: "10 s" }), RangeError);
  throws(() => tumbling("10 s", { offset: "-10 s" }), RangeError);
  equal(tumbling("1 d", { offset: "-8 h" }).offsetMs, -28_800_000);
});

test("an element is late for a window when its end and the lateness have passed, not for the others [142]", async () => {
  for (const trigger of [eventTimeTrigger(), likeDefault]) {
    await using harness = await WindowHarness.open(
      keyOf,
      sliding(10, 5),
      (windows) =>
        windows.trigger(trigger).allowedLateness(2).reduce("w", add, ({ n }, { window }) => `${window.startMs} ${n}`),
    );
    harness.watermark(11);
    // The window that began at 0 is late (9 + 2 <= 11), the one at 5 is not.
    harness.element(item(1), 7);
    equal(harness.lateCount, 0);
    deepEqual(harness.take(), []);
    harness.watermark(14);
    deepEqual(harness.take(), [["5 1", 14]]);
    harness.watermark(100);
    deepEqual(harness.left, { entries: 0, timers: 0 });
  }
});

test("what is late for all windows is counted, or sent to a side output with its timestamp [143]", async () => {
  const late = outputTag<Item>("late");
  for (const trigger of [eventTimeTrigger(), likeDefault]) {
    for (const tagged of [false, true]) {
      await using harness = await WindowHarness.open(keyOf, sliding(10, 5), (windows) => {
        const described = windows.trigger(trigger).allowedLateness(2);
        return (tagged ? described.sideOutputLateData(late) : described).reduce("w", add);
      }, { sides: ["late"] });
      harness.watermark(16);
      harness.element(item(1), 9);
      harness.element(item(2), 10);
      deepEqual(harness.takeSide("late"), tagged ? [[item(1), 9]] : []);
      equal(harness.lateCount, tagged ? 0 : 1);
    }
  }
});

test("within the lateness an element fires its windows again, with all they hold, the latest window first [144]", async () => {
  for (const trigger of [eventTimeTrigger(), likeDefault]) {
    await using harness = await WindowHarness.open(
      keyOf,
      sliding(10, 5),
      (windows) =>
        windows.trigger(trigger).allowedLateness(20).reduce("w", add, ({ n }, { window }) => `${window.startMs} ${n}`),
    );
    harness.elements([item(1), 6], [item(2), 12]);
    harness.watermark(14);
    deepEqual(harness.take(), [["0 1", 9], ["5 3", 14]]);
    harness.element(item(10), 8);
    deepEqual(harness.take(), [["5 13", 14], ["0 11", 9]]);
    harness.element(item(100), 11);
    deepEqual(harness.take(), [["5 113", 14]]);
    // A pane that was empty when the window fired.
    harness.element(item(1_000), 2);
    deepEqual(harness.take(), [["0 1011", 9], ["-5 1000", 4]]);
    harness.watermark(19);
    deepEqual(harness.take(), [["10 102", 19]]);
    harness.watermark(1_000);
    deepEqual(harness.take(), []);
    deepEqual(harness.left, { entries: 0, timers: 0 });
  }
});

test("windows go when their end and the lateness have passed, and nothing is left of them [147, 149]", async () => {
  for (const trigger of [eventTimeTrigger(), likeDefault]) {
    for (const latenessMs of [0, 7]) {
      await using harness = await WindowHarness.open(
        keyOf,
        tumbling(10),
        (windows) => windows.trigger(trigger).allowedLateness(latenessMs).process("w", { process() {} }),
      );
      harness.element(item(1), 3);
      harness.watermark(9 + latenessMs - 1);
      equal(harness.left.entries, 1);
      harness.watermark(9 + latenessMs);
      deepEqual(harness.left, { entries: 0, timers: 0 });
    }
  }
});

test("a lateness beyond all times is never over, and no window is cleaned up too early for it [148]", async () => {
  for (const trigger of [eventTimeTrigger(), likeDefault]) {
    await using harness = await WindowHarness.open(
      keyOf,
      tumbling(10),
      (windows) => windows.trigger(trigger).allowedLateness(Number.MAX_SAFE_INTEGER).reduce("w", add),
    );
    harness.element(item(1), 3);
    harness.watermark(Number.MAX_SAFE_INTEGER);
    deepEqual(harness.take(), [[item(1), 9]]);
    equal(harness.left.entries, 1);
    harness.element(item(2), 4);
    deepEqual(harness.take(), [[item(3), 9]]);
    equal(harness.left.timers, 0);
  }
});

test("windows of processing time fire by the wall clock, whatever timestamps say [157]", async () => {
  for (const assigner of [tumbling(10, { time: "processing" }), sliding(10, 5, { time: "processing" })]) {
    const isSliding = assigner.slideMs === 5;
    for (const isDefault of [true, false]) {
      await using harness = await WindowHarness.open(
        keyOf,
        assigner,
        (windows) =>
          (isDefault ? windows : windows.trigger({ ...assigner.defaultTrigger() })).reduce(
            "w",
            add,
            ({ n }, { window }) => `${window.startMs} ${n}`,
          ),
      );
      harness.advanceTo(3);
      harness.element(item(1), 12_345);
      harness.watermark(1_000_000);
      harness.advanceTo(9);
      // Within the last millisecond of the window.
      harness.element(item(2), NO_TIMESTAMP);
      deepEqual(harness.take(), isSliding ? [["-5 1", 4]] : []);
      harness.advanceTo(10);
      deepEqual(harness.take(), [["0 3", 9]]);
      harness.element(item(4), 0);
      harness.advanceTo(100);
      deepEqual(harness.take(), isSliding ? [["5 6", 14], ["10 4", 19]] : [["10 4", 19]]);
      equal(harness.lateCount, 0);
      deepEqual(harness.left, { entries: 0, timers: 0 });
    }
  }
});

test("windows that were kept otherwise are not taken back", async () => {
  await using first = await WindowHarness.open(keyOf, sliding(10, 5), (windows) => windows.reduce("w", add));
  first.element(item(1), 3);
  const snapshot = await first.snapshot();
  await rejects(
    () => WindowHarness.open(keyOf, sliding(20, 5), (windows) => windows.reduce("w", add), { restore: snapshot }),
    /Cannot restore "op": its windows are kept as panes of 10 ms each 5 ms .*, must be as panes of 20 ms/,
  );
  await rejects(
    () =>
      WindowHarness.open(keyOf, sliding(10, 5), (windows) => windows.apply("w", (items) => items.length), {
        restore: snapshot,
      }),
    /Cannot restore "op"/,
  );
});
