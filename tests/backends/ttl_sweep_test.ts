/** State on the heap removes what is over by itself, little by little. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { heapBackendFactory, HeapStateBackend } from "../../backends/heap/heap_backend.ts";
import { TtlStates } from "../../backends/ttl/ttl_states.ts";
import type { StateBackendFactory } from "../../core/backend.ts";
import { listState, mapState, valueState } from "../../core/descriptors.ts";
import { stateTtl, type TtlCleanupOptions } from "../../core/state_ttl.ts";
import { BackendRig } from "../contracts/backend_rig.ts";
import { KINDS, TTL_MS, ttlStatesOf } from "../contracts/ttl_state.ts";

const KEYS = Array.from({ length: 100 }, (_, i) => `key-${i}`);
const mortal = (cleanup: TtlCleanupOptions = {}) => stateTtl({ time: TTL_MS, cleanup });
/** Small tables count as large, and a snapshot gives way after every row. */
const yielding: StateBackendFactory = {
  name: "hashmap, yielding",
  create: (context) => new HeapStateBackend(context, { rowsPerLook: 1, columnRows: 1, indexedRows: 3 }),
};

for (const kind of Object.keys(KINDS)) {
  test(`${kind} state: each record looks at some entries; all that is over goes, what lives stays [104]`, async () => {
    await using rig = new BackendRig(heapBackendFactory);
    const backend = await rig.open();
    const states = ttlStatesOf(backend, rig);
    const state = KINDS[kind]!(states, mortal());
    const write = (key: string) => {
      backend.setCurrentKey(key);
      state.write(1);
    };
    for (const key of KEYS) write(key);
    rig.clock.advance(60);
    for (const key of KEYS.slice(0, 10)) {
      backend.setCurrentKey(key);
      state.clear();
      state.write(2);
    }
    rig.clock.advance(60);
    equal(backend.entryCount, 100, "nothing goes without a record");
    backend.setCurrentKey("key-0");
    const counts: number[] = [];
    for (let records = 1; records <= 60; records++) {
      equal(state.read(), 2);
      states.endSlice(records);
      counts.push(backend.entryCount);
    }
    equal(counts.at(-1), 10, "without a look at them");
    for (const [i, count] of counts.entries()) {
      ok((counts[i - 1] ?? 100) - count <= 5, `record ${i} has removed more than its share: ${counts}`);
    }
    for (const [i, key] of KEYS.entries()) {
      backend.setCurrentKey(key);
      equal(state.read(), i < 10 ? 2 : null);
    }
  });

  test(`${kind} state: what goes while a snapshot is written is in the snapshot [105]`, async () => {
    for (const [round, factory] of [heapBackendFactory, yielding, yielding].entries()) {
      await using rig = new BackendRig(factory);
      const backend = await rig.open([], { incremental: true });
      const ttl = mortal({ fullSnapshot: false, incremental: { entries: 2 } });
      const states = ttlStatesOf(backend, rig);
      const state = KINDS[kind]!(states, ttl);
      let records = 0;
      const read = () => {
        state.read();
        states.endSlice(++records);
      };
      for (const key of KEYS) {
        backend.setCurrentKey(key);
        state.write(3);
      }
      // The last round writes an increment of which everything is over.
      const base = round < 2 ? null : await rig.snapshot(backend, { confirm: true });
      rig.clock.advance(TTL_MS);
      let removed = 0;
      const handle = await rig.snapshot(backend, {
        between() {
          backend.setCurrentKey("nobody");
          const before = backend.entryCount;
          read();
          removed += before - backend.entryCount;
        },
      });
      ok(removed > 0, "cleanup runs between the slices");
      if (base === null) {
        await using restored = await rig.open([handle]);
        // With the clock set back all that was there is seen.
        const there = KINDS[kind]!(new TtlStates(restored, () => 0), ttl);
        deepEqual(
          KEYS.map((key) => {
            restored.setCurrentKey(key);
            return there.read();
          }),
          KEYS.map(() => 3),
        );
      }
      // What is gone is gone from the next increment, too.
      backend.setCurrentKey("nobody");
      for (let access = 0; access < 100; access++) read();
      equal(backend.entryCount, 0);
      await using later = await rig.open([await rig.snapshot(backend, { confirm: true })]);
      KINDS[kind]!(ttlStatesOf(later, rig), ttl);
      equal(later.entryCount, 0);
    }
  });
}

