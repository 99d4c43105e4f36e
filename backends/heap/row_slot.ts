/**
 * Finds, makes and removes the row of the current key in one state and namespace.
 *
 * Every handle has one. It remembers what it found until the key changes, so that a read and the write after it cost one
 * look-up.
 *
 * Called by: the handles, expiry_sweep.ts.
 * Calls: heap_state.ts, ledger.ts, table.ts.
 *
 * @module
 */
import { checkKey, type Namespace, VOID_NAMESPACE } from "../../core/key.ts";
import { checkPresent, refuseNoKey } from "../states/access_checks.ts";
import type { HeapState } from "./heap_state.ts";
import type { Ledger } from "./ledger.ts";
import { isObject, type Table } from "./table.ts";

/** The place of the current key's row. Read `row` when `seen === ledger.version`, else call `find()`. */
export class RowSlot {
  /** Version of the ledger at which `row` was found. */
  seen = -1;
  /** What was found, a row of `table`; 0 when there is none. */
  row = 0;
  /** Where it was looked for. */
  table: Table;
  /** What later calls speak of; change it by `setNamespace`. */
  namespace: Namespace = VOID_NAMESPACE;

  constructor(readonly ledger: Ledger, readonly state: HeapState) {
    this.table = state.voidTable;
  }

  /** @throws {TypeError} If it is no namespace. */
  setNamespace(namespace: Namespace): void {
    this.seen = -1;
    if (namespace === VOID_NAMESPACE) {
      this.namespace = VOID_NAMESPACE;
      this.table = this.state.voidTable;
      return;
    }
    checkKey(namespace);
    this.namespace = namespace;
    // A table that does not exist yet is made by the first write.
    this.table = this.state.find(namespace) ?? this.state.detachedTable(namespace);
  }

  /** Looks the row up. @throws {StreamError} Without a current key. */
  find(): number {
    const ledger = this.ledger;
    const key = ledger.key;
    if (key === undefined) return refuseNoKey(this.state.where);
    let table = this.table;
    if (!table.attached) this.table = table = this.state.find(this.namespace) ?? table;
    const row = table.findFetched(key, ledger.fetchIndex);
    this.row = row;
    this.seen = ledger.version;
    return row;
  }

  /** Makes the row; there must be none. `value` may still be filled by the caller. */
  create(value: unknown): number {
    const ledger = this.ledger;
    if (ledger.key === undefined) return refuseNoKey(this.state.where);
    if (!this.table.attached) this.table = this.state.obtain(this.namespace);
    const row = this.table.add(ledger.key, value, ledger.epoch);
    ledger.bookRow(this.table, row);
    ledger.entryCount++;
    this.seen = ++ledger.version;
    this.row = row;
    return row;
  }

  /** Removes the row, if there is one. */
  remove(): void {
    const ledger = this.ledger;
    const row = this.seen === ledger.version ? this.row : this.find();
    if (row === 0) return;
    removeRow(ledger, this.table, row);
    this.seen = ledger.version;
    this.row = 0;
  }

  /** Replaces what the current key holds, or makes its row. */
  put(value: unknown): void {
    const ledger = this.ledger;
    const row = this.seen === ledger.version ? this.row : this.find();
    if (row === 0) {
      this.create(value);
    } else {
      const table = this.table;
      if (table.epochs[row] !== ledger.epoch) ledger.touchRow(table, row);
      table.values[row] = value;
    }
  }

  /** The value of the current key, booked as handed out if it is an object; undefined when there is none. */
  take(): unknown {
    const ledger = this.ledger;
    const row = this.seen === ledger.version ? this.row : this.find();
    if (row === 0) return undefined;
    const table = this.table;
    const value = table.values[row];
    if (isObject(value) && table.epochs[row] !== ledger.epoch) ledger.exposeRow(table, row);
    return value;
  }

  /**
   * Throws unless the serializer takes `value`.
   *
   * @throws {TypeError} For null and undefined.
   */
  check(value: unknown): void {
    checkPresent(value, this.state.where);
    this.state.serializer.check?.(value, this.state.where);
  }
}

/** Removes a row that is in use; what slots have found is stale then. */
export function removeRow(ledger: Ledger, table: Table, row: number): void {
  if (table.epochs[row] !== ledger.epoch) ledger.touchRow(table, row);
  ledger.goneRow(table, row);
  table.remove(row);
  if (table.size === 0) table.state.drop(table);
  ledger.entryCount--;
  ledger.version++;
}
