/**
 * Map state on the heap. Cells are kept for running snapshots, and listed for increments, one by one.
 *
 * Called by: actors, through core/state.ts.
 * Calls: map_cells.ts, row_slot.ts.
 *
 * Invariants:
 * - a map without cells has no row.
 *
 * @module
 */
import { checkKey, type Namespace } from "../../core/key.ts";
import type { MapState, Namespaced } from "../../core/state.ts";
import { checkEntry } from "../states/access_checks.ts";
import { Cell, MapCells } from "./map_cells.ts";
import type { RowSlot } from "./row_slot.ts";
import { isObject, ownKey } from "./table.ts";

/** The map of the current key. */
export class MapHandle<K, V> implements MapState<K, V>, Namespaced {
  constructor(private readonly slot: RowSlot) {}

  private current(): MapCells | undefined {
    const slot = this.slot;
    const row = slot.seen === slot.ledger.version ? slot.row : slot.find();
    return row === 0 ? undefined : slot.table.values[row] as MapCells; // rows of map states hold nothing else
  }

  private cellOf(key: K): Cell | undefined {
    checkKey(key);
    return this.current()?.get(key);
  }

  /** The value of a cell, booked as handed out if it is an object. */
  private open(cell: Cell): V {
    const ledger = this.slot.ledger;
    if (cell.epoch !== ledger.epoch && isObject(cell.value) && cell.value !== null) ledger.exposeCell(cell);
    return cell.value as V; // only set() stores here
  }

  get(key: K): V | undefined {
    const cell = this.cellOf(key);
    return cell === undefined ? undefined : this.open(cell);
  }

  set(key: K, value: V): this {
    checkKey(key);
    checkEntry(value, this.slot.state.where);
    this.slot.state.serializer.check?.(value, this.slot.state.where);
    const cells = this.current() ?? this.makeMap();
    const cell = cells.get(key);
    const ledger = this.slot.ledger;
    if (cell === undefined) {
      const added = new Cell(ownKey(key), value, cells, ledger.epoch, ledger.epoch);
      cells.set(added);
      ledger.bookCell(added);
    } else {
      if (cell.epoch !== ledger.epoch) ledger.touchCell(cell);
      cell.value = value;
    }
    return this;
  }

  private makeMap(): MapCells {
    const row = this.slot.create(undefined);
    const table = this.slot.table;
    const cells = new MapCells(table, table.keys[row]!);
    table.values[row] = cells;
    return cells;
  }

  has(key: K): boolean {
    return this.cellOf(key) !== undefined;
  }

  delete(key: K): boolean {
    const cell = this.cellOf(key);
    if (cell === undefined) return false;
    const ledger = this.slot.ledger;
    if (cell.epoch !== ledger.epoch) ledger.touchCell(cell);
    ledger.goneCell(cell);
    cell.map.delete(cell.key);
    if (cell.map.size === 0) this.slot.remove();
    return true;
  }

  setAll(entries: Iterable<readonly [K, V]>): void {
    for (const [key, value] of entries) this.set(key, value);
  }

  get size(): number {
    return this.current()?.size ?? 0;
  }

  isEmpty(): boolean {
    return this.current() === undefined;
  }

  /** The cells there are now, leaving out those that are removed before their turn. */
  private *walk(): IterableIterator<Cell> {
    const cells = this.current();
    if (cells === undefined) return;
    for (const cell of [...cells]) {
      if (cell.birth >= 0 && cells.goneEpoch < 0) yield cell;
    }
  }

  *entries(): IterableIterator<[K, V]> {
    for (const cell of this.walk()) yield [cell.key as K, this.open(cell)]; // set() took the key as a K
  }

  *keys(): IterableIterator<K> {
    for (const cell of this.walk()) yield cell.key as K; // set() took the key as a K
  }

  *values(): IterableIterator<V> {
    for (const cell of this.walk()) yield this.open(cell);
  }

  [Symbol.iterator](): IterableIterator<[K, V]> {
    return this.entries();
  }

  forEach(callback: (value: V, key: K) => void): void {
    for (const [key, value] of this.entries()) callback(value, key);
  }

  clear(): void {
    this.slot.remove();
  }

  setNamespace(namespace: Namespace): void {
    this.slot.setNamespace(namespace);
  }
}
