/**
 * Writes one snapshot of the heap: encodes the rows in the order in which they lie in memory, into one batch per key
 * group, then sorts and writes one batch after the other; in slices between which records are processed.
 *
 * Called by: heap_backend.ts.
 * Calls: capture.ts, row_encoder.ts, ../states/run_assembly.ts.
 *
 * Invariants:
 * - the run holds exactly what was written before the snapshot was taken;
 * - once all rows are encoded and the capture is drained, the snapshot depends on nothing that records can change.
 *
 * @module
 */
import type { PendingSnapshot } from "../../core/backend.ts";
import { StreamError } from "../../core/errors.ts";
import type { KeyedStateHandle, SnapshotStore } from "../../core/snapshot.ts";
import type { RunState } from "../runs/run_format.ts";
import type { CanonicalStates } from "../states/canonical_states.ts";
import { type AssemblyPlan, type FrozenSource, RunAssembly } from "../states/run_assembly.ts";
import { Capture, type SnapshotScope } from "./capture.ts";
import type { ChangeList, TableChanges } from "./change_list.ts";
import type { FormerValues } from "./former_values.ts";
import type { HeapState } from "./heap_state.ts";
import { type Cell, GONE_UNSEEN } from "./map_cells.ts";
import { RowEncoder } from "./row_encoder.ts";
import type { RowStore } from "./row_store.ts";
import { Table } from "./table.ts";

/** Restored rows of a state that was not declared. */
export interface CarriedRows {
  readonly state: RunState;
  readonly rows: RowStore;
}

/** Everything that the synchronous part has fixed. */
export interface SnapshotPlan extends AssemblyPlan {
  readonly scope: SnapshotScope;
  /** What was touched since the base; null: everything is written. */
  readonly changes: readonly ChangeList[] | null;
  readonly states: readonly HeapState[];
  readonly carried: readonly CarriedRows[];
  readonly frozen: readonly FrozenSource[];
  /** New ids of the states of a canonical snapshot; those of `carried` and `frozen` are new already. Absent: they keep theirs. */
  readonly canonical?: CanonicalStates;
  /** Wall clock at the synchronous part. */
  readonly takenAtMs: number;
  /** See {@link Capture}. */
  readonly columnRows: number;
  /** Told when all rows are encoded: records need to keep nothing for the snapshot any more. */
  readonly onCaptured: (snapshot: HeapSnapshot) => void;
  /** Told once, when the snapshot needs nothing of the backend any more. `handle` is undefined unless it was written. */
  readonly onEnd: (snapshot: HeapSnapshot, handle: KeyedStateHandle | null | undefined) => void;
}

/** A snapshot from its synchronous part to its handle. */
export class HeapSnapshot implements PendingSnapshot {
  /** What the record path keeps for this snapshot. */
  readonly capture: Capture;
  private readonly assembly: RunAssembly;
  private readonly encoder: RowEncoder;
  private started = false;
  private ended = false;

  constructor(private readonly plan: SnapshotPlan) {
    this.capture = new Capture(plan.scope, plan.columnRows, (error) => this.cancel(error));
    this.assembly = new RunAssembly(plan);
    this.encoder = new RowEncoder(this.capture, plan.batches, this.assembly.slices, plan.takenAtMs, plan.canonical);
  }

  async write(store: SnapshotStore): Promise<KeyedStateHandle | null> {
    if (this.started) throw new StreamError("invalid", "Cannot write a snapshot: write() was called already");
    this.started = true;
    let handle: KeyedStateHandle | null | undefined;
    try {
      await this.assembly.slices.pause();
      await this.encodeAll();
      handle = await this.assembly.finish(store, this.stateTable());
      return handle;
    } catch (error) {
      await this.assembly.discard(error);
      throw error;
    } finally {
      this.end(handle);
    }
  }

  cancel(reason: Error): void {
    if (this.ended) return;
    this.assembly.cancel(reason);
    if (!this.started) {
      this.started = true;
      this.end(undefined);
    }
  }

  private end(handle: KeyedStateHandle | null | undefined): void {
    if (this.ended) return;
    this.ended = true;
    this.capture.release(false);
    for (const source of this.plan.frozen) source.rows.release();
    this.plan.onEnd(this, handle);
  }

  private stateTable(): RunState[] {
    const { states, carried, frozen, canonical } = this.plan;
    if (canonical !== undefined) return canonical.lines.slice();
    const table = states.map((state) => state.describe());
    for (const rows of carried) table.push(rows.state);
    for (const source of frozen) table.push(source.state);
    return table.sort((left, right) => left.id - right.id);
  }

