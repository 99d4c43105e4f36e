/** What every ordered store of rows promises; see backends/embedded/row_store.ts. */
import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { test } from "node:test";
import type { RowStore } from "../../backends/embedded/row_store.ts";
import {
  cleared,
  drainCursor,
  gone,
  LISTS,
  MAPS,
  modelRows,
  put,
  type RowName,
  rowOf,
  type SampleRow,
  SampleRows,
  textOf,
  TIMERS,
  VALUES,
} from "../support/sample_rows.ts";
import { rowStoreModel } from "./row_store_model.ts";
import { rowStoreSnapshots } from "./row_store_snapshots.ts";
import { drive, everything, group, ingest, read, rows, StoreRig, type StoreSubject, work } from "./store_rig.ts";

/** Rows enough for several blocks and steps. */
const MANY = 3_000;

/** The conformance suite. */
export function rowStoreContract(name: string, subject: StoreSubject): void {
  readTests(name, subject);
  hidingTests(name, subject);
  scanTests(name, subject);
  workTests(name, subject);
  lifeTests(name, subject);
  rowStoreSnapshots(name, subject);
  rowStoreModel(name, subject);
}

const value = (i: number): RowName => rowOf(i % 8, VALUES, `key-${i}`);

/** Values 0..count-1. */
function values(count: number, mark: string): SampleRow[] {
  return Array.from({ length: count }, (_, i) => put(value(i), `${mark}-${i}`));
}

function readTests(name: string, subject: StoreSubject): void {
  test(`${name}: an empty store has no rows, no work and is not behind`, async () => {
    await using rig = new StoreRig(subject);
    const store = await rig.open();
    equal(read(store, value(1)), null);
    deepEqual(everything(store), []);
    equal(store.nextWork(), null);
    equal(store.isBehind, false);
  });

  test(`${name}: get finds each row that was ingested, and no other`, async () => {
    await using rig = new StoreRig(subject);
    const store = await rig.open();
    ingest(store, values(MANY, "a"));
    for (let i = 0; i < MANY; i++) equal(read(store, value(i)), `a-${i}`);
    for (let i = MANY; i < MANY + 200; i++) equal(read(store, value(i)), null);
    equal(read(store, rowOf(0, VALUES, "")), null, "below all");
    equal(read(store, rowOf(127, TIMERS, "zzz")), null, "above all");
  });

  test(`${name}: keys of 64 KiB, values of a megabyte and empty ones come back whole`, async () => {
    await using rig = new StoreRig(subject);
    const store = await rig.open();
    const long = "k".repeat(65_536);
    const samples: [RowName, string][] = [
      [rowOf(1, VALUES, long), "long key"],
      [rowOf(1, VALUES, `${long}+`), "longer key"],
      [rowOf(1, VALUES, "empty"), ""],
      [rowOf(1, VALUES, "big"), "v".repeat(1_000_000)],
      [rowOf(2, MAPS, long, "entry"), "in a map"],
      [rowOf(2, LISTS, long, 7), "in a list"],
    ];
    ingest(store, samples.map(([row, text]) => put(row, text)));
    for (let round = 0; round < 2; round++) {
      for (const [row, text] of samples) ok(read(store, row) === text, `${textOf(row.key).slice(0, 20)}…`);
      deepEqual(group(store, rowOf(2, MAPS, long)).map(([, text]) => text), ["in a map"]);
      deepEqual(group(store, rowOf(2, LISTS, long)).map(([, text]) => text), ["in a list"]);
      ingest(store, values(8, "more"));
      work(store);
    }
  });

  test(`${name}: entries of maps and elements of lists are found by their prefix's hash`, async () => {
    await using rig = new StoreRig(subject);
    const store = await rig.open();
    const entries = Array.from({ length: 300 }, (_, i) => rowOf(i % 4, MAPS, `m${i % 10}`, `entry-${i}`));
    ingest(store, entries.map((row, i) => put(row, `${i}`)));
    entries.forEach((row, i) => equal(read(store, row), `${i}`));
    equal(read(store, rowOf(0, MAPS, "m0", "no such entry")), null);
    equal(read(store, rowOf(0, MAPS, "no such map", "entry-0")), null);
  });
}

