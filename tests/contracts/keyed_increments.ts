/** Incremental snapshots, and rows of other owners in them. */
import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import type { StateBackendFactory } from "../../core/backend.ts";
import { valueState } from "../../core/descriptors.ts";
import { StreamError } from "../../core/errors.ts";
import type { FrozenRows, KeyedStateHandle, LogSegment, RowDraft, RowSource, RunHandle } from "../../core/snapshot.ts";
import { BackendRig, type BackendTraits, filesOf, MAX_PARALLELISM } from "./backend_rig.ts";
import { BOX, CELLS, COUNT, fill, ITEMS, KEYS, read } from "./snapshot_sample.ts";

/** Rows kept outside the backend. */
class CountedRows implements RowSource {
  readonly name = "rows of the test";
  readonly loaded = new Map<number, number>();
  readonly heard: string[] = [];
  released = 0;
  constructor(private readonly count: number) {}

  freeze(checkpointId: number, full: boolean): FrozenRows {
    this.heard.push(`freeze ${checkpointId} ${full}`);
    let next = this.count;
    return {
      next: (row: RowDraft): boolean => {
        if (next === 0) return false;
        next--;
        row.kind = "put";
        row.keyGroup = (next * 37) % MAX_PARALLELISM;
        row.key.u32(next);
        row.value.u16(next % 1000);
        return true;
      },
      release: () => {
        this.released++;
      },
    };
  }

  load(keyGroup: number, key: Uint8Array, value: Uint8Array): void {
    const number = new DataView(key.buffer, key.byteOffset).getUint32(0);
    equal(keyGroup, (number * 37) % MAX_PARALLELISM);
    this.loaded.set(number, new DataView(value.buffer, value.byteOffset).getUint16(0));
  }

  confirm(checkpointId: number): void {
    this.heard.push(`confirm ${checkpointId}`);
  }

  abort(checkpointId: number): void {
    this.heard.push(`abort ${checkpointId}`);
  }
}

/** Items 53, 63. */
export function rowSourceSuite(name: string, factory: StateBackendFactory): void {
  test(`${name}: rows of another owner travel in the snapshot [53]`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open();
    const rows = new CountedRows(3000);
    backend.attach(rows);
    fill(backend, 1);
    const handle = await rig.snapshot(backend, { id: 4 });
    equal(rows.released, 1);
    await using restored = await rig.open([handle]);
    const loaded = new CountedRows(0);
    restored.attach(loaded);
    equal(loaded.loaded.size, 3000);
    equal(loaded.loaded.get(1234), 234);
    deepEqual(read(restored), read(backend));
    backend.confirm(4);
    backend.abort(5);
    deepEqual(rows.heard, ["freeze 4 true", "confirm 4", "abort 5"]);
    throws(() => restored.state(valueState("rows of the test")), StreamError);
  });

  test(`${name}: rows are loaded for the backend's key groups only [63]`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open();
    backend.attach(new CountedRows(1000));
    const handle = await rig.snapshot(backend);
    const low = new CountedRows(0);
    const high = new CountedRows(0);
    await using left = await rig.open([handle], { keyGroups: { start: 0, end: 40 } });
    left.attach(low);
    await using right = await rig.open([handle], { keyGroups: { start: 41, end: 127 } });
    right.attach(high);
    equal(low.loaded.size + high.loaded.size, 1000);
    ok(low.loaded.size > 0 && high.loaded.size > 0);
  });
}

/**
 * What an increment holds and builds on.
 *
 * @param chains How many chains of runs a snapshot has: each state may have its own.
 */
