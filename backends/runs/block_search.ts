/**
 * Finds a row in the payload of a block, comparing in place: no key is put together, nothing is allocated.
 *
 * Called by: open_run.ts, run_cursor.ts.
 * Calls: run_block.ts.
 *
 * @module
 */
import { SnapshotCorruptError } from "../../core/errors.ts";
import { u32 } from "./run_block.ts";
import { DELETE_PREFIX, PUT, type RowCode } from "./run_format.ts";

/** The payload of a block in memory. */
export interface BlockPlace {
  /** Its rows are `bytes[start..rowsEnd-1]`, its restarts follow. */
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly rowsEnd: number;
  readonly restartCount: number;
}

/** A search; its fields speak of the row that was found last. */
export class BlockSearch {
  /** What the row does. */
  code: RowCode = PUT;
  /** Its value begins here in the block's bytes. */
  valueStart = 0;
  /** And ends before here. */
  valueEnd = 0;
  /** Where the number that `varint` has read ends. */
  private at = 0;
  private path = "";
  private offset = 0;

  /**
   * Looks for the row with the key `row[0..rowBytes-1]`.
   *
   * @param path Names the file in errors. @param offset Of the block in the file, for errors.
   * @throws {SnapshotCorruptError} If the block is not made as blocks are.
   */
  find(block: BlockPlace, row: Uint8Array, rowBytes: number, path: string, offset: number): boolean {
    const { bytes, rowsEnd } = block;
    let at = this.restartBefore(block, row, rowBytes, path, offset);
    /** How many of its first bytes the row before, which was below, has in common with the wanted one. */
    let matched = 0;
    while (at < rowsEnd) {
      const code = bytes[at]!;
      let shared = bytes[at + 1]!;
      let unshared = bytes[at + 2]!;
      let valueBytes = bytes[at + 3]!;
      if ((shared | unshared | valueBytes) < 0x80) {
        at += 4;
      } else {
        shared = this.varint(bytes, at + 1);
        unshared = this.varint(bytes, this.at);
        valueBytes = this.varint(bytes, this.at);
        at = this.at;
      }
      const valueStart = at + unshared;
      if (valueStart + valueBytes > rowsEnd) this.fail("a row goes on after the end of its block");
      // A row that shares more with the one before is below, too. Fewer: writers need not share all that they could.
      if (shared <= matched) {
        matched = shared;
        const size = shared + unshared;
        const common = size < rowBytes ? size : rowBytes;
        while (matched < common && bytes[at] === row[matched]) {
          at++;
          matched++;
        }
        if (matched === common) {
          if (size === rowBytes) {
            if (code > DELETE_PREFIX) this.fail(`${code} is no kind of row`);
            this.code = code as RowCode; // checked above
            this.valueStart = valueStart;
            this.valueEnd = valueStart + valueBytes;
            return true;
          }
          if (size > rowBytes) return false;
        } else if (bytes[at]! > row[matched]!) return false;
      }
      at = valueStart + valueBytes;
    }
    return false;
  }

  /** Where the last restart at or below the row begins; the first one if none is. */
  restartBefore(block: BlockPlace, row: Uint8Array, rowBytes: number, path: string, offset: number): number {
    const { bytes, start, rowsEnd } = block;
    this.path = path;
    this.offset = offset;
    let low = 0;
    let high = block.restartCount - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      const at = start + u32(bytes, rowsEnd + middle * 4);
      if (this.isAbove(bytes, at, rowsEnd, row, rowBytes)) high = middle - 1;
      else low = middle;
    }
    return start + u32(bytes, rowsEnd + low * 4);
  }

  /** Whether the whole key that the row at `at` stores is above the wanted one. */
  private isAbove(bytes: Uint8Array, at: number, rowsEnd: number, row: Uint8Array, rowBytes: number): boolean {
    if (bytes[at + 1] !== 0) this.fail("a restart shares bytes with the row before");
    const size = this.varint(bytes, at + 2);
    this.varint(bytes, this.at);
    let from = this.at;
    if (from + size > rowsEnd) this.fail("a row goes on after the end of its block");
    const common = size < rowBytes ? size : rowBytes;
    let i = 0;
    while (i < common && bytes[from] === row[i]) {
      from++;
      i++;
    }
    return i === common ? size > rowBytes : bytes[from]! > row[i]!;
  }

  private varint(bytes: Uint8Array, at: number): number {
    let byte = bytes[at++]!;
    let value = byte & 0x7f;
    for (let scale = 128; byte >= 0x80; scale *= 128) {
      if (scale > 2 ** 50) this.fail("a number is longer than 8 bytes");
      byte = bytes[at++]!;
      value += (byte & 0x7f) * scale;
    }
    this.at = at;
    return value;
  }

  private fail(reason: string): never {
    throw new SnapshotCorruptError(this.path, { reason, offset: this.offset });
  }
}
