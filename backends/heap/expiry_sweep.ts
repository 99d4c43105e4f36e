/**
 * Removes what is over from a state with a time to live, a few entries at a time: rows, map cells and list elements.
 *
 * Called by: backends/ttl/, through core/stamped_value.ts.
 * Calls: row_slot.ts, table.ts, map_cells.ts, list_items.ts, ledger.ts.
 *
 * Invariants:
 * - whatever it removes is booked as if a handle had removed it, so a running snapshot keeps what it needs;
 * - each entry that was there when a round began is looked at once before the next round begins.
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

  constructor(private readonly ledger: Ledger, private readonly state: HeapState, private readonly expiry: Expiry) {}

  sweep(entries: number, nowMs: number): void {
    let left = entries;
    // A round that finds nothing at all ends the sweep.
    for (let rounds = 0; left > 0 && rounds < 2;) {
      const table = this.table;
      if (table === undefined || this.row >= table.rowLimit) {
        if (!this.nextTable()) rounds++;
        continue;
      }
      if (table.births[this.row] === FREE) {
        this.row++;
        left -= FREE_SHARE;
        continue;
      }
      left -= this.sweepRow(table, this.row, left, nowMs);
    }
  }

  /** Whether there is one; else the round is over. */
  private nextTable(): boolean {
    this.tables ??= this.state.tables();
    const { done, value } = this.tables.next();
    this.table = done === true ? undefined : value;
    this.row = 1;
    if (done === true) this.tables = undefined;
    return done !== true;
  }

  /** Looks at a row in use, of a map at no more than `limit` cells; how many entries that were. */
  private sweepRow(table: Table, row: number, limit: number, nowMs: number): number {
    const value = table.values[row];
    if (value instanceof MapCells) return this.sweepCells(table, row, value, limit, nowMs);
    this.row++;
    if (value instanceof ListItems) return this.sweepItems(table, row, value, nowMs);
    // Values without a stamp beside them have it within.
    const stampMs = table.stamps === undefined ? (value as Stamped<unknown>).stampMs : table.stamps[row]!;
    if (this.expiry.isOver(stampMs, nowMs)) removeRow(this.ledger, table, row);
    return 1;
  }

  private sweepCells(table: Table, row: number, cells: MapCells, limit: number, nowMs: number): number {
    // The row may have another map than the last time.
    if (this.map !== cells) this.cells = cells[Symbol.iterator]();
    this.map = cells;
    let seen = 0;
    for (; seen < limit; seen++) {
      const { done, value: cell } = this.cells.next();
      if (done === true) {
        this.map = undefined;
        this.row++;
        break;
      }
      if (this.expiry.isOver((cell.value as Stamped<unknown>).stampMs, nowMs)) this.removeCell(cell); // see sweepRow
    }
    if (cells.size === 0) removeRow(this.ledger, table, row);
    return Math.max(seen, 1);
  }

  private removeCell(cell: Cell): void {
    const { ledger } = this;
    if (cell.epoch !== ledger.epoch) ledger.touchCell(cell);
    ledger.goneCell(cell);
    cell.map.delete(cell.key);
    ledger.version++;
  }

  /** A list that has elements which are over is written anew. */
  private sweepItems(table: Table, row: number, items: ListItems, nowMs: number): number {
    const { ledger, expiry } = this;
    const count = items.values.length;
    const kept = items.values.filter((value) => !expiry.isOver((value as Stamped<unknown>).stampMs, nowMs)); // see sweepRow
    if (kept.length === count) return Math.max(count, 1);
    const key = table.keys[row]!;
    removeRow(ledger, table, row);
    if (kept.length > 0) this.addList(table, key, kept);
    return count;
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
