/**
 * Keeps the blocks of open runs in memory: those that are used most, in slots of a slab, and what indexes and
 * filters take is subtracted from it. There is one for each slot of the job.
 *
 * Called by: open_run.ts, run_cursor.ts; stores on disk make and ask it.
 * Calls: run_block.ts, slot_table.ts, recency_list.ts, part_pool.ts; the runs it was given.
 *
 * Invariants:
 * - a block is kept only after its CRC has been checked, and under the number of its run, which is never used again;
 * - a pinned slot is neither reused nor freed;
 * - slots, large blocks, indexes and filters together stay within the bytes that it was given, except for what is
 *   pinned, for indexes and filters that are larger alone, and for the smallest slab.
 *
 * @module
 */
import type { BlockPlace } from "./block_search.ts";
import type { OpenRun } from "./open_run.ts";
import { PartPool } from "./part_pool.ts";
import { RecencyList } from "./recency_list.ts";
import { checkBlock, payloadOf, restartCountOf } from "./run_block.ts";
import { BLOCK_TRAILER_BYTES } from "./run_format.ts";
import { SlotTable } from "./slot_table.ts";

/** How large a cache is. */
export interface BlockCacheOptions {
  /** All that it may take: see `SlotMemory.cacheBytes`. */
  readonly cacheBytes: number;
  /** The part that is kept for indexes and filters: see `SlotMemory.highPriorityBytes`. */
  readonly highPriorityBytes: number;
  /** Indexes and filters are in memory by parts of this size, within `highPriorityBytes`. Absent: all of them are. */
  readonly indexPartBytes?: number | undefined;
  /** Block size of most runs. Blocks that are much larger do not fit into the slab and have a quota of their own. */
  readonly blockBytes: number;
}

/** Memory is taken, and given back, in pieces of about this size. */
const SEGMENT_BYTES = 1_048_576;
/** What is read or written at once past the cache is of this size, or this part of the cache if that is less. */
export const STRETCH_BYTES = 131_072;
const STRETCH_SHARE = 1 / 64;
/** A block ends before a row that would make it a sixteenth larger than its size; heads, restarts and trailer come on top. */
const SLOT_MARGIN = 64;
/** Large blocks may take this part of the cache. */
const LARGE_SHARE = 1 / 8;
/** Large blocks of a run are told apart by run · this + block. */
const LARGE_BLOCKS = 2 ** 26;

/** Counts what the runs of one owner ask for. */
export interface BlockReads {
  /** Blocks that were in the cache. */
  hitCount: number;
  /** Blocks that had to be read. */
  missCount: number;
}

/** A block that does not fit into a slot. */
interface LargeBlock {
  readonly run: number;
  readonly payload: Uint8Array;
  readonly restartCount: number;
}

/** Blocks of many runs; `load` puts where a block is into the fields, valid until the next `load` unless pinned. */
export class BlockCache implements BlockPlace {
  bytes: Uint8Array = new Uint8Array(0);
  start = 0;
  rowsEnd = 0;
  restartCount = 0;
  /** Slot of the block that was loaded last; -1 if it is in none. */
  slot = -1;
  /** Bytes that were read from files. */
  readBytes = 0;
  /** Bytes of indexes and filters. */
  chargedBytes = 0;
  /** Bytes of what flushes and compactions hold while they read and write runs. */
  scratchBytes = 0;
  private usedSlots = 0;
  private pinnedSlots = 0;
  private largeBytes = 0;
  private nextRun = 0;
  /** How much should be read, or held back by a writer, at once past the cache. */
  readonly stretchBytes: number;
  private readonly slotBytes: number;
  private readonly segmentSlots: number;
  private readonly segments: (Uint8Array | undefined)[];
  private segmentCount = 0;
  private readonly table: SlotTable;
  private readonly recency: RecencyList;
  private readonly pins: Int32Array;
  private readonly rowsEnds: Int32Array;
  private readonly restartCounts: Int32Array;
  private readonly large = new Map<number, LargeBlock>();
  private stored = new Uint8Array(0);
  /** Parts of indexes and filters; null: all of them are in memory, and charged. */
  readonly parts: PartPool | null;
  /** What is left for slots when there are no indexes and filters beyond those that are reserved for. */
  private readonly slabBytes: number;

