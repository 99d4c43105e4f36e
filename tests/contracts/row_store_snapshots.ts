/** What stores of rows promise about snapshots: isolation, increments, restoring, rescaling. */
import { deepEqual, equal, notEqual, ok, rejects, throws } from "node:assert/strict";
import { test } from "node:test";
import type { MomentRows } from "../../backends/embedded/row_store.ts";
import { SnapshotCorruptError, StreamError } from "../../core/errors.ts";
import type { FileRef, KeyedStateHandle } from "../../core/snapshot.ts";
import {
  cleared,
  gone,
  LISTS,
  MAPS,
  put,
  type RowName,
  rowOf,
  type SampleRow,
  textOf,
  TIMERS,
  VALUES,
} from "../support/sample_rows.ts";
import { ALL, everything, ingest, read, StoreRig, type StoreSubject, work } from "./store_rig.ts";

const KEYS = 2_000;

const value = (i: number): RowName => rowOf(i % 8, VALUES, `key-${i}`);

function values(from: number, to: number, mark: string): SampleRow[] {
  return Array.from({ length: to - from }, (_, i) => put(value(from + i), `${mark}-${from + i}`.padEnd(40, ".")));
}

/** All about snapshots. */
export function rowStoreSnapshots(name: string, subject: StoreSubject): void {
  isolationTests(name, subject);
  rowTests(name, subject);
  incrementTests(name, subject);
  restoreTests(name, subject);
  failureTests(name, subject);
}

function nameOf(file: FileRef): string {
  return file.scope === "inline" ? "inline" : file.name;
}

function namesOf({ runs }: KeyedStateHandle): string[] {
  return runs.map(({ file }) => nameOf(file));
}

function isolationTests(name: string, subject: StoreSubject): void {
  test(`${name}: the snapshot of an empty store has no runs`, async () => {
    await using rig = new StoreRig(subject);
    const { runs, incrementBytes } = await rig.snapshot(await rig.open(), 1);
    deepEqual([runs.length, incrementBytes], [0, 0]);
  });

  test(`${name}: a snapshot holds what was there at the freeze, whatever is ingested and worked before it is written`, async () => {
    await using rig = new StoreRig(subject);
    const store = await rig.open();
    for (let i = 0; i < 6; i++) ingest(store, values(i * 100, KEYS, `${i}`));
    const before = everything(store);
    const frozen = store.freeze();
    ingest(store, values(0, KEYS + 50, "later"));
    work(store);
    ingest(store, Array.from({ length: KEYS }, (_, i) => gone(value(i))));
    work(store);
    let rounds = 0;
    const between = () => {
      if (rounds++ < 5) ingest(store, values(0, 300, `during-${rounds}`));
    };
    const handle = await rig.snapshot(store, 1, { frozen, between });
    deepEqual(everything(await rig.restored([handle])), before);
    equal(everything(store).length, rounds > 0 ? 350 : 50);
  });

  test(`${name}: several freezes each keep their moment; one that is released without a write does no harm`, async () => {
    await using rig = new StoreRig(subject);
    const store = await rig.open();
    const frozen = [];
    for (let i = 0; i < 4; i++) {
      ingest(store, values(0, 200, `${i}`));
      frozen.push(store.freeze());
      work(store);
    }
    frozen[1]!.release();
    frozen[1]!.release();
    for (const i of [3, 0, 2]) {
      const restored = await rig.restored([await rig.snapshot(store, i, { frozen: frozen[i]!, full: true })]);
      equal(read(restored, value(7)), `${i}-7`.padEnd(40, "."));
      equal(everything(restored).length, 200);
    }
  });
}

