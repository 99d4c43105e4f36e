/**
 * Sorts row numbers by the bytes of their keys.
 *
 * The bytes after the common prefix are packed with the row's position into doubles, which the runtime sorts natively;
 * rows that tie are sorted again from where they tied. Several times faster than a comparator.
 *
 * Called by: row_batch.ts.
 * Calls: core/bytes.ts.
 *
 * @module
 */
import { compareBytes } from "../../core/bytes.ts";

/** Fewer rows than this are sorted by insertion. */
const FEW = 12;
/** A double holds integers of this many bits exactly. */
const EXACT_BITS = 53;

/** A sorter that keeps its scratch memory. */
export class RowOrder {
  private order = new Uint32Array(1024);
  private scratch = new Uint32Array(1024);
  private packed = new Float64Array(1024);
  private bytes: Uint8Array = new Uint8Array(0);
  private starts: Int32Array = new Int32Array(0);
  private ends: Int32Array = new Int32Array(0);

  /** The numbers 0..count-1 in the order of the keys `bytes[starts[i]..ends[i]-1]`; valid until the next call. */
  sort(bytes: Uint8Array, starts: Int32Array, ends: Int32Array, count: number): Uint32Array {
    if (count > this.order.length) {
      const size = Math.max(count, this.order.length * 2);
      this.order = new Uint32Array(size);
      this.scratch = new Uint32Array(size);
      this.packed = new Float64Array(size);
    }
    this.bytes = bytes;
    this.starts = starts;
    this.ends = ends;
    for (let i = 0; i < count; i++) this.order[i] = i;
    this.sortFrom(0, count, 0);
    return this.order.subarray(0, count);
  }

  /** Sorts `order[low..high-1]`, whose keys agree in their first `depth` bytes. */
  private sortFrom(low: number, high: number, depth: number): void {
    const count = high - low;
    if (count < 2) return;
    if (count <= FEW) return this.insertionSort(low, high);
    const shared = this.commonPrefix(low, high, depth);
    if (shared < 0) return this.compareSort(low, high);
    const indexBits = 32 - Math.clz32(count - 1);
    const width = (EXACT_BITS - indexBits) >> 3;
    const scale = 2 ** indexBits;
    this.pack(low, high, depth + shared, width, scale);
    this.packed.subarray(0, count).sort();
    this.unpack(low, high, scale);
    this.sortTies(low, high, depth + shared + width, scale);
  }

  private pack(low: number, high: number, at: number, width: number, scale: number): void {
    const { bytes, starts, ends, order, packed } = this;
    for (let i = low; i < high; i++) {
      const row = order[i]!;
      let from = starts[row]! + at;
      const end = ends[row]!;
      let prefix = 0;
      for (let j = 0; j < width; j++) prefix = prefix * 256 + (from < end ? bytes[from++]! : 0);
      packed[i - low] = prefix * scale + (i - low);
    }
  }

  private unpack(low: number, high: number, scale: number): void {
    const { order, scratch, packed } = this;
    for (let i = low; i < high; i++) scratch[i] = order[i]!;
    for (let i = low; i < high; i++) {
      const value = packed[i - low]!;
      order[i] = scratch[low + (value - Math.floor(value / scale) * scale)]!;
    }
  }

  private sortTies(low: number, high: number, depth: number, scale: number): void {
    // The packed values are read before deeper calls overwrite them: ties are listed first.
    const packed = this.packed;
    const ties: number[] = [];
    let start = low;
    let prefix = Math.floor(packed[0]! / scale);
    for (let i = low + 1; i <= high; i++) {
      const next = i < high ? Math.floor(packed[i - low]! / scale) : -1;
      if (next === prefix) continue;
      if (i - start > 1) ties.push(start, i);
      start = i;
      prefix = next;
    }
    for (let i = 0; i < ties.length; i += 2) this.sortFrom(ties[i]!, ties[i + 1]!, depth);
  }

  /** How many bytes from `depth` on all keys share; -1 when one of the keys ends there, so that packing would not decide. */
  private commonPrefix(low: number, high: number, depth: number): number {
    const { bytes, starts, ends, order } = this;
    const first = starts[order[low]!]! + depth;
    let shared = ends[order[low]!]! - first;
    for (let i = low; i < high; i++) {
      const row = order[i]!;
      const start = starts[row]! + depth;
      const size = ends[row]! - start;
      if (size <= 0) return -1;
      if (size < shared) shared = size;
      let at = 0;
      while (at < shared && bytes[start + at] === bytes[first + at]) at++;
      shared = at;
    }
    return shared;
  }

  private insertionSort(low: number, high: number): void {
    const order = this.order;
    for (let i = low + 1; i < high; i++) {
      const row = order[i]!;
      let at = i;
      while (at > low && this.compare(order[at - 1]!, row) > 0) {
        order[at] = order[at - 1]!;
        at--;
      }
      order[at] = row;
    }
  }

  private compareSort(low: number, high: number): void {
    this.order.subarray(low, high).sort((left, right) => this.compare(left, right));
  }

  private compare(left: number, right: number): number {
    const { bytes, starts, ends } = this;
    return compareBytes(bytes, starts[left]!, ends[left]!, bytes, starts[right]!, ends[right]!);
  }
}
