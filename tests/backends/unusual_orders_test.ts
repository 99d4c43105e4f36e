/** Backends on disk in unusual orders: used after their end, in memory that a single value fills, with formats that change. */
import { deepEqual, equal, rejects, throws } from "node:assert/strict";
import { test } from "node:test";
import { embeddedBackendFactory } from "../../backends/embedded/embedded_backend_factory.ts";
import type { RowStoreFactory } from "../../backends/embedded/row_store.ts";
import { lsmRowStoreFactory } from "../../backends/lsm/lsm_store.ts";
import type { StateBackend, StateBackendFactory } from "../../core/backend.ts";
import { listState, mapState, reducingState, valueState } from "../../core/descriptors.ts";
import { keyGroupOf } from "../../core/key_groups.ts";
import { StreamError } from "../../core/errors.ts";
import type { Serializer } from "../../core/serializer.ts";
import type { KeyedStateHandle } from "../../core/snapshot.ts";
import { BackendRig, MAX_PARALLELISM } from "../contracts/backend_rig.ts";
import { lmdbStoresForTests } from "../support/native_folder.ts";
import { TextNumber } from "../contracts/snapshot_sample.ts";

const LSM = lsmRowStoreFactory({ blockBytes: 512, targetFileBytes: 8192, levelBaseBytes: 32_768 });
const STORES: readonly RowStoreFactory[] = [LSM, await lmdbStoresForTests()];
const TINY = 65_536;

function factory(stores: RowStoreFactory, bytes = TINY): StateBackendFactory {
  const memory = { bytes, writeBufferRatio: 0.5, highPriorityPoolRatio: 0.1 };
  return embeddedBackendFactory(stores, { memory, directory: "/state" });
}

