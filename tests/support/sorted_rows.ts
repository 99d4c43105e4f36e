/** Rows of core/ordered_rows.ts in sorted arrays, and how often each method was called. */
import { deepEqual } from "node:assert/strict";
import { compareBytes } from "../../core/bytes.ts";
import type { OrderedRows } from "../../core/ordered_rows.ts";

/** What a store on disk would keep, in memory. */
export class SortedRows implements OrderedRows {
  readonly groups = new Map<number, Uint8Array[]>();
  readonly calls = { has: 0, add: 0, remove: 0, scan: 0, visited: 0 };

  has(keyGroup: number, row: Uint8Array, rowBytes: number): boolean {
    this.calls.has++;
    return this.#find(keyGroup, row, rowBytes) >= 0;
  }

  add(keyGroup: number, row: Uint8Array, rowBytes: number): void {
    this.calls.add++;
    const at = this.#find(keyGroup, row, rowBytes);
    if (at < 0) this.#rows(keyGroup).splice(~at, 0, row.slice(0, rowBytes));
  }

  remove(keyGroup: number, row: Uint8Array, rowBytes: number): void {
    this.calls.remove++;
    const at = this.#find(keyGroup, row, rowBytes);
    if (at >= 0) this.#rows(keyGroup).splice(at, 1);
  }

  scan(
    keyGroup: number,
    from: Uint8Array | null,
    limit: number,
    visit: (bytes: Uint8Array, start: number, end: number) => boolean,
  ): void {
    this.calls.scan++;
    const found = from === null ? 0 : this.#find(keyGroup, from, from.length);
    const start = found < 0 ? ~found : found;
    const padded = new Uint8Array(3);
    for (const row of this.#rows(keyGroup).slice(start, start + limit)) {
      this.calls.visited++;
      // Among other bytes, which are gone after the call.
      const bytes = new Uint8Array([...padded, ...row, 7]);
      const wantsMore = visit(bytes, 3, 3 + row.length);
      bytes.fill(0xee);
      if (!wantsMore) return;
    }
  }

  /** Fails unless the rows are these. */
  deepEqual(other: SortedRows): void {
    const filled = ({ groups }: SortedRows) =>
      [...groups].filter(([, rows]) => rows.length > 0).sort(([a], [b]) => a - b);
    deepEqual(filled(this), filled(other));
  }

  #rows(keyGroup: number): Uint8Array[] {
    const rows = this.groups.get(keyGroup) ?? [];
    this.groups.set(keyGroup, rows);
    return rows;
  }

  #find(keyGroup: number, row: Uint8Array, rowBytes: number): number {
    const rows = this.#rows(keyGroup);
    let low = 0;
    let high = rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = rows[middle]!;
      const order = compareBytes(other, 0, other.length, row, 0, rowBytes);
      if (order === 0) return middle;
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    return ~low;
  }
}
