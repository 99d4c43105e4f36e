/** The embedded backend keeps the contract of state backends, and does what its parts promise besides. */
import { deepEqual, equal, ok, rejects, throws } from "node:assert/strict";
import { test } from "node:test";
import {
  embeddedBackendFactory,
  type EmbeddedBackendFactoryOptions,
} from "../../backends/embedded/embedded_backend_factory.ts";
import type { StateBackend, StateBackendFactory } from "../../core/backend.ts";
import { ByteWriter } from "../../core/bytes.ts";
import { listState, mapState, valueState } from "../../core/descriptors.ts";
import { intersect, keyGroupOf } from "../../core/key_groups.ts";
import type { KeyedStateHandle } from "../../core/snapshot.ts";
import { BackendRig } from "../contracts/backend_rig.ts";
import { stateModelSuite } from "../contracts/keyed_state_model.ts";
import { COUNT, fill, read, TextNumber } from "../contracts/snapshot_sample.ts";
import { stateBackendContract } from "../contracts/state_backend.ts";
import { HeapRows } from "../support/heap_rows.ts";
import { SortedRowStores } from "../support/sorted_row_store.ts";

const OPTIONS: EmbeddedBackendFactoryOptions = {
  memory: { bytes: 1_048_576, writeBufferRatio: 0.5, highPriorityPoolRatio: 0.1 },
  directory: "/state",
};

function factory(options: Partial<EmbeddedBackendFactoryOptions> = {}, stores = new SortedRowStores()) {
  return embeddedBackendFactory(stores, { ...OPTIONS, ...options });
}

stateBackendContract("embedded", factory(), { checking: factory({ checkKeyGroups: true }) });
// So little that buffers are flushed in the middle of nearly everything.
stateModelSuite("embedded in little memory", factory({ memory: { ...OPTIONS.memory, bytes: 65_536 } }));

test("EmbeddedBackend closes every cursor and frees every snapshot that it has opened", async () => {
  const stores = new SortedRowStores();
  await using rig = new BackendRig(factory({}, stores));
  const backend = await rig.open();
  fill(backend, 1);
  await rig.snapshot(backend);
  backend.snapshot({ checkpointId: 90, full: false }).cancel(new Error("not wanted"));
  await rig.clock.settle();
  read(backend);
  const cells = backend.state(mapState<string, number>("cells"));
  for (const _ of cells.keys()) break;
  throws(() => {
    for (const _ of cells.values()) throw new Error("stop");
  }, /stop/);
  for (const _ of backend.keys(COUNT)) break;
  equal(backend.entryCount, 3500);
  const [store] = stores.stores;
  deepEqual([store?.cursorCount, store?.frozenCount], [0, 0]);
  await backend.close();
  equal(store?.isClosed, true);
});

test("EmbeddedBackend is refused before it is open, and has no current key then", async () => {
  await using rig = new BackendRig(factory());
  const backend = rig.create();
  throws(() => backend.state(COUNT), /not open/);
  throws(() => backend.setCurrentKey("a"), /not open/);
  throws(() => backend.snapshot({ checkpointId: 1, full: false }), /not open/);
  throws(() => backend.currentKey(), /none is set/);
});

test("EmbeddedBackend setCurrentKey() throws why a flush in the background has failed", async () => {
  const stores = new SortedRowStores();
  await using rig = new BackendRig(factory({}, stores));
  const backend = await rig.open();
  fill(backend, 1);
  stores.stores[0]!.fault = new Error("disk is full");
  await rejects(rig.snapshot(backend), /disk is full/);
  throws(() => backend.setCurrentKey("a"), /disk is full/);
});

test("EmbeddedBackend refuses a value that write buffers cannot hold, and goes on", async () => {
  await using rig = new BackendRig(factory({ memory: { ...OPTIONS.memory, bytes: 65_536 } }));
  const backend = await rig.open();
  const text = backend.state(valueState<string>("text"));
  backend.setCurrentKey("a");
  text.update("before");
  throws(() => text.update("x".repeat(100_000)), /memory.fixed-per-slot/);
  equal(text.value(), "before");
});

