/**
 * Finds, makes and removes the entry of the current key in one state and namespace.
 *
 * Every handle has one. It remembers what it found until the key changes, so that a read and the write after it cost one
 * look-up.
 *
 * Called by: the handles.
 * Calls: entry.ts, heap_state.ts, ledger.ts.
 *
 * @module
 */
import { StreamError } from "../../core/errors.ts";
import { checkKey, identityOf, type Namespace, VOID_NAMESPACE } from "../../core/key.ts";
import { Entry, isObject, ownKey, type Table } from "./entry.ts";
import type { HeapState } from "./heap_state.ts";
import type { Ledger } from "./ledger.ts";

/** The place of the current key's entry. Read `entry` when `seen === ledger.version`, else call `find()`. */
export class EntrySlot {
  /** Version of the ledger at which `entry` was found. */
  seen = -1;
  /** What was found; null when there is none. */
  entry: Entry | null = null;
  private table: Table;
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

  /** Looks the entry up. @throws {StreamError} Without a current key. */
  find(): Entry | null {
    const ledger = this.ledger;
    const key = ledger.key;
    if (key === undefined) return this.refuseNoKey();
    if (!this.table.attached) this.table = this.state.find(this.namespace) ?? this.table;
    const entries = this.table.entries;
    const found = typeof key === "object" ? entries.complex.get(identityOf(key)) : entries.simple.get(key);
    const entry = found === undefined ? null : found;
    this.entry = entry;
    this.seen = ledger.version;
    return entry;
  }

  private refuseNoKey(): never {
    throw new StreamError(
      "invalid",
      `Cannot use ${this.state.where}: no key is set, it must be used while a record or timer is processed; ` +
        `move the access into onMessage or onTimer`,
    );
  }

  /** Makes the entry; there must be none. `value` may still be filled by the caller. */
  create(value: unknown): Entry {
    const ledger = this.ledger;
    if (ledger.key === undefined) return this.refuseNoKey();
    if (!this.table.attached) this.table = this.state.obtain(this.namespace);
    const entry = new Entry(ownKey(ledger.key), value, this.table, ledger.epoch);
    this.table.entries.set(entry);
    ledger.born(entry);
    ledger.entryCount++;
    this.seen = ++ledger.version;
    this.entry = entry;
    return entry;
  }

  /** Removes the entry, if there is one. */
  remove(): void {
    const ledger = this.ledger;
    const entry = this.seen === ledger.version ? this.entry : this.find();
    if (entry === null) return;
    if (entry.epoch !== ledger.epoch) ledger.touch(entry);
    ledger.gone(entry);
    const entries = this.table.entries;
    entries.delete(entry.key);
    if (entries.size === 0) this.state.drop(this.table);
    ledger.entryCount--;
    this.seen = ++ledger.version;
    this.entry = null;
  }

  /** Replaces what the current key holds, or makes its entry. */
  put(value: unknown): void {
    const ledger = this.ledger;
    const entry = this.seen === ledger.version ? this.entry : this.find();
    if (entry === null) {
      this.create(value);
    } else {
      if (entry.epoch !== ledger.epoch) ledger.touch(entry);
      entry.value = value;
    }
  }

  /** The value of the current key, booked as handed out if it is an object; undefined when there is none. */
  take(): unknown {
    const ledger = this.ledger;
    const entry = this.seen === ledger.version ? this.entry : this.find();
    if (entry === null) return undefined;
    if (entry.epoch !== ledger.epoch && isObject(entry.value)) ledger.expose(entry);
    return entry.value;
  }

  /**
   * Throws unless the serializer takes `value`.
   *
   * @throws {TypeError} For null and undefined.
   */
  check(value: unknown): void {
    if (value === null || value === undefined) {
      throw new TypeError(
        `Cannot add ${value} to ${this.state.where}: it must be a value; skip it, or call clear() to forget what is stored`,
      );
    }
    this.state.serializer.check?.(value, this.state.where);
  }
}
