import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Key, type Namespace, VOID_NAMESPACE } from "../../core/key.ts";
import { keyGroupOf } from "../../core/key_groups.ts";
import { EmbeddedTimerQueue } from "../../timers/embedded_timer_queue.ts";
import { contents, timerQueueContract, timerText } from "../contracts/timer_queue.ts";
import { SortedRows } from "../support/sorted_rows.ts";

const MAX_PARALLELISM = 128;
const ALL = { maxParallelism: MAX_PARALLELISM, keyGroups: { start: 0, end: MAX_PARALLELISM - 1 } };

function open(rows: SortedRows, cacheSize: number): EmbeddedTimerQueue {
  return new EmbeddedTimerQueue({ name: "event", rows, cacheSize, ...ALL });
}

for (const cacheSize of [1, 2, 128]) {
  timerQueueContract(
    `EmbeddedTimerQueue with ${cacheSize} cached`,
    ({ maxParallelism, keyGroups }) =>
      new EmbeddedTimerQueue({ name: "event", rows: new SortedRows(), maxParallelism, keyGroups, cacheSize }),
  );
}

const anyTimer = fc.record({
  timestampMs: fc.oneof(fc.integer({ min: -20, max: 20 }), fc.constantFrom(Infinity, -Infinity, 0.5)),
  key: fc.oneof<fc.Arbitrary<Key>[]>(
    fc.constantFrom("a", "b"),
    fc.integer({ min: 0, max: 2 }),
    fc.constant(["a", new Uint8Array([0])]),
  ),
  namespace: fc.constantFrom<Namespace>(VOID_NAMESPACE, "n"),
});
const anyStep = fc.oneof(
  { weight: 5, arbitrary: anyTimer.map((timer) => ({ does: "add" as const, timer })) },
  { weight: 2, arbitrary: anyTimer.map((timer) => ({ does: "remove" as const, timer })) },
  { weight: 2, arbitrary: fc.constant({ does: "poll" as const }) },
  { weight: 1, arbitrary: fc.constant({ does: "size" as const }) },
  { weight: 1, arbitrary: fc.constant({ does: "restore" as const }) },
);

test("EmbeddedTimerQueue keeps store and cache together over any sequence with restores and rare looks at size [75]", () => {
  fc.assert(
    fc.property(
      fc.array(anyStep, { maxLength: 300, size: "max" }),
      fc.constantFrom(1, 2, 3, 128),
      (steps, cacheSize) => {
        const rows = new SortedRows();
        const model = new Map<string, number>();
        let queue = open(rows, cacheSize);
        for (const step of steps) {
          const head = Math.min(Infinity, ...model.values());
          equal(queue.headTimestampMs, head);
          if (step.does === "size") equal(queue.size, model.size);
          else if (step.does === "restore") queue = open(rows, cacheSize);
          else if (step.does === "poll") {
            const peeked = queue.peek();
            const timer = queue.poll();
            deepEqual(timer, peeked);
            equal(timer === null, model.size === 0);
            if (timer === null) continue;
            equal(timer.timestampMs, head);
            ok(model.delete(timerText(timer)), "a timer that was there");
          } else {
            const { timestampMs, key, namespace } = step.timer;
            queue[step.does](timestampMs, key, namespace);
            if (step.does === "add") model.set(timerText(step.timer), timestampMs);
            else model.delete(timerText(step.timer));
          }
        }
        deepEqual(contents(queue), [...model.keys()].sort());
        deepEqual(contents(open(rows, 2)), [...model.keys()].sort());
        equal(queue.size, model.size);
      },
    ),
    { numRuns: 150 },
  );
});

test("EmbeddedTimerQueue finds timers beyond a small cache when it drains, and orders those of both [75]", () => {
  const rows = new SortedRows();
  const queue = open(rows, 4);
  for (let i = 0; i < 1_000; i++) queue.add((i * 7_919) % 1_009, "k", VOID_NAMESPACE);
  const polled: number[] = [];
  for (let i = 0; i < 500; i++) polled.push(queue.poll()!.timestampMs);
  // In the cache, behind it, and before the head.
  for (const timestampMs of [-1, 1_500, 600.5]) queue.add(timestampMs, "k", VOID_NAMESPACE);
  equal(queue.poll()!.timestampMs, -1);
  for (let timer = queue.poll(); timer !== null; timer = queue.poll()) polled.push(timer.timestampMs);
  deepEqual(polled, polled.toSorted((a, b) => a - b));
  equal(polled.length, 1_002);
  equal([...rows.groups.values()].flat().length, 0);
});