test("EmbeddedBackend values of two formats travel on undeclared, and are read in either order of restores [52]", async () => {
  await using rig = new BackendRig(factory());
  const v1 = valueState<number>("v", { serializer: new TextNumber(1) });
  const v2 = valueState<number>("v", { serializer: new TextNumber(2) });
  const low = { start: 0, end: 63 };
  const high = { start: 64, end: 127 };
  const keys = Array.from({ length: 50 }, (_, i) => `k${i + 20}`);
  const parts: (KeyedStateHandle | null)[] = [];
  for (const [keyGroups, descriptor] of [[low, v1], [high, v2]] as const) {
    const backend = await rig.open([], { keyGroups });
    const state = backend.state(descriptor);
    for (const key of keys) {
      if (intersect(keyGroups, { start: keyGroupOf(key, 128), end: keyGroupOf(key, 128) }) === undefined) continue;
      backend.setCurrentKey(key);
      state.update(Number(key.slice(1)));
    }
    parts.push(await rig.snapshot(backend));
  }
  const silent = await rig.open(parts);
  const joined = await rig.snapshot(silent);
  const declared = await rig.open([joined]);
  const again = await rig.open([await readAll(rig, declared, v2, keys)]);
  // What is left of version 1 is a line in the state table.
  const strict = valueState<number>("v", { serializer: new TextNumber(2, 2) });
  await readAll(rig, again, strict, keys);
});

async function readAll(
  rig: BackendRig,
  backend: StateBackend,
  descriptor: ReturnType<typeof valueState<number>>,
  keys: readonly string[],
): Promise<KeyedStateHandle | null> {
  const state = backend.state(descriptor);
  for (const key of keys) {
    backend.setCurrentKey(key);
    equal(state.value(), Number(key.slice(1)));
  }
  equal(backend.entryCount, keys.length);
  return await rig.snapshot(backend);
}

test("EmbeddedBackend a list that changes its format keeps its order and grows at its end [52]", async () => {
  await using rig = new BackendRig(factory());
  const backend = await rig.open();
  backend.setCurrentKey("a");
  const numbers = Array.from({ length: 300 }, (_, i) => i + 100);
  backend.state(listState<number>("l", { serializer: new TextNumber(1) })).addAll(numbers);
  const restored = await rig.open([await rig.snapshot(backend)]);
  restored.setCurrentKey("a");
  const list = restored.state(listState<number>("l", { serializer: new TextNumber(2) }));
  list.add(1000);
  deepEqual(list.get(), [...numbers, 1000]);
});

/** Rows as `orderedRows` knows them. */
function rowOf(number: number): Uint8Array {
  const out = new ByteWriter();
  out.u32(number);
  return out.copy();
}

function numbersOf(backend: StateBackend, keyGroup: number, from: number | null = null, limit = 100): number[] {
  const numbers: number[] = [];
  const first = from === null ? null : rowOf(from);
  backend.orderedRows!("timers").scan(keyGroup, first, limit, (bytes, start, end) => {
    equal(end - start, 4);
    numbers.push(new DataView(bytes.buffer, bytes.byteOffset).getUint32(start));
    return numbers.length < 8;
  });
  return numbers;
}

