/**
 * Collects rows in any order in one buffer and gives them back in the order of a run.
 *
 * Called by: the backends, one batch per key group.
 * Calls: core/bytes.ts, row_order.ts.
 *
 * @module
 */
import { ByteWriter, compareBytes } from "../../core/bytes.ts";
import type { RowOrder } from "./row_order.ts";
import { DELETE, PUT, type RowCode } from "./run_format.ts";

/** First allocations; there is a batch for each key group. */
const FIRST_BYTES = 1024;
const FIRST_ROWS = 32;

/** Rows of one key group; their keys lack the two bytes of the key group. `clear()` keeps the memory. */
export class RowBatch {
  /** Where rows are written: between `startRow` and `endKey` the key, from there to `endRow` the value. */
  readonly out: ByteWriter = new ByteWriter(FIRST_BYTES);
  /** Number of rows. */
  count = 0;
  /** Row `i` has the key `out.buffer[keyStarts[i]..keyEnds[i]-1]`. */
  keyStarts: Int32Array = new Int32Array(FIRST_ROWS);
  /** See {@link RowBatch.keyStarts}. */
  keyEnds: Int32Array = new Int32Array(FIRST_ROWS);
  /** Its value follows the key, up to `valueEnds[i]-1`. */
  valueEnds: Int32Array = new Int32Array(FIRST_ROWS);
  private codes = new Uint8Array(FIRST_ROWS);

  /** Forgets all rows. */
  clear(): void {
    this.count = 0;
    this.out.reset();
  }

  /** Bytes of memory that it holds on to. */
  get capacityBytes(): number {
    return this.out.buffer.length + this.codes.length * 13;
  }

  /** Bytes of memory that its rows take. */
  get usedBytes(): number {
    return this.out.length + this.count * 13;
  }

  /** Starts a row: its key is written next. */
  startRow(): void {
    if (this.count === this.codes.length) this.grow();
    this.keyStarts[this.count] = this.out.length;
  }

  /** Ends the key of the row: its value is written next. */
  endKey(): void {
    this.keyEnds[this.count] = this.out.length;
  }

  /** Ends the row. */
  endRow(code: RowCode): void {
    this.valueEnds[this.count] = this.out.length;
    this.codes[this.count++] = code;
  }

  /** Takes the row back that `startRow` has started. */
  dropRow(): void {
    this.out.reset(this.keyStarts[this.count]!);
  }

  /** What row `i` does. */
  codeOf(i: number): RowCode {
    return this.codes[i] as RowCode; // only endRow writes them
  }

  private grow(): void {
    const size = this.codes.length * 2;
    const grown = (from: Int32Array): Int32Array => {
      const to = new Int32Array(size);
      to.set(from);
      return to;
    };
    this.keyStarts = grown(this.keyStarts);
    this.keyEnds = grown(this.keyEnds);
    this.valueEnds = grown(this.valueEnds);
    const codes = new Uint8Array(size);
    codes.set(this.codes);
    this.codes = codes;
  }

  /**
   * The row numbers in the order of their keys, each key once: of rows with one key a put wins over deletes, since the
   * key's last deletion came before the put was captured. Valid until `sorter` is used again.
   */
  sorted(sorter: RowOrder): Uint32Array {
    const order = sorter.sort(this.out.buffer, this.keyStarts, this.keyEnds, this.count);
    let kept = 0;
    for (let i = 0; i < order.length; i++) {
      const row = order[i]!;
      if (kept > 0 && this.sameKey(order[kept - 1]!, row)) {
        if (this.codes[order[kept - 1]!] === DELETE && this.codes[row] === PUT) order[kept - 1] = row;
      } else {
        order[kept++] = row;
      }
    }
    return order.subarray(0, kept);
  }

  private sameKey(left: number, right: number): boolean {
    const size = this.keyEnds[left]! - this.keyStarts[left]!;
    if (size !== this.keyEnds[right]! - this.keyStarts[right]!) return false;
    const bytes = this.out.buffer;
    // Neighbours differ near the end of the key, if at all.
    let a = this.keyEnds[left]! - 1;
    let b = this.keyEnds[right]! - 1;
    for (let i = 0; i < size; i++) if (bytes[a--] !== bytes[b--]) return false;
    return true;
  }

  /** Compares the keys of two rows. */
  compare(left: number, right: number): number {
    const bytes = this.out.buffer;
    return compareBytes(
      bytes,
      this.keyStarts[left]!,
      this.keyEnds[left]!,
      bytes,
      this.keyStarts[right]!,
      this.keyEnds[right]!,
    );
  }
}
