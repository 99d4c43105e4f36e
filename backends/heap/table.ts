/**
 * The rows of one state in one namespace, as columns: a record touches a Map or index, a value and an epoch, and the garbage
 * collector sees a few long arrays instead of an object per key.
 *
 * Called by: everything in this folder.
 * Calls: core/key.ts, string_index.ts.
 *
 * Invariants:
 * - row 0 is never used: it stands for "none";
 * - primitive keys and complex ones (bytes, tuples) are in Maps of their own, since the identity of a complex key is a string;
 * - the birth of a row that is free is FREE; its epoch remains that of its last touch.
 *
 * @module
 */
import { identityOf, isComplexKey, type Key, type Namespace } from "../../core/key.ts";
import { FAR_TICK, Stamped } from "../../core/stamped_value.ts";
import type { TableChanges } from "./change_list.ts";
import type { FormerValues } from "./former_values.ts";
import type { HeapState } from "./heap_state.ts";
import { StringIndex } from "./string_index.ts";

/** What a Map holds in place of a key. */
export type Identity = string | number | bigint | boolean;

/** Birth of a row that holds nothing. */
export const FREE = -1;

/** First allocations. They differ, so that a large table never has all its columns grown by one record. */
const FIRST_EPOCHS = 16;
const FIRST_BIRTHS = 20;
const FIRST_WALKED = 24;
const FIRST_TICKS = 28;

/** How tables find their rows. */
export interface TableSettings {
  /** From so many rows on strings are found by an index of their own; below, a Map is quicker. */
  readonly indexedRows: number;
  /** See {@link StringIndex}. */
  readonly hashSeed: number;
}

/** One state in one namespace. */
export class Table {
  /** Row by number, bigint or boolean, and by string while they are few. */
  private readonly simple: Map<Identity, number> = new Map();
  /** Row by string once they are many. */
  private strings: StringIndex | undefined = undefined;
  /** Row by the identity of bytes or a tuple. */
  private readonly complex: Map<Identity, number> = new Map();
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
  /** When the value of a row was written, as `AccessTime` counts; only of a state that keeps stamps beside values. */
  ticks: Int32Array | undefined;
  /** Stamps that no tick can say, by row; what is left of rows that have a tick again means nothing. */
  private farStamps: Map<number, number> | undefined = undefined;
  private readonly free: number[] = [];
  /** Rows of the keys that were fetched together most recently; 0 for one that was not found. */
  private fetched: Int32Array = new Int32Array(0);
  private readonly fetchedKeys: Key[] = [];
  private fetchedCount = 0;
  /** Where the ledger has listed changes of this table most recently. */
  changes: TableChanges | undefined = undefined;
  /** Made when a snapshot first needs it. */
  former: FormerValues | undefined = undefined;
  /** False once it was dropped because it was empty; whoever still holds it asks its state for the current one. */
  attached = true;

  constructor(readonly state: HeapState, readonly namespace: Namespace) {
    this.ticks = state.keepsStamps ? new Int32Array(FIRST_TICKS) : undefined;
  }

  /** The row of `key`; 0 when there is none. */
  find(key: Key): number {
    if (typeof key === "string" && this.strings !== undefined) return this.strings.find(key, this.keys);
    const row = typeof key === "object" ? this.complex.get(identityOf(key)) : this.simple.get(key);
    return row === undefined ? 0 : row;
  }

  /**
   * Looks up what the records of these keys will look up, and reads what they will read first.
   *
   * @param keys The i-th of them is looked for with `findFetched(key, i)`.
   * @returns Nothing of use.
   */
  prefetch(keys: readonly Key[], count: number): number {
    if (this.fetched.length < count) this.fetched = new Int32Array(count);
    for (let i = 0; i < count; i++) this.fetchedKeys[i] = keys[i]!;
    this.fetchedCount = count;
    if (this.strings === undefined) this.fetchSimple(keys, count);
    else this.fetchStrings(this.strings, keys, count);
    const { fetched, values, epochs } = this;
    let seen = 0;
    for (let i = 0; i < count; i++) {
      const row = fetched[i]!;
      if (values[row] !== undefined) seen += epochs[row]!;
    }
    if (this.ticks !== undefined) { for (let i = 0; i < count; i++) seen += this.ticks[fetched[i]!]!; }
    return seen | 0;
  }

  private fetchSimple(keys: readonly Key[], count: number): void {
    const { fetched, simple } = this;
    for (let i = 0; i < count; i++) {
      const key = keys[i]!;
      const row = typeof key === "object" ? undefined : simple.get(key);
      fetched[i] = row === undefined ? 0 : row;
    }
  }

