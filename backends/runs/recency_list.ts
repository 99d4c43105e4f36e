/**
 * The slots of the block cache in the order of their last use: a doubly linked ring in typed arrays.
 *
 * Called by: block_cache.ts.
 * Calls: nothing.
 *
 * @module
 */

/** Some of the numbers 0..count-1, most recently used first. */
export class RecencyList {
  /** Neighbours in the ring; entry `count` is its anchor. A slot outside of the ring points to itself. */
  private readonly newer: Int32Array;
  private readonly older: Int32Array;
  private readonly anchor: number;

  constructor(count: number) {
    this.newer = new Int32Array(count + 1).map((_, i) => i);
    this.older = new Int32Array(count + 1).map((_, i) => i);
    this.anchor = count;
  }

  /** Bytes that a list of so many slots takes. */
  static memoryBytesFor(count: number): number {
    return (count + 1) * 8;
  }

  /** The one that was used longest ago; -1 when there is none. */
  get oldest(): number {
    const slot = this.newer[this.anchor]!;
    return slot === this.anchor ? -1 : slot;
  }

  /** Takes a slot out; nothing happens when it is not in. */
  remove(slot: number): void {
    const newer = this.newer[slot]!;
    const older = this.older[slot]!;
    this.older[newer] = older;
    this.newer[older] = newer;
    this.newer[slot] = slot;
    this.older[slot] = slot;
  }

  /** Makes a slot the most recently used one. */
  use(slot: number): void {
    if (this.older[this.anchor] === slot) return;
    this.remove(slot);
    this.insert(slot, this.anchor, this.older[this.anchor]!);
  }

  /** Makes a slot the next to be taken. */
  retire(slot: number): void {
    this.remove(slot);
    this.insert(slot, this.newer[this.anchor]!, this.anchor);
  }

  private insert(slot: number, newer: number, older: number): void {
    this.newer[slot] = newer;
    this.older[slot] = older;
    this.older[newer] = slot;
    this.newer[older] = slot;
  }
}
