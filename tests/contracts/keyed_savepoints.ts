/** Snapshots that stand alone, in files of the backend's own or canonical: nothing builds on them, and they disturb nothing. */
import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { test } from "node:test";
import type { StateBackend, StateBackendFactory } from "../../core/backend.ts";
import type { FileRef, KeyedStateHandle, SnapshotStore } from "../../core/snapshot.ts";
import { HeapRows } from "../support/heap_rows.ts";
import { BackendRig, filesOf } from "./backend_rig.ts";
import { COUNT, fill, ITEMS, KEYS, read } from "./snapshot_sample.ts";

/** What becomes of a savepoint. */
const FATES = ["confirmed", "aborted", "never heard of again", "failing", "cancelled"] as const;

/** Items 46, 243, 261, 270. */
export function savepointSuite(name: string, factory: StateBackendFactory): void {
  for (const canonical of [false, true]) {
    const format = canonical ? "canonical" : "native";
    for (const fate of FATES) {
      test(`${name}: increments build on the checkpoint before a ${format} savepoint that is ${fate} [270]`, async () => {
        await using rig = new BackendRig(factory);
        await using backend = await rig.open([], { incremental: true });
        const rows = new HeapRows();
        backend.attach(rows);
        fill(backend, 1);
        rows.set(3, 1, true);
        const first = await rig.snapshot(backend, { id: 1, confirm: true });
        touch(backend, rows, 2);
        await meetFate(rig, backend, canonical, fate);
        touch(backend, rows, 3);
        const second = await rig.snapshot(backend, { id: 3, confirm: true });
        checkIncrement(second!, first!);
        touch(backend, rows, 4);
        const third = await rig.snapshot(backend, { id: 4, confirm: true });
        checkIncrement(third!, second!);
        await verify(rig, backend, rows, third!);
      });
    }

    test(`${name}: a ${format} savepoint is whole in files of its own, which may be all that is left [243] [261]`, async () => {
      await using rig = new BackendRig(factory);
      await using backend = await rig.open([], { incremental: true });
      const rows = new HeapRows();
      backend.attach(rows);
      fill(backend, 1);
      for (const id of [1, 2]) {
        touch(backend, rows, id);
        await rig.snapshot(backend, { id, confirm: true });
      }
      touch(backend, rows, 3);
      const savepoint = await rig.snapshot(backend, { id: 3, full: true, canonical });
      equal(savepoint!.incrementBytes, savepoint!.fullBytes);
      const own = new Set(savepoint!.runs.map(({ file }) => nameOf(file)));
      ok(savepoint!.runs.every(({ file }) => file.scope === "exclusive"));
      for (const file of [...rig.files.files.keys()]) if (!own.has(file)) rig.files.files.delete(file);
      await verify(rig, backend, rows, savepoint!);
    });

    test(`${name}: forty ${format} savepoints between two checkpoints leave the second an increment [270]`, async () => {
      await using rig = new BackendRig(factory);
      await using backend = await rig.open([], { incremental: true });
      const rows = new HeapRows();
      backend.attach(rows);
      fill(backend, 1);
      // A store that merges its runs has found their places then.
      for (let id = 1; id <= 20; id++) {
        touch(backend, rows, 100 + id);
        await rig.snapshot(backend, { id, full: true, canonical });
      }
      const first = await rig.snapshot(backend, { id: 21, confirm: true });
      for (let id = 22; id < 62; id++) {
        touch(backend, rows, id);
        const savepoint = await rig.snapshot(backend, { id, full: true, canonical });
        if (id % 3 !== 0) backend.confirm(id);
        if (id % 10 === 0) await verify(rig, backend, rows, savepoint!);
        for (const { file } of savepoint!.runs) rig.files.files.delete(nameOf(file));
      }
      const second = await rig.snapshot(backend, { id: 62, confirm: true });
      ok(second!.incrementBytes < second!.fullBytes / 2, `${second!.incrementBytes} of ${second!.fullBytes} bytes`);
      ok(filesOf(second!).some((file) => filesOf(first!).some((known) => nameOf(known) === nameOf(file))));
      await verify(rig, backend, rows, second!);
    });

    test(`${name}: a checkpoint under way when a ${format} savepoint is taken is built on once it is confirmed [270]`, async () => {
      const gate = Promise.withResolvers<void>();
      await using rig = new BackendRig(factory, { beforeWrite: (file) => file === "run-0" ? gate.promise : undefined });
      await using backend = await rig.open([], { incremental: true });
      const rows = new HeapRows();
      backend.attach(rows);
      fill(backend, 1);
      const slow = backend.snapshot({ checkpointId: 1, full: false }).write(rig.files);
      await rejects(rig.clock.runUntil(slow), /still waits/);
      touch(backend, rows, 2);
      const savepoint = await rig.snapshot(backend, { id: 2, full: true, canonical, confirm: true });
      await verify(rig, backend, rows, savepoint!);
      gate.resolve();
      const first = await rig.clock.runUntil(slow);
      backend.confirm(1);
      touch(backend, rows, 3);
      const second = await rig.snapshot(backend, { id: 3 });
      checkIncrement(second!, first!);
      await verify(rig, backend, rows, second!);
    });

    test(`${name}: what goes on from a ${format} savepoint writes a whole checkpoint first, and never refers to it [270]`, async () => {
      await using rig = new BackendRig(factory);
      await using origin = await rig.open([], { incremental: true });
      origin.attach(new HeapRows());
      fill(origin, 1);
      const savepoint = await rig.snapshot(origin, { id: 1, full: true, canonical });
      await using backend = await rig.open([savepoint], { incremental: true });
      const rows = new HeapRows();
      backend.attach(rows);
      deepEqual(read(backend), read(origin));
      const checkpoints: KeyedStateHandle[] = [];
      for (const id of [2, 3, 4]) {
        touch(backend, rows, id);
        checkpoints.push((await rig.snapshot(backend, { id, confirm: true }))!);
      }
      equal(checkpoints[0]!.incrementBytes, checkpoints[0]!.fullBytes);
      checkIncrement(checkpoints[1]!, checkpoints[0]!);
      for (const { file } of savepoint!.runs) rig.files.files.delete(nameOf(file));
      for (const { runs } of checkpoints) ok(runs.every(({ file }) => file.scope === "shared"));
      await verify(rig, backend, rows, checkpoints[2]!);
    });
  }
}

