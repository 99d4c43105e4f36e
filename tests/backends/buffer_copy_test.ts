/** Snapshots that copy a write buffer instead of having it flushed. */
import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BufferedRows } from "../../backends/embedded/buffered_rows.ts";
import { RowsAbove } from "../../backends/embedded/rows_above.ts";
import { compareBytes } from "../../core/bytes.ts";
import { appendRow, clearRows, deleteRow, getRow, putRow, RowsRig, type RowsSubject } from "../contracts/rows_rig.ts";
import { bytesOf, drainCursor, LISTS, MAPS, type RowName, rowOf, textOf, VALUES } from "../support/sample_rows.ts";

const SUBJECT: RowsSubject = {
  open: (parts) => new BufferedRows({ operatorName: "totals", backendName: "lsm", ...parts }),
};
const PLENTY = 1 << 22;

async function openIn(rig: RowsRig): Promise<BufferedRows> {
  const rows = await rig.open();
  if (!(rows instanceof BufferedRows)) throw new TypeError("SUBJECT makes no other rows");
  return rows;
}

/** What rows are there now, by what they were last set to. */
class Model {
  readonly rows = new Map<string, string>();

  clear(prefix: string): void {
    for (const key of this.rows.keys()) if (key.startsWith(prefix)) this.rows.delete(key);
  }

  /** In the order of a run. */
  sorted(): [string, string][] {
    const order = (left: string, right: string) =>
      compareBytes(bytesOf(left), 0, left.length, bytesOf(right), 0, right.length);
    return [...this.rows].sort(([left], [right]) => order(left, right));
  }
}

/** Everything that was there at a moment; `between` runs while the copy is sorted. */
async function contentAt(rig: RowsRig, rows: BufferedRows, between: () => void): Promise<[string, string][]> {
  const { ticket, copy } = rows.freezeApart();
  between();
  const frozen = await rig.wait(rows.frozen(ticket));
  try {
    if (copy === undefined) return drainCursor(frozen.rows());
    await rig.wait(copy.sort(), between);
    return drainCursor(new RowsAbove(frozen.rows(), copy));
  } finally {
    copy?.release();
    frozen.release();
  }
}

const value = (i: number): RowName => rowOf(i % 8, VALUES, `key-${i}`);
const entry = (map: number, i: number): RowName => rowOf(map % 8, MAPS, `map-${map}`, `e${i}`);

/** Does one random thing to rows and model. */
function act(rows: BufferedRows, model: Model, [what, a, b]: readonly [number, number, number], turn: number): void {
  const text = `${turn}`.repeat(1 + b % 9);
  const set = (name: RowName) => {
    putRow(rows, name, text);
    model.rows.set(textOf(name.key), text);
  };
  const remove = (name: RowName) => {
    deleteRow(rows, name);
    model.rows.delete(textOf(name.key));
  };
  if (what < 4) set(value(a));
  else if (what < 5) remove(value(a));
  else if (what < 7) set(entry(a % 4, b));
  else if (what < 8) remove(entry(a % 4, b));
  else if (what < 9) {
    const element = rowOf(a % 8, LISTS, "list", turn);
    appendRow(rows, element, text);
    model.rows.set(textOf(element.key), text);
  } else {
    const name = b % 2 === 0 ? entry(a % 4, 0) : rowOf(a % 8, LISTS, "list", 0);
    const prefix = name.key.slice(0, name.prefixBytes);
    clearRows(rows, { key: prefix, prefixBytes: prefix.length });
    model.clear(textOf(prefix));
  }
}

