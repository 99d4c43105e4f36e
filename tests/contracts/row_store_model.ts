/** A store of rows against a plain Map: any sequence of ingests, work, freezes, confirmations and restores. */
import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { FrozenStore, RowStore } from "../../backends/embedded/row_store.ts";
import type { KeyedStateHandle } from "../../core/snapshot.ts";
import {
  applyRows,
  cleared,
  gone,
  LISTS,
  MAPS,
  modelRows,
  put,
  type RowModel,
  type RowName,
  rowOf,
  type SampleRow,
  textOf,
  VALUES,
} from "../support/sample_rows.ts";
import { scaled } from "../support/scale.ts";
import { everything, group, ingest, read, StoreRig, type StoreSubject, work } from "./store_rig.ts";

const keyGroup = fc.integer({ min: 0, max: 3 });
const letter = fc.constantFrom("a", "b", "ab", "");
const entry = fc.constantFrom("a", "b", "ab", "c");
const valueName = fc.tuple(keyGroup, letter).map(([kg, key]) => rowOf(kg, VALUES, key));
const entryName = fc.tuple(keyGroup, letter, entry).map(([kg, key, mapKey]) => rowOf(kg, MAPS, key, mapKey));
const elementName = fc.tuple(keyGroup, letter, fc.integer({ min: 0, max: 300 }))
  .map(([kg, key, number]) => rowOf(kg, LISTS, key, number));
const groupName = fc.tuple(keyGroup, fc.constantFrom(LISTS, MAPS), letter).map(([kg, state, key]) =>
  rowOf(kg, state, key)
);
const text = fc.string({ unit: "grapheme-ascii", maxLength: 12 });

const row: fc.Arbitrary<SampleRow> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.tuple(fc.oneof(valueName, entryName, elementName), text).map(([name, it]) => put(name, it)),
  },
  { weight: 2, arbitrary: fc.oneof(valueName, entryName).map(gone) },
  { weight: 1, arbitrary: groupName.map(cleared) },
);

/** A batch in which no key occurs twice. */
const batch = fc.array(row, { maxLength: 40 }).map((rows) => [
  ...new Map(rows.map((one) => [textOf(one.key), one])).values(),
]);

type Action =
  | { readonly act: "ingest"; readonly rows: readonly SampleRow[] }
  | { readonly act: "work" | "freeze" | "snapshot" | "full" | "confirm" | "abort" | "restore" };

const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 6, arbitrary: batch.map((rows): Action => ({ act: "ingest", rows })) },
  {
    weight: 4,
    arbitrary: fc.constantFrom("work", "freeze", "snapshot", "full", "confirm", "abort", "restore")
      .map((act): Action => ({ act } as Action)), // each of these acts has no other field
  },
);

/** What was there at a freeze or in a snapshot. */
interface Moment {
  readonly rows: [string, string][];
  readonly frozen?: FrozenStore;
  readonly handle?: KeyedStateHandle;
}

class Walk {
  private readonly model: RowModel = new Map();
  private readonly moments: Moment[] = [];
  private last: Moment = { rows: [] };
  private checkpointId = 0;

  constructor(private readonly rig: StoreRig, private store: RowStore) {}

  async take(step: Action): Promise<void> {
    if (step.act === "ingest") {
      ingest(this.store, step.rows);
      applyRows(this.model, step.rows);
    } else if (step.act === "work") {
      work(this.store);
    } else if (step.act === "freeze") {
      this.moments.push({ rows: this.rows(), frozen: this.store.freeze() });
    } else if (step.act === "snapshot" || step.act === "full") {
      await this.snapshot(step.act === "full");
    } else if (step.act === "confirm") {
      this.store.confirm(this.checkpointId);
    } else if (step.act === "abort") {
      this.store.abort(this.checkpointId);
    } else {
      await this.restore();
    }
    deepEqual(everything(this.store), this.rows());
  }

  /** Of the oldest freeze that was not written, or of now. */
  private async snapshot(full: boolean): Promise<void> {
    const { rows, frozen } = this.moments.shift() ?? { rows: this.rows() };
    const options = frozen === undefined ? { full } : { full, frozen };
    this.last = { rows, handle: await this.rig.snapshot(this.store, ++this.checkpointId, options) };
  }

  private async restore(): Promise<void> {
    const { handle, rows } = this.last;
    for (const { frozen } of this.moments.splice(0)) frozen?.release();
    this.store = handle === undefined ? await this.rig.open() : await this.rig.restored([handle]);
    this.model.clear();
    for (const [key, value] of rows) this.model.set(key, value);
  }

  checkReads(names: readonly RowName[]): void {
    for (const name of names) {
      equal(read(this.store, name), this.model.get(textOf(name.key)) ?? null);
      const prefix = name.key.slice(0, name.prefixBytes);
      if (name.prefixBytes < name.key.length) {
        deepEqual(group(this.store, { key: prefix, prefixBytes: prefix.length }), modelRows(this.model, prefix));
      }
    }
  }

  private rows(): [string, string][] {
    return modelRows(this.model, new Uint8Array(0));
  }
}

/** The model test. */
export function rowStoreModel(name: string, subject: StoreSubject): void {
  test(`${name}: behaves like a plain Map under any sequence of actions`, { timeout: 120_000 }, async () => {
    const names = fc.array(fc.oneof(valueName, entryName), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 30 }), names, async (actions, reads) => {
        await using rig = new StoreRig(subject);
        const walk = new Walk(rig, await rig.open());
        for (const one of actions) await walk.take(one);
        walk.checkReads(reads);
      }),
      { numRuns: scaled(60, 500) },
    );
  });
}