  constructor(private readonly options: BlockCacheOptions) {
    const { cacheBytes, blockBytes, indexPartBytes } = options;
    this.parts = indexPartBytes === undefined ? null : new PartPool(options.highPriorityBytes, indexPartBytes);
    this.stretchBytes = Math.max(blockBytes, Math.min(STRETCH_BYTES, Math.floor(cacheBytes * STRETCH_SHARE)));
    this.slotBytes = blockBytes + (blockBytes >> 4) + SLOT_MARGIN;
    const perSegment = Math.min(SEGMENT_BYTES, cacheBytes / 32) / this.slotBytes;
    this.segmentSlots = Math.max(1, Math.floor(perSegment));
    const segments = Math.max(1, Math.floor(cacheBytes / (this.slotBytes * this.segmentSlots)));
    const slots = segments * this.segmentSlots;
    this.segments = new Array<Uint8Array | undefined>(segments).fill(undefined);
    this.table = new SlotTable(slots);
    this.recency = new RecencyList(slots);
    this.pins = new Int32Array(slots);
    this.rowsEnds = new Int32Array(slots);
    this.restartCounts = new Int32Array(slots);
    const tables = SlotTable.memoryBytesFor(slots) + RecencyList.memoryBytesFor(slots) + slots * 12;
    this.slabBytes = cacheBytes - tables;
  }

  /** Bytes of blocks that are held, a slot counted whole, and of indexes and filters. */
  get usageBytes(): number {
    return this.usedSlots * this.slotBytes + this.largeBytes + this.indexBytes;
  }

  /** Bytes of blocks that cursors stand on, a slot counted whole, and of indexes and filters. */
  get pinnedBytes(): number {
    return this.pinnedSlots * this.slotBytes + this.indexBytes;
  }

  /** All that it may take. */
  get capacityBytes(): number {
    return this.options.cacheBytes;
  }

  /** Bytes of memory that it holds now: its slab, large blocks, indexes and filters, and what was charged to it. */
  get heldBytes(): number {
    const slab = this.segmentCount * this.segmentSlots * this.slotBytes;
    return slab + this.largeBytes + this.indexBytes + this.scratchBytes;
  }

  /** Of indexes and filters, whole or in parts. */
  get indexBytes(): number {
    return this.chargedBytes + (this.parts?.heldBytes ?? 0);
  }

  /** Counts memory that writers and readers of runs hold for a while; negative when it is freed. Blocks give way to it. */
  charge(bytes: number): void {
    this.scratchBytes += bytes;
    if (bytes > 0) this.shrink();
  }

  /** A number for a run that is being opened, whose index and filter take `memoryBytes`. */
  register(memoryBytes: number): number {
    this.chargedBytes += memoryBytes;
    this.shrink();
    return this.nextRun++;
  }

  /** Forgets a run, its blocks, index and filter. */
  unregister(run: number, memoryBytes: number): void {
    this.chargedBytes -= memoryBytes;
    for (let slot = 0; slot < this.table.slotCount; slot++) {
      if (this.table.runOf(slot) === run) this.empty(slot);
    }
    for (const [key, block] of this.large) if (block.run === run) this.dropLarge(key, block);
  }

  /**
   * Puts into the fields where block `block` of `run` is.
   *
   * @throws {SnapshotCorruptError} If the block is damaged; @throws {StreamError} If it cannot be read.
   */
  load(run: OpenRun, block: number): void {
    const slot = this.table.find(run.id, block);
    if (slot < 0) return this.loadMissing(run, block);
    run.reads.hitCount++;
    this.recency.use(slot);
    this.point(slot);
  }

