/**
 * The memory of one write buffer: pages of the slot's arena that are filled with rows one after the other, and the
 * charges for what the buffer allocates elsewhere.
 *
 * Called by: write_buffer.ts, ordered_states.ts, sorted_buffer.ts, buffer_copy.ts, known_order.ts, buffer_census.ts.
 * Calls: slot_memory.ts.
 *
 * @module
 */
import { HEADER_WORDS, rowWords } from "./row_layout.ts";
import type { SlotMemory } from "./slot_memory.ts";

/** Rows lie in segments: a page, or several for a row that is larger than one. */
export class BufferPages {
  /** The arena. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The same memory. */
  readonly words: Int32Array<ArrayBuffer>;
  /** A word's page is its index without this many bits. */
  readonly pageShift: number;
  /** What the buffer holds: pages and charges. */
  usedBytes = 0;
  /** Bytes of rows, without headers. */
  rowBytes = 0;
  /** Index of the first free word in the current page, and of the one after the page. */
  private top = 0;
  private limit = 0;
  /** First words of the segments, the current page's last; where the rows of each one end; how much was taken for it. */
  private readonly starts: number[] = [];
  private readonly ends: number[] = [];
  private readonly sizes: number[] = [];
  private current = -1;

  constructor(private readonly memory: SlotMemory) {
    this.pageShift = Math.log2(memory.pageBytes) - 2;
    this.bytes = memory.arena.bytes;
    this.words = memory.arena.words;
  }

  /** Room for a row: the index of its first word, 0 when there is no memory. */
  take(words: number): number {
    const at = this.top;
    if (at + words <= this.limit) {
      this.top = at + words;
      this.rowBytes += (words - HEADER_WORDS) << 2;
      return at;
    }
    return this.takeSegment(words);
  }

  private takeSegment(words: number): number {
    const { memory } = this;
    const sizeBytes = Math.max(words * 4, memory.pageBytes);
    const offset = memory.takePages(sizeBytes);
    if (offset === 0) return 0;
    const at = offset >>> 2;
    const takenBytes = Math.ceil(sizeBytes / memory.pageBytes) * memory.pageBytes;
    this.usedBytes += takenBytes;
    this.rowBytes += (words - HEADER_WORDS) << 2;
    this.starts.push(at);
    this.ends.push(at + words);
    this.sizes.push(sizeBytes);
    const limit = at + (takenBytes >>> 2);
    // Goes on where more is left: here, or in the page before a large row.
    if (limit - at - words > this.limit - this.top) {
      this.closeCurrent();
      this.current = this.starts.length - 1;
      this.top = at + words;
      this.limit = limit;
    }
    return at;
  }

  private closeCurrent(): void {
    if (this.current >= 0) this.ends[this.current] = this.top;
  }

  /** Number of segments. */
  get segmentCount(): number {
    return this.starts.length;
  }

  /** First word of a segment. */
  segmentStart(segment: number): number {
    return this.starts[segment]!;
  }

  /** The word after the last row of a segment. */
  segmentEnd(segment: number): number {
    this.closeCurrent();
    return this.ends[segment]!;
  }

  /** The row after `row` in its segment. */
  rowAfter(row: number): number {
    return row + rowWords(this.words, row);
  }

  /** The same rows in pages of their own; undefined when there is no memory for them. */
  copy(): BufferPages | undefined {
    const copy = new BufferPages(this.memory);
    for (let i = 0; i < this.starts.length; i++) {
      const sizeBytes = this.sizes[i]!;
      const offset = this.memory.takePages(sizeBytes);
      if (offset === 0) {
        copy.free();
        return undefined;
      }
      const start = this.starts[i]!;
      const end = this.segmentEnd(i);
      const at = offset >>> 2;
      this.words.copyWithin(at, start, end);
      copy.starts.push(at);
      copy.ends.push(at + end - start);
      copy.sizes.push(sizeBytes);
      copy.usedBytes += Math.ceil(sizeBytes / this.memory.pageBytes) * this.memory.pageBytes;
    }
    copy.rowBytes = this.rowBytes;
    return copy;
  }

  /** How far the rows of each page of the arena lie before those in `other`, of which this is the copy or the other way round. */
  distancesTo(other: BufferPages): Int32Array {
    const distances = new Int32Array((this.words.length >>> this.pageShift) + 1);
    const count = Math.min(this.starts.length, other.starts.length);
    for (let i = 0; i < count; i++) {
      const first = this.starts[i]! >>> this.pageShift;
      const pages = Math.ceil(this.sizes[i]! / this.memory.pageBytes);
      distances.fill(other.starts[i]! - this.starts[i]!, first, first + pages);
    }
    return distances;
  }

  /** Counts memory that is allocated elsewhere; negative when it is freed. */
  charge(bytes: number): void {
    this.usedBytes += bytes;
    this.memory.charge(bytes);
  }

  /** Gives everything back. */
  free(): void {
    let pageBytes = 0;
    for (let i = 0; i < this.starts.length; i++) {
      const sizeBytes = this.sizes[i]!;
      pageBytes += Math.ceil(sizeBytes / this.memory.pageBytes) * this.memory.pageBytes;
      this.memory.givePages(this.starts[i]! * 4, sizeBytes);
    }
    this.memory.charge(pageBytes - this.usedBytes);
    this.usedBytes = 0;
    this.starts.length = this.ends.length = this.sizes.length = 0;
    this.top = this.limit = 0;
    this.current = -1;
  }
}
