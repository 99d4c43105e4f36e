/**
 * Walks the rows of one state, key group by key group, in memory that does not depend on how many there are. Within a
 * key group it sees the rows as they were when it came to it.
 *
 * Called by: embedded_backend.ts (keys, entry count), state_table.ts (migration), attached_rows.ts.
 * Calls: core/key.ts, the rows.
 *
 * @module
 */
import { ByteReader, ByteWriter } from "../../core/bytes.ts";
import { type Key, type Namespace, readKey, readNamespace, skipKey } from "../../core/key.ts";
import type { KeyGroupRange } from "../../core/key_groups.ts";
import type { RunStateKind } from "../runs/run_format.ts";
import type { RowCursor } from "./row_store.ts";
import type { Rows } from "./rows.ts";

/** Bytes of key group and state id. */
export const ROUTE_BYTES = 4;

/** The part of a state that tells where its rows are. */
export interface WalkedState {
  readonly id: number;
  readonly kind: RunStateKind;
}

/** The rows of a state, one after the other; close it after use. */
export class StateWalk {
  /** Where the current row is. */
  row!: RowCursor;
  /** Its key group. */
  keyGroup: number;
  /** Its first bytes name the value, list or map that it belongs to. */
  prefixBytes = 0;
  /** Where in these the namespace begins. */
  namespaceStart = 0;
  /** Whether the row before belongs to another value, list or map. */
  isFirst = true;
  private cursor: RowCursor | undefined;
  private readonly route = new Uint8Array(ROUTE_BYTES);
  private readonly last = new ByteWriter(64);
  private readonly input = new ByteReader(this.route);

  constructor(
    private readonly rows: Rows,
    private readonly range: KeyGroupRange,
    private readonly state: WalkedState,
  ) {
    this.keyGroup = range.start - 1;
    this.route[2] = state.id >>> 8;
    this.route[3] = state.id;
  }

  /** Moves to the next row; false when there is none. */
  next(): boolean {
    for (;;) {
      const cursor = this.cursor;
      if (cursor !== undefined) {
        if (cursor.next()) break;
        this.close();
      }
      if (this.keyGroup === this.range.end) return false;
      this.open(++this.keyGroup);
    }
    this.measure();
    return true;
  }

  /** Moves to the first row of the next value, list or map; false when there is none. */
  nextFirst(): boolean {
    while (this.next()) if (this.isFirst) return true;
    return false;
  }

  private open(keyGroup: number): void {
    this.route[0] = keyGroup >>> 8;
    this.route[1] = keyGroup;
    this.row = this.cursor = this.rows.scan(this.route, Number.POSITIVE_INFINITY);
    this.last.reset();
  }

  private measure(): void {
    const { key, keyBytes } = this.row;
    this.prefixBytes = keyBytes;
    if (this.state.kind === "rows") return;
    const input = this.input;
    input.open(key, ROUTE_BYTES, keyBytes);
    skipKey(input);
    this.namespaceStart = input.position;
    skipKey(input);
    this.prefixBytes = input.position;
    if (this.state.kind === "list" || this.state.kind === "map") this.compare(key);
  }

  private compare(key: Uint8Array): void {
    const last = this.last;
    this.isFirst = this.prefixBytes !== last.length;
    for (let i = this.prefixBytes - 1; i >= 0 && !this.isFirst; i--) this.isFirst = key[i] !== last.buffer[i];
    if (!this.isFirst) return;
    last.reset();
    last.bytes(key, 0, this.prefixBytes);
  }

  /** Key that the row belongs to. */
  key(): Key {
    this.input.open(this.row.key, ROUTE_BYTES, this.prefixBytes);
    return readKey(this.input);
  }

  /** Namespace that the row belongs to. */
  namespace(): Namespace {
    this.input.open(this.row.key, this.namespaceStart, this.prefixBytes);
    return readNamespace(this.input);
  }

  /** Whether the row belongs to the namespace of these bytes. */
  hasNamespace(bytes: Uint8Array): boolean {
    const { key } = this.row;
    if (this.prefixBytes - this.namespaceStart !== bytes.length) return false;
    for (let i = 0; i < bytes.length; i++) if (key[this.namespaceStart + i] !== bytes[i]) return false;
    return true;
  }

  /** Frees what it holds; safe to call twice. */
  close(): void {
    this.cursor?.close();
    this.cursor = undefined;
  }
}
