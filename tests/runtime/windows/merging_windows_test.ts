import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import type { ValueState } from "../../../core/state.ts";
import { type Merge, MergingWindows } from "../../../runtime/windows/merging_windows.ts";
import { mergeTouching, TimeWindow } from "../../../windows.ts";

/** A value that counts its writes. */
class CountedValue implements ValueState<number[] | null> {
  writes = 0;
  #value: number[] | null = null;

  value(): number[] | null {
    return this.#value;
  }
  update(value: number[] | null): void {
    this.writes++;
    this.#value = value;
  }
  clear(): void {
    this.update(null);
  }
}

const window = (startMs: number, endMs: number) => new TimeWindow(startMs, endMs);

/** Windows over a fresh value; `merges` gathers what was merged. */
function open(state = new CountedValue()) {
  const windows = new MergingWindows(state, mergeTouching);
  windows.load();
  const merges: Merge[] = [];
  return { state, windows, merges, add: (one: TimeWindow) => windows.add(one, (merge) => merges.push(merge)) };
}

test("MergingWindows: the same window added again is no merge and keeps its place [156]", () => {
  const { windows, merges, add } = open();
  deepEqual(add(window(0, 10)), window(0, 10));
  const place = windows.placeOf(window(0, 10));
  deepEqual(add(window(0, 10)), window(0, 10));
  deepEqual(add(window(2, 8)), window(0, 10));
  equal(windows.placeOf(window(0, 10)), place);
  deepEqual(merges, []);
});

test("MergingWindows: a large window that covers one or many keeps one of their places [156]", () => {
  const { windows, merges, add } = open();
  add(window(1, 2));
  const place = windows.placeOf(window(1, 2))!;
  deepEqual(add(window(0, 3)), window(0, 3));
  deepEqual(merges.splice(0), [{ result: window(0, 3), merged: [window(1, 2)], place, sources: [] }]);
  equal(windows.placeOf(window(0, 3)), place);
  equal(windows.placeOf(window(1, 2)), undefined);

  add(window(5, 6));
  add(window(8, 9));
  const places = [window(0, 3), window(5, 6), window(8, 9)].map((one) => windows.placeOf(one)!);
  deepEqual(add(window(-10, 20)), window(-10, 20));
  const [merge] = merges.splice(0);
  deepEqual(merge!.result, window(-10, 20));
  equal(merge!.merged.length, 3);
  deepEqual([merge!.place, ...merge!.sources].sort(), places.sort());
  equal(windows.placeOf(window(-10, 20)), merge!.place);
});

test("MergingWindows: a place stays through all merges, and late windows join groups that were merged before [156]", () => {
  const { windows, merges, add } = open();
  add(window(0, 5));
  const place = windows.placeOf(window(0, 5));
  for (let at = 3; at < 30; at += 3) add(window(at, at + 5));
  equal(windows.placeOf(window(0, 32)), place);
  deepEqual(add(window(10, 12)), window(0, 32));
  deepEqual(add(window(-3, 1)), window(-3, 32));
  equal(windows.placeOf(window(-3, 32)), place);
  add(window(40, 45));
  deepEqual(add(window(31, 41)), window(-3, 45));
  equal(merges.at(-1)!.sources.length, 1);
});

test("MergingWindows: what is written is read back, and nothing is written that has not changed [156]", () => {
  const { state, windows, add } = open();
  add(window(0, 5));
  add(window(10, 15));
  windows.persist();
  equal(state.writes, 1);
  windows.persist();
  const again = open(state);
  deepEqual(again.add(window(1, 4)), window(0, 5));
  again.windows.persist();
  equal(state.writes, 1);
  for (const one of [window(0, 5), window(10, 15)]) equal(again.windows.placeOf(one), windows.placeOf(one));
  again.windows.retire(window(0, 5));
  again.windows.persist();
  again.windows.retire(window(10, 15));
  again.windows.persist();
  equal(state.value(), null);
});