test("a copy over the store holds what was there at its moment, whatever was written, cleared and flushed before and since", async () => {
  const action = fc.tuple(fc.nat({ max: 9 }), fc.nat({ max: 30 }), fc.nat({ max: 12 }));
  const rounds = fc.array(fc.tuple(fc.array(action, { maxLength: 60 }), fc.nat({ max: 3 })), { maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(rounds, async (rounds) => {
      await using rig = new RowsRig(SUBJECT, PLENTY);
      const rows = await openIn(rig);
      const model = new Model();
      let turn = 0;
      for (const [actions, then] of rounds) {
        for (const one of actions) act(rows, model, one, ++turn);
        const expected = model.sorted();
        const between = () => act(rows, model, [turn % 10, turn % 31, turn % 13], ++turn);
        deepEqual(await contentAt(rig, rows, between), expected);
        if (then === 0) rows.freeze();
        if (then === 1) rig.settle();
      }
      deepEqual(await contentAt(rig, rows, () => {}), model.sorted());
    }),
    { numRuns: 60 },
  );
});

test("a copy leaves the buffer where it is, and its memory is given back", async () => {
  await using rig = new RowsRig(SUBJECT, PLENTY);
  const rows = await openIn(rig);
  for (let i = 0; i < 500; i++) putRow(rows, value(i), "v");
  const buffer = rows.activeBuffer;
  const { usedBytes } = rig.memory;
  const { ticket, copy } = rows.freezeApart();
  const frozen = await rig.wait(rows.frozen(ticket));
  ok(rig.memory.usedBytes > usedBytes, `${rig.memory.usedBytes}`);
  await rig.wait(copy!.sort());
  copy!.release();
  copy!.release();
  frozen.release();
  equal(rows.activeBuffer, buffer);
  equal(rows.flushCount, 0);
  equal(rig.memory.usedBytes, usedBytes + 500 * 4, "the order that is kept");
  equal(getRow(rows, value(7)), "v");
});

test("the order of a copy is used by the next one and by a flush: only rows that came since are sorted", async () => {
  await using rig = new RowsRig(SUBJECT, PLENTY);
  const rows = await openIn(rig);
  const model = new Model();
  const set = (i: number, text: string) => {
    putRow(rows, value(i), text);
    model.rows.set(textOf(value(i).key), text);
  };
  for (let i = 0; i < 3_000; i += 2) set(i, "first");
  deepEqual(await contentAt(rig, rows, () => {}), model.sorted());
  const { known } = rows.activeBuffer;
  equal(known?.rows.length, 1_500);
  for (let i = 0; i < 3_000; i += 5) set(i, "a value that needs more room");
  deepEqual(await contentAt(rig, rows, () => {}), model.sorted());
  // A row that has grown has a new place; the old one is known and passed over.
  equal(rows.activeBuffer.known?.rows.length, 1_500 + 600);
  set(1, "last");
  const frozen = await rig.wait(rows.frozen(rows.freeze()));
  deepEqual(drainCursor(frozen.rows()), model.sorted());
  frozen.release();
});

test("an order is forgotten when a row that did not count comes back in its old place", async () => {
  await using rig = new RowsRig(SUBJECT, PLENTY);
  const rows = await openIn(rig);
  putRow(rows, entry(1, 1), "one");
  putRow(rows, entry(1, 2), "two");
  const map = { key: entry(1, 1).key.slice(0, entry(1, 1).prefixBytes), prefixBytes: entry(1, 1).prefixBytes };
  clearRows(rows, map);
  equal((await contentAt(rig, rows, () => {})).length, 0);
  ok(rows.activeBuffer.known !== undefined);
  putRow(rows, entry(1, 2), "new");
  equal(rows.activeBuffer.known, undefined);
  deepEqual(await contentAt(rig, rows, () => {}), [[textOf(entry(1, 2).key), "new"]]);
});

test("a buffer is flushed after all when there is no memory for its copy", async () => {
  await using rig = new RowsRig(SUBJECT, 1 << 17);
  const rows = await openIn(rig);
  for (let i = 0; i < 150; i++) putRow(rows, value(i), "v".repeat(100));
  const { ticket, copy } = rows.freezeApart();
  equal(copy, undefined);
  const frozen = await rig.wait(rows.frozen(ticket));
  equal(drainCursor(frozen.rows()).length, 150);
  equal(rows.flushCount, 1);
  frozen.release();
});

test("sorting a copy ends with the reason that it is cancelled for", async () => {
  await using rig = new RowsRig(SUBJECT, PLENTY);
  const rows = await openIn(rig);
  rig.clock.tickMs = 10;
  for (let i = 0; i < 3_000; i++) putRow(rows, value(i), "v");
  const { ticket, copy } = rows.freezeApart();
  const sorting = rejects(copy!.sort(), /given up/);
  copy!.cancel(new Error("given up"));
  await rig.wait(sorting);
  copy!.release();
  (await rig.wait(rows.frozen(ticket))).release();
});
