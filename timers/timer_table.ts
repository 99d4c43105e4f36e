/**
 * Holds the timers of a queue in columns under small integer ids, found by identity (key, namespace, timestamp).
 *
 * A key with one timer costs one entry of a Map and no object. The timers of one key form a chain; a chain that has grown
 * past `CHAIN_LIMIT` becomes a Map by timestamp, so that adding to it stays O(1).
 *
 * Called by: timers/heap_timer_queue.ts, timers/frozen_timers.ts, timers/timer_history.ts.
 * Calls: core/key.ts.
 *
 * Invariants:
 * - an id is either free or in exactly one chain; `0..end-1` are the ids that were ever taken;
 * - keys and namespaces are never shared with the caller when they are bytes or tuples, which he may change.
 *
 * @module
 */
import { identityOf, type Key, type Namespace, VOID_NAMESPACE } from "../core/key.ts";

/** More timers of one key than this are found through a Map. */
const CHAIN_LIMIT = 8;
const INITIAL_CAPACITY = 16;

/** Values of `next`: the chain ends here; the chain has no other timer; the list of free ids ends here. */
const END = -1;
const ALONE = -2;

/** The timers of one key, by timestamp: the first id of a chain whose timestamps are equal. */
class Crowd {
  readonly byTimestamp = new Map<number, number>();
}

/** What a Map holds in place of a key. */
type Identity = string | number | bigint | boolean;

/** The first id of a key's chain, or the chains of a key that has many. */
type Chains = Map<Identity, number | Crowd>;

/** A set of timers; each has an id while it is in the set. */
export class TimerTable {
  /** Timestamp of each id. */
  timestamps: Float64Array = new Float64Array(INITIAL_CAPACITY);
  /** Key of each id, undefined for free ones. */
  readonly keys: (Key | undefined)[] = [];
  /** Namespace of each id. */
  readonly namespaces: Namespace[] = [];
  /** One more than the largest id ever taken. */
  end = 0;

  private next = new Int32Array(INITIAL_CAPACITY);
  private firstFree = END;
  private readonly simple: Chains = new Map();
  /** Keys that a Map would compare by reference, by the string of their bytes: it may equal a key that is a string. */
  private readonly complex: Chains = new Map();

  /** The id of a timer, -1 when it is not in the set. */
  find(timestampMs: number, key: Key, namespace: Namespace): number {
    const complex = typeof key === "object";
    const entry = complex ? this.complex.get(identityOf(key)) : this.simple.get(key);
    if (entry === undefined) return -1;
    const first = typeof entry === "number" ? entry : entry.byTimestamp.get(timestampMs);
    return first === undefined ? -1 : this.findInChain(first, timestampMs, namespace);
  }

  /** Adds a timer unless it is there: its id when it is, else the bitwise complement (< 0) of its new id. */
  add(timestampMs: number, key: Key, namespace: Namespace): number {
    if (typeof key === "object") return this.addTo(this.complex, identityOf(key), timestampMs, key, namespace);
    return this.addTo(this.simple, key, timestampMs, key, namespace);
  }

  /** Removes the timer with this id, which becomes free. */
  remove(id: number): void {
    const key = this.keyOf(id);
    const complex = typeof key === "object";
    const chains = complex ? this.complex : this.simple;
    const identity = complex ? identityOf(key) : key;
    if (this.next[id] === ALONE) chains.delete(identity);
    else this.unlink(chains, identity, id);
    this.keys[id] = undefined;
    this.namespaces[id] = VOID_NAMESPACE;
    this.next[id] = this.firstFree;
    this.firstFree = id;
  }

  /** Key of an id that is not free. */
  keyOf(id: number): Key {
    // Only free ids have none.
    return this.keys[id] as Key;
  }

  private addTo(
    chains: Chains,
    identity: Identity,
    timestampMs: number,
    key: Key,
    namespace: Namespace,
  ): number {
    const entry = chains.get(identity);
    if (entry === undefined) {
      const id = this.take(timestampMs, key, namespace);
      this.next[id] = ALONE;
      chains.set(identity, id);
      return ~id;
    }
    if (typeof entry === "number") {
      const found = this.findInChain(entry, timestampMs, namespace);
      if (found >= 0) return found;
      const id = this.take(timestampMs, this.keyOf(entry), namespace);
      this.linkAfter(entry, id);
      if (this.isLong(entry)) chains.set(identity, this.crowdOf(entry));
      return ~id;
    }
    return this.addToCrowd(entry, timestampMs, key, namespace);
  }