function rowTests(name: string, subject: StoreSubject): void {
  test(`${name}: rows() gives what was there at the freeze in order, from wherever it is told to go on`, async () => {
    await using rig = new StoreRig(subject);
    const store = await rig.open();
    for (let i = 0; i < 5; i++) ingest(store, values(i * 300, KEYS, `${i}`));
    work(store);
    ingest(store, values(900, 1_000, "new"));
    ingest(store, [
      cleared({ key: rowOf(3, MAPS, "m").key, prefixBytes: 0 }),
      put(rowOf(3, MAPS, "m", "x"), "1"),
      put(rowOf(3, MAPS, "n", "y"), "2"),
      put(rowOf(5, LISTS, "l", 4), "3"),
      ...Array.from({ length: 40 }, (_, i) => gone(value(i * 8))),
    ]);
    ingest(store, [cleared({ key: rowOf(3, MAPS, "m").key, prefixBytes: 0 })]);
    const before = everything(store);
    const frozen = store.freeze();
    const all = frozen.rows();
    ingest(store, values(0, KEYS, "later"));
    work(store);
    equal(before.length, KEYS - 40 + 2);
    deepEqual(drain(all), before);
    deepEqual(drain(all), [], "it stays at its end");
    const texts = new Map(before);
    for (
      const [group, state] of [[3, MAPS], [7, VALUES], [3, VALUES], [0, VALUES], [6, LISTS], [5, LISTS], [0, TIMERS]]
    ) {
      const route = Uint8Array.of(0, group!, 0, state!);
      all.seek(route, 4);
      const own = [...texts].filter(([key]) => key.startsWith(textOf(route)));
      deepEqual(drain(all), own);
      all.seek(route.subarray(0, 2), 0);
      deepEqual(drain(all), [...texts].filter(([key]) => key >= textOf(route.subarray(0, 2))));
    }
    all.close();
    all.close();
    frozen.release();
  });

  test(`${name}: a frozen store gives its rows or its files once, and nothing after its release`, async () => {
    await using rig = new StoreRig(subject);
    const store = await rig.open();
    ingest(store, values(0, 10, "a"));
    const frozen = store.freeze();
    frozen.rows().close();
    throws(() => frozen.rows(), StreamError);
    await rejects(
      frozen.write({ checkpointId: 1, full: true }, rig.snapshots, new AbortController().signal),
      StreamError,
    );
    frozen.release();
    const released = store.freeze();
    released.release();
    throws(() => released.rows(), StreamError);
  });
}

function drain(rows: MomentRows): [string, string][] {
  const seen: [string, string][] = [];
  while (rows.next()) {
    const { key, keyBytes, value, valueStart, valueEnd } = rows;
    seen.push([textOf(key, 0, keyBytes), textOf(value, valueStart, valueEnd)]);
  }
  return seen;
}

