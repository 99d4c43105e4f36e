/**
 * The rows of a frozen write buffer, or of the copy of one, in the order of a run.
 *
 * Rows are dealt out by the first byte in which their keys differ until few are left together; those are sorted at once.
 * Every pass can stop after some thousand rows.
 *
 * Called by: flush_queue.ts, buffer_copy.ts; the store that takes the rows.
 * Calls: buffer_pages.ts, row_sorter.ts.
 *
 * @module
 */
import { DELETE_PREFIX, PUT, type RowCode } from "../runs/run_format.ts";
import type { BufferPages } from "./buffer_pages.ts";
import type { KnownOrder } from "./known_order.ts";
import { KEY, KIND_MASK, VALUE, valueStartOf } from "./row_layout.ts";
import { compareRows, compareRowWith, type RowSorter } from "./row_sorter.ts";
import type { SortedRows } from "./row_store.ts";

/** Rows that one step looks at. */
const STEP_ROWS = 8_192;
/** So many rows are sorted at once; it takes as long as looking at four times as many. */
const FEW = 1_536;
const SORT_COST = 4;
/** So many rows are fetched into the processor's caches together: power of two. */
const FETCHED = 16;
/** Words between two parts of a row that are fetched, and how far it goes. */
const LINE_WORDS = 16;
const FETCHED_WORDS = 48;

/** Rows that do not change any more: a frozen write buffer, or the copy of one. */
export interface StillRows {
  readonly rowCount: number;
  /** About how many bytes the keys and values have. */
  readonly sizeBytes: number;
  readonly pages: BufferPages;
  /** The order of a part of them, if it is known. */
  readonly known: KnownOrder | undefined;
}

/** Rows `low..high-1`, whose keys agree in their first `depth` bytes. */
interface Range {
  readonly low: number;
  readonly high: number;
  depth: number;
}

