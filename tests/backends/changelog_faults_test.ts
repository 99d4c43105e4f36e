/** What a changelog does when parts of it fail or end at an unlucky moment: nothing is lost, left behind or waited for. */
import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { test } from "node:test";
import { changelogFactory } from "../../backends/changelog/changelog_factory.ts";
import { heapBackendFactory } from "../../backends/heap/heap_backend.ts";
import type { StateBackend, StateBackendFactory } from "../../core/backend.ts";
import { listState, reducingState, valueState } from "../../core/descriptors.ts";
import type { FileRef, KeyedStateHandle, SnapshotStore } from "../../core/snapshot.ts";
import { filesOf } from "../contracts/backend_rig.ts";
import { COUNT, fill, TextNumber } from "../contracts/snapshot_sample.ts";
import { HeapRows } from "../support/heap_rows.ts";
import { BACKENDS, INTERVAL_MS, LoggedRig, nameOf, touch, verify } from "./changelog_rig.ts";

const LSM = BACKENDS[1]![1];

function namesOf(handle: KeyedStateHandle | null): string[] {
  return filesOf(handle!).map(nameOf).filter((name) => name !== "");
}

test("a materialization of lsm names the files that the one before has uploaded, and writes what is new [260]", async () => {
  await using rig = new LoggedRig(LSM);
  const backend = await rig.openLogged(LSM);
  const runs: (readonly FileRef[])[] = [];
  for (let id = 1; id <= 3; id++) {
    if (id === 1) { for (let round = 0; round < 30; round++) fill(backend, round); }
    else touch(backend, id);
    await rig.pass(INTERVAL_MS);
    touch(backend, 20 + id);
    const handle = await rig.snapshot(backend, { id, confirm: true });
    runs.push(handle!.runs.map(({ file }) => file));
    // Nothing builds on one that stands alone, and it is in nobody's way.
    await rig.snapshot(backend, { id: 100 + id, full: true, confirm: true });
    await verify(rig, backend, handle);
  }
  const [, second, third] = runs.map((files) => files.map(nameOf));
  ok(third!.some((name) => second!.includes(name)), `${second} and ${third} have no file in common`);
});

test("a segment that is cut off while it is written is removed when it is there [225]", async () => {
  await using rig = new LoggedRig(heapBackendFactory);
  const backend = await rig.openLogged(heapBackendFactory, { preemptiveBytes: 262_144 });
  const gate = Promise.withResolvers<void>();
  rig.beforeCreate = () => gate.promise;
  for (let round = 0; round < 10; round++) fill(backend, round);
  rig.beforeCreate = () => {};
  await rig.pass(INTERVAL_MS);
  equal(rig.count("completedMaterialization"), 1);
  gate.resolve();
  await rig.rest();
  const handle = await rig.snapshot(backend, { id: 1, confirm: true });
  deepEqual([...rig.files.files.keys()].sort(), namesOf(handle).sort());
});

test("a segment that is cut off while it is written, and fails, counts as in flight no more [260]", async () => {
  await using rig = new LoggedRig(heapBackendFactory);
  const settings = { preemptiveBytes: 262_144, maxInFlightBytes: 200_000, maxAttempts: 1, retryDelayMs: 100 };
  const backend = await rig.openLogged(heapBackendFactory, settings);
  const gate = Promise.withResolvers<void>();
  rig.beforeCreate = () => gate.promise;
  for (let round = 0; round < 10; round++) fill(backend, round);
  ok(backend.backpressure?.() !== undefined);
  rig.beforeCreate = () => {};
  await rig.pass(INTERVAL_MS);
  equal(rig.count("completedMaterialization"), 1);
  gate.reject(new Error("disk full"));
  await rig.rest();
  equal(backend.backpressure?.(), undefined);
});

test("what a checkpoint could not write is tried again by itself while records wait: no barrier would come [260]", async () => {
  await using rig = new LoggedRig(heapBackendFactory);
  const settings = { intervalMs: null, maxInFlightBytes: 10_000, maxAttempts: 1, retryDelayMs: 100 };
  const backend = await rig.openLogged(heapBackendFactory, settings);
  fill(backend, 1);
  let failing = true;
  rig.beforeCreate = () => {
    if (failing) throw new Error("disk full");
  };
  const writing = backend.snapshot({ checkpointId: 1, full: false }).write(rig.files);
  const failed = rejects(writing, /disk full/);
  await rig.rest();
  await failed;
  backend.abort(1);
  const room = backend.backpressure?.();
  ok(room !== undefined);
  failing = false;
  await rig.pass(1000);
  equal(backend.backpressure?.(), undefined);
  await room;
  await verify(rig, backend, await rig.snapshot(backend, { id: 2 }));
});

