/**
 * Rows of another owner that live in the backend's own store.
 *
 * Called by: timers/, through core/ordered_rows.ts.
 * Calls: the rows.
 *
 * @module
 */
import { ByteWriter } from "../../core/bytes.ts";
import type { OrderedRows } from "../../core/ordered_rows.ts";
import type { Rows } from "./rows.ts";
import { ROUTE_BYTES } from "./state_walk.ts";

const NO_VALUE = new Uint8Array(0);

/** A set of rows under one state id. */
export class StoredRowSet implements OrderedRows {
  private readonly row = new ByteWriter(64);

  constructor(private readonly rows: Rows, private readonly stateId: number) {}

  has(keyGroup: number, row: Uint8Array, rowBytes: number): boolean {
    this.address(keyGroup, row, rowBytes);
    return this.rows.get(this.row.buffer, this.row.length, this.row.length);
  }

  add(keyGroup: number, row: Uint8Array, rowBytes: number): void {
    this.address(keyGroup, row, rowBytes);
    this.rows.put(this.row.buffer, this.row.length, this.row.length, NO_VALUE, 0, 0);
  }

  remove(keyGroup: number, row: Uint8Array, rowBytes: number): void {
    this.address(keyGroup, row, rowBytes);
    this.rows.delete(this.row.buffer, this.row.length, this.row.length);
  }

  private address(keyGroup: number, row: Uint8Array, rowBytes: number): void {
    const out = this.row;
    out.reset();
    out.u16(keyGroup);
    out.u16(this.stateId);
    out.bytes(row, 0, rowBytes);
  }

  scan(
    keyGroup: number,
    from: Uint8Array | null,
    limit: number,
    visit: (bytes: Uint8Array, start: number, end: number) => boolean,
  ): void {
    this.address(keyGroup, from ?? NO_VALUE, from === null ? 0 : from.length);
    const start = this.row.copy();
    const cursor = this.rows.scan(start.subarray(0, ROUTE_BYTES), limit, from === null ? undefined : start);
    try {
      let seen = 0;
      while (seen++ < limit && cursor.next()) if (!visit(cursor.key, ROUTE_BYTES, cursor.keyBytes)) return;
    } finally {
      cursor.close();
    }
  }
}
