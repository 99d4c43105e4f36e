/**
 * Reads the rows of a store's key groups out of the runs of older snapshots into its tree.
 *
 * Called by: lmdb_store.ts.
 * Calls: ../runs/open_run.ts, ../runs/merge_cursor.ts, row_tree.ts.
 *
 * Invariants:
 * - the runs of one handle are merged by age; rows of different handles, which have different key groups, never are.
 *
 * @module
 */
import { SnapshotCorruptError } from "../../core/errors.ts";
import { intersect, type KeyGroupRange } from "../../core/key_groups.ts";
import type { KeyedStateHandle, SnapshotReader } from "../../core/snapshot.ts";
import type { StoreContext } from "../embedded/row_store.ts";
import { MergeCursor } from "../runs/merge_cursor.ts";
import { OpenRun } from "../runs/open_run.ts";
import { Slices } from "../states/slices.ts";
import { checkSameIds } from "../states/state_checks.ts";
import type { RowTree } from "./row_tree.ts";

/** Rows of one transaction. */
const ROWS_PER_TRANSACTION = 1024;
/** A transaction keeps the pages that it changes in memory. */
const BYTES_PER_TRANSACTION = 524_288;

/** Where restored rows go. */
export interface RestoreTarget {
  readonly tree: RowTree;
  readonly context: StoreContext;
}

/** Adds the rows of `handle` in `wanted`. @throws {SnapshotCorruptError} If a file is damaged. */
export async function restoreRows(
  handle: KeyedStateHandle,
  wanted: KeyGroupRange,
  reader: SnapshotReader,
  target: RestoreTarget,
): Promise<void> {
  const range = intersect(handle.keyGroups, wanted);
  if (range === undefined) return;
  const runs: OpenRun[] = [];
  try {
    for (const run of handle.runs) {
      if (intersect(run.keyGroups, range) !== undefined) runs.push(await OpenRun.openSnapshot(run, reader));
    }
    await new Restore(runs, range, target).run();
  } finally {
    for (const run of runs) run.close();
  }
}

class Restore {
  private readonly rows: MergeCursor;
  /** For each run: id of a state there → id here. */
  private readonly ids: readonly ReadonlyMap<number, number>[];
  private readonly slices: Slices;
  private key = new Uint8Array(512);

  constructor(
    private readonly runs: readonly OpenRun[],
    range: KeyGroupRange,
    private readonly target: RestoreTarget,
  ) {
    checkSameIds(runs);
    this.ids = runs.map((run) => idsOf(run, target.context));
    this.rows = new MergeCursor(runs.map((run) => run.rows(range)));
    this.slices = new Slices(target.context.clock);
  }

  async run(): Promise<void> {
    let done = false;
    while (!done) {
      this.target.tree.transaction(() => {
        done = this.addSome();
      });
      if (this.slices.isDue()) await this.slices.pause();
    }
  }

  private addSome(): boolean {
    let bytes = 0;
    for (let count = 0; count < ROWS_PER_TRANSACTION && bytes < BYTES_PER_TRANSACTION; count++) {
      if (!this.rows.next()) return true;
      bytes += this.addRow();
    }
    return false;
  }

  private addRow(): number {
    const { rows, target: { tree } } = this;
    const { key, keyBytes, value, valueStart, valueEnd } = rows;
    const id = (key[2]! << 8) | key[3]!;
    const here = this.ids[rows.runIndex]!.get(id);
    if (here === undefined) {
      const reason = `a row belongs to state ${id}, which the state table lacks`;
      throw new SnapshotCorruptError(this.runs[rows.runIndex]!.path, { reason });
    }
    if (here === id) {
      tree.put(key, 0, keyBytes, value, valueStart, valueEnd);
    } else {
      if (keyBytes > this.key.length) this.key = new Uint8Array(keyBytes * 2);
      this.key.set(key.subarray(0, keyBytes));
      this.key[2] = here >>> 8;
      this.key[3] = here;
      tree.put(this.key, 0, keyBytes, value, valueStart, valueEnd);
    }
    return keyBytes + valueEnd - valueStart;
  }
}

function idsOf(run: OpenRun, context: StoreContext): Map<number, number> {
  const ids = new Map<number, number>();
  for (const state of run.states) {
    ids.set(state.id, context.restoredStateId(state, run.path));
  }
  return ids;
}
