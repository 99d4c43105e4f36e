/** Walking the keys of a backend. */
import { deepEqual, equal, throws } from "node:assert/strict";
import { test } from "node:test";
import type { StateBackendFactory } from "../../core/backend.ts";
import { listState, mapState, valueState } from "../../core/descriptors.ts";
import { VOID_NAMESPACE } from "../../core/key.ts";
import { BackendRig } from "./backend_rig.ts";

const COUNT = valueState<number>("count", { default: 0 });
const CELLS = mapState<string, number>("cells");
const ITEMS = listState<number>("items");

/** Items 23-27. */
export function keyIterationSuite(name: string, factory: StateBackendFactory): void {
  test(`${name}: keys() gives each key of the namespace once, of maps too [23] [24]`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open();
    const count = backend.state(COUNT);
    const cells = backend.state(CELLS);
    for (let i = 0; i < 200; i++) {
      backend.setCurrentKey(i);
      count.setNamespace(VOID_NAMESPACE);
      count.update(i);
      count.setNamespace("other");
      if (i % 2 === 0) count.update(i);
      cells.set("x", 1).set("y", 2);
    }
    const byNumber = (left: unknown, right: unknown) => Number(left) - Number(right);
    const all = Array.from({ length: 200 }, (_, i) => i);
    deepEqual([...backend.keys(COUNT)].sort(byNumber), all);
    deepEqual([...backend.keys(COUNT, "other")].sort(byNumber), all.filter((i) => i % 2 === 0));
    deepEqual([...backend.keys(CELLS)].sort(byNumber), all);
    deepEqual([...backend.keys(COUNT, "none")], []);
  });

  test(`${name}: keysAndNamespaces() gives each pair once, also after a restore [25]`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open();
    const items = backend.state(ITEMS);
    const expected = new Set<string>();
    for (let i = 0; i < 50; i++) {
      backend.setCurrentKey(`k${i}`);
      for (const namespace of [i % 3, 10]) {
        items.setNamespace(namespace);
        items.addAll([1, 2]);
        expected.add(`k${i}/${namespace}`);
      }
    }
    await using restored = await rig.open([await rig.snapshot(backend)]);
    for (const each of [backend, restored]) {
      const pairs = [...each.keysAndNamespaces(ITEMS)].map(([key, namespace]) => `${String(key)}/${String(namespace)}`);
      equal(pairs.length, expected.size);
      deepEqual(new Set(pairs), expected);
    }
  });

  test(`${name}: applyToAllKeys() visits each key once, whatever the callback does to it [26] [27]`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open();
    const items = backend.state(ITEMS);
    for (let i = 0; i < 100; i++) {
      backend.setCurrentKey(i);
      items.add(i);
    }
    backend.setCurrentKey(3);
    const seen = new Set<unknown>();
    backend.applyToAllKeys(ITEMS, VOID_NAMESPACE, (key) => {
      equal(seen.has(key), false);
      seen.add(key);
      equal(backend.currentKey(), key);
      deepEqual(items.get(), [key]);
      items.clear();
      items.add(-1);
    });
    equal(seen.size, 100);
    equal(backend.currentKey(), 3);
    deepEqual(items.get(), [-1]);
  });

  test(`${name}: applyToAllKeys() restores the current key when the callback throws [27]`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open();
    backend.setCurrentKey("a");
    backend.state(COUNT).update(1);
    backend.setCurrentKey("b");
    throws(() =>
      backend.applyToAllKeys(COUNT, VOID_NAMESPACE, () => {
        throw new Error("stop");
      }), /stop/);
    equal(backend.currentKey(), "b");
    equal(backend.state(COUNT).value(), 0);
  });
}
