import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { lsmRowStoreFactory } from "../../backends/lsm/lsm_store.ts";
import type { RowStore } from "../../backends/embedded/row_store.ts";
import { narrow } from "../../checkpoint/rescaling.ts";
import { type KeyGroupRange, keyGroupRangeOf } from "../../core/key_groups.ts";
import type { KeyedStateHandle } from "../../core/snapshot.ts";
import { ingest, rows, StoreRig, work } from "../contracts/store_rig.ts";
import {
  applyRows,
  cleared,
  gone,
  MAPS,
  modelRows,
  put,
  type RowModel,
  rowOf,
  type SampleRow,
  textOf,
  VALUES,
} from "../support/sample_rows.ts";
import { scaled } from "../support/scale.ts";

const GROUPS = 8;
const SMALL = { blockBytes: 256, targetFileBytes: 512, levelBaseBytes: 2048, minMergedRuns: 3, maxLevel0Runs: 5 };

/** The subtasks of one operator, of which each has a store. */
class Operator {
  private stores: { readonly store: RowStore; readonly range: KeyGroupRange }[] = [];
  private handles: KeyedStateHandle[] = [];
  private checkpointId = 0;
  readonly model: RowModel = new Map();

  constructor(private readonly rig: StoreRig) {}

  /** Starts from the last checkpoint. */
  async start(parallelism: number): Promise<void> {
    for (const { store } of this.stores) await this.rig.wait(store.close());
    this.stores = [];
    for (let i = 0; i < parallelism; i++) {
      const range = keyGroupRangeOf(i, { parallelism, maxParallelism: GROUPS });
      const handles = this.handles.flatMap((handle) => narrow(handle, range) ?? []);
      this.stores.push({ store: await this.rig.restored(handles, range), range });
    }
  }

  /** Takes a checkpoint and goes on with it. */
  async rescale(parallelism: number): Promise<void> {
    const id = ++this.checkpointId;
    const handles: KeyedStateHandle[] = [];
    for (const { store, range } of this.stores) {
      handles.push(await this.rig.snapshot(store, id, { keyGroups: range }));
    }
    this.handles = handles;
    await this.start(parallelism);
  }

  /** Each row to the subtask that owns it. */
  write(batch: readonly SampleRow[]): void {
    applyRows(this.model, batch);
    for (const { store, range } of this.stores) {
      const own = batch.filter(({ key }) => key[1]! >= range.start && key[1]! <= range.end);
      if (own.length > 0) ingest(store, own);
    }
  }

  /** So many steps of compaction in each store; what is under way then is given up. */
  compact(steps: number): void {
    for (const { store } of this.stores) {
      if (steps > 100) {
        work(store);
        continue;
      }
      const under = store.nextWork();
      for (let i = 0; under !== null && i < steps && !under.step(); i++);
      under?.cancel();
    }
  }

  check(): void {
    const all: [string, string][] = [];
    for (const { store, range } of this.stores) {
      for (let group = 0; group < GROUPS; group++) {
        for (const state of [VALUES, MAPS]) {
          const found = rows(store, group, state);
          if (group >= range.start && group <= range.end) all.push(...found);
          else deepEqual(found, [], `foreign key group ${group}`);
        }
      }
    }
    deepEqual(all, modelRows(this.model, new Uint8Array(0)));
  }
}

const name = fc.tuple(fc.nat(GROUPS - 1), fc.constantFrom("a", "b", "c", "d", "e"));
const row: fc.Arbitrary<SampleRow> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.tuple(name, fc.string()).map(([[group, key], value]) => put(rowOf(group, VALUES, key), value)),
  },
  { weight: 2, arbitrary: name.map(([group, key]) => gone(rowOf(group, VALUES, key))) },
  {
    weight: 2,
    arbitrary: fc.tuple(name, fc.nat(3)).map(([[group, key], i]) => put(rowOf(group, MAPS, key, `${i}`), key)),
  },
  { weight: 1, arbitrary: name.map(([group, key]) => cleared(rowOf(group, MAPS, key))) },
);
const batch = fc.array(row, { minLength: 1, maxLength: 60 }).map((rows) => [
  ...new Map(rows.map((one) => [textOf(one.key), one])).values(),
]);
const action = fc.oneof(
  { weight: 5, arbitrary: batch.map((rows) => ({ rows })) },
  { weight: 3, arbitrary: fc.integer({ min: 1, max: 5 }).map((parallelism) => ({ parallelism })) },
  { weight: 3, arbitrary: fc.constantFrom(1, 2, 3, 1000).map((steps) => ({ steps })) },
);

test("LsmStore shows no stale and no foreign row, however often its key groups change owners [58-60, 63, 65]", {
  timeout: 120_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 24 }), async (actions) => {
      await using rig = new StoreRig({ factory: () => lsmRowStoreFactory(SMALL) });
      const operator = new Operator(rig);
      await operator.start(2);
      for (const one of actions) {
        if ("rows" in one) operator.write(one.rows);
        else if ("parallelism" in one) await operator.rescale(one.parallelism);
        else operator.compact(one.steps);
        operator.check();
      }
    }),
    { numRuns: scaled(40, 400) },
  );
});

test("LsmStore rescaled 2 → 3 → 2 → 5 with overwrites in between never resurrects a stale row [61, 64]", async () => {
  await using rig = new StoreRig({ factory: () => lsmRowStoreFactory(SMALL) });
  const operator = new Operator(rig);
  await operator.start(2);
  const all = (mark: string, every: number) =>
    Array.from({ length: 400 }, (_, i) => rowOf(i % GROUPS, VALUES, `k${i}`)).filter((_, i) => i % every === 0)
      .map((row, i) => i % 7 === 0 ? gone(row) : put(row, mark));
  operator.write(all("first", 1));
  for (const [round, parallelism] of [3, 2, 5, 1].entries()) {
    operator.write(all(`round ${round}`, round + 2));
    if (round % 2 === 0) operator.compact(1000);
    await operator.rescale(parallelism);
    operator.check();
  }
  operator.compact(1000);
  operator.check();
  ok(operator.model.size > 300);
});

test("LsmStore frees the space of rows that belong to others after a rescaling, and shows as many as before", async () => {
  await using rig = new StoreRig({ factory: () => lsmRowStoreFactory({ ...SMALL, targetFileBytes: 1 << 20 }) });
  const whole = await rig.open();
  const batch = Array.from({ length: 800 }, (_, i) => put(rowOf(i % GROUPS, VALUES, `k${i}`), `${i}`.padEnd(30, ".")));
  for (let part = 0; part < 4; part++) ingest(whole, batch.filter((_, i) => i % 4 === part));
  work(whole);
  const handle = await rig.snapshot(whole, 1);
  const quarter = await rig.restored([handle], { start: 0, end: 1 });
  equal(rows(quarter, 1, VALUES).length, 100);
  equal(rows(quarter, 2, VALUES).length, 0);
  ok(work(quarter) > 0);
  equal(rows(quarter, 1, VALUES).length, 100);
  const after = await rig.snapshot(quarter, 2);
  ok(after.fullBytes < handle.fullBytes / 3, `${after.fullBytes} of ${handle.fullBytes} bytes`);
});