  private addToCrowd(crowd: Crowd, timestampMs: number, key: Key, namespace: Namespace): number {
    const first = crowd.byTimestamp.get(timestampMs);
    if (first !== undefined) {
      const found = this.findInChain(first, timestampMs, namespace);
      if (found >= 0) return found;
    }
    const id = this.take(timestampMs, key, namespace);
    if (first === undefined) {
      this.next[id] = END;
      crowd.byTimestamp.set(timestampMs, id);
    } else {
      this.linkAfter(first, id);
    }
    return ~id;
  }

  private findInChain(first: number, timestampMs: number, namespace: Namespace): number {
    for (let id = first; id >= 0; id = this.next[id]!) {
      if (this.timestamps[id] === timestampMs && sameNamespace(this.namespaces[id]!, namespace)) return id;
    }
    return -1;
  }

  private linkAfter(first: number, id: number): void {
    const second = this.next[first]!;
    this.next[id] = second === ALONE ? END : second;
    this.next[first] = id;
  }

  private isLong(first: number): boolean {
    let length = 0;
    for (let id = first; id >= 0; id = this.next[id]!) length++;
    return length > CHAIN_LIMIT;
  }

  private crowdOf(first: number): Crowd {
    const crowd = new Crowd();
    for (let id = first; id >= 0;) {
      const following = this.next[id]!;
      const same = crowd.byTimestamp.get(this.timestamps[id]!);
      if (same === undefined) {
        this.next[id] = END;
        crowd.byTimestamp.set(this.timestamps[id]!, id);
      } else {
        this.linkAfter(same, id);
      }
      id = following;
    }
    return crowd;
  }

  /** Takes an id that is not alone out of its chain. */
  private unlink(chains: Chains, identity: Identity, id: number): void {
    // An id in the set has a chain, and a crowd has one for each of its timestamps.
    const entry = chains.get(identity) as number | Crowd;
    if (typeof entry === "number") {
      const first = this.withoutLink(entry, id);
      if (first !== entry) chains.set(identity, first);
      if (this.next[first] === END) this.next[first] = ALONE;
      return;
    }
    const timestampMs = this.timestamps[id]!;
    // As above.
    const first = this.withoutLink(entry.byTimestamp.get(timestampMs) as number, id);
    if (first !== END) entry.byTimestamp.set(timestampMs, first);
    else if (entry.byTimestamp.size > 1) entry.byTimestamp.delete(timestampMs);
    else chains.delete(identity);
  }

  /** The first id of the chain once `id` has left it; `END` when it was the only one. */
  private withoutLink(first: number, id: number): number {
    if (first === id) return this.next[id]!;
    let before = first;
    while (this.next[before] !== id) before = this.next[before]!;
    this.next[before] = this.next[id]!;
    return first;
  }

  private take(timestampMs: number, key: Key, namespace: Namespace): number {
    let id = this.firstFree;
    if (id >= 0) {
      this.firstFree = this.next[id]!;
      this.keys[id] = typeof key === "object" ? copyOf(key) : key;
      this.namespaces[id] = typeof namespace === "object" ? copyOf(namespace) : namespace;
    } else {
      id = this.end++;
      if (id === this.timestamps.length) this.grow();
      this.keys.push(typeof key === "object" ? copyOf(key) : key);
      this.namespaces.push(typeof namespace === "object" ? copyOf(namespace) : namespace);
    }
    this.timestamps[id] = timestampMs;
    return id;
  }

  private grow(): void {
    const timestamps = new Float64Array(this.timestamps.length * 2);
    timestamps.set(this.timestamps);
    this.timestamps = timestamps;
    const next = new Int32Array(this.next.length * 2);
    next.set(this.next);
    this.next = next;
  }
}

/** Whether two namespaces are the same: bytes and tuples by their elements. */
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
