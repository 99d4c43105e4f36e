/** Keyed state of one backend, without snapshots. */
import { deepEqual, equal, notEqual, ok, throws } from "node:assert/strict";
import { test } from "node:test";
import type { StateBackendFactory } from "../../core/backend.ts";
import {
  type AggregateFunction,
  aggregatingState,
  listState,
  mapState,
  reducingState,
  valueState,
} from "../../core/descriptors.ts";
import type { Namespace } from "../../core/key.ts";
import { f64, str } from "../../core/serializer.ts";
import { BackendRig } from "./backend_rig.ts";

const COUNT = valueState<number>("count", { default: 0 });
const NAME = valueState<string>("name");
const ITEMS = listState<number>("items");
const CELLS = mapState<string, number>("cells");
const SUM = reducingState<number>("sum", (left, right) => left + right);

const MUTABLE: AggregateFunction<number, { sum: number; count: number }, number> = {
  create: () => ({ sum: 0, count: 0 }),
  add(accumulator, input) {
    accumulator.sum += input;
    accumulator.count++;
    return accumulator;
  },
  result: ({ sum, count }) => sum / count,
  merge(left, right) {
    left.sum += right.sum;
    left.count += right.count;
    return left;
  },
};
const IMMUTABLE: AggregateFunction<number, readonly [number, number], number> = {
  create: () => [0, 0],
  add: ([sum, count], input) => [sum + input, count + 1],
  result: ([sum, count]) => sum / count,
  merge: (left, right) => [left[0] + right[0], left[1] + right[1]],
};

/** Items 1-22, 28-33, 35, 36. */
export function keyedStateSuite(name: string, factory: StateBackendFactory): void {
  valueTests(name, factory);
  listTests(name, factory);
  foldingTests(name, factory);
  mapTests(name, factory);
  addressTests(name, factory);
  mergeTests(name, factory);
}

function valueTests(name: string, factory: StateBackendFactory): void {
  test(`${name}: value() yields the default, else null, before any write [1]`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open();
    backend.setCurrentKey("a");
    equal(backend.state(COUNT).value(), 0);
    equal(backend.state(NAME).value(), null);
    equal(backend.entryCount, 0);
  });

  test(`${name}: value() returns what update() stored, for this key only [2]`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open();
    const count = backend.state(COUNT);
    backend.setCurrentKey("a");
    count.update(7);
    equal(count.value(), 7);
    backend.setCurrentKey("b");
    equal(count.value(), 0);
    backend.setCurrentKey("a");
    equal(count.value(), 7);
  });

  test(`${name}: update(null) is clear(): the default is back and nothing is stored [3] [4]`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open();
    const named = backend.state(NAME);
    const count = backend.state(COUNT);
    backend.setCurrentKey("a");
    named.update("x");
    named.update(null);
    equal(named.value(), null);
    count.update(3);
    count.clear();
    equal(count.value(), 0);
    equal(backend.entryCount, 0);
  });

  test(`${name}: two reads of a mutable default are equal and distinct [5]`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open();
    const state = backend.state(valueState<{ n: number[] }>("o", { default: { n: [1] } }));
    backend.setCurrentKey("a");
    const first = state.value();
    deepEqual(first, { n: [1] });
    notEqual(first, state.value());
    first.n.push(2);
    deepEqual(state.value(), { n: [1] });
    equal(backend.entryCount, 0);
  });

  test(`${name}: value states with different names do not see each other, also after a restore [6]`, async () => {
    await using rig = new BackendRig(factory);
    const left = valueState<number>("left");
    const right = valueState<number>("right");
    await using backend = await rig.open();
    backend.setCurrentKey("a");
    backend.state(left).update(1);
    backend.state(right).update(2);
    await using restored = await rig.open([await rig.snapshot(backend)]);
    restored.setCurrentKey("a");
    equal(restored.state(right).value(), 2);
    equal(restored.state(left).value(), 1);
  });

  test(`${name}: values that the serializer refuses are refused by update() [35]`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open();
    backend.setCurrentKey("a");
    const typed = backend.state(valueState<number>("typed", { serializer: f64 }));
    throws(() => typed.update("x" as unknown as number), /typed/);
    const plain = backend.state(valueState<unknown>("plain"));
    throws(() => plain.update(() => 1), /plain/);
    throws(() => plain.update({ f: () => 1 }), /plain/);
    equal(backend.entryCount, 0);
  });
}