  /** Step by step for all keys at once: the waits for memory overlap. */
  private fetchStrings(strings: StringIndex, keys: readonly Key[], count: number): void {
    const fetched = this.fetched;
    for (let i = 0; i < count; i++) {
      const key = keys[i]!;
      fetched[i] = typeof key === "string" ? strings.hash(key) : 0;
    }
    for (let i = 0; i < count; i++) {
      fetched[i] = typeof keys[i] === "string" ? strings.guess(fetched[i]!) : this.find(keys[i]!);
    }
    for (let i = 0; i < count; i++) if (this.keys[fetched[i]!] !== keys[i]) fetched[i] = 0;
  }

  /** As `find`; quicker if `key` was the `index`-th that was fetched and no key was removed since. */
  findFetched(key: Key, index: number): number {
    if (index < this.fetchedCount && this.fetchedKeys[index] === key) {
      const row = this.fetched[index]!;
      // A row that was not there may have been made meanwhile.
      if (row !== 0) return row;
    }
    return this.find(key);
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
    else if (typeof own === "string") this.addString(own, row);
    else this.simple.set(own, row);
    return row;
  }

  private addString(key: string, row: number): void {
    const strings = this.stringsFor();
    if (strings === undefined) this.simple.set(key, row);
    else strings.add(key, row);
  }

  /** The index that a new string goes to; made, of the strings so far, when there are many. */
  private stringsFor(): StringIndex | undefined {
    const { simple } = this;
    const { indexedRows, hashSeed } = this.state.tableSettings;
    if (this.strings !== undefined || simple.size < indexedRows) return this.strings;
    const strings = this.strings = new StringIndex(hashSeed, simple.size);
    const rest: [Identity, number][] = [];
    for (const [key, row] of simple) {
      if (typeof key === "string") strings.add(key, row);
      else rest.push([key, row]);
    }
    simple.clear();
    for (const [key, row] of rest) simple.set(key, row);
    return strings;
  }

  /** Stamps a row that is in use, milliseconds since the epoch; only of a state that keeps stamps beside values. */
  stamp(row: number, stampMs: number): void {
    const tick = stampMs - this.state.expiry!.time.baseMs;
    if ((tick | 0) === tick && tick !== FAR_TICK) return this.tick(row, tick);
    this.tick(row, FAR_TICK);
    (this.farStamps ??= new Map()).set(row, stampMs);
  }

  /** The same, with a tick. */
  tick(row: number, tick: number): void {
    let ticks = this.ticks!;
    // A row is above the last one by one at most.
    if (row >= ticks.length) this.ticks = ticks = doubled(ticks);
    ticks[row] = tick;
  }

  /** When the value of a row in use was written; only of a state that keeps stamps beside values. */
  stampOf(row: number): number {
    return this.stampSince(row, this.state.expiry!.time.baseMs);
  }

  private stampSince(row: number, baseMs: number): number {
    const tick = this.ticks![row]!;
    return tick === FAR_TICK ? this.farStamps!.get(row)! : baseMs + tick;
  }

  /** Counts ticks from where they are counted now. @param fromMs Where they were counted from. */
  rebaseTicks(fromMs: number): void {
    for (let row = 1; row < this.rowLimit; row++) {
      if (this.births[row] !== FREE) this.stamp(row, this.stampSince(row, fromMs));
    }
  }

  /** What a row in use holds, with its stamp if that lies beside it: as its serializer takes it. */
  held(row: number): unknown {
    return this.ticks === undefined ? this.values[row] : new Stamped(this.stampOf(row), this.values[row]);
  }

  /** Frees a row that is in use. */
  remove(row: number): void {
    const key = this.keys[row]!;
    if (isComplexKey(key)) this.complex.delete(identityOf(key));
    else if (typeof key === "string" && this.strings !== undefined) this.strings.remove(key, row);
    else this.simple.delete(key);
    this.fetchedCount = 0;
    this.keys[row] = undefined;
    this.values[row] = undefined;
    this.births[row] = FREE;
    this.free.push(row);
  }

  /** Number of rows in use. */
  get size(): number {
    return this.simple.size + this.complex.size + (this.strings === undefined ? 0 : this.strings.size);
  }

  /** Rows are numbered below this, free ones included. */
  get rowLimit(): number {
    return this.values.length;
  }

  /** Live: keys that are added meanwhile are visited, unless they take the row of one that was passed and removed. */
  *eachKey(): IterableIterator<Key> {
    for (let row = 1; row < this.rowLimit; row++) if (this.births[row] !== FREE) yield this.keys[row]!;
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
