/**
 * Map state on the heap. Each cell is an entry of its own: it is kept for running snapshots, and listed for increments,
 * one by one.
 *
 * Called by: actors, through core/state.ts.
 * Calls: entry_slot.ts.
 *
 * Invariants:
 * - a map without cells has no entry.
 *
 * @module
 */
import { checkKey, type Namespace } from "../../core/key.ts";
import type { MapState, Namespaced } from "../../core/state.ts";
import { Entry, isObject, MapCells, ownKey, type Table } from "./entry.ts";
import type { EntrySlot } from "./entry_slot.ts";

/** The map of the current key. */
export class MapHandle<K, V> implements MapState<K, V>, Namespaced {
  constructor(private readonly slot: EntrySlot) {}

  private current(): MapCells | undefined {
    const slot = this.slot;
    const entry = slot.seen === slot.ledger.version ? slot.entry : slot.find();
    return entry === null ? undefined : entry.value as MapCells; // entries of map states hold nothing else
  }

  private cellOf(key: K): Entry | undefined {
    checkKey(key);
    return this.current()?.cells.get(key);
  }

  /** The value of a cell, booked as handed out if it is an object. */
  private open(cell: Entry): V {
    const ledger = this.slot.ledger;
    if (cell.epoch !== ledger.epoch && isObject(cell.value) && cell.value !== null) ledger.expose(cell);
    return cell.value as V; // only set() stores here
  }

  get(key: K): V | undefined {
    const cell = this.cellOf(key);
    return cell === undefined ? undefined : this.open(cell);
  }

  set(key: K, value: V): this {
    checkKey(key);
    if (value === undefined) {
      throw new TypeError(
        `Cannot set undefined in ${this.slot.state.where}: it must be a value; call delete() to remove the entry`,
      );
    }
    this.slot.state.serializer.check?.(value, this.slot.state.where);
    const cells = this.current() ?? this.makeMap();
    const cell = cells.cells.get(key);
    const ledger = this.slot.ledger;
    if (cell === undefined) {
      const added = new Entry(ownKey(key), value, cells, ledger.epoch);
      cells.cells.set(added);
      ledger.born(added);
    } else {
      if (cell.epoch !== ledger.epoch) ledger.touch(cell);
      cell.value = value;
    }
    return this;
  }

  private makeMap(): MapCells {
    const entry = this.slot.create(undefined);
    // The owner of an entry in a slot is a table.
    const cells = new MapCells(entry.owner as Table);
    cells.entry = entry;
    entry.value = cells;
    return cells;
  }

  has(key: K): boolean {
    return this.cellOf(key) !== undefined;
  }

  delete(key: K): boolean {
    const cell = this.cellOf(key);
    if (cell === undefined) return false;
    const ledger = this.slot.ledger;
    if (cell.epoch !== ledger.epoch) ledger.touch(cell);
    ledger.gone(cell);
    const cells = cell.owner as MapCells; // the owner of a cell is its map
    cells.cells.delete(cell.key);
    if (cells.cells.size === 0) this.slot.remove();
    return true;
  }

  setAll(entries: Iterable<readonly [K, V]>): void {
    for (const [key, value] of entries) this.set(key, value);
  }

  get size(): number {
    return this.current()?.cells.size ?? 0;
  }

  isEmpty(): boolean {
    return this.current() === undefined;
  }

  /** The cells there are now, leaving out those that are removed before their turn. */
  private *walk(): IterableIterator<Entry> {
    const cells = this.current();
    if (cells === undefined) return;
    for (const cell of [...cells.cells]) {
      if (cell.birth >= 0 && cells.entry!.birth >= 0) yield cell;
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