export function incrementSuite(
  name: string,
  factory: StateBackendFactory,
  chains = 1,
  { isLogged = false }: BackendTraits = {},
): void {
  test(`${name}: an increment holds what changed since the last confirmed checkpoint, and no more`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open([], { incremental: true });
    fill(backend, 1);
    const full = await rig.snapshot(backend, { confirm: true });
    backend.setCurrentKey("k53");
    backend.state(COUNT).update(9);
    backend.state(CELLS).delete("fixed");
    backend.setCurrentKey("k106");
    backend.state(BOX).clear();
    backend.state(ITEMS).clear();
    backend.state(ITEMS).add(5);
    const lost = await rig.snapshot(backend, { id: 50 });
    backend.abort(50);
    backend.setCurrentKey("k0");
    backend.state(ITEMS).add(77);
    const increment = await rig.snapshot(backend);
    ok(lost !== null && full !== null && increment !== null);
    const [kept, added] = dividedBy(full, increment);
    deepEqual(kept.map(({ file }) => file), filesOf(full));
    equal(added.reduce((sum, part) => sum + countOf(part), 0), 6);
    if (chains === 1) deepEqual([...kept, ...added], partsOf(increment), "what is new lies above what was there");
    ok(increment.incrementBytes < full.incrementBytes / 10);
    equal(increment.fullBytes, full.fullBytes + increment.incrementBytes);
    await using restored = await rig.open([increment]);
    deepEqual(read(restored), read(backend));
    equal(restored.entryCount, backend.entryCount);
  });

  test(`${name}: a full snapshot in between stands alone, and nothing builds on it`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open([], { incremental: true });
    fill(backend, 1);
    const first = await rig.snapshot(backend, { confirm: true });
    ok(first !== null && filesOf(first).every(({ scope }) => scope === "shared"));
    fill(backend, 2);
    const savepoint = await rig.snapshot(backend, { id: 60, full: true });
    ok(savepoint !== null && savepoint.runs.every((run) => run.file.scope === "exclusive"));
    equal(savepoint.incrementBytes, savepoint.fullBytes);
    const increment = await rig.snapshot(backend);
    ok(increment !== null);
    const [kept, added] = dividedBy(first, increment);
    deepEqual(kept.map(({ file }) => file), filesOf(first));
    ok(added.length > 0 && filesOf(increment).every(({ scope }) => scope === "shared"));
    if (chains === 1) deepEqual([...kept, ...added], partsOf(increment));
    for (const handle of [savepoint, increment]) {
      await using restored = await rig.open([handle]);
      deepEqual(read(restored), read(backend));
    }
  });

  test(`${name}: what comes and goes between two checkpoints leaves nothing`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open([], { incremental: true });
    fill(backend, 1);
    await rig.snapshot(backend, { confirm: true });
    const count = backend.state(COUNT);
    for (let i = 0; i < 20_000; i++) {
      backend.setCurrentKey(`passing ${i}`);
      count.update(1);
      count.clear();
    }
    const increment = await rig.snapshot(backend);
    // In a store of bytes a deletion is a row: whether there is something to delete further down is not known.
    if (!backend.storesBytes && !isLogged) deepEqual([increment?.runs.length, increment?.incrementBytes], [1, 0]);
    await using restored = await rig.open([increment]);
    equal([...restored.keys(COUNT)].length, KEYS);
  });

  // A log is cut off by materializations: tests/backends/changelog_test.ts. Its files are shared in any case.
  if (isLogged) return;

  test(`${name}: a chain is rebased before it grows long`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open([], { incremental: true });
    fill(backend, 1);
    let longest = 0;
    for (let round = 0; round < 25; round++) {
      backend.setCurrentKey(`k${round}`);
      backend.state(COUNT).update(round);
      const handle = await rig.snapshot(backend, { confirm: true });
      longest = Math.max(longest, handle?.runs.length ?? 0);
    }
    ok(longest > 1 && longest <= 16 * chains, `longest chain: ${longest}`);
  });

  test(`${name}: without increments every snapshot is exclusive and whole`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open();
    fill(backend, 1);
    for (let i = 0; i < 2; i++) {
      const handle = await rig.snapshot(backend, { confirm: true });
      ok(handle !== null && handle.runs.every((run) => run.file.scope === "exclusive"));
      equal(handle.incrementBytes, handle.fullBytes);
      equal(handle.runs.at(-1)?.level, 0);
    }
  });
}

type Part = RunHandle | LogSegment;

/** Runs, then segments of the log. */
function partsOf({ runs, log = [] }: KeyedStateHandle): Part[] {
  return [...runs, ...log];
}

function countOf(part: Part): number {
  return "rowCount" in part ? part.rowCount : part.entryCount;
}

/** Parts of `later` that are in `earlier` too, and those that are not, each in their order. */
function dividedBy(earlier: KeyedStateHandle, later: KeyedStateHandle): [kept: Part[], added: Part[]] {
  const isIn = ({ file }: Part) => filesOf(earlier).some((known) => isDeepStrictEqual(known, file));
  return [partsOf(later).filter(isIn), partsOf(later).filter((part) => !isIn(part))];
}