test("a long list or map is cleaned in parts, element by element, in every namespace [104]", async () => {
  await using rig = new BackendRig(heapBackendFactory);
  const backend = await rig.open();
  const states = ttlStatesOf(backend, rig);
  const list = states.state(listState<number>("list", { ttl: mortal() }));
  const map = states.state(mapState<number, number>("map", { ttl: mortal() }));
  const other = states.state(valueState<number>("other", { ttl: mortal({ incremental: false }) }));
  backend.setCurrentKey("k");
  for (const namespace of ["m", "n"]) {
    list.setNamespace(namespace);
    map.setNamespace(namespace);
    for (let i = 0; i < 300; i++) {
      list.add(i);
      map.set(i, i);
    }
  }
  rig.clock.advance(60);
  list.add(300);
  map.set(300, 300);
  rig.clock.advance(60);
  for (let records = 1; records <= 600; records++) {
    other.update(records);
    states.endSlice(records);
  }
  const rawList = backend.state(listState<unknown>("list"));
  const rawMap = backend.state(mapState<number, unknown>("map"));
  rawList.setNamespace("n");
  rawMap.setNamespace("n");
  deepEqual([rawList.get().length, rawMap.size], [1, 1]);
  equal(backend.entryCount, 3);
  deepEqual(list.get(), [300]);
  deepEqual([...map], [[300, 300]]);
});

test("each record counts, twice where that is asked for, and none more than once [104]", async () => {
  for (const everyRecord of [false, true]) {
    await using rig = new BackendRig(heapBackendFactory);
    const backend = await rig.open();
    const states = new TtlStates(backend, () => rig.clock.nowMs());
    const state = states.state(
      valueState<number>("v", { ttl: mortal({ incremental: { entries: 3, everyRecord } }) }),
    );
    for (const key of KEYS) {
      backend.setCurrentKey(key);
      state.update(1);
    }
    states.endSlice(100);
    rig.clock.advance(TTL_MS);
    states.beginSlice();
    states.endSlice(110);
    equal(backend.entryCount, everyRecord ? 40 : 70);
    states.endSlice(110);
    equal(backend.entryCount, everyRecord ? 40 : 70, "no record, nothing to do");
  }
});

test("time stands still within a slice [107]", async () => {
  await using rig = new BackendRig(heapBackendFactory);
  const backend = await rig.open();
  let looks = 0;
  const states = new TtlStates(backend, () => (looks++, rig.clock.nowMs()));
  const state = states.state(valueState<number>("v", { ttl: mortal({ incremental: false }) }));
  backend.setCurrentKey("k");
  state.update(1);
  equal(looks, 1);
  rig.clock.advance(TTL_MS);
  equal(state.value(), 1);
  states.beginSlice();
  equal(looks, 2);
  equal(state.value(), null);
});

test("what was never over costs no walks: cleanup rests until something can be over [104]", async () => {
  await using rig = new BackendRig(heapBackendFactory);
  const backend = await rig.open();
  const states = ttlStatesOf(backend, rig);
  const state = states.state(valueState<number>("v", { ttl: mortal() }));
  for (const key of KEYS) {
    backend.setCurrentKey(key);
    state.update(1);
    rig.clock.advance(1);
  }
  // All of them are written anew: the first that can be over is the one that was written first of these.
  for (const key of KEYS) {
    backend.setCurrentKey(key);
    state.update(2);
  }
  states.endSlice(100);
  equal(backend.entryCount, 100);
  rig.clock.advance(TTL_MS);
  backend.setCurrentKey("nobody");
  states.endSlice(200);
  equal(backend.entryCount, 0);
});
