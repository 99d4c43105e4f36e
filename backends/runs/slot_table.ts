/**
 * Which slot of the block cache holds which block: an open-addressing hash table in typed arrays.
 *
 * Called by: block_cache.ts.
 * Calls: nothing.
 *
 * Invariants:
 * - at most half of the places are taken, so that a search is short;
 * - a slot is in the table while `runs[slot]` is not negative.
 *
 * @module
 */

/** Maps (run, block) to a slot. */
export class SlotTable {
  /** Run of the block in each slot; -1: the slot holds none. */
  private readonly runs: Int32Array;
  /** Number of the block in its run. */
  private readonly blocks: Int32Array;
  /** Slot + 1 in each place, 0: free. */
  private readonly places: Int32Array;
  private readonly shift: number;

  /** @param slotCount How many slots there are. */
  constructor(readonly slotCount: number) {
    this.runs = new Int32Array(slotCount).fill(-1);
    this.blocks = new Int32Array(slotCount);
    const bits = Math.max(2, 33 - Math.clz32(slotCount));
    this.places = new Int32Array(2 ** bits);
    this.shift = 32 - bits;
  }

  /** Bytes that a table for so many slots takes. */
  static memoryBytesFor(slotCount: number): number {
    return slotCount * 8 + 4 * 2 ** Math.max(2, 33 - Math.clz32(slotCount));
  }

  /** The slot of a block, -1 if there is none. */
  find(run: number, block: number): number {
    const places = this.places;
    const mask = places.length - 1;
    for (let at = this.homeOf(run, block);; at = (at + 1) & mask) {
      const slot = places[at]! - 1;
      if (slot < 0 || (this.blocks[slot] === block && this.runs[slot] === run)) return slot;
    }
  }

  /** The run whose block a slot holds, -1 if it holds none. */
  runOf(slot: number): number {
    return this.runs[slot]!;
  }

  /** Notes that a slot, which held none, holds a block now. */
  insert(slot: number, run: number, block: number): void {
    const mask = this.places.length - 1;
    let at = this.homeOf(run, block);
    while (this.places[at] !== 0) at = (at + 1) & mask;
    this.places[at] = slot + 1;
    this.runs[slot] = run;
    this.blocks[slot] = block;
  }

  /** Notes that a slot holds no block any more. */
  remove(slot: number): void {
    const places = this.places;
    const mask = places.length - 1;
    let hole = this.homeOf(this.runs[slot]!, this.blocks[slot]!);
    while (places[hole] !== slot + 1) hole = (hole + 1) & mask;
    this.runs[slot] = -1;
    // Moves back what would not be found behind a hole.
    for (let at = (hole + 1) & mask; places[at] !== 0; at = (at + 1) & mask) {
      const other = places[at]! - 1;
      const home = this.homeOf(this.runs[other]!, this.blocks[other]!);
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      places[hole] = other + 1;
      hole = at;
    }
    places[hole] = 0;
  }

  private homeOf(run: number, block: number): number {
    return Math.imul(Math.imul(run, 0x85ebca6b) ^ block, 0x9e3779b1) >>> this.shift;
  }
}
