/**
 * Reads a whole run and compares every byte of it with its checksums. Rows are not decoded: what is intact is as it was
 * written.
 *
 * Called by: runtime/job_start.ts, before a checkpoint is trusted.
 * Calls: open_run.ts, run_block.ts, run_input.ts.
 *
 * @module
 */
import type { RunHandle, SnapshotInput } from "../../core/snapshot.ts";
import { OpenRun } from "./open_run.ts";
import { checkBlock } from "./run_block.ts";
import { SnapshotRunInput } from "./run_input.ts";

/** Read at once, unless a block is larger. */
const STRETCH_BYTES = 1_048_576;

/**
 * Checks a run.
 *
 * @param run What the checkpoint knows of it.
 * @throws {SnapshotCorruptError} If a byte differs from what was written.
 */
export function verifyRun(input: SnapshotInput, run: RunHandle): void {
  const { path } = input;
  // Checks all but the blocks, which lie one behind the other as the index says.
  const { index } = OpenRun.read(new SnapshotRunInput(input), { ...run, keyGroups: { start: 0, end: 0xffff } }, null);
  for (let first = 0; first < index.blockCount;) {
    const start = index.offsetOf(first);
    let end = first + 1;
    while (end < index.blockCount && index.offsetOf(end + 1) - start <= STRETCH_BYTES) end++;
    const stretch = input.read(start, index.offsetOf(end) - start);
    for (let block = first; block < end; block++) {
      const offset = index.offsetOf(block);
      checkBlock(path, offset, stretch.subarray(offset - start, offset - start + index.sizeOf(block)));
    }
    first = end;
  }
}
