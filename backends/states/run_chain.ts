/**
 * Decides what the next snapshot builds on: the runs of the last confirmed checkpoint, or nothing.
 *
 * Called by: the heap's increments; the rows of another owner in front of an embedded store, and in a changelog.
 * Calls: core/snapshot.ts for types.
 *
 * Invariants:
 * - a snapshot builds on the last confirmed checkpoint, and on nothing else.
 *
 * @module
 */
import type { FileRef, RunHandle } from "../../core/snapshot.ts";

/**
 * A chain this long is rebased by a full run: when a hundredth of the keys changes between two checkpoints, one writes
 * 7 % of the full size in the mean, and a restore reads 1.15 times the full size.
 */
const MAX_RUNS = 16;

/** One file of a chain: a run, unless it says otherwise. */
export interface ChainFile {
  readonly file: FileRef;
}

/** A checkpoint that later ones can build on. */
export interface Basis<Mark, Run extends ChainFile = RunHandle> {
  /** Number of its snapshot: later ones have greater ones. */
  readonly order: number;
  /** What its owner remembers of it. */
  readonly mark: Mark;
  readonly runs: readonly Run[];
}

interface Unconfirmed<Mark, Run> {
  readonly order: number;
  readonly mark: Mark;
  /** Undefined until it is written. */
  runs: readonly Run[] | undefined;
}

/** The chain of one backend. */
export class RunChain<Mark, Run extends ChainFile = RunHandle> {
  private basis: Basis<Mark, Run> | undefined;
  private readonly unconfirmed = new Map<number, Unconfirmed<Mark, Run>>();

  /**
   * Starts a snapshot.
   *
   * @param full It must stand alone, and none will build on it.
   * @returns What it builds on; undefined when it must hold everything.
   */
  begin(checkpointId: number, order: number, mark: Mark, full: boolean): Basis<Mark, Run> | undefined {
    const basis = full || this.basis === undefined || isLong(this.basis.runs) ? undefined : this.basis;
    if (!full) this.unconfirmed.set(checkpointId, { order, mark, runs: undefined });
    return basis;
  }

  /** The snapshot was written; `runs` is all that it consists of. */
  written(checkpointId: number, runs: readonly Run[]): void {
    const snapshot = this.unconfirmed.get(checkpointId);
    if (snapshot !== undefined) snapshot.runs = runs;
  }

  /** The checkpoint is durable; true if later snapshots build on it. */
  confirm(checkpointId: number): boolean {
    const snapshot = this.unconfirmed.get(checkpointId);
    if (snapshot === undefined || snapshot.runs === undefined) return false;
    this.basis = { order: snapshot.order, mark: snapshot.mark, runs: snapshot.runs };
    for (const [id, other] of this.unconfirmed) if (other.order <= snapshot.order) this.unconfirmed.delete(id);
    return true;
  }

  /** The checkpoint will never complete. */
  abort(checkpointId: number): void {
    this.unconfirmed.delete(checkpointId);
  }

  /** Makes the next snapshot full; what was taken before is no longer built on. */
  reset(): void {
    this.basis = undefined;
    this.unconfirmed.clear();
  }

  /** Number of the oldest snapshot that later ones build on, or may come to; undefined when there is none. */
  get oldest(): number | undefined {
    let oldest = this.basis?.order;
    if (oldest === undefined) {
      for (const { order } of this.unconfirmed.values()) oldest = Math.min(oldest ?? order, order);
    }
    return oldest;
  }
}

/** Whether a chain is due for a full run: too many runs, or increments that outweigh the run they build on. */
function isLong(runs: readonly ChainFile[]): boolean {
  if (runs.length >= MAX_RUNS) return true;
  let increments = 0;
  for (let i = 1; i < runs.length; i++) increments += runs[i]!.file.sizeBytes;
  return runs.length > 1 && increments > runs[0]!.file.sizeBytes;
}
