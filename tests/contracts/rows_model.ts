/** Rows against a plain Map: any sequence of writes, reads, cursors, freezes and turns of the event loop. */
import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { RowCursor } from "../../backends/embedded/row_store.ts";
import type { Rows } from "../../backends/embedded/rows.ts";
import {
  bytesOf,
  drainCursor,
  LISTS,
  MAPS,
  modelRows,
  type RowModel,
  type RowName,
  rowOf,
  textOf,
  TIMERS,
  VALUES,
} from "../support/sample_rows.ts";
import { scaled } from "../support/scale.ts";
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
  TINY_BYTES,
} from "./rows_rig.ts";

const keyGroup = fc.integer({ min: 0, max: 2 });
const letter = fc.constantFrom("a", "b", "ab", "");
const valueName = fc.tuple(keyGroup, letter).map(([kg, key]) => rowOf(kg, VALUES, key));
const timerName = fc.tuple(keyGroup, fc.integer({ min: 0, max: 60 }))
  .map(([kg, time]) => rowOf(kg, TIMERS, String.fromCharCode(33 + time)));
const entryName = fc.tuple(keyGroup, letter, fc.constantFrom("a", "b", "c", "d", "e", "ab", "ac"))
  .map(([kg, key, entry]) => rowOf(kg, MAPS, key, entry));
const groupName = fc.tuple(keyGroup, fc.constantFrom(LISTS, MAPS), letter).map(([kg, state, key]) =>
  rowOf(kg, state, key)
);
const listName = fc.tuple(keyGroup, letter).map(([kg, key]) => rowOf(kg, LISTS, key));
const text = fc.oneof(
  fc.string({ unit: "grapheme-ascii", maxLength: 12 }),
  fc.nat({ max: 300 }).map((n) => "v".repeat(n)),
);

type Action =
  | { readonly act: "put"; readonly name: RowName; readonly text: string }
  | { readonly act: "append"; readonly name: RowName; readonly text: string }
  | { readonly act: "delete" | "clear" | "get" | "group" | "hold"; readonly name: RowName }
  | { readonly act: "scan" | "holdScan"; readonly name: RowName; readonly limit: number; readonly from: boolean }
  | { readonly act: "freeze" | "turn" | "settle" | "check" | "wait" };

const state = fc.oneof(valueName, timerName, entryName);
const put = fc.tuple(state, text).map(([name, it]): Action => ({ act: "put", name, text: it }));
const append = fc.tuple(listName, text).map(([name, it]): Action => ({ act: "append", name, text: it }));
const point = fc.tuple(fc.constantFrom("delete" as const, "get" as const), state)
  .map(([act, name]): Action => ({ act, name }));
const range = fc.tuple(fc.constantFrom("clear" as const, "group" as const, "hold" as const), groupName)
  .map(([act, name]): Action => ({ act, name }));
const scan = fc.tuple(
  fc.constantFrom("scan" as const, "holdScan" as const),
  fc.oneof(valueName, timerName, entryName, groupName),
  fc.integer({ min: 1, max: 8 }),
  fc.boolean(),
).map(([act, name, limit, from]): Action => ({ act, name, limit, from }));
const other = fc.constantFrom("freeze" as const, "turn" as const, "settle" as const, "check" as const, "wait" as const)
  .map((act): Action => ({ act }));
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 8, arbitrary: put },
  { weight: 3, arbitrary: append },
  { weight: 4, arbitrary: point },
  { weight: 3, arbitrary: range },
  { weight: 3, arbitrary: scan },
  { weight: 3, arbitrary: other },
);

/** A cursor that is read to its end later, and what it must give. */
interface Held {
  readonly cursor: RowCursor;
  readonly rows: [string, string][];
}

class Walk {
  private readonly model: RowModel = new Map();
  private readonly held: Held[] = [];
  private readonly freezes: { readonly ticket: number; readonly rows: [string, string][] }[] = [];
  private listNumber = 0;
  private checkpointId = 0;

  constructor(private readonly rig: RowsRig, private readonly rows: Rows) {}

  async take(step: Action): Promise<void> {
    const { rows, model } = this;
    if (step.act === "put") {
      putRow(rows, step.name, step.text);
      model.set(textOf(step.name.key), step.text);
    } else if (step.act === "append") {
      const { key } = step.name;
      const row = { key: bytesOf(textOf(key) + textOf(number(this.listNumber++))), prefixBytes: key.length };
      appendRow(rows, row, step.text);
      model.set(textOf(row.key), step.text);
    } else if (step.act === "delete") {
      deleteRow(rows, step.name);
      model.delete(textOf(step.name.key));
    } else if (step.act === "clear") {
      clearRows(rows, step.name);
      for (const [key] of modelRows(model, step.name.key)) model.delete(key);
    } else {
      await this.look(step);
    }
  }

