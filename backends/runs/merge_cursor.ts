/**
 * Merges runs into one sequence of rows: of each key the newest row, without those that a newer delete-prefix row hides.
 *
 * Called by: the backends when they restore; stores on disk, for scans and compaction.
 * Calls: hiding_prefixes.ts; the cursors it was given.
 *
 * Source: the tree of losers, Knuth, The Art of Computer Programming, volume 3, section 5.4.1.
 *
 * @module
 */
import { StreamError } from "../../core/errors.ts";
import { HidingPrefixes } from "./hiding_prefixes.ts";
import { DELETE_PREFIX, PUT, type RowCode } from "./run_format.ts";

/** What can be merged: a run, or several that lie behind one another. */
export interface MergeInput {
  /** What the current row does. */
  readonly code: RowCode;
  /** Its whole row key is `key[0..keyBytes-1]`. */
  readonly key: Uint8Array;
  readonly keyBytes: number;
  /** Its value is `value[valueStart..valueEnd-1]`. */
  readonly value: Uint8Array;
  readonly valueStart: number;
  readonly valueEnd: number;
  /** Moves to the next row; false when there is none. */
  next(): boolean;
  /** See `RunCursor.seek`. */
  seek(target: Uint8Array, targetBytes: number, boundBytes: number): void;
  /** See `RunCursor.coverOf`. */
  coverOf(target: Uint8Array, targetBytes: number): number;
  /** Frees what it pins. */
  close(): void;
}

/** Which rows a merge gives: the values that are there, or deletes too, for a run above others. */
export type MergeMode = "alive" | "all";

/** Gives merged rows in order. */
export class MergeCursor {
  /** What the current row does; PUT unless the mode is "all". */
  code: RowCode = PUT;
  /** The whole row key is `key[0..keyBytes-1]`; valid until the next call of `next` or `seek`, as is the value. */
  key: Uint8Array = new Uint8Array(0);
  /** See {@link MergeCursor.key}. */
  keyBytes = 0;
  /** The value is `value[valueStart..valueEnd-1]`. */
  value: Uint8Array = this.key;
  /** See {@link MergeCursor.value}. */
  valueStart = 0;
  /** See {@link MergeCursor.value}. */
  valueEnd = 0;
  /** Index, among the cursors given, of the one that holds the current row. */
  runIndex = -1;
  /** Place 0: whose row is next. Place i > 0: who lost the match there. */
  private readonly tree: Int32Array;
  private readonly ended: Uint8Array;
  /** Cursors that stand on a key that a newer one has, too. */
  private readonly shadowed: Uint8Array;
  private readonly hiding = new HidingPrefixes();
  private readonly keepsDeletes: boolean;
  private hasStarted = false;

  /** @param cursors Oldest first; none moved yet, unless `seek` is called next. They are closed by `close`. */
  constructor(private readonly cursors: readonly MergeInput[], mode: MergeMode = "alive") {
    this.tree = new Int32Array(Math.max(1, cursors.length));
    this.ended = new Uint8Array(cursors.length);
    this.shadowed = new Uint8Array(cursors.length);
    this.keepsDeletes = mode === "all";
  }

  /**
   * Makes the first row at or above `target[0..targetBytes-1]`, a whole row key or prefix, the next one.
   *
   * @param boundBytes Rows that do not start with this many first bytes of the target are not given any more; 0: all are.
   */
  seek(target: Uint8Array, targetBytes: number, boundBytes: number): void {
    this.hasStarted = false;
    this.hiding.clear();
    let longest = 0;
    for (let i = 0; i < this.cursors.length; i++) {
      const cursor = this.cursors[i]!;
      cursor.seek(target, targetBytes, boundBytes);
      longest = Math.max(longest, cursor.coverOf(target, targetBytes));
    }
    if (longest > 0) this.hideFromBefore(target, targetBytes);
  }