function nameOf(file: FileRef): string {
  return file.scope === "inline" ? "" : file.name;
}

/** Changes a little, and adds to one list, which must go on in order. */
function touch(backend: StateBackend, rows: HeapRows, round: number): void {
  for (const i of [0, 53, 54 + round]) {
    backend.setCurrentKey(`k${i}`);
    backend.state(COUNT).update(round);
    backend.state(ITEMS).add(round);
  }
  backend.setCurrentKey(`k${KEYS - 1 - round}`);
  backend.state(COUNT).clear();
  rows.set(5, round, true);
  rows.set(5, round - 2, false);
}

async function meetFate(
  rig: BackendRig,
  backend: StateBackend,
  canonical: boolean,
  fate: (typeof FATES)[number],
): Promise<void> {
  if (fate === "failing" || fate === "cancelled") {
    const pending = backend.snapshot({ checkpointId: 2, full: true, canonical });
    const reason = new Error("the test ends it");
    const store: SnapshotStore = fate === "failing" ? { create: () => Promise.reject(reason) } : rig.files;
    if (fate === "cancelled") rig.clock.defer(() => pending.cancel(reason));
    await rejects(rig.clock.runUntil(pending.write(store)), reason);
    backend.abort(2);
    return;
  }
  await rig.snapshot(backend, { id: 2, full: true, canonical });
  if (fate === "confirmed") backend.confirm(2);
  if (fate === "aborted") backend.abort(2);
}

/** It is small, shared, and goes on from `before`, whose files are still there. */
function checkIncrement(handle: KeyedStateHandle, before: KeyedStateHandle): void {
  ok(filesOf(handle).every(({ scope }) => scope !== "exclusive"));
  const known = new Set(filesOf(before).map(nameOf));
  ok(filesOf(handle).some((file) => nameOf(file) !== "" && known.has(nameOf(file))), "a file of the checkpoint before");
  ok(handle.incrementBytes < handle.fullBytes / 4, `${handle.incrementBytes} of ${handle.fullBytes} bytes`);
}

async function verify(
  rig: BackendRig,
  backend: StateBackend,
  rows: HeapRows,
  handle: KeyedStateHandle,
): Promise<void> {
  await using restored = await rig.open([handle]);
  const timers = new HeapRows();
  restored.attach(timers);
  deepEqual(read(restored), read(backend));
  for (const group of [3, 5]) deepEqual(timers.numbers(group), rows.numbers(group));
  equal([...restored.keys(COUNT)].length, [...backend.keys(COUNT)].length);
}
