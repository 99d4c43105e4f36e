/**
 * Restored rows of one state by key group, encoded as they were, until the state is declared.
 *
 * Called by: heap_snapshot.ts, restored_state.ts.
 * Calls: core/bytes.ts.
 *
 * @module
 */
import { ByteReader, ByteWriter } from "../../core/bytes.ts";
import type { RowCode } from "../runs/run_format.ts";

/** First allocation of a key group's rows. */
const FIRST_BYTES = 1024;
/** A key group's rows are kept in pieces of about this size, so that none is ever copied as it grows. */
const PIECE_BYTES = 262_144;

/** Rows by key group, in the order in which they were added. */
export class RowStore {
  private readonly groups = new Map<number, ByteWriter[]>();
  /** Number of rows. */
  rowCount = 0;

  /** Adds a row; both byte ranges are copied. */
  add(
    keyGroup: number,
    code: RowCode,
    key: Uint8Array,
    keyStart: number,
    keyEnd: number,
    value: Uint8Array,
    valueStart: number,
    valueEnd: number,
  ): void {
    let pieces = this.groups.get(keyGroup);
    if (pieces === undefined) {
      pieces = [new ByteWriter(FIRST_BYTES)];
      this.groups.set(keyGroup, pieces);
    }
    let out = pieces[pieces.length - 1]!;
    if (out.length >= PIECE_BYTES) {
      out = new ByteWriter(PIECE_BYTES);
      pieces.push(out);
    }
    out.u8(code);
    out.varint(keyEnd - keyStart);
    out.varint(valueEnd - valueStart);
    out.bytes(key, keyStart, keyEnd);
    out.bytes(value, valueStart, valueEnd);
    this.rowCount++;
  }

  /** The key groups that have rows, in no particular order. */
  keyGroups(): IterableIterator<number> {
    return this.groups.keys();
  }

  /** Walks the rows of a key group. */
  rowsOf(keyGroup: number): StoredRows {
    return new StoredRows(this.groups.get(keyGroup) ?? []);
  }
}

/** A row at a time. */
export class StoredRows {
  /** What the row does. */
  code: RowCode = 0;
  /** The key is `bytes[keyStart..keyEnd-1]`. */
  keyStart = 0;
  /** See {@link StoredRows.keyStart}. */
  keyEnd = 0;
  /** The value is `bytes[keyEnd..valueEnd-1]`. */
  valueEnd = 0;
  /** Shared with the store. */
  bytes: Uint8Array = new Uint8Array(0);
  private readonly reader = new ByteReader(this.bytes);
  private piece = 0;

  /** Made by `RowStore.rowsOf`. */
  constructor(private readonly pieces: readonly ByteWriter[]) {}

  /** Moves to the next row; false when there is none. */
  next(): boolean {
    const reader = this.reader;
    if (reader.position >= reader.end) {
      const piece = this.pieces[this.piece++];
      if (piece === undefined) return false;
      this.bytes = piece.buffer;
      reader.open(piece.buffer, 0, piece.length);
    }
    this.code = reader.u8() as RowCode; // RowStore.add wrote it
    const keyBytes = reader.varint();
    const valueBytes = reader.varint();
    this.keyStart = reader.position;
    this.keyEnd = this.keyStart + keyBytes;
    this.valueEnd = this.keyEnd + valueBytes;
    reader.position = this.valueEnd;
    return true;
  }
}