function listTests(name: string, factory: StateBackendFactory): void {
  test(`${name}: a list without elements is empty, and stays absent after empty writes [7] [8]`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open();
    const items = backend.state(ITEMS);
    backend.setCurrentKey("a");
    deepEqual(items.get(), []);
    deepEqual([...items], []);
    items.addAll([]);
    items.update([]);
    equal(backend.entryCount, 0);
    items.add(1);
    items.update([]);
    equal(backend.entryCount, 0);
    deepEqual(items.get(), []);
  });

  test(`${name}: a list keeps order and duplicates; update replaces, clear forgets [8] [9]`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open();
    const items = backend.state(ITEMS);
    backend.setCurrentKey("a");
    items.add(2);
    items.addAll([1, 2]);
    deepEqual(items.get(), [2, 1, 2]);
    items.update([9, 9]);
    deepEqual([...items], [9, 9]);
    items.get().push(5);
    deepEqual(items.get(), [9, 9]);
    items.clear();
    deepEqual(items.get(), []);
  });

  test(`${name}: null in a list is refused and changes nothing [10]`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open();
    const items = backend.state(ITEMS);
    const none = null as unknown as number; // what a caller without types may pass
    const noList = null as unknown as number[]; // likewise
    backend.setCurrentKey("a");
    items.add(1);
    throws(() => items.add(none), TypeError);
    throws(() => items.addAll([2, none]), TypeError);
    throws(() => items.addAll(noList), TypeError);
    throws(() => items.update([3, undefined as unknown as number]), TypeError);
    throws(() => items.update(noList), TypeError);
    deepEqual(items.get(), [1]);
  });
}

function foldingTests(name: string, factory: StateBackendFactory): void {
  test(`${name}: a reducing state folds [11]`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open();
    const sum = backend.state(SUM);
    backend.setCurrentKey("a");
    equal(sum.get(), null);
    sum.add(2);
    sum.add(3);
    equal(sum.get(), 5);
    throws(() => sum.add(null as unknown as number), TypeError);
    sum.clear();
    equal(sum.get(), null);
    equal(backend.entryCount, 0);
  });

  test(`${name}: an aggregating state gives the same for accumulators that change and that do not [12]`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open();
    const states = [
      backend.state(aggregatingState("mutable", MUTABLE)),
      backend.state(aggregatingState("immutable", IMMUTABLE)),
    ];
    backend.setCurrentKey("a");
    for (const state of states) {
      equal(state.get(), null);
      state.add(2);
      state.add(4);
      equal(state.get(), 3);
      state.clear();
      equal(state.get(), null);
    }
    equal(backend.entryCount, 0);
  });
}

