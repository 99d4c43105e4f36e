/**
 * Reads a whole segment of a changelog and compares every byte of it with its checksums.
 *
 * Called by: runtime/job_start.ts, before a checkpoint is trusted.
 * Calls: log_reader.ts.
 *
 * @module
 */
import type { LogSegment, SnapshotInput } from "../../core/snapshot.ts";
import { LogReader } from "./log_reader.ts";

/**
 * Checks a segment.
 *
 * @param segment What the checkpoint knows of it.
 * @throws {SnapshotCorruptError} If a byte differs from what was written.
 */
export function verifySegment(input: SnapshotInput, segment: LogSegment): void {
  const reader = new LogReader(input, segment);
  while (reader.nextFrame()) while (reader.next());
}
