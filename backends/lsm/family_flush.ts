/**
 * Writes rows that come sorted into one run of level 0 for each tree that has any of them.
 *
 * Called by: column_families.ts.
 * Calls: run_builder.ts.
 *
 * Invariants:
 * - nothing can be seen of it before it is done, then everything;
 * - after a failure or `cancel` its files are gone.
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

/** A tree that rows are flushed into. */
export interface FlushTarget {
  /** What its files are made with. */
  readonly ports: RunBuilderPorts;
  /** Shows a file from now on. */
  publishNewest(file: RunFile): void;
}

/** What goes into one tree. */
interface Part {
  readonly target: FlushTarget;
  readonly builder: RunBuilder;
  /** Its file, once it has all rows. */
  file: RunFile | undefined;
}

/** One flush. */
export class FamilyFlush implements Steps {
  private isSorted = false;
  private isCopied = false;
  private over = false;
  private readonly parts: Part[] = [];
  /** Where the rows of the current state go. */
  private part: Part | undefined;
  private stateId = -1;

  /**
   * @param targetOf The tree of a state.
   * @param onEnd Called once, however it ends.
   */
  constructor(
    private readonly rows: SortedRows,
    private readonly targetOf: (stateId: number) => FlushTarget,
    private readonly onEnd: () => void,
  ) {}

  step(): boolean {
    if (this.over) throw new StreamError("invalid", "Cannot go on with a flush: it is over");
    try {
      return this.work();
    } catch (error) {
      if (this.part !== undefined) this.part.target.ports.statistics.backgroundErrors++;
      this.cancel();
      throw ofWorkingFile(error);
    }
  }

  cancel(): void {
    if (this.over) return;
    for (const { builder, file } of this.parts) {
      builder.discard();
      file?.drop();
    }
    this.end();
  }

  private end(): void {
    this.over = true;
    for (const { target } of this.parts) target.ports.statistics.runningFlushes--;
    this.onEnd();
  }

  private work(): boolean {
    if (!this.isSorted) {
      this.isSorted = this.rows.sort();
      return false;
    }
    if (!this.isCopied) {
      this.isCopied = this.copyRows();
      if (!this.isCopied || this.parts.length > 0) return false;
    }
    this.part = this.parts.find(({ file }) => file === undefined);
    if (this.part !== undefined) {
      this.part.file = this.part.builder.finish();
      return false;
    }
    // All at once: no row of it may be seen without the others.
    for (const { target, file } of this.parts) {
      target.ports.statistics.flushWriteBytes += file!.sizeBytes;
      target.publishNewest(file!);
    }
    this.end();
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
      const { bytes: row, keyStart, keyEnd, valueEnd } = rows;
      const stateId = (row[keyStart + 2]! << 8) | row[keyStart + 3]!;
      if (stateId !== this.stateId) this.enterState(stateId);
      const { builder, target } = this.part!;
      builder.writer.add((row[keyStart]! << 8) | row[keyStart + 1]!, rows.code, row, keyStart + 2, keyEnd, valueEnd);
      target.ports.statistics.bytesWritten += valueEnd - keyStart;
      bytes += valueEnd - keyStart;
    }
    for (const { builder } of this.parts) builder.noteMemory();
    return isEnd;
  }

  private enterState(stateId: number): void {
    const target = this.targetOf(stateId);
    let part = this.parts.find((one) => one.target === target);
    if (part === undefined) {
      part = { target, builder: new RunBuilder(target.ports, 0), file: undefined };
      this.parts.push(part);
      target.ports.statistics.runningFlushes++;
    }
    this.part = part;
    this.stateId = stateId;
  }
}
