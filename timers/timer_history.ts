/**
 * Remembers which timers were in which freeze, so that a snapshot reads a moment that has passed while timers come and go.
 *
 * Nothing is written when a freeze is taken. Each id carries the number of the last change of its presence; a freeze of
 * that number or a later one sees the id as it is now. Before an id changes, its presence in the freezes since its last
 * change is kept, one bit a freeze. An id that is dead but in a freeze stays taken until no freeze holds it, so that its
 * identity never has two ids.
 *
 * Called by: timers/heap_timer_queue.ts, timers/frozen_timers.ts.
 * Calls: core/errors.ts.
 *
 * Invariants:
 * - freezes have increasing numbers; `epoch` is above all of them;
 * - the bit of a live freeze is right in `membership[id]` if `changed[id]` is above the freeze's number, else meaningless;
 * - an id has the `LISTED` bit iff it is in `dead`, and there at most once.
 *
 * @module
 */
import { StreamError } from "../core/errors.ts";

/** Freezes that may be live at once: base, those not confirmed yet, those being read. */
const MAX_FREEZES = 30;
const LISTED = 1 << 30;
/** Dead ids that are looked at for each change. */
const SWEEP_STEP = 4;
/** Neither that of the table nor that of the heap: not all shall grow at the same timer. */
const INITIAL_CAPACITY = 20;

/** Ids are grouped by this many low bits, to skip those that did not change. */
export const BLOCK_BITS = 10;

/** A moment that is kept. */
export class Freeze {
  /** Reasons to keep it: it is being read, may be confirmed, is the base of increments, of a running one. */
  holds = 0;
  constructor(
    readonly checkpointId: number,
    /** Position in the order of freezes. */
    readonly number: number,
    /** One bit of `membership`. */
    readonly bit: number,
  ) {}
}

/** Presence of ids in the freezes that are live. */
export class TimerHistory {
  /** Whether changes must be told; false only when no freeze is live and no dead id is left. */
  busy = false;
  /** Number of the next freeze. */
  epoch = 1;
  /** What increments build on; null when changes are not tracked. */
  base: Freeze | null = null;
  /** Ids that died while a freeze held them. Some may have come back. */
  private readonly dead: number[] = [];
  /** Dead ids below this index have not been looked at since a freeze ended. */
  private unswept = 0;
  private freezes: Freeze[] = [];
  private pending: Freeze[] = [];
  private usedBits = 0;
  private changed = new Int32Array(INITIAL_CAPACITY);
  private membership = new Int32Array(INITIAL_CAPACITY);
  private blocks = new Int32Array(1);

  /** @param tracking Whether increments will be asked for. */
  constructor(private readonly tracking: boolean) {
    // Before the first confirmation increments build on what was loaded, which is nothing at first.
    if (tracking) {
      this.base = new Freeze(0, 0, this.useBit());
      this.hold(this.base);
    }
  }

  /** Whether there are ids that are taken though they are dead. */
  get keepsIds(): boolean {
    return this.dead.length > 0;
  }

  /** Takes a freeze, held once for its reader and, when changes are tracked, once until it is confirmed or aborted. */
  freeze(checkpointId: number): Freeze {
    const freeze = new Freeze(checkpointId, this.epoch++, this.useBit());
    this.hold(freeze);
    if (this.tracking) {
      this.hold(freeze);
      this.pending.push(freeze);
    }
    return freeze;
  }

  /** Keeps a freeze for one more reason. */
  hold(freeze: Freeze): void {
    if (freeze.holds++ > 0) return;
    this.freezes.push(freeze);
    this.busy = true;
  }

  /** One reason less. */
  release(freeze: Freeze): void {
    if (--freeze.holds > 0) return;
    this.freezes = this.freezes.filter((other) => other !== freeze);
    this.usedBits &= ~freeze.bit;
    this.unswept = this.dead.length;
    this.busy = this.freezes.length > 0 || this.dead.length > 0;
  }

  /** Makes the freeze of a checkpoint the base; those before it will never be. */
  confirm(checkpointId: number): void {
    const confirmed = this.pending.findLast((freeze) => freeze.checkpointId === checkpointId);
    if (confirmed === undefined) return;
    const over = this.pending.filter((freeze) => freeze.number < confirmed.number);
    this.pending = this.pending.filter((freeze) => freeze.number > confirmed.number);
    for (const freeze of over) this.release(freeze);
    if (this.base !== null) this.release(this.base);
    this.base = confirmed;
  }