function hidingTests(name: string, subject: StoreSubject): void {
  test(`${name}: a row that is ingested later hides the older one`, async () => {
    await using rig = new StoreRig(subject);
    const store = await rig.open();
    ingest(store, values(100, "old"));
    ingest(store, values(50, "new"));
    for (let i = 0; i < 100; i++) equal(read(store, value(i)), i < 50 ? `new-${i}` : `old-${i}`);
    equal(everything(store).length, 100);
  });

  test(`${name}: a delete hides older rows, also after work, and a later put ends it`, async () => {
    await using rig = new StoreRig(subject);
    const store = await rig.open();
    ingest(store, values(20, "a"));
    ingest(store, [...Array.from({ length: 10 }, (_, i) => gone(value(i))), gone(value(999))]);
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < 20; i++) equal(read(store, value(i)), i < 10 ? null : `a-${i}`);
      equal(read(store, value(999)), null);
      equal(everything(store).length, 10);
      work(store);
    }
    ingest(store, [put(value(3), "again")]);
    equal(read(store, value(3)), "again");
    equal(everything(store).length, 11);
  });

  test(`${name}: a delete-prefix hides older rows of its list or map and none of its own batch or of others`, async () => {
    await using rig = new StoreRig(subject);
    const store = await rig.open();
    const entry = (map: string, i: number) => rowOf(5, MAPS, map, `e${i}`);
    const old = ["l", "m", "ma", "n"].flatMap((map) => [1, 2, 3].map((i) => put(entry(map, i), `${map}${i}`)));
    ingest(store, old);
    ingest(store, [cleared(rowOf(5, MAPS, "m")), put(entry("m", 2), "own")]);
    for (let round = 0; round < 2; round++) {
      equal(read(store, entry("m", 1)), null);
      equal(read(store, entry("m", 2)), "own");
      equal(read(store, entry("m", 3)), null);
      equal(read(store, entry("ma", 1)), "ma1");
      deepEqual(group(store, rowOf(5, MAPS, "m")).map(([, text]) => text), ["own"]);
      deepEqual(rows(store, 5, MAPS).map(([, text]) => text), [
        "l1",
        "l2",
        "l3",
        "own",
        "ma1",
        "ma2",
        "ma3",
        "n1",
        "n2",
        "n3",
      ]);
      work(store);
    }
    ingest(store, [put(entry("m", 3), "later")]);
    deepEqual(group(store, rowOf(5, MAPS, "m")).map(([, text]) => text), ["own", "later"]);
  });

  test(`${name}: a delete-prefix of a whole state in a key group hides that alone`, async () => {
    await using rig = new StoreRig(subject);
    const store = await rig.open();
    const timer = (keyGroup: number, i: number) => rowOf(keyGroup, TIMERS, `t${i}`);
    ingest(store, [1, 2, 3].flatMap((group) => [1, 2].map((i) => put(timer(group, i), ""))));
    const wholeState = { key: new Uint8Array([0, 2, 0, TIMERS]), prefixBytes: 4 };
    ingest(store, [cleared(wholeState), put(timer(2, 9), "")]);
    for (let round = 0; round < 2; round++) {
      deepEqual([1, 2, 3].map((group) => rows(store, group, TIMERS).length), [2, 1, 2]);
      deepEqual(rows(store, 2, TIMERS).map(([key]) => key), [textOf(timer(2, 9).key)]);
      work(store);
    }
  });

  test(`${name}: many layers of puts, deletes and clears read as a plain Map would, before and after work`, async () => {
    await using rig = new StoreRig(subject);
    const store = await rig.open();
    const expected = new Map<string, string>();
    for (let layer = 0; layer < 12; layer++) {
      const batch: SampleRow[] = [];
      for (let i = 0; i < 60; i++) {
        const row = value(i * 7 % 97);
        if (batch.some(({ key }) => textOf(key) === textOf(row.key))) continue;
        const doomed = (i + layer) % 5 === 0;
        batch.push(doomed ? gone(row) : put(row, `${layer}.${i}`));
        if (doomed) expected.delete(textOf(row.key));
        else expected.set(textOf(row.key), `${layer}.${i}`);
      }
      ingest(store, batch);
      if (layer % 5 === 4) work(store);
    }
    const all = [...expected].sort(([a], [b]) => (a < b ? -1 : 1));
    deepEqual(everything(store), all);
    work(store);
    deepEqual(everything(store), all);
    equal(store.isBehind, false);
  });
}

function scanTests(name: string, subject: StoreSubject): void {
  test(`${name}: scan gives the rows of a prefix in order, from a row on, and ends there`, async () => {
    await using rig = new StoreRig(subject);
    const store = await rig.open();
    const samples = values(MANY, "v");
    const model = new Map(samples.map(({ key, value }) => [textOf(key), textOf(value)]));
    for (let part = 0; part < 3; part++) ingest(store, samples.filter((_, i) => i % 3 === part));
    for (const keyGroup of [0, 3, 7, 8]) {
      const prefix = new Uint8Array([0, keyGroup, 0, VALUES]);
      const all = modelRows(model, prefix);
      deepEqual(rows(store, keyGroup, VALUES), all);
      const middle = rowOf(keyGroup, VALUES, "key-2").key;
      deepEqual(rows(store, keyGroup, VALUES, middle), modelRows(model, prefix, middle));
      const exact = value(keyGroup + 80).key;
      deepEqual(rows(store, keyGroup, VALUES, exact), modelRows(model, prefix, exact));
      deepEqual(rows(store, keyGroup, VALUES, rowOf(keyGroup, VALUES, "~").key), []);
    }
  });

  test(`${name}: a cursor goes on over the same rows whatever is ingested and worked meanwhile`, async () => {
    await using rig = new StoreRig(subject);
    const store = await rig.open();
    ingest(store, values(800, "a"));
    ingest(store, values(400, "b"));
    const expected = rows(store, 3, VALUES);
    const cursors = [0, 1, 2].map(() => store.scan(new Uint8Array([0, 3, 0, VALUES]), 4, null));
    const started = cursors.map((cursor) => drainSome(cursor, 10));
    ingest(store, values(800, "c"));
    ingest(store, Array.from({ length: 800 }, (_, i) => gone(value(i))));
    work(store);
    deepEqual(everything(store), []);
    cursors.forEach((cursor, i) => {
      deepEqual([...started[i]!, ...drainCursor(cursor)], expected);
      cursor.close();
    });
  });

  test(`${name}: a cursor that is closed early frees the store for all that follows`, async () => {
    await using rig = new StoreRig(subject);
    const store = await rig.open();
    ingest(store, values(500, "a"));
    for (let i = 0; i < 20; i++) {
      const cursor = store.scan(new Uint8Array([0, i % 8, 0, VALUES]), 4, null);
      equal(cursor.next(), true);
      cursor.close();
      cursor.close();
    }
    ingest(store, values(500, "b"));
    equal(everything(store).length, 500);
  });
}

