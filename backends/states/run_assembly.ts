/**
 * Gathers the rows of one snapshot by key group, then writes them sorted as one run; in slices between which records
 * are processed.
 *
 * Called by: the heap's snapshots; the rows of another owner in front of an embedded store.
 * Calls: key_group_batches.ts, run_output.ts, slices.ts, ../runs/row_order.ts.
 *
 * @module
 */
import { ByteWriter } from "../../core/bytes.ts";
import type { Clock } from "../../core/clock.ts";
import type { FrozenRows, KeyedStateHandle, RowDraft, SnapshotStore } from "../../core/snapshot.ts";
import type { RowBatch } from "../runs/row_batch.ts";
import { RowOrder } from "../runs/row_order.ts";
import { ROW_KINDS, type RowCode, type RunState } from "../runs/run_format.ts";
import type { RunWriter } from "../runs/run_writer.ts";
import type { KeyGroupBatches } from "./key_group_batches.ts";
import type { ListNumbers } from "./list_numbers.ts";
import { type OutputPlan, RunOutput } from "./run_output.ts";
import { type Share, Slices } from "./slices.ts";

/** Rows of another owner, frozen. */
export interface FrozenSource {
  /** Its line in the state table. */
  readonly state: RunState;
  readonly rows: FrozenRows;
}

/** What an assembly must know. */
export interface AssemblyPlan extends OutputPlan {
  /** Empty, and this run's until its end. */
  readonly batches: KeyGroupBatches;
  readonly clock: Clock;
  /** Rows handled between two looks at the clock. */
  readonly rowsPerLook: number;
  /** First number that a list element after the snapshot takes; or what numbers the elements of each list anew. */
  readonly listNumbers: number | ListNumbers;
  /** Absent: that of `Slices`. */
  readonly share?: Share;
}

/** The rows of one run on their way to the file. */
export class RunAssembly {
  /** Rows are gathered here. */
  readonly batches: KeyGroupBatches;
  /** When to give way. */
  readonly slices: Slices;
  private readonly order = new RowOrder();
  private readonly output: RunOutput;
  private sinceLook = 0;

  constructor(private readonly plan: AssemblyPlan) {
    this.batches = plan.batches;
    this.slices = new Slices(plan.clock, plan.share);
    this.output = new RunOutput(plan);
  }

  /** Counts a row; true when the slice is over. */
  rowDone(): boolean {
    if (++this.sinceLook < this.plan.rowsPerLook) return false;
    this.sinceLook = 0;
    return this.slices.isDue();
  }

  /** Gathers the rows of another owner. */
  async addFrozen(source: FrozenSource): Promise<void> {
    const draft: RowDraft = { kind: "put", keyGroup: 0, key: new ByteWriter(), value: new ByteWriter() };
    const { key, value } = draft;
    for (;;) {
      key.reset();
      value.reset();
      if (!source.rows.next(draft)) return;
      const batch = this.batches.obtain(draft.keyGroup);
      batch.startRow();
      batch.out.u16(source.state.id);
      batch.out.bytes(key.buffer, 0, key.length);
      batch.endKey();
      batch.out.bytes(value.buffer, 0, value.length);
      batch.endRow(ROW_KINDS.indexOf(draft.kind) as RowCode); // codes are positions in ROW_KINDS
      if (this.rowDone()) await this.slices.pause();
    }
  }

  /** Writes what was gathered; null when there are no rows, here and in older runs. */
  async finish(store: SnapshotStore, states: readonly RunState[]): Promise<KeyedStateHandle | null> {
    const { start, end } = this.plan.keyGroups;
    for (let group = start; group <= end; group++) await this.writeGroup(group, store);
    return await this.end(states);
  }

  /** Ends the run, after what was written one by one; as `finish`. */
  async end(states: readonly RunState[]): Promise<KeyedStateHandle | null> {
    const { listNumbers } = this.plan;
    return await this.output.finish(states, typeof listNumbers === "number" ? listNumbers : listNumbers.longest);
  }

  private async writeGroup(group: number, store: SnapshotStore): Promise<void> {
    const batch = this.batches.find(group);
    if (batch === undefined || batch.count === 0) return;
    if (this.slices.isDue()) await this.slices.pause();
    const order = batch.sorted(this.order);
    const writer = await this.open(store);
    for (let i = 0; i < order.length; i++) {
      this.write(writer, group, batch, order[i]!);
      if (this.mustRest(writer)) await this.rest(writer);
    }
  }

  /** Takes the rows; made, with its file, by the first call. */
  open(store: SnapshotStore): Promise<RunWriter> {
    return this.output.open(store);
  }

  /** Writes a row of a batch. */
  write(writer: RunWriter, group: number, batch: RowBatch, row: number): void {
    const bytes = batch.out.buffer;
    const keyStart = batch.keyStarts[row]!;
    const keyEnd = batch.keyEnds[row]!;
    const { listNumbers } = this.plan;
    if (typeof listNumbers !== "number" && listNumbers.isList((bytes[keyStart]! << 8) | bytes[keyStart + 1]!)) {
      listNumbers.renumber(group, bytes, keyStart, keyEnd);
    }
    writer.add(group, batch.codeOf(row), bytes, keyStart, keyEnd, batch.valueEnds[row]!);
  }

  /** Counts a row that was written; true when `rest` must be awaited before the next one. */
  mustRest(writer: RunWriter): boolean {
    return writer.wantsFlush || this.rowDone();
  }

  /** Hands full chunks to the file, and gives way when the slice is over. */
  async rest(writer: RunWriter): Promise<void> {
    if (writer.wantsFlush) {
      await this.output.flush();
      this.slices.restart();
    } else {
      await this.slices.pause();
    }
  }

  /** Ends every wait with `reason`. */
  cancel(reason: Error): void {
    this.slices.stop(reason);
    this.output.cancel(reason);
  }

  /** Removes the file after `cause`. @throws {AggregateError} If that fails too. */
  async discard(cause: unknown): Promise<void> {
    await this.output.discard(cause);
  }
}
