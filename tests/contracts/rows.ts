/** What rows promise to the handles of an embedded backend; see backends/embedded/rows.ts. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import type { Rows } from "../../backends/embedded/rows.ts";
import { drainCursor, LISTS, MAPS, type RowName, rowOf, textOf, TIMERS, VALUES } from "../support/sample_rows.ts";
import { rowsModel } from "./rows_model.ts";
import {
  appendRow,
  clearRows,
  deleteRow,
  getRow,
  groupOf,
  openGroup,
  openScan,
  putRow,
  RowsRig,
  type RowsSubject,
  scanOf,
} from "./rows_rig.ts";

/** Memory in which nothing is flushed for want of room. */
const PLENTY = 1 << 20;

/** The conformance suite. */
export function rowsContract(name: string, subject: RowsSubject): void {
  pointTests(name, subject);
  groupTests(name, subject);
  scanTests(name, subject);
  cursorTests(name, subject);
  freezeTests(name, subject);
  rowsModel(name, subject);
}

const value = (i: number): RowName => rowOf(i % 8, VALUES, `key-${i}`);
const entry = (map: string, i: number | string): RowName => rowOf(3, MAPS, map, `e${i}`);

function texts(rows: readonly (readonly [string, string])[]): string[] {
  return rows.map(([, text]) => text);
}

/** Calls `check` with rows in the buffers, then with the same in the store. */
async function inBoth(subject: RowsSubject, fill: (rows: Rows) => void, check: (rows: Rows) => void): Promise<void> {
  for (const isFlushed of [false, true]) {
    await using rig = new RowsRig(subject, PLENTY);
    const rows = await rig.open();
    fill(rows);
    if (isFlushed) {
      rows.freeze();
      rig.settle();
    }
    check(rows);
  }
}

function pointTests(name: string, subject: RowsSubject): void {
  test(`${name}: get finds what was put last, whatever its size was before`, async () => {
    const sizes = [5, 0, 3, 40, 41, 200, 7, 5_000, 1];
    await inBoth(subject, (rows) => {
      for (let i = 0; i < 50; i++) putRow(rows, value(i), `${i}`);
      sizes.forEach((size, turn) => putRow(rows, value(7), `${turn}`.repeat(size), turn % 4));
    }, (rows) => {
      equal(getRow(rows, value(7)), "8");
      equal(getRow(rows, value(8)), "8");
      equal(getRow(rows, value(50)), null);
      equal(getRow(rows, rowOf(0, VALUES, "")), null);
      sizes.forEach((size, turn) => {
        putRow(rows, value(7), `${turn}`.repeat(size), turn % 4);
        equal(getRow(rows, value(7)), `${turn}`.repeat(size));
      });
    });
  });

  test(`${name}: delete removes a row wherever it is, and a put brings it back`, async () => {
    await inBoth(subject, (rows) => putRow(rows, value(1), "one"), (rows) => {
      deleteRow(rows, value(2));
      deleteRow(rows, value(1));
      deleteRow(rows, value(1));
      equal(getRow(rows, value(1)), null);
      deepEqual(scanOf(rows, 1, VALUES), []);
      putRow(rows, value(1), "again");
      equal(getRow(rows, value(1)), "again");
      equal(scanOf(rows, 1, VALUES).length, 1);
    });
  });

  test(`${name}: keys of 64 KiB and empty keys and values are rows like any other`, async () => {
    await using rig = new RowsRig(subject, 1 << 22);
    const rows = await rig.open();
    const long = "k".repeat(65_536);
    for (let round = 0; round < 3; round++) {
      putRow(rows, rowOf(1, VALUES, long), `long ${round}`);
      putRow(rows, rowOf(1, VALUES, ""), "");
      putRow(rows, rowOf(1, MAPS, long, "entry"), `entry ${round}`);
      equal(getRow(rows, rowOf(1, VALUES, long)), `long ${round}`);
      equal(getRow(rows, rowOf(1, VALUES, "")), "");
      deepEqual(texts(groupOf(rows, rowOf(1, MAPS, long))), [`entry ${round}`]);
      rows.freeze();
      if (round === 1) rig.settle();
    }
  });

  test(`${name}: many thousand rows are all found, while they are moved to the store`, async () => {
    await using rig = new RowsRig(subject, 1 << 16);
    const rows = await rig.open();
    for (let i = 0; i < 4_000; i++) {
      putRow(rows, value(i), `${i}`);
      if (i % 3 === 0) putRow(rows, value(i >> 1), `${i >> 1} again`);
      if (i % 100 === 0) rig.clock.runDeferred();
    }
    const again = new Set(Array.from({ length: 1_334 }, (_, i) => (i * 3) >> 1));
    for (let i = 0; i < 4_000; i++) equal(getRow(rows, value(i)), again.has(i) ? `${i} again` : `${i}`);
    ok(rig.store.ingestCount > 3, "rows went to the store");
  });
}

