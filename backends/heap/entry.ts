/**
 * The objects that state on the heap consists of: entries, the cells of a map, the items of a list, and the tables that
 * hold the entries of one state in one namespace.
 *
 * Called by: everything in this folder.
 * Calls: core/key.ts.
 *
 * Invariants:
 * - primitive keys and complex ones (bytes, tuples) are in Maps of their own, since the identity of a complex key is a string;
 * - an entry that is no longer in its Map has a negative `birth`.
 *
 * @module
 */
import { identityOf, isComplexKey, type Key, type Namespace } from "../../core/key.ts";
import type { HeapState } from "./heap_state.ts";

/** What a Map holds in place of a key. */
export type Identity = string | number | bigint | boolean;

/** `birth` of an entry that is gone, after a snapshot has seen it: increments must delete it. */
export const GONE = -1;
/** `birth` of an entry that is gone, and that no snapshot has seen: nothing is left to do. */
export const GONE_UNSEEN = -2;

/** A value of a key, a list or map of a key, or one cell of a map. One class, so that the record path has one shape. */
export class Entry {
  // The record path reads the first two fields: they share a cache line with the header.
  /** The stored value, {@link ListItems} or {@link MapCells}. */
  value: unknown;
  /** Epoch in which it was last written or handed out. A running snapshot of an earlier epoch lacks it no more. */
  epoch: number;
  /** The key; of a cell, the map key. */
  readonly key: Key;
  /** Where it is: in a table, or in a map. */
  readonly owner: Table | MapCells;
  /** Epoch in which it was made, or GONE, or GONE_UNSEEN. */
  birth: number;
  /** Number of the snapshot that has written it most recently. */
  walked = 0;

  constructor(key: Key, value: unknown, owner: Table | MapCells, epoch: number) {
    this.value = value;
    this.epoch = epoch;
    this.key = key;
    this.owner = owner;
    this.birth = epoch;
  }
}

/** Entries by key. */
export class EntryMap {
  /** Entries of strings, numbers, bigints and booleans. */
  readonly simple: Map<Identity, Entry> = new Map();
  /** Entries of bytes and tuples, by identity. */
  readonly complex: Map<Identity, Entry> = new Map();

  /** The entry of `key`. */
  get(key: Key): Entry | undefined {
    return isComplexKey(key) ? this.complex.get(identityOf(key)) : this.simple.get(key);
  }

  /** Puts `entry` under its key. */
  set(entry: Entry): void {
    const key = entry.key;
    if (isComplexKey(key)) this.complex.set(identityOf(key), entry);
    else this.simple.set(key, entry);
  }

  /** Removes what is under `key`. */
  delete(key: Key): void {
    if (isComplexKey(key)) this.complex.delete(identityOf(key));
    else this.simple.delete(key);
  }

  /** Number of entries. */
  get size(): number {
    return this.simple.size + this.complex.size;
  }

  /** Live: entries that are added meanwhile are visited too. */
  *[Symbol.iterator](): IterableIterator<Entry> {
    yield* this.simple.values();
    yield* this.complex.values();
  }
}

/** One state in one namespace. */
export class Table {
  /** By key. */
  readonly entries: EntryMap = new EntryMap();
  /** False once it was dropped because it was empty; whoever still holds it asks its state for the current one. */
  attached = true;

  constructor(readonly state: HeapState, readonly namespace: Namespace) {}
}

/** The cells of one key's map. */
export class MapCells {
  /** By map key. */
  readonly cells: EntryMap = new EntryMap();
  /** The entry that holds this map. */
  entry: Entry | undefined;

  constructor(readonly table: Table) {}
}

/** The elements of one key's list, in order; elements are appended, and otherwise the whole list is replaced. */
export class ListItems {
  /** Row numbers, ascending. */
  readonly numbers: number[] = [];
  /** Elements. */
  readonly values: unknown[] = [];
  /** Whether an element may be changed from outside once it was handed out. */
  hasObjects = false;
  /** Epoch in which objects were last handed out; -1 never. */
  exposedEpoch = -1;
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
