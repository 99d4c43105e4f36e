import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "../../connectors/contexts.ts";
import { backendVariants } from "../../support/backend_variants.ts";
import { scaled } from "../../support/scale.ts";
import { session, sliding, tumbling, type WindowAssigner } from "../../../windows.ts";
import { type Item, type Result, WindowHarness } from "./window_harness.ts";
import { allKinds, type Event, history, pairs, play } from "./window_kinds.ts";

const TIMEOUT = { timeout: 60_000 };

/** What comes of windows of which all elements are there before the first one ends. */
function expected(events: readonly Event[], windowsOf: (timesMs: readonly number[]) => (readonly [number, number])[]) {
  const byKey = new Map<string, { n: number; timestampMs: number }[]>();
  for (const event of events) {
    if (event.kind !== "element") continue;
    const { item: { key, n }, timestampMs } = event;
    byKey.set(key, [...byKey.get(key) ?? [], { n, timestampMs }]);
  }
  const results: Result<string>[] = [];
  for (const [key, elements] of byKey) {
    for (const [startMs, endMs] of windowsOf(elements.map(({ timestampMs }) => timestampMs))) {
      const inside = elements.filter(({ timestampMs }) => timestampMs >= startMs && timestampMs < endMs);
      if (inside.length === 0) continue;
      results.push([`${key} ${startMs}-${endMs}: ${inside.reduce((sum, { n }) => sum + n, 0)}`, endMs - 1]);
    }
  }
  return results.sort(byText);
}

const byText = ([left]: Result<string>, [right]: Result<string>) => left < right ? -1 : left > right ? 1 : 0;

function aligned(sizeMs: number, slideMs: number) {
  return (timesMs: readonly number[]) => {
    const windows: [number, number][] = [];
    const first = Math.floor((Math.min(...timesMs) - sizeMs) / slideMs) * slideMs;
    for (let startMs = first; startMs <= Math.max(...timesMs); startMs += slideMs) {
      windows.push([startMs, startMs + sizeMs]);
    }
    return windows;
  };
}

function sessions(gapMs: number) {
  return (timesMs: readonly number[]) => {
    const windows: [number, number][] = [];
    for (const timeMs of timesMs.toSorted((left, right) => left - right)) {
      const last = windows.at(-1);
      if (last !== undefined && timeMs <= last[1]) last[1] = timeMs + gapMs;
      else windows.push([timeMs, timeMs + gapMs]);
    }
    return windows;
  };
}

test("windows hold what a plain computation over all elements puts into them [132-134]", async () => {
  const samples: [WindowAssigner<Item>, ReturnType<typeof aligned>][] = [
    [tumbling(10), aligned(10, 10)],
    [sliding(20, 5), aligned(20, 5)],
    [sliding(11, 4), aligned(11, 4)],
    [session(5), sessions(5)],
  ];
  for (let seed = 1; seed <= scaled(10, 300); seed++) {
    const random = new SeededRandom(seed);
    const events = history(() => random.next(), 60);
    for (const [assigner, windowsOf] of samples) {
      await using harness = await WindowHarness.open(
        ({ key }: Item) => key,
        assigner,
        (windows) =>
          windows.reduce(
            "w",
            (left, right) => ({ key: left.key, n: left.n + right.n }),
            ({ n }, { key, window }) => `${key} ${window.startMs}-${window.endMs}: ${n}`,
          ),
      );
      for (const event of events) if (event.kind === "element") harness.element(event.item, event.timestampMs);
      harness.watermark(100_000);
      deepEqual(harness.take().sort(byText), expected(events, windowsOf), `seed ${seed}`);
    }
  }
});

for (const latenessMs of [0, 12]) {
  test(
    `windows in panes, and sessions whose timers lag behind, do what windows kept one by one do, lateness ${latenessMs} [144, 147]`,
    TIMEOUT,
    async () => {
      for (const [quick, slow] of pairs(latenessMs)) {
        for (let seed = 1; seed <= scaled(10, 300); seed++) {
          const random = new SeededRandom(seed);
          await using left = await quick.open();
          await using right = await slow.open();
          const story: Event[] = [];
          for (const event of history(() => random.next(), 80)) {
            story.push(event);
            deepEqual(play(left, event), play(right, event), `${quick.name}, seed ${seed}: ${JSON.stringify(story)}`);
          }
          equal(left.lateCount, right.lateCount);
          deepEqual(
            [left.left, right.left],
            [{ entries: 0, timers: 0 }, { entries: 0, timers: 0 }],
            `${quick.name}, seed ${seed}`,
          );
        }
      }
    },
  );
}

for (const variant of await backendVariants(131_072)) {
  test(
    `${variant.name}: windows of every kind go on from a snapshot as if nothing had happened [155]`,
    TIMEOUT,
    async () => {
      for (const kind of allKinds()) {
        const random = new SeededRandom(7);
        const events = history(() => random.next(), scaled(60, 400));
        await using undisturbed = await kind.open();
        let disturbed = await kind.open({ factory: variant.factory, timers: variant.timers });
        try {
          let count = 0;
          for (const event of events) {
            if (random.next() < 0.1) {
              const snapshot = await disturbed.snapshot();
              const next = await disturbed.restored(snapshot);
              await disturbed[Symbol.asyncDispose]();
              disturbed = next;
            }
            const results = play(undisturbed, event);
            count += results.length;
            deepEqual(play(disturbed, event), results, kind.name);
          }
          ok(count > 5, `${kind.name} has ${count} results`);
          equal(disturbed.left.timers, undisturbed.left.timers);
          equal(disturbed.left.entries, undisturbed.left.entries);
        } finally {
          await disturbed[Symbol.asyncDispose]();
        }
      }
    },
  );
}