function mapTests(name: string, factory: StateBackendFactory): void {
  test(`${name}: a map sets, gets, has, deletes and sets all [13]`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open();
    const cells = backend.state(CELLS);
    backend.setCurrentKey("a");
    equal(cells.get("x"), undefined);
    equal(cells.has("x"), false);
    equal(cells.set("x", 1).set("y", 2), cells);
    cells.setAll([["z", 3], ["x", 4]]);
    deepEqual([cells.get("x"), cells.get("y"), cells.has("z"), cells.size], [4, 2, true, 3]);
    equal(cells.delete("y"), true);
    equal(cells.delete("y"), false);
    throws(() => cells.set("u", undefined as unknown as number), TypeError);
    equal(cells.size, 2);
  });

  test(`${name}: iterators of an empty map are empty [14]`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open();
    const cells = backend.state(CELLS);
    backend.setCurrentKey("a");
    deepEqual([...cells], []);
    deepEqual([...cells.keys(), ...cells.values(), ...cells.entries()], []);
  });

  test(`${name}: isEmpty tells whether one of 1024 entries is left [15]`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open();
    const cells = backend.state(CELLS);
    backend.setCurrentKey("a");
    equal(cells.isEmpty(), true);
    for (let i = 0; i < 1024; i++) cells.set(`${i}`, i);
    for (let i = 0; i < 1024; i++) {
      equal(cells.isEmpty(), false);
      cells.delete(`${i}`);
    }
    equal(cells.isEmpty(), true);
    equal(backend.entryCount, 0);
  });

  test(`${name}: 4096 entries are visited once while they are deleted, set and added [16] [17]`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open();
    const cells = backend.state(CELLS);
    backend.setCurrentKey("a");
    for (let i = 0; i < 4096; i++) cells.set(`${i}`, i);
    const seen = new Set<string>();
    for (const [key, value] of cells) {
      equal(seen.has(key), false);
      seen.add(key);
      if (value % 2 === 0) cells.delete(key);
      else cells.set(key, -value);
      if (value % 4 === 0) cells.set(key, value);
    }
    for (let i = 0; i < 4096; i++) ok(seen.has(`${i}`));
    equal(cells.size, 3072);
    equal(cells.get("3"), -3);
  });

  test(`${name}: a walk gives what an entry holds when its turn comes, and leaves out what was removed [16] [17]`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open();
    const cells = backend.state(CELLS);
    backend.setCurrentKey("a");
    for (let i = 0; i < 10; i++) cells.set(`${i}`, i);
    const seen: [string, number][] = [];
    for (const [key, value] of cells) {
      seen.push([key, value]);
      if (seen.length > 1) continue;
      for (let i = 0; i < 10; i++) {
        if (`${i}` === key) continue;
        if (i % 2 === 0) cells.delete(`${i}`);
        else cells.set(`${i}`, i + 100);
      }
      cells.set("new", 5);
    }
    const [first] = seen;
    const left = [1, 3, 5, 7, 9].filter((i) => `${i}` !== first?.[0]).map((i): [string, number] => [`${i}`, i + 100]);
    deepEqual(seen.slice(1).sort(), left);
  });

  test(`${name}: a walk that is left early, or begun and not gone on with, harms nothing [16]`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open();
    const cells = backend.state(CELLS);
    backend.setCurrentKey("a");
    cells.setAll([["x", 1], ["y", 2]]);
    for (const key of cells.keys()) if (key !== "") break;
    const walk = cells.values();
    walk.next();
    walk.return?.();
    equal(walk.next().done, true);
    deepEqual([...cells.values()].sort(), [1, 2]);
  });

  test(`${name}: entries compare by content, also those of two maps [18]`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open();
    const left = backend.state(mapState<string, { n: number }>("left"));
    const right = backend.state(mapState<string, { n: number }>("right"));
    backend.setCurrentKey("a");
    left.set("x", { n: 1 });
    right.set("x", { n: 1 });
    deepEqual([...left], [...right]);
  });

  test(`${name}: key "1" with map key "11" is not key "11" with map key "1", also after a restore [19]`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open();
    backend.setCurrentKey("1");
    backend.state(CELLS).set("11", 1);
    backend.setCurrentKey("11");
    backend.state(CELLS).set("1", 2);
    await using restored = await rig.open([await rig.snapshot(backend)]);
    for (const each of [backend, restored]) {
      each.setCurrentKey("1");
      deepEqual([...each.state(CELLS)], [["11", 1]]);
      each.setCurrentKey("11");
      deepEqual([...each.state(CELLS)], [["1", 2]]);
    }
  });

  test(`${name}: map keys follow the rules of keys`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open();
    const cells = backend.state(mapState<unknown, number>("any"));
    backend.setCurrentKey("a");
    cells.set([1, "x"], 1).set(Uint8Array.of(1, 2), 2).set(-0, 3).set(5n, 4).set(true, 5);
    throws(() => cells.set({}, 6), TypeError);
    throws(() => cells.set(NaN, 6), TypeError);
    await using restored = await rig.open([await rig.snapshot(backend)]);
    restored.setCurrentKey("a");
    for (const each of [cells, restored.state(mapState<unknown, number>("any"))]) {
      const found = [each.get([1, "x"]), each.get(Uint8Array.of(1, 2)), each.get(0), each.get(5n), each.get(true)];
      deepEqual(found, [1, 2, 3, 4, 5]);
      equal(each.get("5"), undefined);
    }
  });
}

