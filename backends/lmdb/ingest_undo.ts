/**
 * Takes back what an ingest has done that was given up halfway: makes the rows of its range those of the moment before it.
 *
 * Called by: lmdb_ingest.ts, before the next ingest.
 * Calls: row_tree.ts, row_walk.ts.
 *
 * @module
 */
import { compareBytes } from "../../core/bytes.ts";
import { Moment } from "./moment.ts";
import type { RowTree } from "./row_tree.ts";
import { RowWalk } from "./row_walk.ts";

/** Rows that are compared in one step. */
const ROWS_PER_STEP = 256;
const NOTHING = new Uint8Array(0);

/** What is left of an ingest that was given up. */
export interface HalfIngest {
  /** Before it. */
  readonly moment: Moment;
  /** Key of its first row. */
  readonly first: Uint8Array;
  /** Key of its last row that may have been applied; rows that start with it may be gone too. */
  readonly last: Uint8Array;
}

/** The work of taking it back. */
export class IngestUndo {
  private readonly now: Moment;
  private readonly was: RowWalk;
  private readonly is: RowWalk;
  private hasWas: boolean;
  private hasIs: boolean;

  constructor(private readonly tree: RowTree, private readonly half: HalfIngest) {
    const range = { prefix: NOTHING, prefixBytes: 0, from: half.first };
    this.now = new Moment(tree.pin());
    this.was = new RowWalk(tree, range, half.moment.transaction);
    this.is = new RowWalk(tree, range, this.now.transaction, () => this.now.release());
    this.hasWas = this.advance(this.was);
    this.hasIs = this.advance(this.is);
  }

  /** Goes on; true when all is as it was. */
  step(): boolean {
    this.tree.transaction(() => {
      for (let i = 0; i < ROWS_PER_STEP && (this.hasWas || this.hasIs); i++) this.restoreOne();
    });
    if (this.hasWas || this.hasIs) return false;
    this.close();
    return true;
  }

  /** Ends it early; safe to call twice. */
  close(): void {
    this.was.close();
    this.is.close();
  }

  private restoreOne(): void {
    const { was, is } = this;
    const order = !this.hasWas ? 1 : !this.hasIs ? -1 : compareBytes(was.key, 0, was.keyBytes, is.key, 0, is.keyBytes);
    if (order > 0) this.tree.remove(is.key, 0, is.keyBytes);
    else this.tree.put(was.key, 0, was.keyBytes, was.value, was.valueStart, was.valueEnd);
    if (order <= 0) this.hasWas = this.advance(was);
    if (order >= 0) this.hasIs = this.advance(is);
  }

  /** Moves to the next row; false when it is behind the range. */
  private advance(walk: RowWalk): boolean {
    const { last } = this.half;
    if (!walk.next()) return false;
    const size = Math.min(walk.keyBytes, last.length);
    return compareBytes(walk.key, 0, size, last, 0, last.length) <= 0;
  }
}
