/**
 * Reads the rows of a backend's key groups out of the runs of older snapshots.
 *
 * Called by: heap_backend.ts.
 * Calls: ../runs/open_run.ts, ../runs/merge_cursor.ts, state_registry.ts.
 *
 * Invariants:
 * - the runs of one handle are merged by age; rows of different handles, which have different key groups, never are.
 *
 * @module
 */
import { SnapshotCorruptError } from "../../core/errors.ts";
import { intersect, type KeyGroupRange } from "../../core/key_groups.ts";
import type { KeyedStateHandle, SnapshotReader } from "../../core/snapshot.ts";
import { MergeCursor } from "../runs/merge_cursor.ts";
import { OpenRun } from "../runs/open_run.ts";
import { checkSameIds } from "../states/state_checks.ts";
import type { RestoredPart } from "./restored_state.ts";
import type { StateRegistry } from "./state_registry.ts";

/** Bytes of a row key before the part that is stored with a restored row: key group and state id. */
const ROUTE_BYTES = 4;

/** Adds the rows of `handle` that fall into `wanted` to `registry`. @throws {SnapshotCorruptError} If a file is damaged. */
export async function restoreHandle(
  handle: KeyedStateHandle,
  wanted: KeyGroupRange,
  reader: SnapshotReader,
  registry: StateRegistry,
): Promise<void> {
  const range = intersect(handle.keyGroups, wanted);
  if (range === undefined) return;
  const runs: OpenRun[] = [];
  try {
    for (const run of handle.runs) {
      if (intersect(run.keyGroups, range) !== undefined) runs.push(await OpenRun.openSnapshot(run, reader));
    }
    mergeRuns(runs, range, registry);
  } finally {
    for (const run of runs) run.close();
  }
}

function mergeRuns(runs: readonly OpenRun[], range: KeyGroupRange, registry: StateRegistry): void {
  const parts = runs.map((run) => partsOf(run, registry));
  checkSameIds(runs);
  const rows = new MergeCursor(runs.map((run) => run.rows(range)));
  while (rows.next()) {
    const { key } = rows;
    const stateId = (key[2]! << 8) | key[3]!;
    const part = parts[rows.runIndex]!.get(stateId);
    if (part === undefined) {
      const reason = `a row belongs to state ${stateId}, which the state table lacks`;
      throw new SnapshotCorruptError(runs[rows.runIndex]!.path, { reason });
    }
    const keyGroup = (key[0]! << 8) | key[1]!;
    part.rows.add(keyGroup, rows.code, key, ROUTE_BYTES, rows.keyBytes, rows.value, rows.valueStart, rows.valueEnd);
  }
}

/** Where the rows of each state of a run go, by the state's id in the run. */
function partsOf(run: OpenRun, registry: StateRegistry): Map<number, RestoredPart> {
  const parts = new Map<number, RestoredPart>();
  for (const state of run.states) {
    parts.set(state.id, registry.restored(state).partFor(state, run.path));
  }
  return parts;
}
