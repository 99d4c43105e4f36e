/**
 * What the state handles of an embedded backend stand on: rows of bytes by row key, newest first in write buffers, the
 * rest in a store on disk. `tests/contracts/rows.ts` is its conformance suite.
 *
 * Called by: the handles, the backend, timers through core/ordered_rows.ts.
 * Calls: nothing; buffered_rows.ts implements it, and a sorted array in tests.
 *
 * Row keys are those of docs/formats.md: key group (u16), state id (u16), key, namespace, and for a list element its
 * number, for a map entry its map key. The *prefix* of a row names the value, list or map that it belongs to: the whole
 * row key, unless the row is a list element or map entry.
 *
 * @module
 */
import type { BufferCopy } from "./buffer_copy.ts";
import type { FoundValue, FrozenStore, RowCursor } from "./row_store.ts";

/** Rows by row key. No argument is kept: buffers may be reused as soon as a call returns. */
export interface Rows {
  /** Where `get` has found a value; valid until the next call of any method. */
  readonly found: FoundValue;

  /** Looks for a row; its value is in `found`. @throws {WorkingFileError} If a block on disk is damaged. */
  get(row: Uint8Array, rowBytes: number, prefixBytes: number): boolean;

  /**
   * Sets a row's value to `value[start..end-1]`.
   *
   * @throws {StreamError} If the row is larger than the write buffers may be; the message names the option to raise.
   */
  put(row: Uint8Array, rowBytes: number, prefixBytes: number, value: Uint8Array, start: number, end: number): void;

  /** As `put`, for a list element: a row that was never there and that nobody looks up alone. */
  append(row: Uint8Array, rowBytes: number, prefixBytes: number, value: Uint8Array, start: number, end: number): void;

  /** Removes a row; no error when there is none. */
  delete(row: Uint8Array, rowBytes: number, prefixBytes: number): void;

  /** Removes all rows of a list or map: those whose keys start with `prefix[0..prefixBytes-1]`. */
  clear(prefix: Uint8Array, prefixBytes: number): void;

  /**
   * The rows of a list or map as they are now, ascending by row key. What is written meanwhile is not seen.
   * Close it after use.
   */
  group(prefix: Uint8Array, prefixBytes: number): RowCursor;

  /**
   * The rows of a state in a key group, `prefix[0..3]` being key group and state id, ascending from `from` on (a whole
   * row key; from the first when absent), as they are now: at most `limit`, for the cost of it. What is written
   * meanwhile is not seen when `limit` is Infinity; nothing may be written meanwhile when it is not. Close it after use.
   */
  scan(prefix: Uint8Array, limit: number, from?: Uint8Array): RowCursor;

  /** Fixes what is there now, in O(1). @returns Number of the moment, for `frozen`. */
  freeze(): number;

  /**
   * As `freeze`, for somebody who also takes rows beside the store: where it can, it copies what is in memory instead of
   * having it flushed. Takes about a millisecond at most. Whoever calls releases the copy.
   */
  freezeApart(): { readonly ticket: number; readonly copy: BufferCopy | undefined };

  /**
   * The store as it was at the moment `ticket`, once all rows written before are in it. Each ticket must be asked for,
   * once, and what it resolves to released: files are kept for it until then.
   *
   * @throws {StreamError} If a flush fails; every later call fails with it too.
   */
  frozen(ticket: number): Promise<FrozenStore>;

  /** Not undefined while writers must wait between two steps, because flushing or compaction lags: resolves when no more. */
  backpressure(): Promise<void> | undefined;

  /** Why a flush or compaction in the background has failed; undefined while none has. */
  readonly failure: Error | undefined;

  /** Ends background work, frees everything and closes the store; safe to call twice. */
  close(): Promise<void>;
}
