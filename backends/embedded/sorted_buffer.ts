/**
 * The rows of a frozen write buffer in the order of a run.
 *
 * Rows are dealt out by the first byte in which their keys differ until few are left together; those are sorted at once.
 * Every pass can stop after some thousand rows.
 *
 * Called by: flush_queue.ts; the store that takes the rows.
 * Calls: write_buffer.ts, row_sorter.ts.
 *
 * @module
 */
import { DELETE_PREFIX, PUT, type RowCode } from "../runs/run_format.ts";
import { KEY, KIND_MASK, VALUE, valueStartOf } from "./row_layout.ts";
import type { RowSorter } from "./row_sorter.ts";
import type { SortedRows } from "./row_store.ts";
import type { WriteBuffer } from "./write_buffer.ts";

/** Rows that one step looks at. */
const STEP_ROWS = 8_192;
/** So many rows are sorted at once; it takes as long as looking at four times as many. */
const FEW = 1_536;
const SORT_COST = 4;
const KIND_BITS = 2;
/** So many rows are fetched into the processor's caches together: power of two. */
const FETCHED = 16;
/** Words between two parts of a row that are fetched, and how far it goes. */
const LINE_WORDS = 16;
const FETCHED_WORDS = 48;

/** Rows `low..high-1`, whose keys agree in their first `depth` bytes. */
interface Range {
  readonly low: number;
  readonly high: number;
  depth: number;
}

type Phase = "collect" | "prefix" | "count" | "deal" | "sorted";

/** See the module. Its scratch memory is charged to the slot until `release`. */
export class SortedBuffer implements SortedRows {
  readonly rowCount: number;
  readonly sizeBytes: number;
  readonly bytes: Uint8Array;
  code: RowCode = PUT;
  keyStart = 0;
  keyEnd = 0;
  valueEnd = 0;
  private readonly words: Int32Array;
  /** Rows shifted left by KIND_BITS, and their kinds. */
  private rows: Int32Array;
  private scratch: Int32Array;
  private readonly todo: Range[] = [];
  private readonly counts = new Int32Array(258);
  private range: Range;
  private phase: Phase = "collect";
  /** Where the phase goes on. */
  private at = 0;
  private segment = 0;
  private collected = 0;
  private shared = 0;
  /** What was fetched, added up, so that fetching it is not left out. */
  private fetched = 0;

  /** @param buffer Frozen; not released before this is. */
  constructor(private readonly buffer: WriteBuffer, private readonly sorter: RowSorter) {
    this.rowCount = buffer.rowCount;
    this.sizeBytes = buffer.sizeBytes;
    this.bytes = buffer.pages.bytes;
    this.words = buffer.pages.words;
    this.rows = new Int32Array(this.rowCount);
    this.scratch = new Int32Array(this.rowCount);
    this.range = { low: 0, high: this.rowCount, depth: 0 };
    buffer.pages.charge(this.rowCount * 8);
  }

  sort(): boolean {
    let left = STEP_ROWS;
    while (left > 0) {
      if (this.phase === "sorted") return true;
      left -= this.phase === "collect" ? this.collect(left) : this.goOn(left);
    }
    return this.phase === "sorted";
  }

  next(): boolean {
    if (this.at >= this.rowCount) return false;
    if (this.at % FETCHED === 0) this.fetch();
    const entry = this.rows[this.at++]!;
    const row = entry >>> KIND_BITS;
    const kind = entry & 3;
    const end = valueStartOf(this.words, row);
    this.code = kind as RowCode; // collect keeps only these three
    this.keyStart = end - (this.words[row + KEY]! >>> 3);
    this.keyEnd = end;
    this.valueEnd = kind === PUT ? end + this.words[row + VALUE]! : end;
    return true;
  }

  /** Rows lie in the order in which they were written: waits for many of them at once instead of for one after the other. */
  private fetch(): void {
    const { words, rows } = this;
    const end = Math.min(this.at + FETCHED, this.rowCount);
    const last = words.length - 1;
    let sum = this.fetched;
    for (let i = this.at; i < end; i++) {
      const row = rows[i]! >>> KIND_BITS;
      for (let word = 0; word < FETCHED_WORDS; word += LINE_WORDS) sum = (sum + words[Math.min(row + word, last)]!) | 0;
    }
    this.fetched = sum;
  }

  /** Frees the scratch memory; twice is once. */
  release(): void {
    if (this.rows.length > 0) this.buffer.pages.charge(-this.rows.length * 8);
    this.rows = this.scratch = new Int32Array(0);
  }

