/**
 * The rows of one state in one namespace, as columns: a record touches a Map, a value and an epoch, and the garbage
 * collector sees a few long arrays instead of an object per key.
 *
 * Called by: everything in this folder.
 * Calls: core/key.ts.
 *
 * Invariants:
 * - row 0 is never used: it stands for "none";
 * - primitive keys and complex ones (bytes, tuples) are in Maps of their own, since the identity of a complex key is a string;
 * - the birth of a row that is free is FREE; its epoch remains that of its last touch.
 *
 * @module
 */
import { identityOf, isComplexKey, type Key, type Namespace } from "../../core/key.ts";
import type { TableChanges } from "./change_list.ts";
import type { FormerValues } from "./former_values.ts";
import type { HeapState } from "./heap_state.ts";

/** What a Map holds in place of a key. */
export type Identity = string | number | bigint | boolean;

/** Birth of a row that holds nothing. */
export const FREE = -1;

/** First allocations. They differ, so that a large table never has all its columns grown by one record. */
const FIRST_EPOCHS = 16;
const FIRST_BIRTHS = 20;
const FIRST_WALKED = 24;

/** One state in one namespace. */
export class Table {
  /** Row by string, number, bigint or boolean. */
  readonly simple: Map<Identity, number> = new Map();
  /** Row by the identity of bytes or a tuple. */
  readonly complex: Map<Identity, number> = new Map();
  /** The stored values, `ListItems` or `MapCells`. The first keeps the array from being specialized to small integers. */
  readonly values: unknown[] = [undefined];
  /** Epoch in which a row was last written or handed out. A running snapshot of an earlier epoch lacks it no more. */
  epochs: Int32Array = new Int32Array(FIRST_EPOCHS);
  /** The keys, which nobody else can change. */
  readonly keys: (Key | undefined)[] = [undefined];
  /** Epoch in which a row was made, or FREE. */
  births: Int32Array = new Int32Array(FIRST_BIRTHS);
  /** Number of the snapshot that has written a row most recently. */
  walked: Int32Array = new Int32Array(FIRST_WALKED);
  private readonly free: number[] = [];
  /** Where the ledger has listed changes of this table most recently. */
  changes: TableChanges | undefined = undefined;
  /** Made when a snapshot first needs it. */
  former: FormerValues | undefined = undefined;
  /** False once it was dropped because it was empty; whoever still holds it asks its state for the current one. */
  attached = true;

  constructor(readonly state: HeapState, readonly namespace: Namespace) {}

  /** The row of `key`; 0 when there is none. */
  find(key: Key): number {
    const row = typeof key === "object" ? this.complex.get(identityOf(key)) : this.simple.get(key);
    return row === undefined ? 0 : row;
  }

  /** Reads what a record of each of these keys will read first. @returns Nothing of use. */
  prefetch(keys: readonly Key[], count: number): number {
    const { simple, values, epochs } = this;
    let seen = 0;
    for (let i = 0; i < count; i++) {
      const key = keys[i]!;
      const row = typeof key === "object" ? undefined : simple.get(key);
      if (row !== undefined && values[row] !== undefined) seen += epochs[row]!;
    }
    return seen | 0;
  }

  /**
   * Makes a row; there must be none of that key.
   *
   * @param birth Its birth; its epoch remains that of the row that was here before, or 0.
   */
  add(key: Key, value: unknown, birth: number): number {
    const own = ownKey(key);
    let row = this.free.pop();
    if (row === undefined) {
      row = this.values.push(value) - 1;
      this.keys.push(own);
      if (row >= this.epochs.length) this.epochs = doubled(this.epochs);
      if (row >= this.births.length) this.births = doubled(this.births);
      if (row >= this.walked.length) this.walked = doubled(this.walked);
    } else {
      this.values[row] = value;
      this.keys[row] = own;
    }
    this.births[row] = birth;
    if (isComplexKey(own)) this.complex.set(identityOf(own), row);
    else this.simple.set(own, row);
    return row;
  }

  /** Frees a row that is in use. */
  remove(row: number): void {
    const key = this.keys[row]!;
    if (isComplexKey(key)) this.complex.delete(identityOf(key));
    else this.simple.delete(key);
    this.keys[row] = undefined;
    this.values[row] = undefined;
    this.births[row] = FREE;
    this.free.push(row);
  }

  /** Number of rows in use. */
  get size(): number {
    return this.simple.size + this.complex.size;
  }

  /** Rows are numbered below this, free ones included. */
  get rowLimit(): number {
    return this.values.length;
  }

  /** Live: keys that are added meanwhile are visited too. */
  *eachKey(): IterableIterator<Key> {
    yield* this.simple.keys();
    for (const row of this.complex.values()) yield this.keys[row]!;
  }
}

function doubled(column: Int32Array): Int32Array {
  const grown = new Int32Array(column.length * 2);
  grown.set(column);
  return grown;
}

/** Whether `value` can be changed by whoever holds it. */
export function isObject(value: unknown): boolean {
  return typeof value === "object" || typeof value === "function";
}

/** A key that its giver cannot change: bytes and tuples are copied, -0 becomes 0. */
export function ownKey(key: Key): Key {
  if (typeof key === "number") return key + 0;
  if (!isComplexKey(key)) return key;
  return key instanceof Uint8Array ? key.slice() : key.map(ownKey);
}