  private async encodeAll(): Promise<void> {
    for (const source of this.plan.frozen) await this.assembly.addFrozen(source);
    if (this.plan.changes !== null) await this.encodeChanges(this.plan.changes);
    else await this.encodeTables();
    // Whatever was touched before its turn came is in the capture.
    while (this.capture.pieces.length > 0) await this.drain();
    this.capture.release(true);
    this.plan.onCaptured(this);
  }

  private async encodeTables(): Promise<void> {
    for (const state of this.plan.states) {
      for (const table of state.tables()) {
        const former = this.capture.startWalk(table);
        if (former === undefined) await this.encodeTable(table);
        else await this.encodeLargeTable(table, former);
      }
    }
    for (const { state, rows } of this.plan.carried) {
      for (const group of rows.keyGroups()) await this.copyRows(state.id, rows, group);
    }
  }

  private async encodeTable(table: Table): Promise<void> {
    // Rows that are added from now on are not of this snapshot.
    const limit = table.rowLimit;
    for (let row = 1; row < limit; row++) {
      const long = this.encoder.row(table, row);
      if (long !== undefined) await long;
      if (this.assembly.rowDone()) await this.assembly.slices.pause();
    }
  }

  private async encodeLargeTable(table: Table, former: FormerValues): Promise<void> {
    // As above.
    const limit = table.rowLimit;
    const { rowsPerLook } = this.plan;
    for (let row = 1; row < limit; row += rowsPerLook) {
      this.encoder.rows(table, former, row, Math.min(limit, row + rowsPerLook));
      if (this.assembly.slices.isDue()) await this.assembly.slices.pause();
    }
  }

  private async encodeChanges(changes: readonly ChangeList[]): Promise<void> {
    for (const list of changes) {
      for (const changed of list.tables) await this.encodeChangesOf(changed, list.epoch);
      for (const cell of list.cells) {
        // A cell of a later epoch is in a later list, or in the capture.
        if (cell.epoch === list.epoch && !this.leavesNothing(cell)) this.encoder.cell(cell);
        if (this.assembly.rowDone()) await this.assembly.slices.pause();
      }
    }
  }

  private async encodeChangesOf({ table, rows, removed }: TableChanges, epoch: number): Promise<void> {
    for (const piece of rows.pieces) {
      // A piece that is not full is the last, and its other numbers are 0.
      for (let i = 0; i < piece.length && piece[i] !== 0; i++) {
        const row = piece[i]!;
        // As above.
        if (table.epochs[row] === epoch) {
          const long = this.encoder.row(table, row);
          if (long !== undefined) await long;
        }
        if (this.assembly.rowDone()) await this.assembly.slices.pause();
      }
    }
    for (let i = 0; i < removed.length; i++) {
      this.encoder.removal(table, removed[i]!);
      if (this.assembly.rowDone()) await this.assembly.slices.pause();
    }
  }

  private leavesNothing(cell: Cell): boolean {
    if (cell.birth === GONE_UNSEEN) return true;
    // The row that clears the map speaks for its cells.
    const { goneEpoch } = cell.map;
    return goneEpoch >= 0 && goneEpoch <= this.plan.scope.epoch;
  }

  private async drain(): Promise<void> {
    for (const { count, owners, rows, keys, values } of this.capture.take()) {
      for (let i = 0; i < count; i++) {
        const owner = owners[i]!;
        if (owner instanceof Table) {
          const long = this.encoder.capturedRow(owner, rows[i]!, keys[i]!, values[i]);
          if (long !== undefined) await long;
        } else {
          this.encoder.capturedCell(owner, values[i]);
        }
        if (this.assembly.rowDone()) await this.assembly.slices.pause();
      }
    }
  }

  /** Copies rows that are encoded already. */
  private async copyRows(stateId: number, store: RowStore, group: number): Promise<void> {
    const batch = this.assembly.batches.obtain(group);
    const rows = store.rowsOf(group);
    while (rows.next()) {
      batch.startRow();
      batch.out.u16(stateId);
      batch.out.bytes(rows.bytes, rows.keyStart, rows.keyEnd);
      batch.endKey();
      batch.out.bytes(rows.bytes, rows.keyEnd, rows.valueEnd);
      batch.endRow(rows.code);
      if (this.assembly.rowDone()) await this.assembly.slices.pause();
    }
  }
}
