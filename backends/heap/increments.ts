/**
 * Decides what the next snapshot builds on, and keeps the changes that it then needs.
 *
 * Called by: heap_backend.ts.
 * Calls: change_list.ts, ledger.ts, ../states/run_chain.ts.
 *
 * Invariants:
 * - an increment builds on the last confirmed checkpoint, and on nothing else;
 * - every list of changes since that checkpoint is kept, whatever became of the checkpoints in between;
 * - with increments off nothing is kept.
 *
 * @module
 */
import type { KeyedStateHandle } from "../../core/snapshot.ts";
import { type Basis, RunChain } from "../states/run_chain.ts";
import type { ChangeList } from "./change_list.ts";
import type { Ledger } from "./ledger.ts";

/** After this many checkpoints in a row that nobody confirmed, changes are no longer kept: the next one is full. */
const MAX_UNCONFIRMED = 16;
/** Nor are they when they are this many, and more than twice as many as there are rows: what changed again after a savepoint counts twice. */
const MANY_CHANGES = 65_536;

/** What the heap remembers of a checkpoint; its order is the epoch. */
interface HeapMark {
  readonly listNumber: number;
}

/** What a snapshot builds on and which changes it holds. */
export interface IncrementPlan {
  readonly basis: Basis<HeapMark>;
  readonly changes: readonly ChangeList[];
}

/** The chain of one backend. */
export class Increments {
  private readonly chain = new RunChain<HeapMark>();
  private lists: ChangeList[] = [];
  /** In `lists`; those of the current epoch are not counted. */
  private changeCount = 0;
  private sinceConfirmed = 0;

  constructor(private readonly ledger: Ledger, private readonly enabled: boolean) {}

  /**
   * Ends the epoch.
   *
   * @param full The snapshot must stand alone, and none will build on it.
   * @returns What it builds on; null when it must be full.
   */
  begin(checkpointId: number, full: boolean): { readonly epoch: number; readonly plan: IncrementPlan | null } {
    const list = this.ledger.nextEpoch();
    if (!this.enabled) return { epoch: list.epoch, plan: null };
    if (this.ledger.tracking) {
      this.lists.push(list);
      this.changeCount += list.size;
    }
    if (!full) this.sinceConfirmed++;
    if (this.sinceConfirmed > MAX_UNCONFIRMED || this.hasTooMany()) this.invalidate();
    const mark = { listNumber: this.ledger.nextListNumber };
    const basis = this.chain.begin(checkpointId, list.epoch, mark, full);
    const plan = basis === undefined ? null : { basis, changes: this.lists.slice() };
    this.trim();
    return { epoch: list.epoch, plan };
  }

  /** The snapshot was written. */
  written(checkpointId: number, handle: KeyedStateHandle | null): void {
    this.chain.written(checkpointId, handle === null ? [] : handle.runs);
  }

  /** The checkpoint is durable; true if later snapshots build on it. */
  confirm(checkpointId: number): boolean {
    if (!this.enabled) return true;
    if (!this.chain.confirm(checkpointId)) return false;
    this.sinceConfirmed = 0;
    this.trim();
    return true;
  }

  /** The checkpoint will never complete. */
  abort(checkpointId: number): void {
    this.chain.abort(checkpointId);
    this.trim();
  }

  /** Makes the next snapshot full; what was taken before is no longer built on. */
  invalidate(): void {
    this.chain.reset();
    this.sinceConfirmed = 0;
    this.ledger.forgetChanges();
    this.trim();
  }

  private hasTooMany(): boolean {
    return this.changeCount > MANY_CHANGES && this.changeCount > 2 * this.ledger.entryCount;
  }

  /** Drops changes that no snapshot to come can need. */
  private trim(): void {
    const oldest = this.chain.oldest;
    this.ledger.tracking = oldest !== undefined;
    if (oldest === undefined) {
      this.lists = [];
      this.ledger.forgetChanges();
    } else {
      this.lists = this.lists.filter((list) => list.epoch > oldest);
    }
    this.changeCount = this.lists.reduce((sum, list) => sum + list.size, 0);
  }
}