  private async look(step: Action): Promise<void> {
    const { rows, model, rig } = this;
    if (step.act === "get") equal(getRow(rows, step.name), model.get(textOf(step.name.key)) ?? null);
    else if (step.act === "group") deepEqual(groupOf(rows, step.name), modelRows(model, step.name.key));
    else if (step.act === "hold" && this.mayHold()) {
      this.held.push({ cursor: openGroup(rows, step.name), rows: modelRows(model, step.name.key) });
    } else if (step.act === "scan") {
      const expected = this.state(step.name, step.from).slice(0, step.limit);
      deepEqual(this.scan(step.name, step.limit, step.from), expected);
    } else if (step.act === "holdScan" && this.mayHold()) {
      const { key } = step.name;
      const cursor = openScan(rows, key[1]!, key[3]!, undefined, step.from ? key : undefined);
      this.held.push({ cursor, rows: this.state(step.name, step.from) });
    } else if (step.act === "freeze") {
      this.freezes.push({ ticket: rows.freeze(), rows: modelRows(model, new Uint8Array(0)) });
    } else if (step.act === "turn") rig.clock.runDeferred();
    else if (step.act === "settle") rig.settle();
    else if (step.act === "wait") await rig.wait(rows.backpressure() ?? Promise.resolve());
    else if (step.act === "check") await this.check();
  }

  /** Whether there is memory enough that what a cursor reads may stay in it. */
  private mayHold(): boolean {
    const { usedBytes, writeBytes } = this.rig.memory;
    return writeBytes > TINY_BYTES && usedBytes * 4 < writeBytes;
  }

  private scan({ key }: RowName, limit: number, from: boolean): [string, string][] {
    return scanOf(this.rows, key[1]!, key[3]!, limit, from ? key : undefined);
  }

  private state({ key }: RowName, from: boolean): [string, string][] {
    return modelRows(this.model, key.slice(0, 4), from ? key : undefined);
  }

  private async check(): Promise<void> {
    for (const { cursor, rows } of this.held.splice(0)) deepEqual(drainCursor(cursor), rows);
    const next = this.freezes.shift();
    if (next === undefined) return;
    const handle = await this.rig.snapshot(this.rows, next.ticket, ++this.checkpointId);
    const restored = await this.rig.open(handle);
    deepEqual(everything(restored), next.rows);
    await this.rig.wait(restored.close());
  }

  async end(): Promise<void> {
    await this.check();
    deepEqual(everything(this.rows), modelRows(this.model, new Uint8Array(0)));
    while (this.freezes.length > 0) await this.check();
    this.rig.settle();
    deepEqual(everything(this.rows), modelRows(this.model, new Uint8Array(0)));
  }
}

function number(value: number): Uint8Array {
  return new Uint8Array([0, 0, 0, 0, 0, 0, value >> 8, value]);
}

function everything(rows: Rows): [string, string][] {
  return [0, 1, 2].flatMap((group) => [VALUES, LISTS, MAPS, TIMERS].flatMap((state) => scanOf(rows, group, state)));
}

/** The model test. */
export function rowsModel(name: string, subject: RowsSubject): void {
  test(`${name}: behaves like a plain Map under any sequence of actions`, { timeout: 120_000 }, async () => {
    const sizes = fc.constantFrom(TINY_BYTES, TINY_BYTES * 8, 1 << 20);
    const actions = fc.array(action, { maxLength: 150, size: "max" });
    await fc.assert(
      fc.asyncProperty(actions, sizes, fc.constantFrom(3, 100), async (actions, memoryBytes, behindLayers) => {
        const rig = new RowsRig(subject, memoryBytes, behindLayers);
        {
          await using _rows = rig;
          const walk = new Walk(rig, await rig.open());
          for (const one of actions) await walk.take(one);
          await walk.end();
        }
        equal(rig.memory.usedBytes, 0, "memory that was not given back");
        for (const store of rig.stores.stores) deepEqual([store.frozenCount, store.cursorCount], [0, 0]);
      }),
      { numRuns: scaled(150, 1_500) },
    );
  });
}
