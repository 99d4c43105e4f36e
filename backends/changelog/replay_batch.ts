/**
 * Rows in the order in which they were changed, and of each the last one in the order of a run.
 *
 * Called by: log_replay.ts.
 * Calls: ../runs/row_batch.ts, ../runs/row_order.ts.
 *
 * @module
 */
import { RowBatch } from "../runs/row_batch.ts";
import { RowOrder } from "../runs/row_order.ts";
import { DELETE_PREFIX, type RowCode } from "../runs/run_format.ts";
import { writeU64 } from "../runs/run_sections.ts";
import type { RunWriter } from "../runs/run_writer.ts";

/** Size of the key group at the beginning of a row key. */
const GROUP_BYTES = 2;

/** Changes that will be one run. */
export class ReplayBatch {
  private readonly rows = new RowBatch();
  private readonly order = new RowOrder();

  /** Changes so far. */
  get count(): number {
    return this.rows.count;
  }

  /** Bytes of memory that they take. */
  get sizeBytes(): number {
    return this.rows.usedBytes;
  }

  /** Forgets all changes. */
  clear(): void {
    this.rows.clear();
  }

  /**
   * Adds a change of the row `bytes[rowStart..rowEnd-1]`, under another state id.
   *
   * @param listNumber Number of a list element, which ends its row key; -1: none.
   */
  add(
    code: RowCode,
    stateId: number,
    bytes: Uint8Array,
    rowStart: number,
    rowEnd: number,
    valueStart: number,
    valueEnd: number,
    listNumber: number,
  ): void {
    const { rows } = this;
    const { out } = rows;
    rows.startRow();
    out.bytes(bytes, rowStart, rowStart + GROUP_BYTES);
    out.u16(stateId);
    out.bytes(bytes, rowStart + GROUP_BYTES + 2, rowEnd);
    if (listNumber >= 0) writeU64(out, listNumber);
    rows.endKey();
    out.bytes(bytes, valueStart, valueEnd);
    rows.endRow(code);
  }

  /** Of each row the last change, in the order of row keys, without those that a later delete-prefix has hidden. */
  sorted(): Uint32Array {
    const { rows } = this;
    const order = this.order.sort(rows.out.buffer, rows.keyStarts, rows.keyEnds, rows.count);
    let kept = 0;
    /** The delete-prefix that hides what is older and starts with its key; -1: none. */
    let hiding = -1;
    for (let i = 0; i < order.length;) {
      let last = order[i]!;
      const first = last;
      for (i++; i < order.length && rows.compare(first, order[i]!) === 0; i++) last = Math.max(last, order[i]!);
      if (hiding >= 0 && this.startsWith(last, hiding)) {
        if (last < hiding) continue;
      } else {
        hiding = -1;
      }
      if (rows.codeOf(last) === DELETE_PREFIX) hiding = last;
      // Never behind what is read next.
      order[kept++] = last;
    }
    return order.subarray(0, kept);
  }

  private startsWith(row: number, prefix: number): boolean {
    const { keyStarts, keyEnds, out: { buffer } } = this.rows;
    const size = keyEnds[prefix]! - keyStarts[prefix]!;
    if (keyEnds[row]! - keyStarts[row]! < size) return false;
    for (let i = 0; i < size; i++) if (buffer[keyStarts[row]! + i] !== buffer[keyStarts[prefix]! + i]) return false;
    return true;
  }

  /** Writes a row. */
  write(writer: RunWriter, row: number): void {
    const { keyStarts, keyEnds, valueEnds, out: { buffer } } = this.rows;
    const start = keyStarts[row]!;
    const group = (buffer[start]! << 8) | buffer[start + 1]!;
    writer.add(group, this.rows.codeOf(row), buffer, start + GROUP_BYTES, keyEnds[row]!, valueEnds[row]!);
  }
}
