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
import { RowOrder } from "../runs/row_order.ts";
import { ROW_KINDS, type RowCode, type RunState } from "../runs/run_format.ts";
import type { KeyGroupBatches } from "./key_group_batches.ts";
import { type OutputPlan, RunOutput } from "./run_output.ts";
import { Slices } from "./slices.ts";

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
    this.slices = new Slices(plan.clock);
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
    return await this.output.finish(states);
  }

  private async writeGroup(group: number, store: SnapshotStore): Promise<void> {
    const batch = this.batches.find(group);
    if (batch === undefined || batch.count === 0) return;
    if (this.slices.isDue()) await this.slices.pause();
    const order = batch.sorted(this.order);
    const writer = await this.output.open(store);
    for (let i = 0; i < order.length; i++) {
      const row = order[i]!;
      const valueEnd = batch.valueEnds[row]!;
      writer.add(group, batch.codeOf(row), batch.out.buffer, batch.keyStarts[row]!, batch.keyEnds[row]!, valueEnd);
      if (writer.wantsFlush) {
        await this.output.flush();
        this.slices.restart();
      }
      if (this.rowDone()) await this.slices.pause();
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
