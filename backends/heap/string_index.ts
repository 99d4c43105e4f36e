/**
 * Finds the row of a string key in a large table: open addressing over numbers alone.
 *
 * A `Map` would enter every key in the runtime's table of unique strings, which the garbage collector walks in each of its
 * long pauses; with a million keys that is most of the pause. Growing a `Map` of that size also takes longer.
 *
 * Called by: table.ts.
 * Calls: nothing.
 *
 * Invariants:
 * - at most half of the slots are taken, and no slot between a row's slot and its place by hash is free;
 * - a row number is never 0: that marks a free slot.
 *
 * @module
 */
import type { Key } from "../../core/key.ts";

/** Free slots that the first allocation has for each row. */
const FIRST_SLOTS = 4;

/** Row by string. The keys themselves are the table's. */
export class StringIndex {
  /** Number of keys. */
  size = 0;
  /** Pairs of hash and row. */
  private slots: Int32Array;
  /** Number of slots less one; their number is a power of two. */
  private mask: number;

  /**
   * @param seed Starts every hash, 32 bits; unpredictable, so that nobody can send keys that collide.
   * @param expected Number of keys that it will soon have.
   */
  constructor(private readonly seed: number, expected: number) {
    const count = 2 ** Math.ceil(Math.log2(Math.max(FIRST_SLOTS, expected * FIRST_SLOTS)));
    this.slots = new Int32Array(count * 2);
    this.mask = count - 1;
  }

  /** Hash of a string, 32 bits. */
  hash(key: string): number {
    let hash = this.seed;
    for (let i = 0; i < key.length; i++) {
      hash = Math.imul(hash ^ key.charCodeAt(i), 0x9e3779b1);
      hash ^= hash >>> 15;
    }
    hash = Math.imul(hash, 0x85ebca6b);
    return hash ^ (hash >>> 13);
  }

  /** The row of `key`; 0 when there is none. `keys` are the keys by row. */
  find(key: string, keys: readonly (Key | undefined)[]): number {
    const hash = this.hash(key);
    const { slots, mask } = this;
    for (let at = hash & mask;; at = (at + 1) & mask) {
      const row = slots[2 * at + 1]!;
      if (row === 0 || (slots[2 * at] === hash && keys[row] === key)) return row;
    }
  }

  /** The first row whose key has this hash, most probably that of the key; 0 when there is none. */
  guess(hash: number): number {
    const { slots, mask } = this;
    for (let at = hash & mask;; at = (at + 1) & mask) {
      const row = slots[2 * at + 1]!;
      if (row === 0 || slots[2 * at] === hash) return row;
    }
  }

  /** Enters a key that is not there. */
  add(key: string, row: number): void {
    if (++this.size * 2 > this.mask) this.grow();
    this.enter(this.hash(key), row);
  }

  private enter(hash: number, row: number): void {
    const { slots, mask } = this;
    let at = hash & mask;
    while (slots[2 * at + 1] !== 0) at = (at + 1) & mask;
    slots[2 * at] = hash;
    slots[2 * at + 1] = row;
  }

  private grow(): void {
    const former = this.slots;
    this.slots = new Int32Array(former.length * 2);
    this.mask = former.length - 1;
    for (let i = 0; i < former.length; i += 2) {
      if (former[i + 1] !== 0) this.enter(former[i]!, former[i + 1]!);
    }
  }

  /** Removes a key that is there. */
  remove(key: string, row: number): void {
    const { slots, mask } = this;
    let free = this.hash(key) & mask;
    while (slots[2 * free + 1] !== row) free = (free + 1) & mask;
    // Rows behind it move up as far as their hash allows, so that no search stops too early.
    for (let at = (free + 1) & mask; slots[2 * at + 1] !== 0; at = (at + 1) & mask) {
      const home = slots[2 * at]! & mask;
      if (((at - home) & mask) < ((at - free) & mask)) continue;
      slots[2 * free] = slots[2 * at]!;
      slots[2 * free + 1] = slots[2 * at + 1]!;
      free = at;
    }
    slots[2 * free + 1] = 0;
    this.size--;
  }
}
