/**
 * A moment of a database that several readers may look at; as long as one does, its pages are not used again.
 *
 * Called by: the store, its ingests and snapshots.
 * Calls: the read transaction that it was given.
 *
 * @module
 */
import type { ReadTransaction } from "./lmdb_module.ts";

/** A read transaction with a count of its users. */
export class Moment {
  private users = 1;

  /** The caller is its first user. */
  constructor(readonly transaction: ReadTransaction) {}

  /** One more user. */
  retain(): this {
    this.users++;
    return this;
  }

  /** One user less; the last one ends it. */
  release(): void {
    if (--this.users === 0) this.transaction.done();
  }
}