  /** Keeps the slot of the block that was loaded last where it is, until `unpin` was called as often. */
  pin(slot: number): void {
    if (slot < 0) return;
    if (this.pins[slot]!++ > 0) return;
    this.recency.remove(slot);
    this.pinnedSlots++;
  }

  /** Ends a `pin`. */
  unpin(slot: number): void {
    if (slot < 0 || --this.pins[slot]! > 0) return;
    this.pinnedSlots--;
    if (this.table.runOf(slot) < 0) this.recency.retire(slot);
    else this.recency.putBack(slot);
    this.shrink();
  }

  private point(slot: number): void {
    this.slot = slot;
    this.bytes = this.segments[Math.floor(slot / this.segmentSlots)]!;
    this.start = (slot % this.segmentSlots) * this.slotBytes;
    this.rowsEnd = this.rowsEnds[slot]!;
    this.restartCount = this.restartCounts[slot]!;
  }

  private loadMissing(run: OpenRun, block: number): void {
    const size = run.index.sizeOf(block);
    if (size > this.slotBytes || run.isCompressed) return this.loadUnlikeSlot(run, block, size);
    const slot = this.takeSlot();
    if (slot < 0) return this.loadUnlikeSlot(run, block, size);
    const offset = run.index.offsetOf(block);
    const segment = this.segments[Math.floor(slot / this.segmentSlots)]!;
    const start = (slot % this.segmentSlots) * this.slotBytes;
    const stored = segment.subarray(start, start + size);
    run.reads.missCount++;
    this.readBytes += size;
    run.input.read(stored, offset);
    const compression = checkBlock(run.path, offset, stored);
    if (compression !== 0) return this.keepPayload(run, block, payloadOf(run.path, offset, stored, compression));
    this.fill(slot, run, block, start + size - BLOCK_TRAILER_BYTES);
  }

  /** Loads a block that is not in its file as it would be in a slot: compressed, or too large, or there is no slot. */
  private loadUnlikeSlot(run: OpenRun, block: number, size: number): void {
    const key = run.id * LARGE_BLOCKS + block;
    const known = this.large.get(key);
    if (known !== undefined) {
      run.reads.hitCount++;
      this.large.delete(key);
      this.large.set(key, known);
      return this.pointToLarge(known);
    }
    run.reads.missCount++;
    this.readBytes += size;
    const offset = run.index.offsetOf(block);
    let stored: Uint8Array;
    if (run.isCompressed) {
      if (this.stored.length < size) this.stored = new Uint8Array(Math.max(size, this.slotBytes));
      stored = this.stored.subarray(0, size);
    } else {
      stored = new Uint8Array(size);
    }
    run.input.read(stored, offset);
    this.keepPayload(run, block, payloadOf(run.path, offset, stored, checkBlock(run.path, offset, stored)));
  }

  private keepPayload(run: OpenRun, block: number, payload: Uint8Array): void {
    const slot = payload.length <= this.slotBytes ? this.takeSlot() : -1;
    if (slot < 0) return this.keepLarge(run, block, payload);
    const start = (slot % this.segmentSlots) * this.slotBytes;
    this.segments[Math.floor(slot / this.segmentSlots)]!.set(payload, start);
    this.fill(slot, run, block, start + payload.length);
  }

  /** Notes that a slot, the next to be taken, holds the payload of a block now. */
  private fill(slot: number, run: OpenRun, block: number, payloadEnd: number): void {
    const bytes = this.segments[Math.floor(slot / this.segmentSlots)]!;
    const start = (slot % this.segmentSlots) * this.slotBytes;
    const restarts = restartCountOf(run.path, run.index.offsetOf(block), bytes, start, payloadEnd);
    this.restartCounts[slot] = restarts;
    this.rowsEnds[slot] = payloadEnd - 4 - restarts * 4;
    this.table.insert(slot, run.id, block);
    this.recency.add(slot);
    this.usedSlots++;
    this.point(slot);
  }