function incrementTests(name: string, subject: StoreSubject): void {
  test(`${name}: after a confirmed checkpoint only what is new is uploaded, and old files are referred to`, async () => {
    await using rig = new StoreRig(subject);
    const store = await rig.open();
    ingest(store, values(0, KEYS, "a"));
    work(store);
    const first = await rig.snapshot(store, 1);
    equal(first.incrementBytes, first.fullBytes);
    store.confirm(1);
    ingest(store, [...values(0, 20, "b"), gone(value(30))]);
    const second = await rig.snapshot(store, 2);
    ok(second.incrementBytes > 0 && second.incrementBytes < first.fullBytes / 4, `${second.incrementBytes} bytes`);
    ok(namesOf(second).some((run) => namesOf(first).includes(run)), "a file of the first one");
    for (const { file } of second.runs) notEqual(file.scope, "exclusive");
    const restored = await rig.restored([second]);
    equal(read(restored, value(7)), "b-7".padEnd(40, "."));
    equal(read(restored, value(30)), null);
    equal(everything(restored).length, KEYS - 1);
    store.confirm(2);
    const third = await rig.snapshot(store, 3);
    equal(third.incrementBytes, 0);
    deepEqual(namesOf(third), namesOf(second));
  });

  test(`${name}: nothing builds on files of a checkpoint that was aborted or is not confirmed yet`, async () => {
    await using rig = new StoreRig(subject);
    const store = await rig.open();
    ingest(store, values(0, 500, "a"));
    const aborted = await rig.snapshot(store, 1);
    store.abort(1);
    const second = await rig.snapshot(store, 2);
    const third = await rig.snapshot(store, 3);
    equal(second.incrementBytes, aborted.incrementBytes);
    equal(third.incrementBytes, aborted.incrementBytes);
    const names = [aborted, second, third].flatMap(namesOf).filter((run) => run !== "inline");
    equal(new Set(names).size, names.length, "each has its own files");
    store.confirm(3);
    deepEqual(namesOf(await rig.snapshot(store, 4)), namesOf(third));
    store.abort(77);
    store.confirm(78);
    store.confirm(2);
    deepEqual(
      namesOf(await rig.snapshot(store, 5)),
      namesOf(third),
      "confirmations of older and unknown ones change nothing",
    );
  });

  test(`${name}: a full snapshot refers to no file of another one, and increments do not build on it`, async () => {
    await using rig = new StoreRig(subject);
    const store = await rig.open();
    ingest(store, values(0, 500, "a"));
    const first = await rig.snapshot(store, 1);
    store.confirm(1);
    const full = await rig.snapshot(store, 2, { full: true });
    store.confirm(2);
    for (const { file } of full.runs) notEqual(file.scope, "shared");
    equal(namesOf(full).some((run) => run !== "inline" && namesOf(first).includes(run)), false);
    equal(full.incrementBytes, full.fullBytes);
    deepEqual(namesOf(await rig.snapshot(store, 3)), namesOf(first));
    equal(everything(await rig.restored([full])).length, 500);
  });

  test(`${name}: a store that is not incremental writes every snapshot anew, into files of its own`, async () => {
    await using rig = new StoreRig(subject);
    const store = await rig.open({ incremental: false });
    ingest(store, values(0, 300, "a"));
    const first = await rig.snapshot(store, 1);
    store.confirm(1);
    const second = await rig.snapshot(store, 2);
    equal(second.incrementBytes, second.fullBytes);
    for (const { file } of [...first.runs, ...second.runs]) notEqual(file.scope, "shared");
    equal(everything(await rig.restored([second])).length, 300);
  });

  test(`${name}: twenty increments with work between them restore as the last one was`, async () => {
    await using rig = new StoreRig(subject);
    const store = await rig.open();
    ingest(store, values(0, KEYS, "0"));
    const handles: KeyedStateHandle[] = [];
    const expected: [string, string][][] = [];
    for (let id = 1; id <= 20; id++) {
      ingest(store, [...values(id * 40, id * 40 + 60, `${id}`), ...(id % 3 === 0 ? [gone(value(id))] : [])]);
      if (id % 4 === 0) work(store);
      handles.push(await rig.snapshot(store, id));
      expected.push(everything(store));
      if (id % 5 === 4) store.abort(id);
      else store.confirm(id);
    }
    for (const at of [19, 11]) deepEqual(everything(await rig.restored([handles[at]!])), expected[at]!);
  });
}

