/**
 * Merges runs into new ones, in steps.
 *
 * Called by: lsm_store.ts.
 * Calls: ../runs/merge_cursor.ts, living_rows.ts, run_builder.ts, version.ts.
 *
 * Invariants:
 * - the inputs are pinned until it ends, and stay in use until its output takes their place as a whole;
 * - an output begins with the first row of a key group, so that no key group is in two outputs;
 * - after a failure or `cancel` its files are gone.
 *
 * @module
 */
import { StreamError } from "../../core/errors.ts";
import type { Steps } from "../embedded/row_store.ts";
import { ofWorkingFile } from "../runs/file_failure.ts";
import { MergeCursor } from "../runs/merge_cursor.ts";
import { compressionOf } from "./column_options.ts";
import type { Compaction } from "./compaction_picker.ts";
import { LivingRows, type MergedRows } from "./living_rows.ts";
import { RunBuilder, type RunBuilderPorts } from "./run_builder.ts";
import type { RunFile } from "./run_file.ts";
import { RunView, type Version } from "./version.ts";

/** A step ends after so many rows, */
const STEP_ROWS = 512;
/** or so many bytes of them: about a millisecond. */
const STEP_BYTES = 131_072;

/** What a compaction has made: takes the place of its inputs. */
export interface CompactionResult {
  readonly inputs: readonly RunView[];
  readonly outputs: readonly RunView[];
  readonly outputLevel: number;
}

/** One compaction. */
export class CompactionSteps implements Steps {
  private readonly outputs: RunFile[] = [];
  private merge: MergedRows | undefined;
  private builder: RunBuilder | undefined;
  /** An output that has all its rows, and is being ended. */
  private full: RunBuilder | undefined;
  private isCopied = false;
  private keyGroup = -1;
  /** What is charged to the cache for the inputs. */
  private chargedBytes = 0;
  private over = false;
  /** Whether the input is used as it is: its blocks are compressed as those of the output level are. */
  private readonly moves: boolean;

  /**
   * @param version Holds the inputs; retained by the caller for this object, which releases it.
   * @param publish Takes the result.
   * @param onEnd Called once, however it ends.
   */
  constructor(
    private readonly pick: Compaction<RunView>,
    private readonly version: Version,
    private readonly ports: RunBuilderPorts,
    private readonly publish: (result: CompactionResult) => void,
    private readonly onEnd: () => void,
  ) {
    const { moves, outputLevel } = pick;
    this.moves = moves && compressionOf(ports.column, outputLevel - 1) === compressionOf(ports.column, outputLevel);
  }

  step(): boolean {
    if (this.over) throw new StreamError("invalid", "Cannot go on with a compaction: it is over");
    try {
      if (this.moves) this.end(this.pick.inputs.map(({ file, keyGroups }) => new RunView(file, keyGroups)));
      else if (this.full !== undefined) this.endOutput(this.full);
      else if (this.isCopied) this.finish();
      else this.isCopied = this.copyRows();
      return this.over;
    } catch (error) {
      this.ports.statistics.backgroundErrors++;
      this.cancel();
      throw ofWorkingFile(error);
    }
  }

  cancel(): void {
    if (this.over) return;
    this.builder?.discard();
    this.full?.discard();
    for (const file of this.outputs) file.drop();
    this.close();
  }

  private finish(): void {
    if (this.builder !== undefined) {
      this.full = this.builder;
      this.builder = undefined;
      return;
    }
    const { statistics } = this.ports;
    for (const { sizeBytes } of this.pick.inputs) statistics.compactionReadBytes += sizeBytes;
    for (const { sizeBytes } of this.outputs) statistics.compactionWriteBytes += sizeBytes;
    this.end(this.outputs.map((file) => new RunView(file)));
  }

  private end(outputs: readonly RunView[]): void {
    const { inputs, outputLevel } = this.pick;
    this.publish({ inputs, outputs, outputLevel });
    this.close();
  }

  private close(): void {
    this.over = true;
    this.merge?.close();
    this.ports.cache.charge(-this.chargedBytes);
    this.version.release();
    this.onEnd();
  }

  /** Whether all rows are written now. */
  private copyRows(): boolean {
    const merge = this.merge ??= this.openMerge();
    let bytes = 0;
    for (let i = 0; i < STEP_ROWS && bytes < STEP_BYTES && this.full === undefined; i++) {
      if (!merge.next()) return true;
      const { key, keyBytes, valueStart, valueEnd } = merge;
      const keyGroup = (key[0]! << 8) | key[1]!;
      if (keyGroup !== this.keyGroup) this.enterKeyGroup(keyGroup);
      bytes += keyBytes + valueEnd - valueStart;
      this.builder!.writer.addRow(merge.code, key, keyBytes, merge.value, valueStart, valueEnd);
    }
    this.builder?.noteMemory();
    return false;
  }

  private openMerge(): MergedRows {
    const { inputs, dropsDeletes } = this.pick;
    const oldestFirst = inputs.toReversed().map(({ file, keyGroups }) => file.run.rows(keyGroups));
    this.chargedBytes = inputs.length * this.ports.cache.stretchBytes;
    this.ports.cache.charge(this.chargedBytes);
    const merge = new MergeCursor(oldestFirst, dropsDeletes ? "alive" : "all");
    const over = this.ports.overRows();
    return over === undefined ? merge : new LivingRows(merge, over, dropsDeletes);
  }

  private enterKeyGroup(keyGroup: number): void {
    this.keyGroup = keyGroup;
    const { column } = this.ports;
    const full = this.builder !== undefined && this.builder.writer.sizeBytes >= column.targetFileBytes;
    // Of level 0 one run follows the other in time: an output that was cut would be two.
    if (full && this.pick.outputLevel > 0) {
      this.full = this.builder;
      this.builder = undefined;
    }
    this.builder ??= new RunBuilder(this.ports, this.pick.outputLevel);
  }

  private endOutput(full: RunBuilder): void {
    const file = full.finish();
    if (file === undefined) return;
    this.full = undefined;
    this.outputs.push(file);
  }
}
