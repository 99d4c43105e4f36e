/**
 * All rows of a moment, for one who reads them once.
 *
 * Called by: lmdb_snapshot.ts (makes it).
 * Calls: row_walk.ts.
 *
 * Invariants:
 * - it never ends early: when the moment was released, it throws.
 *
 * @module
 */
import type { MomentRows } from "../embedded/row_store.ts";
import type { Moment } from "./moment.ts";
import type { RowTree } from "./row_tree.ts";
import { RowWalk, type WalkRange } from "./row_walk.ts";

const NOTHING = new Uint8Array(0);

/** The rows in the order of their keys. */
export class RowsOfMoment implements MomentRows {
  key: Uint8Array = NOTHING;
  keyBytes = 0;
  valueStart = 0;
  valueEnd = 0;
  private walk: RowWalk | undefined;

  /** @param check Throws when the moment was released. */
  constructor(private readonly tree: RowTree, private readonly moment: Moment, private readonly check: () => void) {
    this.start({ prefix: NOTHING, prefixBytes: 0 });
  }

  get value(): Uint8Array {
    return this.key;
  }

  seek(target: Uint8Array, boundBytes: number): void {
    const from = boundBytes < target.length ? target : undefined;
    this.start({ prefix: target, prefixBytes: boundBytes, from });
  }

  private start(range: WalkRange): void {
    this.check();
    this.walk?.close();
    this.walk = new RowWalk(this.tree, range, this.moment.transaction);
  }

  next(): boolean {
    this.check();
    const walk = this.walk;
    if (walk === undefined || !walk.next()) return false;
    this.key = walk.key;
    this.keyBytes = walk.keyBytes;
    this.valueStart = walk.valueStart;
    this.valueEnd = walk.valueEnd;
    return true;
  }

  close(): void {
    this.walk?.close();
    this.walk = undefined;
  }
}