function groupTests(name: string, subject: RowsSubject): void {
  test(`${name}: group gives the rows of one list or map in order, from all places`, async () => {
    await using rig = new RowsRig(subject, PLENTY);
    const rows = await rig.open();
    const order = [5, 3, 9, 1, 7, 2, 8, 0, 6, 4];
    for (let part = 0; part < 5; part++) {
      for (const i of order.slice(part * 2, part * 2 + 2)) putRow(rows, entry("m", i), `${i}`);
      for (const map of ["l", "ma", "n"]) putRow(rows, entry(map, part), "not mine");
      appendRow(rows, rowOf(3, LISTS, "m", part), `element ${part}`);
      rows.freeze();
      if (part === 2) rig.settle();
    }
    putRow(rows, entry("m", 9), "nine");
    deleteRow(rows, entry("m", 3));
    deepEqual(texts(groupOf(rows, entry("m", 0))), ["0", "1", "2", "4", "5", "6", "7", "8", "nine"]);
    deepEqual(texts(groupOf(rows, rowOf(3, LISTS, "m"))), [0, 1, 2, 3, 4].map((i) => `element ${i}`));
    deepEqual(groupOf(rows, entry("none", 0)), []);
    equal(getRow(rows, entry("m", 9)), "nine");
    equal(getRow(rows, entry("m", 3)), null);
  });

  test(`${name}: clear removes what a list or map had, wherever it is, and nothing that comes later`, async () => {
    await inBoth(subject, (rows) => {
      for (let i = 0; i < 40; i++) putRow(rows, entry("m", i), `${i}`);
      putRow(rows, entry("ma", 1), "other");
      for (let i = 0; i < 5; i++) appendRow(rows, rowOf(3, LISTS, "m", i), `${i}`);
    }, (rows) => {
      for (let round = 0; round < 3; round++) {
        clearRows(rows, rowOf(3, MAPS, "m"));
        clearRows(rows, rowOf(3, LISTS, "m"));
        deepEqual(groupOf(rows, entry("m", 0)), []);
        deepEqual(groupOf(rows, rowOf(3, LISTS, "m")), []);
        equal(getRow(rows, entry("m", 7)), null);
        deepEqual(texts(scanOf(rows, 3, MAPS)), ["other"]);
        deleteRow(rows, entry("m", 8));
        putRow(rows, entry("m", 7), `seven ${round}`);
        appendRow(rows, rowOf(3, LISTS, "m", 100 + round), `element ${round}`);
        deepEqual(texts(groupOf(rows, entry("m", 0))), [`seven ${round}`]);
        deepEqual(texts(groupOf(rows, rowOf(3, LISTS, "m"))), [`element ${round}`]);
        deepEqual(texts(scanOf(rows, 3, MAPS)), [`seven ${round}`, "other"]);
        equal(getRow(rows, entry("m", 7)), `seven ${round}`);
        if (round === 1) rows.freeze();
      }
    });
  });

  test(`${name}: rows that are written again after a clear go to the store with the rest`, async () => {
    await using rig = new RowsRig(subject, PLENTY);
    const rows = await rig.open();
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 20; i++) putRow(rows, entry("m", i), `${round}`);
      clearRows(rows, rowOf(3, MAPS, "m"));
      for (let i = round; i < 20; i += 2) putRow(rows, entry("m", i), `+`);
      for (let i = round; i < 20; i += 4) deleteRow(rows, entry("m", i));
      const expected = groupOf(rows, entry("m", 0));
      equal(expected.length, [5, 5, 4][round]);
      rows.freeze();
      rig.settle();
      deepEqual(groupOf(rows, entry("m", 0)), expected);
    }
  });

  test(`${name}: a clear between two freezes hides the older rows only`, async () => {
    await using rig = new RowsRig(subject, PLENTY);
    const rows = await rig.open();
    const step = (i: number) => {
      if (i % 4 === 2) clearRows(rows, rowOf(3, MAPS, "m"));
      putRow(rows, entry("m", i), `${i}`);
      rows.freeze();
    };
    for (let i = 0; i < 11; i++) step(i);
    const expected = ["10"];
    deepEqual(texts(groupOf(rows, entry("m", 0))), expected);
    rig.settle();
    deepEqual(texts(groupOf(rows, entry("m", 0))), expected);
    deepEqual([9, 10].map((i) => getRow(rows, entry("m", i))), [null, "10"]);
  });
}

