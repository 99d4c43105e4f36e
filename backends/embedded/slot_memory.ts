/**
 * The memory of one slot: how much its embedded backends may hold in write buffers and in cached blocks, and how much
 * they do hold. Its write share is one arena of pages that all write buffers of the slot take from.
 *
 * Called by: write buffers, buffered rows, the block cache, the factories of embedded backends.
 * Calls: arena.ts.
 *
 * Invariants:
 * - the pages of the arena are never more than the write share; only with what is charged beside them (tables of
 *   buffers, scratch of a flush) it may be passed, and `overshootBytes` says by how much it was.
 *
 * @module
 */
import type { OperatorMemory } from "../../core/backend_memory.ts";
import { StreamError } from "../../core/errors.ts";
import { Arena, MIN_ARENA_BYTES, pageBytesOf } from "./arena.ts";

/** Part of the write share that buffers may hold which are written to. */
const ACTIVE_SHARE = 5 / 8;

/** How a slot's memory is divided. */
export interface SlotMemoryOptions {
  /** The cap: all of it. Default 128 MiB. */
  readonly bytes: number;
  /** Share of the write buffers, in (0, 1). Default 0.5. */
  readonly writeBufferRatio: number;
  /** Bytes of the write buffers, which win over the share: buffers are flushed at their own size alone then. */
  readonly writeBytes?: number;
  /** Share of the block cache that is kept for indexes and filters, in (0, 1). Default 0.1. */
  readonly highPriorityPoolRatio: number;
}

/** What a block cache says of itself; its indexes and filters (`indexBytes`) count as used and as pinned. */
export interface CacheFigures {
  readonly capacityBytes: number;
  readonly heldBytes: number;
  readonly usageBytes: number;
  readonly pinnedBytes: number;
  readonly indexBytes: number;
  readonly scratchBytes: number;
}

/** Who has write buffers in the slot: the rows of one backend. */
export interface BufferOwner {
  /** What it holds, for people. */
  memoryUse(): OperatorMemory;
  /** Bytes of the buffer that is written to. */
  readonly activeBytes: number;
  /** Bytes of the buffers that wait for their flush. */
  readonly frozenBytes: number;
  /** Gives up a buffer that was flushed and is kept for reads; false when there is none. */
  dropKept(): boolean;
  /** Lets the buffer that is written to wait for its flush, and starts another. */
  freezeActive(): void;
  /** Flushes the oldest buffer that waits, at once; false when it could not. */
  flushOldest(): boolean;
  /** Memory may have been freed. */
  roomMade(): void;
}

/** Bytes of one slot, shared by every embedded backend in it. */
export class SlotMemory {
  /** All of it. */
  readonly capBytes: number;
  /** What write buffers may hold. */
  readonly writeBytes: number;
  /** What cached blocks, indexes and filters may hold. */
  readonly cacheBytes: number;
  /** The part of `cacheBytes` that is kept for indexes and filters. */
  readonly highPriorityBytes: number;
  /** Write buffers take pages of this size. */
  readonly pageBytes: number;
  /** What write buffers hold now: their pages, their tables, the scratch of flushes. */
  usedBytes = 0;
  /** The most that they ever held. */
  peakBytes = 0;
  /** By how much `peakBytes` was above `writeBytes`. */
  overshootBytes = 0;
  /** Whether pages were taken since `balance`. */
  hasGrown = false;
  /** Lets the next `takePages` have what is left of the arena, whatever was charged beside it: nothing else helps. */
  mayOvershoot = false;
  /** What active buffers may hold together before the largest is flushed. */
  private readonly activeBytes: number;
  /** Those of the block cache of the slot, when there is one. */
  cacheFigures: CacheFigures | undefined;
  private readonly owners = new Set<BufferOwner>();
  private pages: Arena | undefined;
  private blockCache: Disposable | undefined;

  /** @throws {StreamError} If a ratio is not between 0 and 1, or too little is left for write buffers. */
  constructor(options: SlotMemoryOptions) {
    const { bytes, writeBufferRatio, highPriorityPoolRatio } = options;
    checkRatio("write-buffer-ratio", writeBufferRatio);
    checkRatio("high-prio-pool-ratio", highPriorityPoolRatio);
    this.capBytes = Math.floor(bytes);
    this.writeBytes = options.writeBytes ?? Math.floor(bytes * writeBufferRatio);
    // The larger buffers are, the less is merged, but writes need room beside a flush.
    this.activeBytes = options.writeBytes ?? this.writeBytes * ACTIVE_SHARE;
    this.cacheBytes = this.capBytes - this.writeBytes;
    this.highPriorityBytes = Math.floor(this.cacheBytes * highPriorityPoolRatio);
    this.pageBytes = pageBytesOf(this.writeBytes);
    if (!(this.writeBytes >= MIN_ARENA_BYTES)) {
      throw new StreamError(
        "invalid",
        `Cannot divide a slot's memory: ${this.writeBytes} bytes are left for write buffers, they need ` +
          `${MIN_ARENA_BYTES}; raise memory.fixed-per-slot or write-buffer-ratio`,
      );
    }
  }

  /** The pages of write buffers; allocated when first asked for. */
  get arena(): Arena {
    return this.pages ??= new Arena(this.writeBytes, this.pageBytes);
  }

