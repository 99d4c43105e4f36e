/**
 * Rows that a backend keeps in its ordered store for another owner: timers.
 *
 * Called by: timers/, which keeps its queues there; implemented by the embedded backends.
 * Calls: nothing.
 *
 * @module
 */

/** A set of byte strings for each key group, in the order of their bytes; it is part of every snapshot of the backend. */
export interface OrderedRows {
  /** Whether a row is there. */
  has(keyGroup: number, row: Uint8Array, rowBytes: number): boolean;
  /** Adds `row[0..rowBytes-1]`, which is copied; nothing changes when it is there. */
  add(keyGroup: number, row: Uint8Array, rowBytes: number): void;
  /** Removes a row; nothing changes when it is not there. */
  remove(keyGroup: number, row: Uint8Array, rowBytes: number): void;
  /**
   * Calls back for up to `limit` rows of a key group as they are now, ascending from `from` on (inclusive; from the
   * first when null). `bytes[start..end-1]` is valid during the call only; `visit` writes nothing and returns false to
   * end it early.
   */
  scan(
    keyGroup: number,
    from: Uint8Array | null,
    limit: number,
    visit: (bytes: Uint8Array, start: number, end: number) => boolean,
  ): void;
}
