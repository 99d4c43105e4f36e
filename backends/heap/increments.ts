/**
 * Decides what the next snapshot builds on, and keeps the changes that it then needs.
 *
 * Called by: heap_backend.ts.
 * Calls: change_list.ts, ledger.ts.
 *
 * Invariants:
 * - an increment builds on the last confirmed checkpoint, and on nothing else;
 * - every list of changes since that checkpoint is kept, whatever became of the checkpoints in between;
 * - with increments off nothing is kept.
 *
 * @module
 */
import type { KeyedStateHandle, RunHandle } from "../../core/snapshot.ts";
import type { ChangeList } from "./change_list.ts";
import type { Ledger } from "./ledger.ts";

/**
 * A chain this long is rebased by a full run: when a hundredth of the keys changes between two checkpoints, one writes
 * 7 % of the full size in the mean, and a restore reads 1.15 times the full size.
 */
const MAX_RUNS = 16;
/** After this many snapshots in a row that nobody confirmed, changes are no longer kept: the next one is full. */
const MAX_UNCONFIRMED = 16;

/** A checkpoint that later ones can build on. */
export interface Basis {
  readonly epoch: number;
  readonly listNumber: number;
  readonly runs: readonly RunHandle[];
}

interface Unconfirmed {
  readonly epoch: number;
  readonly listNumber: number;
  /** Undefined until it is written. */
  runs: readonly RunHandle[] | undefined;
}

/** What a snapshot builds on and which changes it holds. */
export interface IncrementPlan {
  readonly basis: Basis;
  readonly changes: readonly ChangeList[];
}

/** The chain of one backend. */
export class Increments {
  private basis: Basis | undefined;
  private readonly unconfirmed = new Map<number, Unconfirmed>();
  private lists: ChangeList[] = [];

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
    if (this.ledger.tracking) this.lists.push(list);
    if (this.lists.length > MAX_UNCONFIRMED) this.invalidate();
    const basis = full || this.basis === undefined || isLong(this.basis.runs) ? undefined : this.basis;
    const plan = basis === undefined ? null : { basis, changes: this.lists.slice() };
    if (!full) {
      this.unconfirmed.set(checkpointId, {
        epoch: list.epoch,
        listNumber: this.ledger.nextListNumber,
        runs: undefined,
      });
    }
    this.trim();
    return { epoch: list.epoch, plan };
  }

  /** The snapshot was written. */
  written(checkpointId: number, handle: KeyedStateHandle | null): void {
    const snapshot = this.unconfirmed.get(checkpointId);
    if (snapshot !== undefined) snapshot.runs = handle === null ? [] : handle.runs;
  }

  /** The checkpoint is durable; true if later snapshots build on it. */
  confirm(checkpointId: number): boolean {
    if (!this.enabled) return true;
    const snapshot = this.unconfirmed.get(checkpointId);
    if (snapshot === undefined || snapshot.runs === undefined) return false;
    this.basis = { epoch: snapshot.epoch, listNumber: snapshot.listNumber, runs: snapshot.runs };
    for (const [id, other] of this.unconfirmed) if (other.epoch <= snapshot.epoch) this.unconfirmed.delete(id);
    this.trim();
    return true;
  }

  /** The checkpoint will never complete. */
  abort(checkpointId: number): void {
    this.unconfirmed.delete(checkpointId);
    this.trim();
  }

  /** Makes the next snapshot full; what was taken before is no longer built on. */
  invalidate(): void {
    this.basis = undefined;
    this.unconfirmed.clear();
    this.lists = [];
    this.ledger.forgetChanges();
    this.trim();
  }

  /** Drops changes that no snapshot to come can need. */
  private trim(): void {
    let oldest = this.basis?.epoch;
    if (oldest === undefined) {
      for (const { epoch } of this.unconfirmed.values()) oldest = Math.min(oldest ?? epoch, epoch);
    }
    this.ledger.tracking = oldest !== undefined;
    if (oldest === undefined) {
      this.lists = [];
      this.ledger.forgetChanges();
    } else {
      const from = oldest;
      this.lists = this.lists.filter((list) => list.epoch > from);
    }
  }
}

/** Whether a chain is due for a full run: too many runs, or increments that outweigh the run they build on. */
function isLong(runs: readonly RunHandle[]): boolean {
  if (runs.length >= MAX_RUNS) return true;
  let increments = 0;
  for (let i = 1; i < runs.length; i++) increments += runs[i]!.file.sizeBytes;
  return runs.length > 1 && increments > runs[0]!.file.sizeBytes;
}
