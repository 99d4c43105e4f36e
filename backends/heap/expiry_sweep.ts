/**
 * Removes what is over from a state with a time to live, a few entries at a time: rows, map cells and list elements.
 *
 * Called by: backends/ttl/, through core/stamped_value.ts.
 * Calls: row_slot.ts, table.ts, map_cells.ts, list_items.ts, ledger.ts.
 *
 * Invariants:
 * - whatever it removes is booked as if a handle had removed it, so a running snapshot keeps what it needs;
 * - each entry that was there when a round began is looked at before the next round begins;
 * - it rests as long as nothing can be over: what is written meanwhile lives longer than what it has seen.
 *
 * @module
 */
import type { Expiry, Stamped, Sweeper } from "../../core/stamped_value.ts";
import type { HeapState } from "./heap_state.ts";
import type { Ledger } from "./ledger.ts";
import { ListItems } from "./list_items.ts";
import { type Cell, MapCells } from "./map_cells.ts";
import { removeRow } from "./row_slot.ts";
import { FREE, type Table } from "./table.ts";

/** Passing over a row that is free costs this share of looking at an entry. */
const FREE_SHARE = 1 / 16;

/** Walks the tables of one state in rounds. */
export class ExpirySweep implements Sweeper {
  private tables: Iterator<Table> | undefined;
  private table: Table | undefined;
  /** The row that is looked at next. */
  private row = 1;
  /** The map in hand, if not all of its cells were looked at. */
  private map: MapCells | undefined;
  /** Those that are left. */
  private cells: Iterator<Cell> = [][Symbol.iterator]();
  /** No stamp that this round has seen, or that was written since it began, is older. */
  private oldestMs = Infinity;
  /** Nothing is over before this. */
  private restsUntilMs = -Infinity;
  /** Entries that may still be looked at. */
  private left = 0;
  private readonly timeMs: number;

  /** @param isUnread Whether restored rows are still to come. */
  constructor(
    private readonly ledger: Ledger,
    private readonly state: HeapState,
    private readonly expiry: Expiry,
    private readonly isUnread: () => boolean,
  ) {
    this.timeMs = expiry.settings.timeMs;
  }

  sweep(entries: number, nowMs: number): void {
    if (this.isUnread()) return;
    this.left = entries;
    while (this.left > 0 && nowMs >= this.restsUntilMs) {
      const { table } = this;
      if (table === undefined || this.row >= table.rowLimit) this.enterNextTable(nowMs);
      else if (table.ticks !== undefined) this.sweepTicks(table, table.ticks, nowMs);
      else if (table.births[this.row] !== FREE) this.sweepRow(table, this.row, nowMs);
      else this.passFree();
    }
  }

  private passFree(): void {
    this.row++;
    this.left -= FREE_SHARE;
  }

  private enterNextTable(nowMs: number): void {
    if (this.tables === undefined) {
      this.tables = this.state.tables();
      this.oldestMs = nowMs;
    }
    const { done, value } = this.tables.next();
    this.table = done === true ? undefined : value;
    this.row = 1;
    if (done !== true) return;
    this.tables = undefined;
    this.restsUntilMs = this.oldestMs + this.timeMs;
  }

  /** Whether a value is over; else it is one that lives. */
  private isOver(stampMs: number, nowMs: number): boolean {
    if (stampMs + this.timeMs <= nowMs) return true;
    if (stampMs < this.oldestMs) this.oldestMs = stampMs;
    return false;
  }

  /** Looks at rows whose stamps lie beside the values. */
  private sweepTicks(table: Table, ticks: Int32Array, nowMs: number): void {
    const { limitTick, time } = this.expiry;
    const end = Math.min(table.rowLimit, this.row + Math.ceil(this.left));
    let oldestTick = time.tick;
    this.left -= end - this.row;
    for (let row = this.row; row < end; row++) {
      const tick = ticks[row]!;
      if (tick <= limitTick) this.lookCloser(table, row, nowMs);
      else if (tick < oldestTick) oldestTick = tick;
    }
    this.row = end;
    this.oldestMs = Math.min(this.oldestMs, time.baseMs + oldestTick);
  }

  private lookCloser(table: Table, row: number, nowMs: number): void {
    if (table.births[row] === FREE) return;
    if (this.isOver(table.stampOf(row), nowMs)) removeRow(this.ledger, table, row);
  }

  rebase(fromMs: number): void {
    for (const table of this.state.tables()) if (table.ticks !== undefined) table.rebaseTicks(fromMs);
  }

  /** Looks at a row in use, of a map at some of its cells. */
  private sweepRow(table: Table, row: number, nowMs: number): void {
    const value = table.values[row];
    if (value instanceof MapCells) return this.sweepCells(table, row, value, nowMs);
    this.row++;
    if (value instanceof ListItems) return this.sweepItems(table, row, value, nowMs);
    this.left--;
    // Values without a stamp beside them have it within.
    if (this.isOver((value as Stamped<unknown>).stampMs, nowMs)) removeRow(this.ledger, table, row);
  }

  private sweepCells(table: Table, row: number, cells: MapCells, nowMs: number): void {
    // The row may have another map than the last time.
    if (this.map !== cells) this.cells = cells[Symbol.iterator]();
    this.map = cells;
    for (; this.left > 0; this.left--) {
      const { done, value: cell } = this.cells.next();
      if (done === true) {
        this.map = undefined;
        this.row++;
        break;
      }
      if (this.isOver((cell.value as Stamped<unknown>).stampMs, nowMs)) this.removeCell(cell); // see sweepRow
    }
    if (cells.size === 0) removeRow(this.ledger, table, row);
  }

  private removeCell(cell: Cell): void {
    const { ledger } = this;
    if (cell.epoch !== ledger.epoch) ledger.touchCell(cell);
    ledger.goneCell(cell);
    cell.map.delete(cell.key);
    ledger.version++;
  }

  /** A list that has elements which are over is written anew. */
  private sweepItems(table: Table, row: number, items: ListItems, nowMs: number): void {
    const kept = items.values.filter((value) => !this.isOver((value as Stamped<unknown>).stampMs, nowMs)); // see sweepRow
    this.left -= items.values.length;
    if (kept.length === items.values.length) return;
    const key = table.keys[row]!;
    removeRow(this.ledger, table, row);
    if (kept.length > 0) this.addList(table, key, kept);
  }

  private addList(table: Table, key: Table["keys"][number], values: readonly unknown[]): void {
    const { ledger } = this;
    const items = new ListItems();
    // The removal may have dropped the table.
    const home = this.state.obtain(table.namespace);
    const row = home.add(key!, items, ledger.epoch);
    ledger.bookRow(home, row);
    ledger.entryCount++;
    for (const value of values) {
      items.values.push(value);
      items.numbers.push(ledger.nextListNumber++);
    }
    items.hasObjects = true;
  }
}