function addressTests(name: string, factory: StateBackendFactory): void {
  test(`${name}: entryCount counts (key, namespace, state), whatever is in them [20] [21]`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open();
    const states = [backend.state(ITEMS), backend.state(SUM), backend.state(aggregatingState("mean", MUTABLE))];
    const cells = backend.state(CELLS);
    equal(backend.entryCount, 0);
    for (const key of ["a", "b", "c"]) {
      backend.setCurrentKey(key);
      for (const state of states) for (const value of [1, 2]) state.add(value);
      cells.set("x", 1).set("y", 2);
    }
    equal(backend.entryCount, 12);
    for (const key of ["a", "b", "c"]) {
      backend.setCurrentKey(key);
      for (const state of [...states, cells]) state.clear();
    }
    equal(backend.entryCount, 0);
  });

  test(`${name}: a key has independent values in its namespaces; null is none [22]`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open();
    const count = backend.state(COUNT);
    backend.setCurrentKey("a");
    count.update(1);
    count.setNamespace("w1");
    equal(count.value(), 0);
    count.update(2);
    count.setNamespace(["w", 2]);
    count.update(3);
    count.setNamespace(["w", 2]);
    equal(count.value(), 3);
    count.setNamespace("w1");
    equal(count.value(), 2);
    throws(() => count.setNamespace(null as unknown as Namespace), TypeError);
  });

  test(`${name}: every kind of key keeps its own value`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open();
    const keys = ["1", 1, 1n, true, "true", Uint8Array.of(1), [1], ["1"], [[1]], "", 0, -1.5, "é\ud800", 2 ** 40];
    const write = backend.state(COUNT);
    keys.forEach((key, i) => {
      backend.setCurrentKey(key);
      write.update(i + 1);
    });
    await using restored = await rig.open([await rig.snapshot(backend)]);
    for (const each of [backend, restored]) {
      const count = each.state(COUNT);
      keys.forEach((key, i) => {
        each.setCurrentKey(key);
        equal(count.value(), i + 1);
      });
      each.setCurrentKey(-0);
      equal(count.value(), 11);
      throws(() => each.setCurrentKey(NaN), TypeError);
      throws(() => each.setCurrentKey({} as unknown as string), TypeError);
    }
  });

  test(`${name}: state and currentKey() are refused before a key is set [28]`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open();
    throws(() => backend.state(COUNT).value(), /no key is set/);
    throws(() => backend.state(ITEMS).add(1), /no key is set/);
    throws(() => backend.state(CELLS).set("x", 1), /no key is set/);
    throws(() => backend.currentKey(), /none is set/);
    backend.setCurrentKey("a");
    equal(backend.currentKey(), "a");
  });

  test(`${name}: storesBytes tells whether values may be reused [29]`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open();
    const value = { n: 1 };
    const state = backend.state(valueState<{ n: number }>("o"));
    backend.setCurrentKey("a");
    state.update(value);
    value.n = 2;
    equal(state.value()?.n, backend.storesBytes ? 1 : 2);
  });

  test(`${name}: the same name is the same state; another kind or serializer is an error [36]`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open();
    const first = backend.state(COUNT);
    const second = backend.state(COUNT);
    backend.setCurrentKey("a");
    equal(second.value(), 0);
    first.update(5);
    equal(second.value(), 5);
    second.clear();
    equal(first.value(), 0);
    throws(() => backend.state(listState("count")), /it is value state already/);
    throws(() => backend.state(valueState("count", { serializer: str })), /serializer/);
  });
}

function mergeTests(name: string, factory: StateBackendFactory): void {
  /** Fills namespaces 0..3 as `spread` says, merges 1..3 into 0. */
  const cases: readonly (readonly (readonly number[])[])[] = [
    [[], [1], [2, 3], [4]],
    [[5], [1], [], [4]],
    [[], [], [], []],
    [[1, 2, 3], [], [], []],
    [[], [], [6, 7], []],
  ];

  test(`${name}: merging list namespaces moves all elements to the target [30] [33]`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open();
    const items = backend.state(ITEMS);
    cases.forEach((spread, key) => {
      backend.setCurrentKey(key);
      spread.forEach((values, namespace) => {
        items.setNamespace(namespace);
        items.addAll(values);
      });
      items.setNamespace(3);
      items.mergeNamespaces(0, [1, 2, 3, 0]);
      deepEqual(items.get(), []);
      items.setNamespace(0);
      deepEqual(items.get().sort(), spread.flat().sort());
      for (const namespace of [1, 2, 3]) {
        items.setNamespace(namespace);
        deepEqual(items.get(), []);
      }
    });
  });

  test(`${name}: merging reducing and aggregating namespaces folds into the target [31] [32] [33]`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open();
    const sum = backend.state(SUM);
    const means = [
      backend.state(aggregatingState("mutable", MUTABLE)),
      backend.state(aggregatingState("immutable", IMMUTABLE)),
    ];
    cases.forEach((spread, key) => {
      backend.setCurrentKey(key);
      const all = spread.flat();
      const total = all.reduce((left, right) => left + right, 0);
      for (const state of [sum, ...means]) {
        spread.forEach((values, namespace) => {
          state.setNamespace(namespace);
          for (const value of values) state.add(value);
        });
        state.mergeNamespaces(0, [1, 2, 3]);
        state.setNamespace(0);
        const expected = state === sum ? total : total / all.length;
        equal(state.get(), all.length === 0 ? null : expected);
        for (const namespace of [1, 2, 3]) {
          state.setNamespace(namespace);
          equal(state.get(), null);
        }
      }
    });
    equal(backend.entryCount, 12);
  });
}