  /** Bytes of the arena; 0 when nobody has asked for it. */
  get arenaBytes(): number {
    return this.pages?.bytes.length ?? 0;
  }

  /** Who has write buffers here, in the order in which they came. */
  users(): readonly BufferOwner[] {
    return [...this.owners];
  }

  /** Largest row that write buffers can hold, header and key included: with all else flushed. */
  get maxRowBytes(): number {
    return (this.arena.pageCount - 2) * this.pageBytes;
  }

  /** Whether so much is in use that writers should wait. */
  get isTight(): boolean {
    return this.usedBytes >= this.writeBytes * 0.875;
  }

  /** Takes pages in a row for `bytes`; the offset of the first byte, 0 when the write share has no room for them. */
  takePages(bytes: number): number {
    const count = Math.ceil(bytes / this.pageBytes);
    const size = count * this.pageBytes;
    if (this.usedBytes + size > this.writeBytes && !this.mayOvershoot) return 0;
    this.mayOvershoot = false;
    const offset = this.arena.take(count);
    if (offset === 0) return 0;
    this.hasGrown = true;
    this.charge(size);
    return offset;
  }

  /** Gives back pages that were taken for `bytes` at `offset`. */
  givePages(offset: number, bytes: number): void {
    const count = Math.ceil(bytes / this.pageBytes);
    this.pages?.give(offset, count);
    this.charge(-count * this.pageBytes);
  }

  /** Counts memory that is allocated elsewhere; negative when it is freed. Never refused: what is above the share shows. */
  charge(bytes: number): void {
    this.usedBytes += bytes;
    if (this.usedBytes > this.peakBytes) {
      this.peakBytes = this.usedBytes;
      this.overshootBytes = Math.max(0, this.peakBytes - this.writeBytes);
    }
  }

  /** Whether a flush can free memory. */
  get hasFrozen(): boolean {
    for (const owner of this.owners) if (owner.frozenBytes > 0) return true;
    return false;
  }

  /** Tells everybody that memory may have been freed. */
  announceRoom(): void {
    for (const owner of this.owners) owner.roomMade();
  }

  /** From now on `owner` may be asked to freeze and flush. */
  register(owner: BufferOwner): void {
    this.owners.add(owner);
  }

  /** Ends that; the owner has given back all pages. */
  unregister(owner: BufferOwner): void {
    this.owners.delete(owner);
  }

  /**
   * Freezes the largest active buffers while active ones hold too much of the write share. Not in the middle of a write.
   */
  balance(): void {
    this.hasGrown = false;
    if (this.usedBytes * 2 > this.writeBytes) this.dropKept();
    for (;;) {
      let activeBytes = 0;
      for (const owner of this.owners) activeBytes += owner.activeBytes;
      if (activeBytes < this.activeBytes || !this.freezeLargest()) return;
    }
  }

  /**
   * Gives up what is kept for reads; if there is nothing, flushes one buffer at once, the largest owner's oldest, and
   * freezes the largest active one first when none waits.
   *
   * @returns False when there is nothing left to give up or flush.
   */
  reclaim(): boolean {
    if (this.dropKept()) return true;
    const failed = new Set<BufferOwner>();
    for (;;) {
      let best: BufferOwner | undefined;
      for (const owner of this.owners) {
        if (owner.frozenBytes > (best?.frozenBytes ?? 0) && !failed.has(owner)) best = owner;
      }
      if (best === undefined) {
        if (!this.freezeLargest(failed)) return false;
      } else {
        if (best.flushOldest()) return true;
        failed.add(best);
      }
    }
  }

  /** Whether a buffer of `bytes` may be kept for reads: as long as half of the write share is enough for all. */
  mayKeep(bytes: number): boolean {
    return bytes > 0 && this.usedBytes * 2 <= this.writeBytes;
  }

  /** Whether a buffer of `bytes` may be copied, for the same reason. */
  mayCopy(bytes: number): boolean {
    return (this.usedBytes + bytes) * 2 <= this.writeBytes;
  }

  private dropKept(): boolean {
    let hasDropped = false;
    for (const owner of this.owners) if (owner.dropKept()) hasDropped = true;
    return hasDropped;
  }

  private freezeLargest(except?: ReadonlySet<BufferOwner>): boolean {
    let best: BufferOwner | undefined;
    for (const owner of this.owners) {
      if (owner.activeBytes > (best?.activeBytes ?? 0) && !except?.has(owner)) best = owner;
    }
    best?.freezeActive();
    return best !== undefined;
  }

  /** The block cache of the slot; `make` is called for the first who asks, and all ask for the same kind. */
  cache<T extends Disposable>(make: () => T): T {
    this.blockCache ??= make();
    return this.blockCache as T; // every caller makes the same class
  }

  /** Frees arena and cache. Nobody uses them any more. */
  [Symbol.dispose](): void {
    this.blockCache?.[Symbol.dispose]();
    this.blockCache = undefined;
    this.pages = undefined;
  }
}

function checkRatio(name: string, ratio: number): void {
  if (ratio > 0 && ratio < 1) return;
  throw new StreamError("invalid", `Cannot divide a slot's memory: ${name} is ${ratio}, it must be between 0 and 1`);
}
