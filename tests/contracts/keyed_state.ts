/** Keyed state of one backend, without snapshots; maps are in keyed_maps.ts. */
import { deepEqual, equal, notEqual, throws } from "node:assert/strict";
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

/** Items 1-12, 20-22, 28-33, 35, 36. */
export function keyedStateSuite(name: string, factory: StateBackendFactory): void {
  valueTests(name, factory);
  listTests(name, factory);
  foldingTests(name, factory);
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
    backend.state(COUNT).update(1);
    backend.leaveKey?.();
    throws(() => backend.state(COUNT).value(), /no key is set/);
    throws(() => backend.state(COUNT).update(2), /no key is set/);
    throws(() => backend.currentKey(), /none is set/);
    backend.setCurrentKey("a");
    equal(backend.state(COUNT).value(), 1);
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
