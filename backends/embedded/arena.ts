/**
 * Pages of one large buffer that is allocated once: where the rows of write buffers lie.
 *
 * Called by: slot_memory.ts; memory_settings.ts, for the least size.
 * Calls: nothing.
 *
 * Invariants:
 * - byte 0 is never part of an allocation, so 0 can stand for none;
 * - memory that was never written to is not resident: the operating system gives it page by page.
 *
 * @module
 */

/** Byte offsets stay below this, so that they are 32-bit integers with a sign. */
const MAX_ARENA_BYTES = 0x8000_0000 - 65_536;
const MAX_PAGE_BYTES = 65_536;
const MIN_PAGE_BYTES = 512;
/** Fewer bytes are not enough to write and flush at the same time. */
export const MIN_ARENA_BYTES: number = MIN_PAGE_BYTES * 8;
/** Pages that there should be at least; small arenas have small pages. */
const WANTED_PAGES = 256;

/** Size of the pages of an arena of so many bytes: a power of two. */
export function pageBytesOf(arenaBytes: number): number {
  let size = MIN_PAGE_BYTES;
  while (size < MAX_PAGE_BYTES && size * 2 * WANTED_PAGES <= arenaBytes) size *= 2;
  return size;
}

/** How many pages an arena of so many bytes has. */
export function arenaPages(arenaBytes: number, pageBytes: number): number {
  return Math.floor(Math.min(arenaBytes, MAX_ARENA_BYTES) / pageBytes);
}

/** The pages. Single ones are taken from below, runs of several from above, so that runs stay possible for long. */
export class Arena {
  /** The memory. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The same memory. */
  readonly words: Int32Array<ArrayBuffer>;
  /** Pages that can be allocated. */
  readonly pageCount: number;
  private readonly taken: Uint8Array;
  private lowestFree = 1;

  constructor(arenaBytes: number, readonly pageBytes: number) {
    this.pageCount = arenaPages(arenaBytes, pageBytes);
    const memory = new ArrayBuffer((this.pageCount + 1) * pageBytes); // page 0 is never used
    this.bytes = new Uint8Array(memory);
    this.words = new Int32Array(memory);
    this.taken = new Uint8Array(this.pageCount + 1);
    this.taken[0] = 1;
  }

  /** Takes `count` pages in a row; the offset of their first byte, 0 when there are none. */
  take(count: number): number {
    const first = count === 1 ? this.findOne() : this.findRun(count);
    if (first === 0) return 0;
    this.taken.fill(1, first, first + count);
    return first * this.pageBytes;
  }

  /** Gives back what `take` has returned. */
  give(offset: number, count: number): void {
    const first = offset / this.pageBytes;
    this.taken.fill(0, first, first + count);
    if (first < this.lowestFree) this.lowestFree = first;
  }

  private findOne(): number {
    const taken = this.taken;
    let page = this.lowestFree;
    while (page <= this.pageCount && taken[page] === 1) page++;
    this.lowestFree = page;
    return page <= this.pageCount ? page : 0;
  }

  private findRun(count: number): number {
    let length = 0;
    for (let page = this.pageCount; page > 0; page--) {
      length = this.taken[page] === 0 ? length + 1 : 0;
      if (length === count) return page;
    }
    return 0;
  }
}
