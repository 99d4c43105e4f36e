/**
 * Holds the earliest timers of one key group as the rows that they have in the store, in order: typed arrays and one
 * array of bytes, no object for each timer.
 *
 * Called by: timers/embedded_timer_queue.ts.
 * Calls: core/bytes.ts, timers/timer_row.ts.
 *
 * Invariants:
 * - it holds exactly the rows of the store that come before the frontier; all of them when it is complete;
 * - at most `limit` rows, and at most `byteLimit` bytes of them unless it is a single one.
 *
 * @module
 */
import { type ByteWriter, compareBytes } from "../core/bytes.ts";
import type { Timer } from "../core/timer.ts";
import { readTimer, timestampOfRow } from "./timer_row.ts";

const NO_TIMES = new Float64Array(0);
const NO_PLACES = new Int32Array(0);
const NO_BYTES = new Uint8Array(0);
const SMALLEST_ARRAY_BYTES = 256;

/** The first rows of a key group. */
export class TimerCache {
  /** Number of rows in it. */
  count = 0;
  /** Whether the store has no rows beyond these. */
  isComplete = true;

  /** Place of the first row in `times`, `starts` and `ends`. */
  private first = 0;
  private times = NO_TIMES;
  private starts = NO_PLACES;
  private ends = NO_PLACES;
  private bytes = NO_BYTES;
  /** Where the next row goes in `bytes`. */
  private used = 0;
  /** Bytes of the rows that are in it. */
  private liveBytes = 0;
  /** The first row that is not in it, unless it is complete. */
  private frontier = NO_BYTES;
  private frontierBytes = 0;
  private frontierMs = Number.POSITIVE_INFINITY;

  /** @param limit Rows, ≥ 1. @param byteLimit Bytes of all rows together. */
  constructor(readonly limit: number, private readonly byteLimit: number) {}

  /** Timestamp of the first row; there must be one. */
  get headMs(): number {
    return this.times[this.first]!;
  }

  /** Whether a row comes before the frontier, so that it is in the store only if it is in here. */
  covers(timestampMs: number, row: Uint8Array, rowBytes: number): boolean {
    if (this.isComplete || timestampMs < this.frontierMs) return true;
    if (timestampMs > this.frontierMs) return false;
    return compareBytes(row, 0, rowBytes, this.frontier, 0, this.frontierBytes) < 0;
  }

  /** Index of a row, the bitwise complement (< 0) of the index it would have when it is not here. */
  find(timestampMs: number, row: Uint8Array, rowBytes: number): number {
    const { times, first } = this;
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >> 1;
      const place = first + middle;
      const time = times[place]!;
      const order = time < timestampMs
        ? -1
        : time > timestampMs
        ? 1
        : compareBytes(this.bytes, this.starts[place]!, this.ends[place]!, row, 0, rowBytes);
      if (order === 0) return middle;
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    return ~low;
  }

  /** Puts in a covered row at the index that `find` has told; later rows may have to leave, perhaps the row itself. */
  insert(at: number, timestampMs: number, row: Uint8Array, rowBytes: number): void {
    if (at === this.limit) return this.beginBeyond(timestampMs, row, 0, rowBytes);
    if (this.count === this.limit) this.dropLast();
    while (this.count > 0 && this.liveBytes + rowBytes > this.byteLimit) {
      if (at === this.count) return this.beginBeyond(timestampMs, row, 0, rowBytes);
      this.dropLast();
    }
    const start = this.write(row, 0, rowBytes);
    if (this.times.length === 0) this.allocate();
    const { times, starts, ends, first, count } = this;
    let place = first + at;
    if (first > 0) {
      times.copyWithin(first - 1, first, place);
      starts.copyWithin(first - 1, first, place);
      ends.copyWithin(first - 1, first, place);
      this.first--;
      place--;
    } else if (at < count) {
      times.copyWithin(at + 1, at, count);
      starts.copyWithin(at + 1, at, count);
      ends.copyWithin(at + 1, at, count);
    }
    times[place] = timestampMs;
    starts[place] = start;
    ends[place] = start + rowBytes;
    this.count = count + 1;
  }