test("EmbeddedBackend orderedRows() keeps sets of rows by key group, in order, in every snapshot [53]", async () => {
  await using rig = new BackendRig(factory());
  const backend = await rig.open([], { incremental: true });
  const rows = backend.orderedRows!("timers");
  equal(backend.orderedRows!("timers"), rows);
  for (const number of [5, 3, 70_000, 3, 4]) rows.add(7, rowOf(number), 4);
  rows.add(8, rowOf(1), 4);
  deepEqual(numbersOf(backend, 7), [3, 4, 5, 70_000]);
  const first = await rig.snapshot(backend, { confirm: true });
  rows.remove(7, rowOf(4), 4);
  rows.remove(7, rowOf(99), 4);
  deepEqual([rows.has(7, rowOf(3), 4), rows.has(7, rowOf(4), 4), rows.has(8, rowOf(3), 4)], [true, false, false]);
  deepEqual(numbersOf(backend, 7), [3, 5, 70_000]);
  deepEqual(numbersOf(backend, 7, 4), [5, 70_000]);
  deepEqual(numbersOf(backend, 7, null, 2), [3, 5]);
  equal(backend.entryCount, 0);
  const second = await rig.snapshot(backend);
  for (const [handle, expected] of [[first, [3, 4, 5, 70_000]], [second, [3, 5, 70_000]]] as const) {
    const restored = await rig.open([handle]);
    deepEqual(numbersOf(restored, 7), expected);
    deepEqual(numbersOf(restored, 8), [1]);
  }
  throws(() => backend.state(valueState("timers")), /belongs to the timers/);
  backend.state(COUNT);
  throws(() => backend.orderedRows!("count"), /belongs to the timers/);
});

async function withHeapRows(
  rig: BackendRig,
  handles: readonly (KeyedStateHandle | null)[],
): Promise<[StateBackend, HeapRows]> {
  const backend = await rig.open(handles, { incremental: true });
  const rows = new HeapRows();
  backend.attach(rows);
  return [backend, rows];
}

test("EmbeddedBackend attached rows go into increments, and come back the same after each restore [53]", async () => {
  await using rig = new BackendRig(factory());
  let [backend, rows] = await withHeapRows(rig, []);
  for (let number = 0; number < 1000; number++) rows.set(7, number, true);
  fill(backend, 1);
  const full = await rig.snapshot(backend, { confirm: true });
  for (let round = 1; round < 40; round++) {
    rows.set(7, round, false);
    rows.set(7, 2000 + round, true);
    backend.setCurrentKey(`k${round}`);
    backend.state(COUNT).update(round);
    const handle = await rig.snapshot(backend, { confirm: round % 3 > 0, full: round % 7 === 0 });
    ok(handle !== null && full !== null);
    if (round === 1) ok(handle.incrementBytes < full.fullBytes / 5);
    ok(handle.runs.length < 40, `${handle.runs.length} runs`);
    const [restored, loaded] = await withHeapRows(rig, [handle]);
    deepEqual(loaded.numbers(7), rows.numbers(7));
    deepEqual(read(restored), read(backend));
    if (round % 5 === 0) [backend, rows] = [restored, loaded];
    else await restored.close();
  }
});

test("EmbeddedBackend rows move from the heap into the store and back, and none comes twice [53]", async () => {
  await using rig = new BackendRig(factory());
  const [onHeap, rows] = await withHeapRows(rig, []);
  for (const number of [1, 2, 3]) rows.set(7, number, true);
  const inStore = await rig.open([await rig.snapshot(onHeap)], { incremental: true });
  deepEqual(numbersOf(inStore, 7), [1, 2, 3]);
  inStore.orderedRows!("timers").remove(7, rowOf(2), 4);
  throws(() => inStore.attach(new HeapRows()), /belongs to the timers/);
  const [again, back] = await withHeapRows(rig, [await rig.snapshot(inStore)]);
  deepEqual(back.numbers(7), [1, 3]);
  back.set(7, 3, false);
  const last = await rig.open([await rig.snapshot(again)]);
  deepEqual(numbersOf(last, 7), [1]);
});

test("embeddedBackendFactory() gives backends of one slot one memory, and frees it with the last", async () => {
  const little: StateBackendFactory = factory({ memory: { ...OPTIONS.memory, bytes: 65_536 } });
  for (let round = 0; round < 3; round++) {
    await using rig = new BackendRig(little);
    const left = await rig.open();
    const right = await rig.open();
    for (const backend of [left, right]) {
      const text = backend.state(valueState<string>("text"));
      for (let i = 0; i < 200; i++) {
        backend.setCurrentKey(i);
        text.update("x".repeat(500));
      }
    }
    left.setCurrentKey(7);
    equal(left.state(valueState<string>("text")).value()?.length, 500);
  }
});