  /** Lists the rows; returns how many were looked at. */
  private collect(limit: number): number {
    const { pages } = this.buffer;
    const words = this.words;
    let looked = 0;
    while (this.segment < pages.segmentCount) {
      const end = pages.segmentEnd(this.segment);
      let row = this.at === 0 ? pages.segmentStart(this.segment) : this.at;
      for (; row < end && looked < limit; looked++) {
        const kind = words[row + KEY]! & KIND_MASK;
        if (kind <= DELETE_PREFIX) this.rows[this.collected++] = (row << KIND_BITS) | kind;
        row = pages.rowAfter(row);
      }
      this.at = row;
      if (row < end) return looked;
      this.segment++;
      this.at = 0;
    }
    this.start({ low: 0, high: this.rowCount, depth: 0 });
    return looked + 1;
  }

  private start(range: Range): void {
    this.range = range;
    this.phase = "prefix";
    this.at = range.low;
    this.shared = Number.MAX_SAFE_INTEGER;
  }

  /** Works on the current range; returns what it has cost. */
  private goOn(limit: number): number {
    const { low, high } = this.range;
    if (high - low <= FEW) {
      this.sorter.sort(this.bytes, this.words, this.rows, low, high, KIND_BITS);
      this.startNext();
      return (high - low) * SORT_COST + 1;
    }
    const from = this.at;
    const to = Math.min(high, from + limit);
    this.at = to;
    if (this.phase === "prefix") this.findPrefix(from, to);
    else if (this.phase === "count") this.count(from, to);
    else this.deal(from, to);
    if (this.at === high) this.endPhase();
    return to - from;
  }

  private startNext(): void {
    const next = this.todo.pop();
    if (next !== undefined) return this.start(next);
    this.phase = "sorted";
    this.at = 0;
  }

  private endPhase(): void {
    const { low, high } = this.range;
    if (this.phase === "prefix") {
      this.range.depth += this.shared;
      this.counts.fill(0);
      this.phase = "count";
      this.at = low;
    } else if (this.phase === "count") {
      const counts = this.counts;
      let start = low;
      for (let i = 0; i < 257; i++) {
        const count = counts[i]!;
        counts[i] = start;
        start += count;
      }
      this.phase = "deal";
      this.at = low;
    } else {
      this.rows.set(this.scratch.subarray(low, high), low);
      this.divide(low);
      this.startNext();
    }
  }

  /** Each bucket of the range is a range to sort; after dealing, `counts` says where each one ends. */
  private divide(low: number): void {
    let start = low;
    for (let i = 0; i < 257; i++) {
      const end = this.counts[i]!;
      if (end - start > 1) this.todo.push({ low: start, high: end, depth: this.range.depth + 1 });
      start = end;
    }
  }

  private findPrefix(from: number, to: number): void {
    const { words, bytes, rows } = this;
    const { low, depth } = this.range;
    const firstEnd = valueStartOf(words, rows[low]! >>> KIND_BITS);
    const first = firstEnd - (words[(rows[low]! >>> KIND_BITS) + KEY]! >>> 3) + depth;
    let shared = Math.min(this.shared, firstEnd - first);
    for (let i = from; i < to && shared > 0; i++) {
      const row = rows[i]! >>> KIND_BITS;
      const end = valueStartOf(words, row);
      const start = end - (words[row + KEY]! >>> 3) + depth;
      if (end - start < shared) shared = end - start;
      let at = 0;
      while (at < shared && bytes[start + at] === bytes[first + at]) at++;
      shared = at;
    }
    this.shared = shared;
    if (shared === 0) this.at = this.range.high;
  }

  /** 0 for a key that ends before byte `depth`, else 1 + that byte. */
  private bucketOf(row: number): number {
    const end = valueStartOf(this.words, row);
    const at = end - (this.words[row + KEY]! >>> 3) + this.range.depth;
    return at < end ? this.bytes[at]! + 1 : 0;
  }

  private count(from: number, to: number): void {
    const { rows, counts } = this;
    for (let i = from; i < to; i++) counts[this.bucketOf(rows[i]! >>> KIND_BITS)]!++;
  }

  private deal(from: number, to: number): void {
    const { rows, scratch, counts } = this;
    for (let i = from; i < to; i++) {
      const entry = rows[i]!;
      scratch[counts[this.bucketOf(entry >>> KIND_BITS)]!++] = entry;
    }
  }
}