  /** Takes out the row at an index. */
  removeAt(at: number): void {
    const { times, starts, ends, first } = this;
    const place = first + at;
    this.liveBytes -= ends[place]! - starts[place]!;
    this.count--;
    if (at === 0) {
      this.first++;
    } else {
      times.copyWithin(place, place + 1, first + this.count + 1);
      starts.copyWithin(place, place + 1, first + this.count + 1);
      ends.copyWithin(place, place + 1, first + this.count + 1);
    }
    if (this.count === 0) this.empty();
  }

  /** The timer at an index. */
  timerAt(at: number): Timer {
    const place = this.first + at;
    return readTimer(this.bytes, this.starts[place]!, this.ends[place]!);
  }

  /** Appends the row at an index. */
  copyRow(at: number, out: ByteWriter): void {
    const place = this.first + at;
    out.bytes(this.bytes, this.starts[place]!, this.ends[place]!);
  }

  /** Appends the first row that is not in here, where a fill must begin; not when it is complete. */
  copyFrontier(out: ByteWriter): void {
    out.bytes(this.frontier, 0, this.frontierBytes);
  }

  /** Rows follow, ascending, by `append`: all from the frontier on, or until it returns false. It must be empty. */
  beginFill(): void {
    this.isComplete = true;
    if (this.bytes.length > 2 * this.byteLimit) this.bytes = NO_BYTES;
  }

  /** Takes the next row; false when it is full, and no more are wanted. */
  append(bytes: Uint8Array, start: number, end: number): boolean {
    const { count } = this;
    const timestampMs = timestampOfRow(bytes, start);
    if (count === this.limit || (count > 0 && this.liveBytes + end - start > this.byteLimit)) {
      this.beginBeyond(timestampMs, bytes, start, end);
      return false;
    }
    const place = this.write(bytes, start, end);
    if (this.times.length === 0) this.allocate();
    this.times[count] = timestampMs;
    this.starts[count] = place;
    this.ends[count] = place + end - start;
    this.count = count + 1;
    return true;
  }

  private empty(): void {
    this.first = 0;
    this.used = 0;
    this.liveBytes = 0;
  }

  private allocate(): void {
    this.times = new Float64Array(this.limit);
    this.starts = new Int32Array(this.limit);
    this.ends = new Int32Array(this.limit);
  }

  private dropLast(): void {
    const place = this.first + --this.count;
    const start = this.starts[place]!;
    const end = this.ends[place]!;
    this.liveBytes -= end - start;
    this.beginBeyond(this.times[place]!, this.bytes, start, end);
    if (this.count === 0) this.empty();
  }

  /** The row is the frontier from now on. */
  private beginBeyond(timestampMs: number, bytes: Uint8Array, start: number, end: number): void {
    const size = end - start;
    if (size > this.frontier.length) this.frontier = new Uint8Array(Math.max(size, 2 * this.frontier.length));
    for (let i = 0; i < size; i++) this.frontier[i] = bytes[start + i]!;
    this.frontierBytes = size;
    this.frontierMs = timestampMs;
    this.isComplete = false;
  }

  /** Copies a row to `bytes`; returns where it is. */
  private write(source: Uint8Array, start: number, end: number): number {
    const size = end - start;
    if (this.used + size > this.bytes.length) this.repack(size);
    const at = this.used;
    const bytes = this.bytes;
    for (let i = 0; i < size; i++) bytes[at + i] = source[start + i]!;
    this.used = at + size;
    this.liveBytes += size;
    return at;
  }

  /** Closes the gaps and makes room for `size` bytes more. */
  private repack(size: number): void {
    const next = new Uint8Array(Math.max(SMALLEST_ARRAY_BYTES, 2 * (this.liveBytes + size)));
    let at = 0;
    for (let place = this.first; place < this.first + this.count; place++) {
      const start = this.starts[place]!;
      const end = this.ends[place]!;
      next.set(this.bytes.subarray(start, end), at);
      this.starts[place] = at;
      at += end - start;
      this.ends[place] = at;
    }
    this.bytes = next;
    this.used = at;
  }
}
