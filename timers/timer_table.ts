/**
 * Holds the timers of a queue in columns under small integer ids, found by identity (key, namespace, timestamp).
 *
 * A hash table over integers: no object for each timer, and a timer whose id is known leaves without touching its key. With
 * a Map by key instead, registering and firing a million timers takes twice as long, most of it in the Map.
 *
 * Called by: timers/heap_timer_queue.ts, timers/frozen_timers.ts.
 * Calls: core/key.ts, core/key_hash.ts.
 *
 * Invariants:
 * - an id is either in the list of free ids or in the list of exactly one bucket; `0..end-1` are the ids ever taken;
 * - there are as many buckets as places for ids, so that lists stay short;
 * - keys and namespaces are never shared with the caller when they are bytes or tuples, which he may change.
 *
 * @module
 */
import { type Key, type Namespace, VOID_NAMESPACE } from "../core/key.ts";
import { hashKey } from "../core/key_hash.ts";

/** A power of two. */
const INITIAL_CAPACITY = 16;
/** Ends the lists in `next`. */
const END = -1;

/** A set of timers; each has an id while it is in the set. */
export class TimerTable {
  /** Timestamp of each id. */
  timestamps: Float64Array = new Float64Array(INITIAL_CAPACITY);
  /** Namespace of each id. */
  readonly namespaces: Namespace[] = [];
  /** One more than the largest id ever taken. */
  end = 0;

  /** Undefined for free ids. */
  private readonly keys: (Key | undefined)[] = [];
  private hashes = new Int32Array(INITIAL_CAPACITY);
  /** First id of each bucket. */
  private buckets = new Int32Array(INITIAL_CAPACITY).fill(END);
  /** The id that follows in the bucket, or among the free ones. */
  private next = new Int32Array(INITIAL_CAPACITY);
  private firstFree = END;

  /** The id of a timer, -1 when it is not in the set. */
  find(timestampMs: number, key: Key, namespace: Namespace): number {
    return this.findHashed(hashOf(timestampMs, key, namespace), timestampMs, key, namespace);
  }

  /** Adds a timer unless it is there: its id when it is, else the bitwise complement (< 0) of its new id. */
  add(timestampMs: number, key: Key, namespace: Namespace): number {
    const hash = hashOf(timestampMs, key, namespace);
    const found = this.findHashed(hash, timestampMs, key, namespace);
    if (found >= 0) return found;
    const id = this.take(key, namespace);
    this.timestamps[id] = timestampMs;
    this.hashes[id] = hash;
    const bucket = hash & (this.buckets.length - 1);
    this.next[id] = this.buckets[bucket]!;
    this.buckets[bucket] = id;
    return ~id;
  }

  /** Removes the timer with this id, which becomes free. */
  remove(id: number): void {
    const next = this.next;
    const bucket = this.hashes[id]! & (this.buckets.length - 1);
    let before = this.buckets[bucket]!;
    if (before === id) {
      this.buckets[bucket] = next[id]!;
    } else {
      while (next[before] !== id) before = next[before]!;
      next[before] = next[id]!;
    }
    this.keys[id] = undefined;
    this.namespaces[id] = VOID_NAMESPACE;
    next[id] = this.firstFree;
    this.firstFree = id;
  }

  /** Key of an id that is not free. */
  keyOf(id: number): Key {
    // Only free ids have none.
    return this.keys[id] as Key;
  }

  private findHashed(hash: number, timestampMs: number, key: Key, namespace: Namespace): number {
    for (let id = this.buckets[hash & (this.buckets.length - 1)]!; id >= 0; id = this.next[id]!) {
      if (this.hashes[id] !== hash || this.timestamps[id] !== timestampMs) continue;
      if (sameNamespace(this.keyOf(id), key) && sameNamespace(this.namespaces[id]!, namespace)) return id;
    }
    return -1;
  }

  private take(key: Key, namespace: Namespace): number {
    const ownKey = typeof key === "object" ? copyOf(key) : key;
    const ownNamespace = typeof namespace === "object" ? copyOf(namespace) : namespace;
    let id = this.firstFree;
    if (id >= 0) {
      this.firstFree = this.next[id]!;
      this.keys[id] = ownKey;
      this.namespaces[id] = ownNamespace;
    } else {
      id = this.end++;
      if (id === this.next.length) this.grow();
      this.keys.push(ownKey);
      this.namespaces.push(ownNamespace);
    }
    return id;
  }

  /** Called when no id is free, so each one up to the capacity is in a bucket. */
  private grow(): void {
    const count = this.next.length;
    const timestamps = new Float64Array(count * 2);
    timestamps.set(this.timestamps);
    this.timestamps = timestamps;
    const hashes = new Int32Array(count * 2);
    hashes.set(this.hashes);
    this.hashes = hashes;
    const buckets = new Int32Array(count * 2).fill(END);
    const next = new Int32Array(count * 2);
    for (let id = 0; id < count; id++) {
      const bucket = hashes[id]! & (count * 2 - 1);
      next[id] = buckets[bucket]!;
      buckets[bucket] = id;
    }
    this.buckets = buckets;
    this.next = next;
  }
}

/** Source of the last steps: MurmurHash3's finalizer; without it neighbouring timestamps and keys share buckets. */
function hashOf(timestampMs: number, key: Key, namespace: Namespace): number {
  let hash = Math.imul(hashKey(key), 0xcc9e2d51) ^ timestampMs;
  if (namespace !== VOID_NAMESPACE) hash = Math.imul(hash, 0x1b873593) ^ hashKey(namespace);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

/** Whether two keys or namespaces are the same: bytes and tuples by their elements. */
export function sameNamespace(a: Namespace, b: Namespace): boolean {
  if (a === b) return true;
  return typeof a === "object" && typeof b === "object" && sameElements(a, b);
}

function sameElements(a: Uint8Array | readonly Key[], b: Uint8Array | readonly Key[]): boolean {
  if (a.length !== b.length || a instanceof Uint8Array !== b instanceof Uint8Array) return false;
  for (let i = 0; i < a.length; i++) {
    if (!sameNamespace(a[i]!, b[i]!)) return false;
  }
  return true;
}

function copyOf(key: Uint8Array | readonly Key[]): Key {
  // Not slice(): that of a Buffer shares its memory.
  if (key instanceof Uint8Array) return new Uint8Array(key);
  return key.map((element) => typeof element === "object" ? copyOf(element) : element);
}