type Phase = "collect" | "prefix" | "count" | "deal" | "merge" | "sorted";

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
  private readonly known: KnownOrder | undefined;
  /** All rows, as far as the merge has come. */
  private merged: Int32Array = new Int32Array(0);
  private mergedCount = 0;
  private knownAt = 0;
  private chargedBytes = 0;
  private shared = 0;
  /** What was fetched, added up, so that fetching it is not left out. */
  private fetched = 0;

  /** @param buffer Not released before this is. */
  constructor(private readonly buffer: StillRows, private readonly sorter: RowSorter) {
    this.rowCount = buffer.rowCount;
    this.sizeBytes = buffer.sizeBytes;
    this.bytes = buffer.pages.bytes;
    this.words = buffer.pages.words;
    this.rows = new Int32Array(this.rowCount);
    this.scratch = new Int32Array(this.rowCount);
    this.range = { low: 0, high: this.rowCount, depth: 0 };
    this.known = buffer.known;
    this.charge(this.rowCount * 8);
  }

  private charge(bytes: number): void {
    this.buffer.pages.charge(bytes - this.chargedBytes);
    this.chargedBytes = bytes;
  }

  /** The order of all rows; only when sorted, and before `release`. Some may count no more. */
  get order(): Int32Array {
    return this.rows;
  }

  sort(): boolean {
    let left = STEP_ROWS;
    while (left > 0) {
      if (this.phase === "sorted") return true;
      if (this.phase === "collect") left -= this.collect(left);
      else left -= this.phase === "merge" ? this.merge(left) : this.goOn(left);
    }
    return this.phase === "sorted";
  }

  next(): boolean {
    const { words } = this;
    for (;;) {
      if (this.at >= this.rows.length) return false;
      if (this.at % FETCHED === 0) this.fetch();
      const row = this.rows[this.at++]!;
      const key = words[row + KEY]!;
      const kind = key & KIND_MASK;
      // It was replaced since its place became known.
      if (kind > DELETE_PREFIX) continue;
      const end = valueStartOf(words, row);
      this.code = kind as RowCode; // one of the three, see above
      this.keyStart = end - (key >>> 3);
      this.keyEnd = end;
      this.valueEnd = kind === PUT ? end + words[row + VALUE]! : end;
      return true;
    }
  }

  /** Makes the first row at or above `target` the next one; only when sorted. */
  seek(target: Uint8Array, targetBytes: number): void {
    let low = 0;
    let high = this.rows.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareRowWith(this.bytes, this.words, this.rows[middle]!, target, targetBytes) < 0) low = middle + 1;
      else high = middle;
    }
    this.at = low;
  }

  /** Rows lie in the order in which they were written: waits for many of them at once instead of for one after the other. */
  private fetch(): void {
    const { words, rows } = this;
    const end = Math.min(this.at + FETCHED, rows.length);
    const last = words.length - 1;
    let sum = this.fetched;
    for (let i = this.at; i < end; i++) {
      const row = rows[i]!;
      for (let word = 0; word < FETCHED_WORDS; word += LINE_WORDS) sum = (sum + words[Math.min(row + word, last)]!) | 0;
    }
    this.fetched = sum;
  }

  /** Frees the scratch memory; twice is once. */
  release(): void {
    this.charge(0);
    this.rows = this.scratch = this.merged = new Int32Array(0);
  }

  /** Lists the rows whose order is not known; returns how many were looked at. */
  private collect(limit: number): number {
    const { pages } = this.buffer;
    const words = this.words;
    let looked = 0;
    while (this.segment < pages.segmentCount) {
      const end = pages.segmentEnd(this.segment);
      let row = this.at === 0 ? this.known?.ends[this.segment] ?? pages.segmentStart(this.segment) : this.at;
      for (; row < end && looked < limit; looked++) {
        const kind = words[row + KEY]! & KIND_MASK;
        if (kind <= DELETE_PREFIX) this.rows[this.collected++] = row;
        row = pages.rowAfter(row);
      }
      this.at = row;
      if (row < end) return looked;
      this.segment++;
      this.at = 0;
    }
    this.start({ low: 0, high: this.collected, depth: 0 });
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
      this.sorter.sort(this.bytes, this.words, this.rows, low, high);
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
    this.at = 0;
    if (this.known === undefined) {
      this.phase = "sorted";
      return;
    }
    this.phase = "merge";
    this.merged = new Int32Array(this.known.rows.length + this.collected);
    this.charge(this.rowCount * 8 + this.merged.length * 4);
  }

  /** Puts rows in their places among those whose order is known; returns what it has cost. */
  private merge(limit: number): number {
    const { rows, merged, collected } = this;
    const known = this.known!.rows; // this phase is for those that have one
    let cost = 1;
    let count = this.mergedCount;
    while (this.at < collected && cost < limit) {
      const row = rows[this.at++]!;
      const from = this.knownAt;
      const place = this.placeOf(row, known, from);
      for (let i = from; i < place; i++) merged[count++] = known[i]!;
      merged[count++] = row;
      this.knownAt = place;
      cost += SORT_COST * 2 + place - from;
    }
    this.mergedCount = count;
    if (this.at < collected) return cost;
    merged.set(known.subarray(this.knownAt), count);
    this.rows = merged;
    this.at = 0;
    this.phase = "sorted";
    return cost;
  }

  /** Index of the first known row at or above `row`; all before `low` are below it. It is near, so steps grow. */
  private placeOf(row: number, known: Int32Array, low: number): number {
    const { bytes, words } = this;
    let step = 1;
    while (low + step <= known.length && compareRows(bytes, words, known[low + step - 1]!, row) < 0) {
      low += step;
      step *= 2;
    }
    let high = Math.min(low + step - 1, known.length);
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareRows(bytes, words, known[middle]!, row) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
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
    const firstEnd = valueStartOf(words, rows[low]!);
    const first = firstEnd - (words[rows[low]! + KEY]! >>> 3) + depth;
    let shared = Math.min(this.shared, firstEnd - first);
    for (let i = from; i < to && shared > 0; i++) {
      const row = rows[i]!;
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
    for (let i = from; i < to; i++) counts[this.bucketOf(rows[i]!)]!++;
  }

  private deal(from: number, to: number): void {
    const { rows, scratch, counts } = this;
    for (let i = from; i < to; i++) {
      const entry = rows[i]!;
      scratch[counts[this.bucketOf(entry)]!++] = entry;
    }
  }
}
