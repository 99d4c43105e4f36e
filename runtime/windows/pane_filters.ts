/**
 * Remembers, in a few bits for each pane in use, which keys have put something into it: a window that fires does not look
 * for its key in panes that cannot have it. For most keys these are most panes.
 *
 * Called by: runtime/windows/aligned_operator.ts.
 * Calls: core/key_hash.ts.
 *
 * Invariants:
 * - a pane that holds something of a key is never denied: panes of which not everything is known are below
 *   `unknownUntilMs`.
 *
 * @module
 */
import type { Key } from "../../core/key.ts";
import { hashKey } from "../../core/key_hash.ts";

/** Bits of all panes together, and of one at most. */
const ALL_BITS = 2 ** 23;
const MOST_BITS = 2 ** 18;
const LEAST_BITS = 2 ** 10;

/** Bits by pane. Panes are numbered in the order of time. */
export class PaneFilters {
  /** Panes that begin up to here may hold anything. */
  unknownUntilMs: number;
  /** The latest pane of which something was noted; what a restored operator does not know ends here. */
  newestStartMs: number;
  private readonly starts: Float64Array;
  private readonly bits: Uint32Array;
  private readonly wordsPerPane: number;

  /**
   * @param panesInUse So many are noted at a time, at least.
   * @param unknownUntilMs Panes that begin up to here may hold something already; -Infinity if there are none.
   */
  constructor(panesInUse: number, unknownUntilMs: number) {
    let count = 4;
    while (count < panesInUse * 2) count *= 2;
    let bits = MOST_BITS;
    while (bits > LEAST_BITS && bits * count > ALL_BITS) bits /= 2;
    this.wordsPerPane = bits / 32;
    this.starts = new Float64Array(count).fill(Number.NaN);
    this.bits = new Uint32Array(count * this.wordsPerPane);
    this.unknownUntilMs = this.newestStartMs = unknownUntilMs;
  }

  /** What stands for a key. */
  hashOf(key: Key): number {
    let hash = hashKey(key);
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    return hash ^ (hash >>> 16);
  }

  /** A pane has something of a key. */
  note(pane: number, startMs: number, hash: number): void {
    if (startMs <= this.unknownUntilMs) return;
    const slot = pane & (this.starts.length - 1);
    const noted = this.starts[slot]!;
    if (noted !== startMs && !this.begin(slot, noted, startMs)) return;
    this.bits[this.wordOf(slot, hash)]! |= 1 << (hash & 31);
  }

  /** Gives a place to another pane, unless that has a later one. */
  private begin(slot: number, noted: number, startMs: number): boolean {
    if (noted > startMs) {
      this.unknownUntilMs = Math.max(this.unknownUntilMs, startMs);
      return false;
    }
    // NaN where nothing was noted yet.
    if (noted < startMs) this.unknownUntilMs = Math.max(this.unknownUntilMs, noted);
    this.starts[slot] = startMs;
    this.bits.fill(0, slot * this.wordsPerPane, (slot + 1) * this.wordsPerPane);
    this.newestStartMs = Math.max(this.newestStartMs, startMs);
    return true;
  }

  private wordOf(slot: number, hash: number): number {
    return slot * this.wordsPerPane + ((hash >>> 5) & (this.wordsPerPane - 1));
  }

  /** False only if a pane has nothing of a key. */
  mayHold(pane: number, startMs: number, hash: number): boolean {
    if (startMs <= this.unknownUntilMs) return true;
    const slot = pane & (this.starts.length - 1);
    if (this.starts[slot] !== startMs) return false;
    return (this.bits[this.wordOf(slot, hash)]! >>> (hash & 31) & 1) === 1;
  }
}