test("changes of a checkpoint that was cancelled before it was written are written while records wait [260]", async () => {
  await using rig = new LoggedRig(heapBackendFactory);
  const backend = await rig.openLogged(heapBackendFactory, { intervalMs: null, maxInFlightBytes: 10_000 });
  fill(backend, 1);
  backend.snapshot({ checkpointId: 1, full: false }).cancel(new Error("stopped by the test"));
  backend.abort(1);
  const room = backend.backpressure?.();
  ok(room !== undefined);
  await rig.rest();
  equal(backend.backpressure?.(), undefined);
  await room;
});

test("a checkpoint of which one part fails leaves no file of the others behind", async () => {
  await using rig = new LoggedRig(heapBackendFactory);
  const backend = await rig.openLogged(heapBackendFactory, { intervalMs: null, maxAttempts: 1, inlineBytes: 0 });
  const timers = new HeapRows();
  backend.attach(timers);
  fill(backend, 1);
  for (let i = 0; i < 100; i++) timers.set(3, i, true);
  let created = 0;
  // The segment of changes comes first, the one of rows of another owner second.
  rig.beforeCreate = () => {
    if (++created === 1) throw new Error("disk full");
  };
  const failed = rejects(backend.snapshot({ checkpointId: 1, full: false }).write(rig.files), /disk full/);
  await rig.rest();
  await failed;
  backend.abort(1);
  await rig.rest();
  deepEqual([created, rig.files.files.size], [2, 0]);
  const handle = await rig.snapshot(backend, { id: 2, confirm: true });
  deepEqual([...rig.files.files.keys()].sort(), namesOf(handle).sort());
  await verify(rig, backend, handle);
});

/** A checkpoint that is a materialization, of which all but the rows of timers is written. @returns Files there were before. */
async function failBesideMaterialization(rig: LoggedRig, store: SnapshotStore): Promise<[StateBackend, string[]]> {
  const first = await rig.openLogged(heapBackendFactory);
  fill(first, 1);
  const handle = await rig.snapshot(first, { id: 1, confirm: true });
  const before = [...rig.files.files.keys()];
  const backend = await rig.openLogged(heapBackendFactory, { intervalMs: null, maxAttempts: 1, inlineBytes: 0 }, [
    handle,
  ]);
  const timers = new HeapRows();
  backend.attach(timers);
  for (let i = 0; i < 100; i++) timers.set(3, i, true);
  const gate = Promise.withResolvers<void>();
  rig.beforeCreate = () => gate.promise;
  const failed = rejects(backend.snapshot({ checkpointId: 2, full: false }).write(store), /disk full/);
  await rig.rest();
  ok(rig.files.files.size > before.length, "the materialization is written");
  gate.reject(new Error("disk full"));
  await rig.rest();
  await failed;
  backend.abort(2);
  await rig.rest();
  rig.beforeCreate = () => {};
  return [backend, before];
}

test("a checkpoint that is a materialization leaves none of its files behind when its timers cannot be written", async () => {
  await using rig = new LoggedRig(heapBackendFactory);
  const [backend, before] = await failBesideMaterialization(rig, rig.store);
  deepEqual([...rig.files.files.keys()], before);
  equal(rig.count("numberOfFilesLeftBehind"), 0);
  await verify(rig, backend, await rig.snapshot(backend, { id: 3 }));
});

test("files of a materialization that cannot be removed are counted", async () => {
  await using rig = new LoggedRig(heapBackendFactory);
  const store = { ...rig.store, discard: () => Promise.reject(new Error("read only")) };
  const [, before] = await failBesideMaterialization(rig, store);
  const left = rig.files.files.size - before.length;
  ok(left > 0);
  equal(rig.count("numberOfFilesLeftBehind"), left);
});

test("a materialization that is under way when restored values are migrated is not built on", async () => {
  await using rig = new LoggedRig(heapBackendFactory);
  const older = valueState<number>("migrated", { serializer: new TextNumber(1) });
  const newer = valueState<number>("migrated", { serializer: new TextNumber(2) });
  const before = await rig.openLogged(heapBackendFactory, { intervalMs: null });
  fill(before, 1);
  before.setCurrentKey("k1");
  before.state(older).update(7);
  const saved = await rig.snapshot(before, { id: 1, confirm: true });
  const backend = await rig.openLogged(heapBackendFactory, { preemptiveBytes: 1024 }, [saved]);
  const second = await rig.snapshot(backend, { id: 2, confirm: true });
  touch(backend, 1);
  const gate = Promise.withResolvers<void>();
  rig.beforeCreate = () => gate.promise;
  await rig.pass(INTERVAL_MS);
  backend.setCurrentKey("k1");
  equal(backend.state(newer).value(), 7);
  for (let round = 2; round < 9; round++) fill(backend, round);
  gate.resolve();
  await rig.rest();
  rig.beforeCreate = () => {};
  const handle = await rig.snapshot(backend, { id: 3, confirm: true });
  await verify(rig, backend, handle);
  const named = new Set([...namesOf(saved), ...namesOf(second), ...namesOf(handle)]);
  deepEqual([...rig.files.files.keys()].filter((name) => !named.has(name)), []);
});