test("EmbeddedTimerQueue reads the store in refills of the cache's size only, and never for a timer behind it", () => {
  const rows = new SortedRows();
  const queue = open(rows, 100);
  const before = rows.calls.scan;
  for (let i = 0; i < 10_000; i++) queue.add(i, "k", VOID_NAMESPACE);
  equal(rows.calls.has, 0);
  equal(rows.calls.scan, before);
  for (let i = 0; i < 10_000; i++) equal(queue.poll()!.timestampMs, i);
  equal(rows.calls.scan - before, 99);
  ok(rows.calls.visited <= 10_100, `${rows.calls.visited} rows were read for 10,000 timers`);
});

test("EmbeddedTimerQueue counts once when asked for its size, and keeps count afterwards", () => {
  const rows = new SortedRows();
  for (let i = 0; i < 1_000; i++) open(rows, 1).add(i, "k", VOID_NAMESPACE);
  const queue = open(rows, 2);
  equal(queue.size, 1_000);
  const { scan } = rows.calls;
  queue.add(5_000, "k", VOID_NAMESPACE);
  queue.add(5_000, "k", VOID_NAMESPACE);
  queue.remove(900, "k", VOID_NAMESPACE);
  queue.remove(900, "k", VOID_NAMESPACE);
  equal(queue.size, 1_000);
  equal(rows.calls.scan, scan);
});

test("EmbeddedTimerQueue restores the timers of its own key groups, as another parallelism needs [73, 122, 123]", () => {
  const rows = new SortedRows();
  const queue = open(rows, 3);
  for (let i = 0; i < 500; i++) queue.add(i % 17 - 8, i % 2 === 0 ? `k${i}` : [i], i % 3 === 0 ? VOID_NAMESPACE : i);
  const halves = [{ start: 0, end: 41 }, { start: 42, end: 127 }].map((keyGroups) =>
    new EmbeddedTimerQueue({ name: "event", rows, maxParallelism: MAX_PARALLELISM, keyGroups, cacheSize: 5 })
  );
  deepEqual(halves.flatMap((half) => contents(half)).sort(), contents(queue));
  equal(halves[0]!.size + halves[1]!.size, 500);
  const key = Array.from({ length: 100 }, (_, i) => i).find((i) => keyGroupOf(i, MAX_PARALLELISM) > 41)!;
  throws(() => halves[0]!.add(1, key, VOID_NAMESPACE), { name: "StreamError", kind: "invalid", message: /"event"/ });
});

test("EmbeddedTimerQueue keeps few bytes in memory, however long keys are", () => {
  const rows = new SortedRows();
  const queue = open(rows, 128);
  const long = (i: number) => `${i}`.padStart(60_000, "x");
  const same = Array.from({ length: 300 }, (_, i) => long(i));
  for (let i = 0; i < same.length; i++) queue.add(300 - i, same[i]!, VOID_NAMESPACE);
  for (let i = 0; i < 100; i++) queue.add(1_000 - i, "k", `${i}`.padStart(10_000, "x"));
  const bytes = queue["caches"].reduce((sum, cache) => sum + cache["bytes"].length, 0);
  // Twice its bytes when a cache has grown, twice the longest row when it holds only that.
  ok(bytes <= 128 * 2 * 61_000, `${bytes} bytes`);
  const polled: number[] = [];
  for (let timer = queue.poll(); timer !== null; timer = queue.poll()) polled.push(timer.timestampMs);
  equal(polled.length, 400);
  deepEqual(polled, polled.toSorted((a, b) => a - b));
});

test("EmbeddedTimerQueue keeps fewer timers of each key group when there are very many", () => {
  const queue = new EmbeddedTimerQueue({
    name: "event",
    rows: new SortedRows(),
    maxParallelism: 32_768,
    keyGroups: { start: 0, end: 32_767 },
    cacheSize: 128,
  });
  equal(queue["caches"].reduce((sum, cache) => sum + cache.limit, 0), 65_536);
  for (let i = 0; i < 5_000; i++) queue.add(i % 100, i % 10, `${i}`);
  let last = -Infinity;
  for (let i = 0; i < 5_000; i++) {
    const { timestampMs } = queue.poll()!;
    ok(timestampMs >= last);
    last = timestampMs;
  }
  equal(queue.size, 0);
});

test("EmbeddedTimerQueue refuses a cache without a place", () => {
  throws(() => open(new SortedRows(), 0), {
    name: "RangeError",
    message: 'Cannot create timer queue "event": cacheSize is 0, must be at least 1',
  });
});