function restoreTests(name: string, subject: StoreSubject): void {
  test(`${name}: restore takes the wanted key groups of each handle and no stale row of another owner`, async () => {
    await using rig = new StoreRig(subject);
    const whole = await rig.open();
    ingest(whole, values(0, KEYS, "whole"));
    const first = await rig.snapshot(whole, 1);
    const low = await rig.restored([first], { start: 0, end: 3 });
    const high = await rig.restored([first], { start: 4, end: 127 });
    equal(everything(low).length + everything(high).length, KEYS);
    ingest(high, [...values(4, 5, "new"), gone(value(5)), cleared(rowOf(6, VALUES, "key-6"))]);
    const parts = [
      await rig.snapshot(low, 2, { keyGroups: { start: 0, end: 3 } }),
      await rig.snapshot(high, 2, { keyGroups: { start: 4, end: 127 } }),
    ];
    for (const handles of [parts, [...parts].reverse()]) {
      const again = await rig.restored(handles);
      equal(read(again, value(4)), "new-4".padEnd(40, "."));
      equal(read(again, value(5)), null);
      equal(read(again, value(6)), null);
      equal(read(again, value(3)), "whole-3".padEnd(40, "."));
      equal(everything(again).length, KEYS - 2);
    }
    const middle = await rig.restored(parts, { start: 2, end: 4 });
    deepEqual(new Set(everything(middle).map(([key]) => key.charCodeAt(1))), new Set([2, 3, 4]));
  });

  test(`${name}: a restored store goes on: writes, work, snapshots, and a restore of those`, async () => {
    await using rig = new StoreRig(subject);
    const store = await rig.open();
    ingest(store, values(0, 600, "a"));
    ingest(store, [
      put(rowOf(3, MAPS, "m", "x"), "1"),
      put(rowOf(3, MAPS, "m", "y"), "2"),
      put(rowOf(3, LISTS, "l", 1), "3"),
    ]);
    store.confirm(0);
    const restored = await rig.restored([await rig.snapshot(store, 1)]);
    ingest(restored, [...values(100, 200, "b"), cleared(rowOf(3, MAPS, "m")), put(rowOf(3, MAPS, "m", "z"), "4")]);
    work(restored);
    const expected = everything(restored);
    equal(expected.length, 602);
    const handles = [await rig.snapshot(restored, 5), await rig.snapshot(restored, 6, { full: true })];
    restored.confirm(5);
    ingest(restored, values(0, 50, "c"));
    handles.push(await rig.snapshot(restored, 7));
    for (const handle of handles.slice(0, 2)) deepEqual(everything(await rig.restored([handle])), expected);
    deepEqual(everything(await rig.restored([handles[2]!])), everything(restored));
  });

  test(`${name}: rows of a state that has another id now are found under the new one`, async () => {
    await using rig = new StoreRig(subject);
    const store = await rig.open();
    ingest(store, [
      ...values(0, 300, "a"),
      put(rowOf(2, MAPS, "m", "x"), "entry"),
      put(rowOf(2, LISTS, "l", 4), "element"),
    ]);
    const handle = await rig.snapshot(store, 1);
    const ids = { value: MAPS, list: LISTS, map: VALUES, rows: 9 };
    const states = (["value", "list", "map", "rows"] as const)
      .map((kind) => ({
        id: ids[kind],
        name: kind,
        kind,
        serializerId: "bytes",
        serializerVersion: 1,
        schemaVersion: 1,
        flags: 0,
      }));
    const restored = await rig.restored([handle], ALL, {
      states: () => states,
      restoredStateId: ({ name }) => states.find((state) => state.name === name)!.id,
    });
    equal(read(restored, rowOf(7, MAPS, "key-7")), "a-7".padEnd(40, "."));
    equal(read(restored, value(7)), null);
    equal(read(restored, rowOf(2, VALUES, "m", "x")), "entry");
    equal(read(restored, rowOf(2, LISTS, "l", 4)), "element");
    equal(everything(restored).length, 302);
  });
}

function failureTests(name: string, subject: StoreSubject): void {
  test(`${name}: a write that is ended by its signal rejects, leaves no file open, and the store goes on`, async () => {
    await using rig = new StoreRig(subject);
    const store = await rig.open();
    ingest(store, values(0, KEYS, "a"));
    const reason = new Error("the checkpoint was aborted");
    const frozen = store.freeze();
    const controller = new AbortController();
    controller.abort(reason);
    await rejects(rig.wait(frozen.write({ checkpointId: 1, full: false }, rig.snapshots, controller.signal)), reason);
    frozen.release();
    equal(rig.snapshots.openForWrite, 0);
    store.abort(1);
    equal(everything(await rig.restored([await rig.snapshot(store, 2)])).length, KEYS);
  });

  test(`${name}: restoring a run that is damaged or missing is a SnapshotCorruptError, and leaves no file open`, async () => {
    await using rig = new StoreRig(subject);
    const store = await rig.open();
    ingest(store, values(0, KEYS, "a"));
    const handle = await rig.snapshot(store, 1);
    const [file, bytes] = [...rig.snapshots.files].at(-1)!;
    for (const at of [3, bytes.length - 3]) {
      rig.snapshots.files.set(file, bytes.map((byte, i) => i === at ? byte ^ 0x10 : byte));
      const store = await rig.open();
      const wanted = [{ handle, keyGroups: ALL }];
      await rejects(rig.wait(store.restore(wanted, rig.snapshots)), SnapshotCorruptError);
    }
    rig.snapshots.files.delete(file);
    const empty = await rig.open();
    await rejects(rig.wait(empty.restore([{ handle, keyGroups: ALL }], rig.snapshots)), SnapshotCorruptError);
    equal(rig.snapshots.openForRead, 0);
  });
}