  /** Moves to the next row; false when there is none. */
  next(): boolean {
    if (this.cursors.length === 0) return false;
    if (this.hasStarted) this.advance(this.tree[0]!);
    else this.start();
    const hiding = this.hiding;
    for (;;) {
      const run = this.tree[0]!;
      if (this.ended[run] === 1) return this.stop();
      const row = this.cursors[run]!;
      const code = row.code;
      if (hiding.depth > 0) hiding.dropPassed(row.key, row.keyBytes);
      const isHidden = hiding.depth > 0 && hiding.newest > run;
      if (code === DELETE_PREFIX) hiding.push(row.key, row.keyBytes, run);
      if (!isHidden && (code === PUT || this.keepsDeletes)) {
        if (this.shadowed[run] === 0) {
          this.take(row, run);
          return true;
        }
        if (code === DELETE_PREFIX) this.refuse();
      }
      this.advance(run);
    }
  }

  /** Closes the cursors; safe to call twice. */
  close(): void {
    for (const cursor of this.cursors) cursor.close();
  }

  private take(row: MergeInput, run: number): void {
    this.code = row.code;
    this.key = row.key;
    this.keyBytes = row.keyBytes;
    this.value = row.value;
    this.valueStart = row.valueStart;
    this.valueEnd = row.valueEnd;
    this.runIndex = run;
  }

  private stop(): false {
    this.runIndex = -1;
    return false;
  }

  /** The newer row of this key, which was given, is no delete-prefix row: both cannot be in one run. */
  private refuse(): never {
    throw new StreamError(
      "corrupt",
      "Cannot merge runs: a delete-prefix row has the key of a newer row that is none; restore from an older checkpoint",
    );
  }

  /** Notes delete-prefix rows below the place that was sought, which reach beyond it: the shorter ones first. */
  private hideFromBefore(target: Uint8Array, targetBytes: number): void {
    const sizes = this.cursors.map((cursor) => cursor.coverOf(target, targetBytes));
    const shortestFirst = [...sizes.keys()].sort((a, b) => sizes[a]! - sizes[b]!);
    for (const i of shortestFirst) if (sizes[i]! > 0) this.hiding.push(target, sizes[i]!, i);
  }

  private start(): void {
    this.hasStarted = true;
    const { tree, cursors } = this;
    const count = cursors.length;
    this.shadowed.fill(0);
    tree.fill(-1);
    for (let i = 0; i < count; i++) {
      this.ended[i] = cursors[i]!.next() ? 0 : 1;
      let winner = i;
      let place = (i + count) >>> 1;
      for (; place > 0; place >>>= 1) {
        const other = tree[place]!;
        if (other < 0) break; // Its opponent comes later.
        if (this.precedes(other, winner)) {
          tree[place] = winner;
          winner = other;
        }
      }
      tree[place] = winner;
    }
  }

  /** Moves the cursor that gave the last row on, and plays its matches again. */
  private advance(run: number): void {
    this.shadowed[run] = 0;
    if (!this.cursors[run]!.next()) this.ended[run] = 1;
    const tree = this.tree;
    let winner = run;
    for (let place = (run + this.cursors.length) >>> 1; place > 0; place >>>= 1) {
      const other = tree[place]!;
      if (this.precedes(other, winner)) {
        tree[place] = winner;
        winner = other;
      }
    }
    tree[0] = winner;
  }

  /** Whether the row of cursor `a` comes before that of `b`: its key is smaller, or the same and it is newer. */
  private precedes(a: number, b: number): boolean {
    if (this.ended[a] === 1) return false;
    if (this.ended[b] === 1) return true;
    const left = this.cursors[a]!;
    const right = this.cursors[b]!;
    const leftKey = left.key;
    const rightKey = right.key;
    const leftBytes = left.keyBytes;
    const rightBytes = right.keyBytes;
    const common = leftBytes < rightBytes ? leftBytes : rightBytes;
    let i = 0;
    while (i < common && leftKey[i] === rightKey[i]) i++;
    if (i < common) return leftKey[i]! < rightKey[i]!;
    if (leftBytes !== rightBytes) return leftBytes < rightBytes;
    // Of one key, all but the newest lose to one that has it.
    this.shadowed[a > b ? b : a] = 1;
    return a > b;
  }
}
