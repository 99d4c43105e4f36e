/**
 * Books what the snapshots of one backend need to know: the epoch, what was touched in it, and which snapshots run.
 *
 * An epoch ends with each snapshot. The first touch of a row or cell in an epoch (a write, or handing out an object)
 * keeps what it holds for every running snapshot that lacks it, and lists it for the next increment.
 *
 * Called by: the handles, heap_backend.ts, heap_snapshot.ts.
 * Calls: change_list.ts, the running snapshots.
 *
 * Invariants:
 * - what has the current epoch needs no booking;
 * - a list of changes holds each row and cell whose epoch is that of the list;
 * - without increments, or before there is a snapshot to build on, nothing is listed; listing starts with an epoch.
 *
 * @module
 */
import type { Key } from "../../core/key.ts";
import { ChangeList } from "./change_list.ts";
import type { ListItems } from "./list_items.ts";
import { type Cell, GONE, GONE_UNSEEN, MapCells } from "./map_cells.ts";
import type { Table } from "./table.ts";

/** A snapshot that is being written, as the ledger sees it. */
export interface RunningSnapshot {
  /** Keeps the value of a row, which is about to be replaced or removed, unless the snapshot has or never had it. */
  retainRow(table: Table, row: number): void;
  /** The same for a value that is about to be handed out, and so must be written down now. */
  retainRowBytes(table: Table, row: number): void;
  /** A row whose value was retained, if the snapshot lacked it, is about to be freed. */
  leaveRow(table: Table, row: number): void;
  /** As `retainRowBytes`, for the elements of a list. */
  retainItems(table: Table, row: number, items: ListItems): void;
  /** As `retainRow`, for a cell. */
  retainCell(cell: Cell): void;
  /** As `retainRowBytes`, for a cell. */
  retainCellBytes(cell: Cell): void;
}

/** The shared heart of a backend; its fields are read on the record path. */
export class Ledger {
  /** The current key. */
  key: Key | undefined = undefined;
  /** Number of keys that were set since `prefetch`, less one: the place of the current key in what was fetched. */
  fetchIndex = 0;
  /** Changes whenever what a handle has looked up may be stale. */
  version = 0;
  /** Counts snapshots, from 1; restored rows are of epoch 0. */
  epoch = 1;
  /** Rows in use in all tables. */
  entryCount = 0;
  /** Row number that the next list element takes. */
  nextListNumber = 0;
  /** Whether changes are listed. */
  tracking = false;
  /** Snapshots whose asynchronous part has not ended. */
  readonly running: RunningSnapshot[] = [];
  private changes = new ChangeList(this.epoch);

  /** Books the replacement or removal of what a row holds. Only for a row of an earlier epoch. */
  touchRow(table: Table, row: number): void {
    const running = this.running;
    for (let i = 0; i < running.length; i++) running[i]!.retainRow(table, row);
    this.bookRow(table, row);
  }

  /** Books that the object which a row holds is handed out. Only for a row of an earlier epoch. */
  exposeRow(table: Table, row: number): void {
    const running = this.running;
    for (let i = 0; i < running.length; i++) running[i]!.retainRowBytes(table, row);
    this.bookRow(table, row);
  }

  /** Books that the elements of a list are handed out. Only for items that were exposed in an earlier epoch, or never. */
  exposeItems(table: Table, row: number, items: ListItems): void {
    for (let i = 0; i < this.running.length; i++) this.running[i]!.retainItems(table, row, items);
    items.exposedEpoch = this.epoch;
    if (table.epochs[row] !== this.epoch) this.touchRow(table, row);
  }

  /** Gives a row the current epoch and lists it; a new row may have that epoch, and be listed, from its former use. */
  bookRow(table: Table, row: number): void {
    if (table.epochs[row] === this.epoch) return;
    table.epochs[row] = this.epoch;
    if (this.tracking) this.changes.of(table).rows.push(row);
  }

  /** Books that a row, touched in this epoch, is about to be freed. */
  goneRow(table: Table, row: number): void {
    if (this.tracking && table.births[row] !== this.epoch) this.changes.of(table).removed.push(table.keys[row]!);
    for (let i = 0; i < this.running.length; i++) this.running[i]!.leaveRow(table, row);
    const value = table.values[row];
    if (value instanceof MapCells) value.goneEpoch = this.epoch;
  }

  /** Books the replacement or removal of what a cell holds. Only for a cell of an earlier epoch. */
  touchCell(cell: Cell): void {
    const running = this.running;
    for (let i = 0; i < running.length; i++) running[i]!.retainCell(cell);
    this.bookCell(cell);
  }

  /** Books that the object which a cell holds is handed out. Only for a cell of an earlier epoch. */
  exposeCell(cell: Cell): void {
    const running = this.running;
    for (let i = 0; i < running.length; i++) running[i]!.retainCellBytes(cell);
    this.bookCell(cell);
  }

  /** Gives a cell, which is new or of an earlier epoch, the current epoch and lists it. */
  bookCell(cell: Cell): void {
    cell.epoch = this.epoch;
    if (this.tracking) this.changes.addCell(cell);
  }

  /** Books that a cell, touched in this epoch, was removed from its map. */
  goneCell(cell: Cell): void {
    cell.birth = cell.birth === this.epoch ? GONE_UNSEEN : GONE;
    cell.value = undefined;
  }

  /** Ends the epoch; returns what was touched in it. O(1). */
  nextEpoch(): ChangeList {
    const list = this.changes;
    this.changes = new ChangeList(++this.epoch);
    return list;
  }

  /** Forgets the changes of this epoch. */
  forgetChanges(): void {
    this.changes = new ChangeList(this.epoch);
  }
}