function drainSome(cursor: ReturnType<RowStore["scan"]>, count: number): [string, string][] {
  const some: [string, string][] = [];
  while (some.length < count && cursor.next()) {
    some.push([textOf(cursor.key, 0, cursor.keyBytes), textOf(cursor.value, cursor.valueStart, cursor.valueEnd)]);
  }
  return some;
}

function workTests(name: string, subject: StoreSubject): void {
  test(`${name}: rows of an ingest are not seen before it is done, and older ones are seen all the while`, async () => {
    await using rig = new StoreRig(subject);
    const store = await rig.open();
    ingest(store, values(MANY, "old"));
    const steps = store.ingest(new SampleRows(values(MANY, "new")));
    let count = 1;
    for (; !steps.step(); count++) equal(read(store, value(count % MANY)), `old-${count % MANY}`);
    ok(count > 1, `an ingest of ${MANY} rows took ${count} steps`);
    for (let i = 0; i < MANY; i += 7) equal(read(store, value(i)), `new-${i}`);
  });

  test(`${name}: an ingest that is cancelled leaves no trace, and another may follow`, async () => {
    await using rig = new StoreRig(subject);
    const store = await rig.open();
    ingest(store, values(50, "old"));
    for (const stepsDone of [0, 1]) {
      const steps = store.ingest(new SampleRows(values(MANY, "never")));
      for (let i = 0; i < stepsDone; i++) if (steps.step()) throw new Error("the ingest ended too early");
      steps.cancel();
      steps.cancel();
      equal(everything(store).length, 50);
      equal(read(store, value(7)), "old-7");
    }
    store.freeze().release();
    ingest(store, values(60, "new"));
    equal(read(store, value(55)), "new-55");
  });

  test(`${name}: an ingest of no rows changes nothing`, async () => {
    await using rig = new StoreRig(subject);
    const store = await rig.open();
    ingest(store, []);
    deepEqual(everything(store), []);
    equal((await rig.snapshot(store, 1)).runs.length, 0);
  });

  test(`${name}: ingests go on while other work is under way, and work that is cancelled changes nothing`, async () => {
    await using rig = new StoreRig(subject);
    const store = await rig.open();
    let worked = 0;
    for (let round = 0; round < 40; round++) {
      ingest(store, values(200, `r${round}`));
      const steps = store.nextWork();
      if (steps === null) continue;
      worked++;
      const over = steps.step();
      const mark = `during-${round}`;
      ingest(store, [put(value(round), mark), gone(value(round + 60))]);
      if (!over && round % 2 === 0) {
        steps.cancel();
        steps.cancel();
      } else if (!over) {
        drive(steps);
      }
      equal(read(store, value(round)), mark);
      equal(read(store, value(round + 60)), null);
      equal(read(store, value(199)), `r${round}-199`);
    }
    equal(worked > 0, subject.noWorkBecause === undefined, subject.noWorkBecause ?? "forty layers make work");
    if (worked === 0) return;
    work(store);
    equal(everything(store).length, 199);
  });
}

function lifeTests(name: string, subject: StoreSubject): void {
  test(`${name}: two stores of one slot know nothing of each other`, async () => {
    await using rig = new StoreRig(subject);
    const [first, second] = [await rig.open(), await rig.open()];
    ingest(first, values(300, "first"));
    ingest(second, values(200, "second"));
    await rig.wait(first.close());
    equal(read(second, value(7)), "second-7");
    equal(everything(second).length, 200);
  });

  test(`${name}: close ends ingests, work, cursors and freezes that are open; twice is once`, async () => {
    await using rig = new StoreRig(subject);
    const store = await rig.open();
    for (let i = 0; i < 12; i++) ingest(store, values(300, `${i}`));
    store.scan(new Uint8Array([0, 3, 0, VALUES]), 4, null).next();
    const frozen = store.freeze();
    const steps = store.ingest(new SampleRows(values(100, "never")));
    steps.step();
    store.nextWork()?.step();
    await rig.wait(store.close());
    await rig.wait(store.close());
    steps.cancel();
    frozen.release();
    throws(() => store.ingest(new SampleRows([])));
  });
}
