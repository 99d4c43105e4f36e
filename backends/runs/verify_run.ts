/**
 * Reads a whole run and compares every byte of it with its checksums.
 *
 * Called by: runtime/job_start.ts, before a checkpoint is trusted.
 * Calls: open_run.ts, run_input.ts.
 *
 * @module
 */
import { SnapshotCorruptError } from "../../core/errors.ts";
import type { RunHandle, SnapshotInput } from "../../core/snapshot.ts";
import { OpenRun } from "./open_run.ts";
import { SnapshotRunInput } from "./run_input.ts";

/**
 * Checks a run.
 *
 * @param run What the checkpoint knows of it.
 * @throws {SnapshotCorruptError} If a byte differs from what was written.
 */
export function verifyRun(input: SnapshotInput, run: RunHandle): void {
  const rows = OpenRun.read(new SnapshotRunInput(input), { ...run, keyGroups: { start: 0, end: 0xffff } }, null).rows();
  let rowCount = 0;
  while (rows.next()) rowCount++;
  if (rowCount === run.rowCount) return;
  throw new SnapshotCorruptError(input.path, {
    reason: `it has ${rowCount} rows, the checkpoint says ${run.rowCount}`,
  });
}
