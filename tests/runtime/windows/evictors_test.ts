import { deepEqual, equal, throws } from "node:assert/strict";
import { test } from "node:test";
import { type AggregateFunction, type CollectSink, collectSink, fromIterable, NO_TIMESTAMP } from "../../../mod.ts";
import { runJob } from "../engine_harness.ts";
import {
  countEvictor,
  countTrigger,
  deltaEvictor,
  type Evictor,
  globalWindow,
  session,
  timeEvictor,
  tumbling,
} from "../../../windows.ts";
import { type Item, WindowHarness } from "./window_harness.ts";

const keyOf = (item: Item) => item.key;
const item = (n: number, key = "a"): Item => ({ key, n });
const numbers = (items: readonly Item[]) => items.map(({ n }) => n).join();

/** What a global window fires with, for every second element. */
async function firings(evictor: Evictor<Item>, elements: readonly (readonly [n: number, timestampMs: number])[]) {
  await using harness = await WindowHarness.open(
    keyOf,
    globalWindow(),
    (windows) => windows.trigger(countTrigger(2)).evictor(evictor).apply("w", numbers),
  );
  for (const [n, timestampMs] of elements) harness.element(item(n), timestampMs);
  return harness.take().map(([value]) => value);
}

const SIX = [[1, 10], [2, 20], [3, 30], [4, 40], [5, 50], [6, 60]] as const;

test("a count evictor leaves the last elements, before the function sees them or afterwards", async () => {
  deepEqual(await firings(countEvictor(3), SIX), ["1,2", "2,3,4", "4,5,6"]);
  deepEqual(await firings(countEvictor(1, { after: true }), SIX), ["1,2", "2,3,4", "4,5,6"]);
  deepEqual(await firings(countEvictor(0), SIX), []);
});

test("a time evictor leaves what is near the latest element; elements without a time stay", async () => {
  deepEqual(await firings(timeEvictor(25), SIX), ["1,2", "2,3,4", "4,5,6"]);
  deepEqual(await firings(timeEvictor(20, { after: true }), SIX), ["1,2", "1,2,3,4", "3,4,5,6"]);
  deepEqual(await firings(timeEvictor(1), [[1, NO_TIMESTAMP], [2, NO_TIMESTAMP]]), ["1,2"]);
});

test("a delta evictor leaves what is like the last element", async () => {
  const byN = (left: Item, right: Item) => Math.abs(left.n - right.n);
  deepEqual(await firings(deltaEvictor(2, byN), SIX), ["1,2", "3,4", "5,6"]);
  deepEqual(await firings(deltaEvictor(2, byN, { after: true }), SIX), ["1,2", "1,2,3,4", "3,4,5,6"]);
});

test("with an evictor folds are made of what it leaves, and windows that merge are evicted as one", async () => {
  const sum: AggregateFunction<Item, { n: number }, number> = {
    create: () => ({ n: 0 }),
    add: (kept, { n }) => ({ n: kept.n + n }),
    result: ({ n }) => n,
    merge: (left, right) => ({ n: left.n + right.n }),
  };
  await using reduced = await WindowHarness.open(
    keyOf,
    tumbling(100),
    (windows) => windows.evictor(countEvictor(2)).reduce("w", (left, right) => item(left.n + right.n), ({ n }) => n),
  );
  await using merged = await WindowHarness.open(
    keyOf,
    session(15),
    (windows) => windows.evictor(countEvictor(2)).aggregate("w", sum),
  );
  for (const harness of [reduced, merged]) {
    harness.elements([item(1), 10], [item(2), 50], [item(4), 30], [item(8), 20], [item(16), 40]);
    harness.watermark(100);
  }
  deepEqual(reduced.take(), [[24, 99]]);
  equal(merged.take().length, 1);
  deepEqual(reduced.left, { entries: 0, timers: 0 });
  deepEqual(merged.left, { entries: 0, timers: 0 });
});

test("windows by number follow one another, or slide", async () => {
  const out: Record<string, CollectSink<string>> = { one: collectSink(), two: collectSink(), all: collectSink() };
  await runJob((env) => {
    const numbers = env.fromSource("numbers", fromIterable([1, 2, 3, 4, 5, 6, 7]));
    const join = (elements: number[]) => elements.join("");
    numbers.keyBy((n) => n % 2).countWindow(2).apply("one", join).sinkTo("to one", out["one"]!);
    numbers.keyBy(() => "").countWindow(3, 2).apply("two", join).sinkTo("to two", out["two"]!);
    numbers.countWindowAll(4).apply("all", join).sinkTo("to all", out["all"]!);
    throws(() => numbers.countWindowAll(0), RangeError);
    throws(() => numbers.countWindowAll(2, 0.5), RangeError);
  }, { config: { "parallelism.default": 2 } });
  deepEqual([...out["one"]!.values].sort(), ["13", "24", "57"]);
  deepEqual(out["two"]!.values, ["12", "234", "456"]);
  deepEqual(out["all"]!.values, ["1234"]);
});

test("an evictor sees the window, the times and the clocks", async () => {
  const seen: unknown[] = [];
  const curious: Evictor<Item> = {
    evictBefore(elements, { maxTimestampMs }, context) {
      seen.push(elements.map(({ timestampMs }) => timestampMs), maxTimestampMs, context.currentWatermark);
      seen.push(context.currentProcessingTime());
      return elements;
    },
  };
  await using harness = await WindowHarness.open(
    keyOf,
    tumbling(10),
    (windows) => windows.evictor(curious).apply("w", numbers),
  );
  harness.advanceTo(7);
  harness.elements([item(1), 3], [item(2), 1]);
  harness.watermark(20);
  deepEqual(seen, [[3, 1], 9, 20, 7]);
  deepEqual(harness.take(), [["1,2", 9]]);
});
