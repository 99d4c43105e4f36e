/** What the heap lists for increments and keeps for running snapshots, where rows and cells come and go. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { heapBackendFactory, HeapStateBackend } from "../../backends/heap/heap_backend.ts";
import type { StateBackend, StateBackendFactory } from "../../core/backend.ts";
import { mapState, valueState } from "../../core/descriptors.ts";
import { BackendRig } from "../contracts/backend_rig.ts";

const COUNT = valueState<number>("count", { default: 0 });
const OTHER = valueState<number>("other", { default: 0 });
const CELLS = mapState<string, number>("cells");
/** Gives way after every row; small tables count as large. */
const yielding: StateBackendFactory = {
  name: "hashmap, yielding",
  create: (context) => new HeapStateBackend(context, { rowsPerLook: 1, columnRows: 1, indexedRows: 3 }),
};

function put(backend: StateBackend, key: string, count: number): void {
  backend.setCurrentKey(key);
  backend.state(COUNT).update(count);
}

function counts(backend: StateBackend): [string, number][] {
  const found: [string, number][] = [];
  for (const key of backend.keys(COUNT)) {
    backend.setCurrentKey(key);
    found.push([String(key), backend.state(COUNT).value()]);
  }
  return found.sort(([left], [right]) => (left < right ? -1 : 1));
}

for (const factory of [heapBackendFactory, yielding]) {
  test(`${factory.name}: a cell deleted before a snapshot stays deleted when its map is cleared during it`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open([], { incremental: true });
    backend.setCurrentKey("k");
    const cells = backend.state(CELLS);
    cells.setAll([["kept", 1], ["deleted", 2]]);
    await rig.snapshot(backend, { confirm: true });
    cells.delete("deleted");
    let clears = 0;
    const increment = await rig.snapshot(backend, {
      confirm: true,
      between: () => {
        if (clears++ === 0) cells.clear();
      },
    });
    ok(clears > 0, "nothing ran during the snapshot");
    await using restored = await rig.open([increment]);
    restored.setCurrentKey("k");
    deepEqual([...restored.state(CELLS)], [["kept", 1]]);
    await using last = await rig.open([await rig.snapshot(backend)]);
    deepEqual([...last.keys(CELLS)], []);
  });

  test(`${factory.name}: a key that takes the row of a removed one during a snapshot leaves it as it was`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open([], { incremental: true });
    for (let i = 0; i < 200; i++) put(backend, `old ${i}`, i);
    const before = counts(backend);
    let turns = 0;
    const first = await rig.snapshot(backend, {
      confirm: true,
      between: () => {
        if (turns++ > 0) return;
        for (let i = 0; i < 200; i++) {
          backend.setCurrentKey(`old ${i}`);
          backend.state(COUNT).clear();
          put(backend, `new ${i}`, -i);
        }
      },
    });
    ok(turns > 0, "nothing ran during the snapshot");
    await using restored = await rig.open([first]);
    deepEqual(counts(restored), before);
    await using last = await rig.open([await rig.snapshot(backend)]);
    deepEqual(counts(last), counts(backend));
    equal(backend.entryCount, 200);
  });

  test(`${factory.name}: an increment holds what was written to a state declared during the snapshot before it`, async () => {
    await using rig = new BackendRig(factory);
    await using origin = await rig.open();
    put(origin, "a", 1);
    // Many, so that the increments weigh less and the last snapshot is one.
    for (let i = 0; i < 1000; i++) put(origin, `other ${i}`, i);
    origin.setCurrentKey("a");
    origin.state(CELLS).set("x", 1);
    await using backend = await rig.open([await rig.snapshot(origin)], { incremental: true });
    await rig.snapshot(backend, { confirm: true });
    // Something to write, so that the snapshot runs for a while.
    for (let i = 0; i < 200; i++) {
      backend.setCurrentKey(i);
      backend.state(OTHER).update(i);
    }
    let turns = 0;
    await rig.snapshot(backend, {
      confirm: true,
      between: () => {
        if (turns++ > 0) return;
        put(backend, "a", 10);
        backend.state(CELLS).set("x", 10);
      },
    });
    ok(turns > 0, "nothing ran during the snapshot");
    await using restored = await rig.open([await rig.snapshot(backend)]);
    deepEqual(counts(restored), counts(backend));
    restored.setCurrentKey("a");
    equal(restored.state(COUNT).value(), 10);
    equal(restored.state(CELLS).get("x"), 10);
  });

  test(`${factory.name}: two snapshots at once, a cancelled one and the next each hold their own values`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = rig.create();
    for (let i = 0; i < 2000; i++) put(backend, `key ${i}`, i);
    const cancelled = backend.snapshot({ checkpointId: 1, full: false });
    const early = backend.snapshot({ checkpointId: 2, full: false });
    const before = counts(backend);
    for (let i = 0; i < 2000; i += 3) put(backend, `key ${i}`, -i);
    backend.setCurrentKey("key 5");
    backend.state(COUNT).clear();
    const middle = counts(backend);
    const late = backend.snapshot({ checkpointId: 3, full: true });
    let turns = 0;
    const change = () => {
      const i = turns++;
      if (i === 2) cancelled.cancel(new Error("no longer wanted"));
      put(backend, `key ${1999 - i}`, i); // From the end, where the walk has not been yet.
      put(backend, `new ${i}`, i);
      if (i % 2 === 1) return;
      backend.setCurrentKey(`key ${1000 + i}`);
      backend.state(COUNT).clear();
      put(backend, `key ${1000 + i}`, 7);
    };
    const written = Promise.allSettled([cancelled, early, late].map((snapshot) => snapshot.write(rig.files)));
    const [first, second, third] = await rig.clock.runUntil(written, change);
    ok(turns > 20, "too little ran during the snapshots");
    equal(first!.status, "rejected");
    for (const [result, expected] of [[second!, before], [third!, middle]] as const) {
      if (result.status === "rejected") throw result.reason;
      await using restored = await rig.open([result.value]);
      deepEqual(counts(restored), expected);
    }
    // Freed rows, of which the cancelled snapshot has kept values, are taken by new keys during the next one.
    for (let i = 1500; i < 1950; i += 3) {
      backend.setCurrentKey(`key ${i}`);
      backend.state(COUNT).clear();
    }
    const now = counts(backend);
    await using last = await rig.open([await rig.snapshot(backend, { between: change })]);
    deepEqual(counts(last), now);
  });
}
