/**
 * Decides which slot of the block cache a new block takes: the slots in the order of their last use, in two doubly linked
 * rings in typed arrays.
 *
 * A block that pushes out another is on trial first. Few slots are, so what is used once takes turns in those few: it
 * does not push out what is used often, and most reads go to memory that the processor has at hand. A block that is used
 * again on trial has proved itself. One of several new blocks needs no trial, so that what is used again, but not soon,
 * finds its way in.
 *
 * Called by: block_cache.ts.
 * Calls: nothing.
 *
 * Source: segmented LRU, Karedla, Love, Wherry, "Caching strategies to improve disk system performance", 1994; bimodal
 * insertion, Qureshi, Jaleel, Patt, Steely, Emer, "Adaptive insertion policies for high performance caching", 2007.
 *
 * @module
 */

/** So many slots are on trial, or this part of all if that is less. */
const TRIAL_SLOTS = 32;
const TRIAL_SHARE = 1 / 16;
/** One of so many blocks that push out another needs no trial. */
const ADMITTED_OF = 16;

/** The ring that a slot is in. */
const NONE = 0;
const PROVED = 1;
const TRIAL = 2;

/** Some of the numbers 0..count-1, each in one of two rings, most recently used first. */
export class RecencyList {
  /** Neighbours in the ring; entry `count` is the anchor of the proved slots, the one after it that of those on trial. */
  private readonly newer: Int32Array;
  private readonly older: Int32Array;
  private readonly rings: Uint8Array;
  /** Whether the block of each slot is on trial, also while it is in no ring. */
  private readonly trials: Uint8Array;
  private readonly proved: number;
  private readonly tried: number;
  private readonly trialSlots: number;
  /** How many are in the ring of those on trial. */
  private trialCount = 0;
  /** Blocks that pushed out another. */
  private newcomers = 0;
  /** Whether the block that comes into the slot that was chosen last is on trial. */
  private isTrial = false;

  constructor(count: number) {
    this.newer = new Int32Array(count + 2).map((_, i) => i);
    this.older = new Int32Array(count + 2).map((_, i) => i);
    this.rings = new Uint8Array(count);
    this.trials = new Uint8Array(count);
    this.proved = count;
    this.tried = count + 1;
    this.trialSlots = Math.max(1, Math.min(TRIAL_SLOTS, Math.floor(count * TRIAL_SHARE)));
  }

  /** Bytes that a list of so many slots takes. */
  static memoryBytesFor(count: number): number {
    return (count + 2) * 8 + count * 2;
  }

  /** Of those that have proved themselves, or are empty, the one that was used longest ago; -1 when there is none. */
  get oldest(): number {
    const slot = this.newer[this.proved]!;
    return slot === this.proved ? -1 : slot;
  }

  /** The slot that the next block takes, `add` follows; -1 when there is none. @param isFull Whether it holds a block. */
  choose(isFull: boolean): number {
    const { oldest } = this;
    this.isTrial = isFull && ++this.newcomers % ADMITTED_OF !== 0;
    if (oldest >= 0 && !(this.isTrial && this.trialCount >= this.trialSlots)) return oldest;
    const slot = this.newer[this.tried]!;
    return slot === this.tried ? -1 : slot;
  }

  /** Notes that a new block is in a slot: the one that was chosen last. */
  add(slot: number): void {
    this.trials[slot] = this.isTrial ? 1 : 0;
    this.putBack(slot);
  }

  /** Makes a slot that `remove` took out the most recently used one of its ring again. */
  putBack(slot: number): void {
    if (this.trials[slot] === 0) return this.insertNewest(slot);
    this.remove(slot);
    this.trialCount++;
    this.insert(slot, this.tried, this.older[this.tried]!, TRIAL);
  }

  /** Notes that the block of a slot was used again; one that is in a ring becomes the most recently used one. */
  use(slot: number): void {
    this.trials[slot] = 0;
    if (this.rings[slot] !== NONE) this.insertNewest(slot);
  }

  /** Takes a slot out; nothing happens when it is not in. */
  remove(slot: number): void {
    const ring = this.rings[slot];
    if (ring === NONE) return;
    if (ring === TRIAL) this.trialCount--;
    this.rings[slot] = NONE;
    const newer = this.newer[slot]!;
    const older = this.older[slot]!;
    this.older[newer] = older;
    this.newer[older] = newer;
  }

  /** Makes a slot, which is empty, the next to be taken. */
  retire(slot: number): void {
    this.remove(slot);
    this.trials[slot] = 0;
    this.insert(slot, this.newer[this.proved]!, this.proved, PROVED);
  }

  private insertNewest(slot: number): void {
    if (this.older[this.proved] === slot) return;
    this.remove(slot);
    this.insert(slot, this.proved, this.older[this.proved]!, PROVED);
  }

  private insert(slot: number, newer: number, older: number, ring: number): void {
    this.rings[slot] = ring;
    this.newer[slot] = newer;
    this.older[slot] = older;
    this.older[newer] = slot;
    this.newer[older] = slot;
  }
}
