/** Map state of one backend. */
import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { test } from "node:test";
import type { StateBackendFactory } from "../../core/backend.ts";
import { mapState } from "../../core/descriptors.ts";
import { BackendRig } from "./backend_rig.ts";

const CELLS = mapState<string, number>("cells");

/** Items 13-19. */
export function keyedMapSuite(name: string, factory: StateBackendFactory): void {
  entryTests(name, factory);
  walkTests(name, factory);
}

function entryTests(name: string, factory: StateBackendFactory): void {
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

function walkTests(name: string, factory: StateBackendFactory): void {
  test(`${name}: iterators of an empty map are empty [14]`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open();
    const cells = backend.state(CELLS);
    backend.setCurrentKey("a");
    deepEqual([...cells], []);
    deepEqual([...cells.keys(), ...cells.values(), ...cells.entries()], []);
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
}