for (const stores of STORES) {
  const { name } = stores;

  test(`${name}: a backend that is closed refuses all use, and its handles leave others of the slot alone [44]`, async () => {
    await using rig = new BackendRig(factory(stores));
    const closed = await rig.open();
    const descriptor = valueState<string>("v");
    const state = closed.state(descriptor);
    const items = closed.state(listState<string>("l"));
    const cells = closed.state(mapState<string, string>("m"));
    const rowSet = closed.orderedRows!("timers");
    closed.setCurrentKey("a");
    state.update("mine");
    const other = await rig.open();
    await closed.close();
    const others = other.state(descriptor);
    for (let i = 0; i < 200; i++) {
      other.setCurrentKey(`k${i}`);
      others.update(`other ${i}`);
    }
    const uses: (() => unknown)[] = [
      () => closed.setCurrentKey("a"),
      () => state.update("late"),
      () => state.value(),
      () => items.add("late"),
      () => cells.set("x", "late"),
      () => [...closed.keys(descriptor)],
      () => rowSet.add(3, new Uint8Array([1]), 1),
      () => closed.orderedRows!("late"),
      () => closed.state(valueState<string>("late")),
    ];
    for (const use of uses) throws(use, StreamError, use.toString());
    throws(() => closed.setCurrentKey("a"), /it is closed/);
    for (let i = 0; i < 200; i++) {
      other.setCurrentKey(`k${i}`);
      equal(others.value(), `other ${i}`);
    }
  });

  test(`${name}: values of many times the memory change their format, and nothing of the old one is left [52]`, async () => {
    await using rig = new BackendRig(factory(stores));
    const kinds = (serializer: Serializer<number>) => ({
      value: valueState<number>("v", { serializer }),
      list: listState<number>("l", { serializer }),
      sum: reducingState<number>("r", (left, right) => left + right, { serializer }),
      map: mapState<string, number>("m", { serializer }),
    });
    const KEYS = 1500;
    const first = await rig.open();
    const old = kinds(new TextNumber(1));
    for (let i = 0; i < KEYS; i++) {
      first.setCurrentKey(`key ${i}`);
      first.state(old.value).update(i + 100);
      first.state(old.list).addAll([i + 100, i + 101]);
      first.state(old.sum).add(i + 100);
      first.state(old.map).set("x", i + 100).set("y", i + 101);
    }
    const check = (backend: StateBackend, serializer: Serializer<number>): void => {
      const now = kinds(serializer);
      for (let i = 0; i < KEYS; i++) {
        backend.setCurrentKey(`key ${i}`);
        equal(backend.state(now.value).value(), i + 100);
        deepEqual(backend.state(now.list).get(), [i + 100, i + 101]);
        equal(backend.state(now.sum).get(), i + 100);
        deepEqual([...backend.state(now.map)].sort(), [["x", i + 100], ["y", i + 101]]);
      }
      equal(backend.entryCount, KEYS * 4);
    };
    const second = await rig.open([await rig.snapshot(first)]);
    await first.close();
    check(second, new TextNumber(2));
    const third = await rig.open([await rig.snapshot(second)]);
    check(third, new TextNumber(2, 2));
  });

  test(`${name}: values that fill nearly all of the memory are kept beside each other; larger ones name the option to raise`, async () => {
    await using rig = new BackendRig(factory(stores, 1_048_576));
    const backend = await rig.open();
    const state = backend.state(valueState<string>("large"));
    const list = backend.state(listState<string>("large-list"));
    const valueOf = (i: number, round: number) => `${i}/${round}:`.padEnd(120_000 + i * 20_000, `${i}`);
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 10; i++) {
        backend.setCurrentKey(i);
        state.update(valueOf(i, round));
        list.add(valueOf(i, round));
      }
    }
    const check = (from: StateBackend): void => {
      for (let i = 0; i < 10; i++) {
        from.setCurrentKey(i);
        equal(from.state(valueState<string>("large")).value(), valueOf(i, 2));
        deepEqual(from.state(listState<string>("large-list")).get(), [0, 1, 2].map((round) => valueOf(i, round)));
      }
    };
    check(backend);
    const option = new RegExp(`raise state\\.backend\\.${name}\\.memory\\.fixed-per-slot`);
    throws(() => state.update("x".repeat(2_000_000)), option);
    throws(() => list.add("x".repeat(2_000_000)), option);
    check(backend);
    check(await rig.open([await rig.snapshot(backend)]));
  });

  test(`${name}: a map that is cleared and written anew while it is walked gives what is there when its turn comes`, async () => {
    await using rig = new BackendRig(factory(stores));
    const backend = await rig.open();
    const map = backend.state(mapState<number, string>("m"));
    backend.setCurrentKey("a");
    for (let i = 0; i < 500; i++) map.set(i, `old ${i}`);
    const seen: [number, string][] = [];
    for (const [key, value] of map) {
      seen.push([key, value]);
      if (seen.length === 10) {
        map.clear();
        // More than the memory holds, so that the cursor's rows move to disk.
        backend.setCurrentKey("b");
        for (let i = 0; i < 3000; i++) map.set(i, `other ${i}`);
        backend.setCurrentKey("a");
        map.set(400, "new 400").set(1000, "never there before");
      }
    }
    equal(seen.length, 11);
    deepEqual(seen[10], [400, "new 400"]);
    equal(map.size, 2);
    backend.setCurrentKey("b");
    equal(map.size, 3000);
  });

  test(`${name}: lists larger than the memory are merged into another namespace, which has some elements already [30]`, async () => {
    await using rig = new BackendRig(factory(stores));
    const backend = await rig.open();
    const list = backend.state(listState<string>("l"));
    backend.setCurrentKey("a");
    const textOf = (namespace: string, i: number) => `${namespace} ${i} `.padEnd(60, ".");
    const expected: string[] = [];
    for (const namespace of ["x", "target", "y"]) {
      list.setNamespace(namespace);
      for (let i = 0; i < 1500; i++) {
        list.add(textOf(namespace, i));
        expected.push(textOf(namespace, i));
      }
    }
    list.mergeNamespaces("target", ["x", "y", "target", "empty", "x"]);
    list.setNamespace("target");
    deepEqual(list.get().sort(), expected.sort());
    for (const namespace of ["x", "y", "empty"]) {
      list.setNamespace(namespace);
      deepEqual(list.get(), []);
    }
    equal(backend.entryCount, 1);
    const restored = await rig.open([await rig.snapshot(backend)]);
    restored.setCurrentKey("a");
    const again = restored.state(listState<string>("l"));
    again.setNamespace("target");
    deepEqual(again.get().sort(), expected);
  });

  test(`${name}: a key group alone is a backend: restored from many, written, cut out again [58] [63]`, async () => {
    await using rig = new BackendRig(factory(stores));
    const descriptor = valueState<number>("v");
    const whole = await rig.open([], { incremental: true });
    const keys = Array.from({ length: 3000 }, (_, i) => `k${i}`);
    let latest: KeyedStateHandle | null = null;
    for (let round = 0; round < 4; round++) {
      const state = whole.state(descriptor);
      for (const [i, key] of keys.entries()) {
        if (i % (round + 1) !== 0) continue;
        whole.setCurrentKey(key);
        state.update(round * 10_000 + i);
      }
      latest = await rig.snapshot(whole, { confirm: true });
    }
    const expected = (i: number) => [3, 2, 1, 0].find((round) => i % (round + 1) === 0)! * 10_000 + i;
    const group = keyGroupOf("k7", MAX_PARALLELISM);
    const own = keys.flatMap((key, i) => keyGroupOf(key, MAX_PARALLELISM) === group ? [[key, i] as const] : []);
    const keyGroups = { start: group, end: group };
    const one = await rig.open([latest], { keyGroups, incremental: true });
    deepEqual([...one.keys(descriptor)].sort(), own.map(([key]) => key).sort());
    for (const [key, i] of own) {
      one.setCurrentKey(key);
      equal(one.state(descriptor).value(), expected(i));
      one.state(descriptor).update(-i);
    }
    const cut = await rig.snapshot(one, { confirm: true });
    const rest = [{ start: 0, end: group - 1 }, { start: group + 1, end: MAX_PARALLELISM - 1 }];
    const others = [];
    for (const range of rest) others.push(await rig.snapshot(await rig.open([latest], { keyGroups: range })));
    const joined = await rig.open([cut, ...others]);
    equal([...joined.keys(descriptor)].length, keys.length);
    for (const [i, key] of keys.entries()) {
      joined.setCurrentKey(key);
      equal(joined.state(descriptor).value(), keyGroupOf(key, MAX_PARALLELISM) === group ? -i : expected(i));
    }
  });

  test(`${name}: a checkpoint that is confirmed after its abort, or aborted while it is written, is not built on [185]`, async () => {
    await using rig = new BackendRig(factory(stores, 8_388_608));
    const backend = await rig.open([], { incremental: true });
    const state = backend.state(valueState<number>("v"));
    const write = (round: number): void => {
      for (let i = 0; i < 300; i++) {
        backend.setCurrentKey(i);
        state.update(round * 1000 + i);
      }
    };
    const check = async (handle: KeyedStateHandle | null, round: number): Promise<void> => {
      await using restored = await rig.open([handle]);
      for (let i = 0; i < 300; i++) {
        restored.setCurrentKey(i);
        equal(restored.state(valueState<number>("v")).value(), round * 1000 + i);
      }
    };
    write(1);
    await rig.snapshot(backend, { id: 1, confirm: true });
    write(2);
    const late = await rig.snapshot(backend, { id: 2 });
    backend.abort(2);
    for (const { file } of late!.runs) {
      if (file.scope === "shared" && file.name !== "run-0") rig.files.files.delete(file.name);
    }
    backend.confirm(2);
    write(3);
    await check(await rig.snapshot(backend, { id: 3 }), 3);
    // Aborted in the middle, while another one has begun.
    const slow = backend.snapshot({ checkpointId: 4, full: false });
    const writing = slow.write(rig.files);
    write(5);
    const next = backend.snapshot({ checkpointId: 5, full: false }).write(rig.files);
    backend.abort(4);
    slow.cancel(new Error("aborted"));
    await rejects(rig.clock.runUntil(writing), /aborted/);
    await check(await rig.clock.runUntil(next), 5);
    backend.confirm(4);
    backend.confirm(5);
    write(6);
    await check(await rig.snapshot(backend, { id: 6 }), 6);
    equal(rig.files.openForWrite, 0);
  });
}