function scanTests(name: string, subject: RowsSubject): void {
  test(`${name}: scan gives at most so many rows of one state and key group, from a row on`, async () => {
    await using rig = new RowsRig(subject, PLENTY);
    const rows = await rig.open();
    const timer = (keyGroup: number, i: number) => rowOf(keyGroup, TIMERS, `t${100 + i}`);
    for (let i = 0; i < 90; i++) {
      const at = (i * 37) % 90;
      for (const keyGroup of [1, 2]) putRow(rows, timer(keyGroup, at), "");
      putRow(rows, value(i), "");
      if (i === 30 || i === 60) rows.freeze();
      if (i === 45) rig.settle();
      if (i === 50) scanOf(rows, 1, TIMERS, 5);
    }
    const keys = (found: readonly (readonly [string, string])[]) => found.map(([key]) => key);
    const expected = (from: number, to: number) =>
      Array.from({ length: to - from }, (_, i) => textOf(timer(1, from + i).key));
    deepEqual(keys(scanOf(rows, 1, TIMERS, 10)), expected(0, 10));
    for (let i = 0; i < 20; i++) deleteRow(rows, timer(1, i));
    deepEqual(keys(scanOf(rows, 1, TIMERS, 10)), expected(20, 30));
    deepEqual(keys(scanOf(rows, 1, TIMERS, 10, timer(1, 84).key)), expected(84, 90));
    deepEqual(keys(scanOf(rows, 1, TIMERS, 3, timer(1, 7).key)), expected(20, 23));
    deepEqual(keys(scanOf(rows, 1, TIMERS, 3, rowOf(1, TIMERS, "t150x").key)), expected(51, 54));
    putRow(rows, timer(1, 4), "");
    deepEqual(keys(scanOf(rows, 1, TIMERS, 2)), [...expected(4, 5), ...expected(20, 21)]);
    equal(scanOf(rows, 1, TIMERS).length, 71);
    equal(scanOf(rows, 2, TIMERS).length, 90);
    deepEqual(scanOf(rows, 3, TIMERS), []);
  });

  test(`${name}: scan from a row in the middle of a map that was cleared gives none of its old rows`, async () => {
    await inBoth(subject, (rows) => {
      for (let i = 0; i < 10; i++) putRow(rows, entry("m", i), `${i}`);
      putRow(rows, entry("n", 1), "n");
    }, (rows) => {
      scanOf(rows, 3, MAPS, 1);
      rows.freeze();
      clearRows(rows, rowOf(3, MAPS, "m"));
      putRow(rows, entry("m", 2), "new");
      putRow(rows, entry("m", 6), "newer");
      deepEqual(texts(scanOf(rows, 3, MAPS, 10, entry("m", 4).key)), ["newer", "n"]);
      deepEqual(texts(scanOf(rows, 3, MAPS, undefined, entry("m", 4).key)), ["newer", "n"]);
      deepEqual(texts(scanOf(rows, 3, MAPS)), ["new", "newer", "n"]);
      rows.freeze();
      clearRows(rows, rowOf(3, MAPS, "m"));
      deepEqual(texts(scanOf(rows, 3, MAPS, 10, entry("m", 4).key)), ["n"]);
    });
  });
}