  /** The freeze of a checkpoint will never be the base. */
  abort(checkpointId: number): void {
    const over = this.pending.filter((freeze) => freeze.checkpointId === checkpointId);
    this.pending = this.pending.filter((freeze) => freeze.checkpointId !== checkpointId);
    for (const freeze of over) this.release(freeze);
  }

  /** Whether the id was in the freeze. @param alive Whether it is present now. */
  holds(freeze: Freeze, id: number, alive: boolean): boolean {
    if (id >= this.changed.length || this.changed[id]! <= freeze.number) return alive;
    return (this.membership[id]! & freeze.bit) !== 0;
  }

  /** Whether any id of a block changed after the freeze. */
  blockChangedSince(freeze: Freeze, block: number): boolean {
    return block < this.blocks.length && this.blocks[block]! > freeze.number;
  }

  /** An id that was free is taken and present. @param loaded Whether it comes from the snapshot that is restored. */
  born(id: number, loaded: boolean): void {
    if (id >= this.changed.length) this.grow(id + 1);
    this.changed[id] = this.epoch;
    this.membership[id] = loaded && this.base !== null ? this.base.bit : 0;
    this.blocks[id >> BLOCK_BITS] = this.epoch;
  }

  /** The presence of an id is about to change. @param alive What it was. */
  change(id: number, alive: boolean): void {
    if (id >= this.changed.length) this.grow(id + 1);
    const since = this.changed[id]!;
    if (since === this.epoch) return;
    this.changed[id] = this.epoch;
    this.blocks[id >> BLOCK_BITS] = this.epoch;
    let membership = this.membership[id]!;
    for (let i = 0; i < this.freezes.length; i++) {
      const freeze = this.freezes[i]!;
      if (freeze.number < since) continue;
      membership = alive ? membership | freeze.bit : membership & ~freeze.bit;
    }
    this.membership[id] = membership;
  }

  /** Whether an id that has just died must stay taken; a sweep frees it later. */
  mustKeep(id: number): boolean {
    const membership = this.membership[id]!;
    // One that is listed already is left to the sweep, else it could be taken anew while in the list.
    if ((membership & LISTED) !== 0) return true;
    if ((membership & this.usedBits) === 0) return false;
    this.membership[id] = membership | LISTED;
    this.dead.push(id);
    return true;
  }

  /** Looks at a few dead ids; calls back for each that no freeze holds any longer. */
  sweep(position: Int32Array, free: (id: number) => void): void {
    for (let step = Math.min(SWEEP_STEP, this.unswept); step > 0; step--) {
      const index = --this.unswept;
      const id = this.dead[index]!;
      const alive = position[id]! >= 0;
      if (!alive && this.isHeld(id)) continue;
      // dead is not empty: it has this id.
      const last = this.dead.pop() as number;
      if (index < this.dead.length) this.dead[index] = last;
      this.membership[id] = this.membership[id]! & ~LISTED;
      if (!alive) free(id);
    }
    if (this.dead.length === 0) this.busy = this.freezes.length > 0;
  }

  private isHeld(id: number): boolean {
    // Freezes taken since it died do not hold it, whatever their bits say.
    const since = this.changed[id]!;
    for (let i = 0; i < this.freezes.length; i++) {
      const freeze = this.freezes[i]!;
      if (freeze.number < since && (this.membership[id]! & freeze.bit) !== 0) return true;
    }
    return false;
  }

  private useBit(): number {
    for (let bit = 0; bit < MAX_FREEZES; bit++) {
      if ((this.usedBits & (1 << bit)) !== 0) continue;
      this.usedBits |= 1 << bit;
      return 1 << bit;
    }
    throw new StreamError(
      "invalid",
      `Cannot freeze timers: ${MAX_FREEZES} earlier snapshots are neither confirmed nor aborted; ` +
        `confirm or abort each checkpoint`,
    );
  }

  private grow(needed: number): void {
    const capacity = Math.max(needed, this.changed.length * 2);
    const changed = new Int32Array(capacity);
    changed.set(this.changed);
    this.changed = changed;
    const membership = new Int32Array(capacity);
    membership.set(this.membership);
    this.membership = membership;
    const blocks = new Int32Array((capacity >> BLOCK_BITS) + 1);
    blocks.set(this.blocks);
    this.blocks = blocks;
  }
}
