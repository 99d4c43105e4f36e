/**
 * Map state of an embedded backend: a row for each entry.
 *
 * Called by: actors, through core/state.ts.
 * Calls: state_slot.ts, map_walk.ts, the rows.
 *
 * @module
 */
import { checkKey, type Namespace } from "../../core/key.ts";
import type { MapState, Namespaced } from "../../core/state.ts";
import { checkEntry } from "../states/access_checks.ts";
import { MapWalk } from "./map_walk.ts";
import type { StateSlot } from "./state_slot.ts";

/** The map of the current key. */
export class MapRows<K, V> implements MapState<K, V>, Namespaced {
  constructor(private readonly slot: StateSlot) {}

  private find(key: K): boolean {
    const { slot } = this;
    checkKey(key);
    slot.addressEntry(key);
    return slot.keyed.rows.get(slot.row.buffer, slot.row.length, slot.prefixBytes);
  }

  get(key: K): V | undefined {
    if (!this.find(key)) return undefined;
    const { keyed, state } = this.slot;
    const found = keyed.rows.found;
    return keyed.read(state, found.bytes, found.start, found.end) as V; // only set() stores here
  }

  set(key: K, value: V): this {
    const { slot } = this;
    const { keyed, state } = slot;
    checkKey(key);
    checkEntry(value, state.where);
    slot.addressEntry(key);
    const out = keyed.write(state, value);
    state.changes++;
    keyed.rows.put(slot.row.buffer, slot.row.length, slot.prefixBytes, out.buffer, 0, out.length);
    return this;
  }

  has(key: K): boolean {
    return this.find(key);
  }

  delete(key: K): boolean {
    if (!this.find(key)) return false;
    const { slot } = this;
    slot.state.changes++;
    slot.keyed.rows.delete(slot.row.buffer, slot.row.length, slot.prefixBytes);
    return true;
  }

  setAll(entries: Iterable<readonly [K, V]>): void {
    for (const [key, value] of entries) this.set(key, value);
  }

  get size(): number {
    return this.count(Number.POSITIVE_INFINITY);
  }

  isEmpty(): boolean {
    return this.count(1) === 0;
  }

  /** Number of entries, or `limit` if there are more. */
  private count(limit: number): number {
    const { slot } = this;
    slot.address();
    const cursor = slot.keyed.rows.group(slot.row.buffer, slot.prefixBytes);
    let count = 0;
    try {
      while (count < limit && cursor.next()) count++;
    } finally {
      cursor.close();
    }
    return count;
  }

  entries(): IterableIterator<[K, V]> {
    return new MapWalk(this.slot, entryOf<K, V>);
  }

  keys(): IterableIterator<K> {
    return new MapWalk(this.slot, keyOf<K>);
  }

  values(): IterableIterator<V> {
    return new MapWalk(this.slot, valueOf<V>);
  }

  [Symbol.iterator](): IterableIterator<[K, V]> {
    return this.entries();
  }

  forEach(callback: (value: V, key: K) => void): void {
    for (const [key, value] of this.entries()) callback(value, key);
  }

  clear(): void {
    this.slot.state.changes++;
    this.slot.clear();
  }

  setNamespace(namespace: Namespace): void {
    this.slot.setNamespace(namespace);
  }
}

// set() took each key as a K and each value as a V.
function entryOf<K, V>(walk: MapWalk<[K, V]>): [K, V] {
  return [walk.key() as K, walk.value() as V];
}

function keyOf<K>(walk: MapWalk<K>): K {
  return walk.key() as K;
}

function valueOf<V>(walk: MapWalk<V>): V {
  return walk.value() as V;
}