test("keys of a folding state may be asked for before it is opened, and its handles may be many", async () => {
  for (const [, inner] of BACKENDS) {
    await using rig = new LoggedRig(inner);
    const sum = reducingState<number>("late", (left, right) => left + right);
    const backend = await rig.openLogged(inner, { intervalMs: null });
    deepEqual([...backend.keys(sum)], []);
    backend.setCurrentKey("k");
    for (let i = 1; i <= 3; i++) backend.state(sum).add(i);
    await using restored = await rig.open([await rig.snapshot(backend)], { factory: changelogFactory(inner) });
    restored.setCurrentKey("k");
    equal(restored.state(sum).get(), 6);
  }
});

test("elements of which one cannot be written change neither the list nor the log", async () => {
  for (const [, inner] of BACKENDS) {
    await using rig = new LoggedRig(inner);
    const list = listState<number>("texts", { serializer: new TextNumber(1) });
    const backend = await rig.openLogged(inner, { intervalMs: null });
    backend.setCurrentKey("k");
    const handle = backend.state(list);
    handle.addAll([1, 2]);
    for (const act of [() => handle.addAll([3, 13, 4]), () => handle.update([5, 13])]) {
      let refused = false;
      try {
        act();
      } catch {
        refused = true;
      }
      ok(refused);
    }
    deepEqual(handle.get(), [1, 2]);
    await using restored = await rig.open([await rig.snapshot(backend)], { factory: changelogFactory(inner) });
    restored.setCurrentKey("k");
    deepEqual(restored.state(list).get(), [1, 2]);
    equal(restored.state(COUNT).value(), 0);
  }
});

test("a backend below that cannot take a snapshot fails a materialization, not the process", async () => {
  let failing = false;
  const inner: StateBackendFactory = {
    ...heapBackendFactory,
    create: (context) => {
      const backend = heapBackendFactory.create(context);
      const snapshot = backend.snapshot.bind(backend);
      backend.snapshot = (request) => {
        if (failing) throw new Error("no snapshot now");
        return snapshot(request);
      };
      return backend;
    },
  };
  await using rig = new LoggedRig(inner);
  const backend = await rig.openLogged(inner);
  fill(backend, 1);
  failing = true;
  await rig.pass(INTERVAL_MS);
  equal(rig.count("failedMaterialization"), 1);
  await verify(rig, backend, await rig.snapshot(backend, { id: 1, confirm: true }));
  failing = false;
  await rig.rest();
  touch(backend, 1);
  const handle = await rig.snapshot(backend, { id: 2 });
  ok(handle!.runs.length > 0 || handle!.log!.length > 0);
  await verify(rig, backend, handle);
});

test("metrics tell the attempt that has succeeded from those that were begun, and count materializations by checkpoints", async () => {
  await using rig = new LoggedRig(heapBackendFactory);
  const first = await rig.openLogged(heapBackendFactory, { intervalMs: null, timeoutMs: 1000 });
  fill(first, 1);
  const slow = Promise.withResolvers<void>();
  let attempts = 0;
  rig.beforeCreate = () => ++attempts === 2 ? new Promise<void>(() => {}) : slow.promise;
  const writing = first.snapshot({ checkpointId: 1, full: false }).write(rig.files);
  await rig.pass(1000);
  slow.resolve();
  await rig.rest();
  const handle = await writing;
  const operator = rig.registry.operator("op", "op", 0);
  const last = (name: string) => operator.histogram(name).quantile(1);
  deepEqual(["attemptsPerUpload", "totalAttemptsPerUpload", "uploadBatchSizes"].map(last), [1, 2, 1]);
  rig.beforeCreate = () => {};
  const backend = await rig.openLogged(heapBackendFactory, { intervalMs: null }, [handle]);
  await rig.snapshot(backend, { id: 2, confirm: true });
  deepEqual([rig.count("startedMaterialization"), rig.count("completedMaterialization")], [1, 1]);
});