  /** A slot that holds no block and is the next to be taken; -1 if all are pinned. */
  private takeSlot(): number {
    const { oldest } = this.recency;
    let isFull = oldest < 0 || this.table.runOf(oldest) >= 0;
    if (isFull && this.segmentCount < this.allowedSegments()) {
      this.addSegment();
      isFull = false;
    }
    const slot = this.recency.choose(isFull);
    if (slot >= 0) this.empty(slot);
    return slot;
  }

  /** Takes the block out of a slot, if it holds one. */
  private empty(slot: number): void {
    if (this.table.runOf(slot) < 0) return;
    this.table.remove(slot);
    this.usedSlots--;
    if (this.pins[slot] === 0) this.recency.retire(slot);
  }

  private allowedSegments(): number {
    const charged = this.chargedBytes + this.scratchBytes;
    const { highPriorityBytes } = this.options;
    // Parts fill what is kept for them; indexes as a whole are charged.
    const forIndexes = this.parts === null ? Math.max(charged, highPriorityBytes) : charged + highPriorityBytes;
    const kept = forIndexes + this.largeBytes;
    const segmentBytes = this.segmentSlots * this.slotBytes;
    const allowed = Math.floor((this.slabBytes - kept) / segmentBytes);
    return Math.max(1, Math.min(this.segments.length, allowed));
  }

  private addSegment(): void {
    const segment = this.segments.indexOf(undefined);
    this.segments[segment] = new Uint8Array(this.segmentSlots * this.slotBytes);
    this.segmentCount++;
    for (let i = 0; i < this.segmentSlots; i++) this.recency.retire(segment * this.segmentSlots + i);
  }

  /** Gives segments back that there is no room for any more, as far as no cursor stands on them. */
  private shrink(): void {
    const allowed = this.allowedSegments();
    for (let segment = this.segments.length - 1; segment >= 0 && this.segmentCount > allowed; segment--) {
      if (this.segments[segment] !== undefined) this.dropSegment(segment);
    }
  }

  private dropSegment(segment: number): void {
    const first = segment * this.segmentSlots;
    for (let slot = first; slot < first + this.segmentSlots; slot++) if (this.pins[slot]! > 0) return;
    for (let slot = first; slot < first + this.segmentSlots; slot++) {
      this.empty(slot);
      this.recency.remove(slot);
    }
    this.segments[segment] = undefined;
    this.segmentCount--;
  }

  /** Keeps a block that fits into no slot, as long as such blocks do not take too much. */
  private keepLarge(run: OpenRun, block: number, loaded: Uint8Array): void {
    // What lies in a larger buffer, or in one that is used again, is copied.
    const isAlone = loaded.buffer.byteLength - loaded.length <= BLOCK_TRAILER_BYTES &&
      loaded.buffer !== this.stored.buffer;
    const payload = isAlone ? loaded : new Uint8Array(loaded);
    const restartCount = restartCountOf(run.path, run.index.offsetOf(block), payload, 0, payload.length);
    const kept: LargeBlock = { run: run.id, payload, restartCount };
    this.pointToLarge(kept);
    const quota = this.options.cacheBytes * LARGE_SHARE;
    const size = payload.buffer.byteLength;
    if (size > quota) return;
    for (const [key, oldest] of this.large) {
      if (this.largeBytes + size <= quota) break;
      this.dropLarge(key, oldest);
    }
    this.large.set(run.id * LARGE_BLOCKS + block, kept);
    this.largeBytes += size;
    this.shrink();
  }

  private dropLarge(key: number, block: LargeBlock): void {
    this.large.delete(key);
    this.largeBytes -= block.payload.buffer.byteLength;
  }

  private pointToLarge(block: LargeBlock): void {
    this.slot = -1;
    this.bytes = block.payload;
    this.start = 0;
    this.rowsEnd = block.payload.length - 4 - block.restartCount * 4;
    this.restartCount = block.restartCount;
  }
}
