/**
 * Writes all rows of a moment into a snapshot, as one run, in slices.
 *
 * Called by: lmdb_snapshot.ts.
 * Calls: row_walk.ts, ../runs/run_writer.ts, ../states/file_upload.ts.
 *
 * @module
 */
import { PUT, type RunState } from "../runs/run_format.ts";
import { RunWriter, type WrittenRun } from "../runs/run_writer.ts";
import type { FileUpload } from "../states/file_upload.ts";
import type { RowWalk } from "./row_walk.ts";

/** Rows between two looks at the clock. */
const ROWS_PER_LOOK = 64;

/** Writes the rows of `walk`; null when there are none. */
export async function uploadRows(
  walk: RowWalk,
  states: readonly RunState[],
  upload: FileUpload,
): Promise<WrittenRun | null> {
  await upload.pause();
  if (!walk.next()) return null;
  const file = await upload.create();
  try {
    const writer = new RunWriter(file, { states });
    let count = 0;
    do {
      const { key, keyBytes, valueEnd } = walk;
      writer.add((key[0]! << 8) | key[1]!, PUT, key, 2, keyBytes, valueEnd);
      if (writer.wantsFlush) {
        await writer.flush();
        upload.slices.restart();
      }
      if (++count % ROWS_PER_LOOK === 0 && upload.slices.isDue()) await upload.pause();
    } while (walk.next());
    const run = await writer.finish(states);
    upload.keep(run.file);
    return run;
  } catch (error) {
    await file.discard();
    throw error;
  }
}