function cursorTests(name: string, subject: RowsSubject): void {
  test(`${name}: a cursor does not see what is written after it was opened, nor does it lose what is flushed`, async () => {
    await inBoth(subject, (rows) => {
      for (let i = 0; i < 60; i++) putRow(rows, entry(`m${i % 3}`, i), `${i}`);
    }, (rows) => {
      const expected = [groupOf(rows, entry("m1", 0)), scanOf(rows, 3, MAPS)] as const;
      const group = openGroup(rows, entry("m1", 0));
      const scan = openScan(rows, 3, MAPS);
      for (let i = 0; i < 60; i++) {
        if (i % 2 === 0) putRow(rows, entry(`m${i % 3}`, i), "x");
        else deleteRow(rows, entry(`m${i % 3}`, i));
        putRow(rows, entry("m1", `new ${i}`), "new");
      }
      clearRows(rows, rowOf(3, MAPS, "m1"));
      putRow(rows, entry("m1", 1), "after all");
      rows.freeze();
      putRow(rows, entry("m1", 4), "after that");
      deepEqual(drainCursor(group), expected[0]);
      deepEqual(drainCursor(scan), expected[1]);
      group.close();
      deepEqual(texts(groupOf(rows, entry("m1", 0))), ["after all", "after that"]);
    });
  });

  test(`${name}: memory that a cursor reads is kept until it is closed, and given back then`, async () => {
    await using rig = new RowsRig(subject, PLENTY);
    const rows = await rig.open();
    for (let i = 0; i < 500; i++) putRow(rows, entry("m", 100 + i), `${i}`);
    const cursor = openGroup(rows, entry("m", 0));
    rows.freeze();
    rig.settle();
    const used = rig.memory.usedBytes;
    for (let i = 0; i < 500; i++) putRow(rows, entry("x", 100 + i), "another");
    deepEqual(texts(drainCursor(cursor)), Array.from({ length: 500 }, (_, i) => `${i}`));
    rows.freeze();
    rig.settle();
    // Of the two that were flushed at most one is kept.
    ok(rig.memory.usedBytes < used * 1.5, `${rig.memory.usedBytes} of ${used} bytes`);
  });
}

function freezeTests(name: string, subject: RowsSubject): void {
  test(`${name}: a freeze holds the rows written before it and none of those after`, async () => {
    await using rig = new RowsRig(subject, PLENTY);
    const rows = await rig.open();
    const tickets: number[] = [];
    for (let i = 0; i < 4; i++) {
      for (let j = 0; j < 100; j++) putRow(rows, value(j), `${i}`);
      tickets.push(rows.freeze());
      putRow(rows, value(500 + i), "later");
    }
    let turns = 0;
    const between = () => putRow(rows, value(900 + turns), `${turns++}`);
    for (const i of [2, 0, 3, 1]) {
      const restored = await rig.open(await rig.snapshot(rows, tickets[i]!, i + 1, between));
      equal(getRow(restored, value(7)), `${i}`);
      equal(getRow(restored, value(500 + i)), null);
      equal(getRow(restored, value(899 + Math.max(1, turns))), null);
      if (i > 0) equal(getRow(restored, value(499 + i)), "later");
      await rig.wait(restored.close());
      if (i === 2) rig.clock.runDeferred();
    }
  });

  test(`${name}: freezes of nothing new, one after the other, are the same`, async () => {
    await using rig = new RowsRig(subject, PLENTY);
    const rows = await rig.open();
    const empty = await rig.snapshot(rows, rows.freeze(), 1);
    equal(empty.runs.length, 0);
    putRow(rows, value(1), "1");
    const first = await rig.snapshot(rows, rows.freeze(), 2);
    const second = await rig.snapshot(rows, rows.freeze(), 3);
    equal(first.fullBytes, second.fullBytes);
    equal(rig.store.ingestCount, 1);
  });

  test(`${name}: close ends everything, gives the memory back and closes the store; twice is once`, async () => {
    await using rig = new RowsRig(subject, PLENTY);
    const rows = await rig.open();
    for (let i = 0; i < 300; i++) putRow(rows, value(i), `${i}`);
    rows.freeze();
    rig.clock.runDeferred();
    const cursor = openScan(rows, 1, VALUES);
    cursor.next();
    await rig.wait(rows.close());
    await rig.wait(rows.close());
    cursor.close();
    equal(rig.memory.usedBytes, 0);
    equal(rig.store.isClosed, true);
    deepEqual([rig.store.frozenCount, rig.store.stepsCount], [0, 0]);
    equal(rows.backpressure(), undefined);
  });
}
