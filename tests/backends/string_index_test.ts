/** The index that large tables find strings by, alone and within a backend. */
import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { HeapStateBackend } from "../../backends/heap/heap_backend.ts";
import { StringIndex } from "../../backends/heap/string_index.ts";
import { valueState } from "../../core/descriptors.ts";
import type { Key } from "../../core/key.ts";
import { backendContext } from "../support/backend_context.ts";
import { scaled } from "../support/scale.ts";

const COUNT = valueState<number>("count", { default: 0 });

test("a string index behaves like a Map, however often keys come and go", () => {
  const action = fc.record({ key: fc.integer({ min: 0, max: 40 }).map((i) => `key ${i}`), adds: fc.boolean() });
  fc.assert(
    fc.property(fc.array(action, { maxLength: 300 }), fc.integer(), (actions, seed) => {
      // The smallest there is: searches run into other keys, and around the end.
      const index = new StringIndex(seed, 0);
      const model = new Map<string, number>();
      const keys: (Key | undefined)[] = [undefined];
      for (const { key, adds } of actions) {
        const row = model.get(key);
        if (adds && row === undefined) {
          model.set(key, keys.push(key) - 1);
          index.add(key, keys.length - 1);
        } else if (!adds && row !== undefined) {
          model.delete(key);
          index.remove(key, row);
          keys[row] = undefined;
        }
      }
      equal(index.size, model.size);
      for (let i = 0; i <= 41; i++) equal(index.find(`key ${i}`, keys), model.get(`key ${i}`) ?? 0, `key ${i}`);
    }),
    { numRuns: scaled(200, 5_000) },
  );
});

test("strings with the same hash are told apart, fetched ahead or not", () => {
  const context = backendContext();
  const index = new StringIndex(Math.floor(context.random.next() * 2 ** 32) | 0, 0);
  const byHash = new Map<number, string>();
  let pair: [string, string] | undefined;
  for (let i = 0; pair === undefined; i++) {
    const hash = index.hash(`${i}`);
    const other = byHash.get(hash);
    if (other !== undefined) pair = [other, `${i}`];
    byHash.set(hash, `${i}`);
  }
  const [left, right] = pair;
  const backend = new HeapStateBackend(context, { lookAheadRows: 0, indexedRows: 0 });
  const count = backend.state(COUNT);
  const look = (key: string) => {
    backend.setCurrentKey(key);
    return count.value();
  };
  backend.setCurrentKey(left);
  count.update(1);
  equal(look(right), 0);
  backend.prefetch([right, left], 2);
  deepEqual([look(right), look(left)], [0, 1]);
  backend.setCurrentKey(right);
  count.update(2);
  backend.prefetch([right, left], 2);
  deepEqual([look(right), look(left)], [2, 1]);
  backend.setCurrentKey(left);
  count.clear();
  deepEqual([look(right), look(left)], [2, 0]);
});

test("a backend that was told which keys come next finds each as it is when its turn comes", () => {
  for (const indexedRows of [1, 1_000]) {
    const backend = new HeapStateBackend(backendContext(), { lookAheadRows: 0, indexedRows });
    const count = backend.state(COUNT);
    const set = (key: Key) => backend.setCurrentKey(key);
    const initial: Key[] = ["a", "b", 1, "c", true, ["t", 1], 7n, "d"];
    initial.forEach((key, i) => {
      set(key);
      count.update(i + 1);
    });
    const window: Key[] = ["b", "new", "b", "a", 1, ["t", 1], "b", "d", true];
    backend.prefetch(window, window.length);
    window[0] = "c"; // Whoever owns it may use it for something else.
    set("c");
    equal(count.value(), 4);
    set("new");
    count.update(9); // Was not there when it was fetched.
    set("b");
    count.clear();
    set("taker");
    count.update(5); // Takes the row that was free.
    set(1);
    equal(count.value(), 3);
    set(["t", 1]);
    equal(count.value(), 6);
    set("b");
    equal(count.value(), 0);
    backend.prefetch(["taker", "b", "new", 7n], 4);
    const seen: number[] = [];
    for (const key of ["taker", "b", "new", 7n]) {
      set(key);
      seen.push(count.value());
    }
    deepEqual(seen, [5, 0, 9, 7]);
    deepEqual(
      [...backend.keys(COUNT)].map(String).sort(),
      ["1", "7", "a", "c", "d", "new", "t,1", "taker", "true"],
    );
    equal(backend.entryCount, 9);
  }
});
