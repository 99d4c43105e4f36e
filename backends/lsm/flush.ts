/**
 * Writes rows that come sorted into one run of level 0.
 *
 * Called by: lsm_store.ts.
 * Calls: run_builder.ts.
 *
 * Invariants:
 * - nothing can be seen of it before it is done;
 * - after a failure or `cancel` its file is gone.
 *
 * @module
 */
import { StreamError } from "../../core/errors.ts";
import type { SortedRows, Steps } from "../embedded/row_store.ts";
import { ofWorkingFile } from "../runs/file_failure.ts";
import { RunBuilder, type RunBuilderPorts } from "./run_builder.ts";
import type { RunFile } from "./run_file.ts";

/** A step ends after so many rows, */
const STEP_ROWS = 512;
/** or so many bytes of them: about a millisecond. */
const STEP_BYTES = 131_072;

/** One flush. */
export class Flush implements Steps {
  private isSorted = false;
  private isCopied = false;
  private over = false;
  private builder: RunBuilder | undefined;

  /**
   * @param publish Takes the file; undefined when there were no rows.
   * @param onEnd Called once, however it ends.
   */
  constructor(
    private readonly rows: SortedRows,
    private readonly ports: RunBuilderPorts,
    private readonly publish: (file: RunFile | undefined) => void,
    private readonly onEnd: () => void,
  ) {}

  step(): boolean {
    if (this.over) throw new StreamError("invalid", "Cannot go on with a flush: it is over");
    try {
      return this.work();
    } catch (error) {
      this.ports.statistics.backgroundErrors++;
      this.cancel();
      throw ofWorkingFile(error);
    }
  }

  cancel(): void {
    if (this.over) return;
    this.over = true;
    this.builder?.discard();
    this.onEnd();
  }

  private work(): boolean {
    if (!this.isSorted) {
      this.isSorted = this.rows.sort();
      return false;
    }
    if (!this.isCopied) {
      this.isCopied = this.copyRows();
      if (!this.isCopied || this.builder !== undefined) return false;
    }
    const file = this.builder?.finish();
    if (this.builder !== undefined && file === undefined) return false;
    if (file !== undefined) this.ports.statistics.flushWriteBytes += file.sizeBytes;
    this.publish(file);
    this.over = true;
    this.onEnd();
    return true;
  }

  /** Whether all rows are written now. */
  private copyRows(): boolean {
    const rows = this.rows;
    let bytes = 0;
    let isEnd = false;
    for (let i = 0; i < STEP_ROWS && bytes < STEP_BYTES; i++) {
      isEnd = !rows.next();
      if (isEnd) break;
      this.builder ??= new RunBuilder(this.ports, 0);
      const { bytes: row, keyStart, keyEnd, valueEnd } = rows;
      const keyGroup = (row[keyStart]! << 8) | row[keyStart + 1]!;
      this.builder.writer.add(keyGroup, rows.code, row, keyStart + 2, keyEnd, valueEnd);
      bytes += valueEnd - keyStart;
    }
    this.builder?.noteMemory();
    this.ports.statistics.bytesWritten += bytes;
    return isEnd;
  }
}
