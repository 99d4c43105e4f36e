/**
 * Knows what checkpoints build on: nothing at all, a materialization, or that the next one has to be one itself.
 *
 * Called by: changelog_backend.ts, changelog_snapshot.ts, materializer.ts.
 * Calls: core/snapshot.ts for types.
 *
 * Invariants:
 * - the backend below hears of a materialization when the first checkpoint that names it is durable, and takes no other
 *   before that.
 *
 * @module
 */
import type { FileRef, KeyedStateHandle, RunHandle } from "../../core/snapshot.ts";
import type { SealedSegment } from "./change_log.ts";

/** What a log goes on from. */
export interface Materialized {
  /** Null: there was no state. */
  readonly handle: KeyedStateHandle | null;
  /** Its id below; null for the beginning of a job without state. */
  readonly id: number | null;
  /** Changes up to here are in it. */
  readonly border: number;
}

/** What a checkpoint was taken as. */
export type Taken =
  /** It stands alone. */
  | { readonly kind: "standalone" }
  /** It is a materialization; `basis` once it is written. */
  | { readonly kind: "materialization"; readonly id: number; basis: Materialized | undefined }
  /** The changes since a materialization. */
  | { readonly kind: "changes"; readonly basis: Materialized; readonly segments: readonly SealedSegment[] };

/** The runs of a materialization. */
export function runsOf({ handle }: Materialized): readonly RunHandle[] {
  return handle?.runs ?? [];
}

function nameOf(file: FileRef): string {
  return file.scope === "inline" ? "" : file.name;
}

/** What the next checkpoint builds on. */
export class LogBasis {
  private basis: Materialized | undefined;
  private confirmedId: number | null = null;
  private reported: Materialized | undefined;
  /** What `basis` has taken the place of. */
  private former: Materialized | undefined;
  private readonly taken = new Map<number, Taken>();

  /** @param isFresh Whether there is no state at the beginning. */
  constructor(isFresh: boolean) {
    if (isFresh) this.basis = { handle: null, id: null, border: 0 };
  }

  /** Undefined: the next checkpoint must be a materialization. */
  get current(): Materialized | undefined {
    return this.basis;
  }

  /** Whether a materialization of its own may begin: the last one is known to be durable. */
  get isSettled(): boolean {
    return this.basis !== undefined && this.basis.id === this.confirmedId && !this.isAwaited;
  }

  /** Whether changes are of use: there is a materialization, or a checkpoint under way that is one. */
  get needsLog(): boolean {
    return this.basis !== undefined || this.isAwaited;
  }

  private get isAwaited(): boolean {
    return [...this.taken.values()].some(({ kind }) => kind === "materialization");
  }

  /** Notes what a checkpoint was taken as. */
  note(checkpointId: number, taken: Taken): void {
    this.taken.set(checkpointId, taken);
  }

  /** State that was restored is written anew: what there is does not hold it as it is now. */
  invalidate(): void {
    this.basis = undefined;
    for (const [id, { kind }] of this.taken) if (kind !== "standalone") this.taken.delete(id);
  }

  /** A materialization beside checkpoints is written. */
  goOnFrom(basis: Materialized): void {
    this.former = this.basis;
    this.basis = basis;
  }

  /** Files of a materialization that no checkpoint has named. */
  unnamedFiles(): FileRef[] {
    const { basis, former } = this;
    if (basis === undefined || basis === this.reported) return [];
    const known = new Set(former === undefined ? [] : runsOf(former).map(({ file }) => nameOf(file)));
    return runsOf(basis).map(({ file }) => file).filter((file) => !known.has(nameOf(file)));
  }

  /** Bytes of a materialization that no checkpoint has counted yet; from now on this one has. */
  countIncrement(basis: Materialized): number {
    if (this.reported === basis) return 0;
    this.reported = basis;
    return basis.handle?.incrementBytes ?? 0;
  }

  /** A checkpoint is durable. Says what the backend below is told, and where the log is cut off, if it is. */
  confirm(checkpointId: number): Confirmed {
    const taken = this.taken.get(checkpointId);
    this.taken.delete(checkpointId);
    if (taken === undefined) return NOTHING;
    if (taken.kind === "standalone") return { below: checkpointId, cutAt: null };
    // Older ones that have not completed never will.
    for (const [id, { kind }] of this.taken) if (id < checkpointId && kind !== "standalone") this.taken.delete(id);
    if (taken.kind === "changes") { for (const segment of taken.segments) segment.isConfirmed = true; }
    const { basis } = taken;
    if (basis === undefined || basis.id === null) return NOTHING;
    // It is known already, or a newer one is.
    if (this.confirmedId !== null && basis.id <= this.confirmedId) return NOTHING;
    this.confirmedId = basis.id;
    if (taken.kind === "changes") return { below: basis.id, cutAt: null };
    this.basis = this.reported = basis;
    return { below: basis.id, cutAt: basis.border };
  }

  /** A checkpoint will never complete. @returns The id that the backend below is told; null: none. */
  abort(checkpointId: number): number | null {
    const taken = this.taken.get(checkpointId);
    this.taken.delete(checkpointId);
    if (taken === undefined || taken.kind === "changes") return null;
    return taken.kind === "standalone" ? checkpointId : taken.id;
  }
}

/** What follows from a durable checkpoint. */
export interface Confirmed {
  /** The id that the backend below is told; null: none. */
  readonly below: number | null;
  /** Changes up to here are covered by a materialization; null: no more than before. */
  readonly cutAt: number | null;
}

const NOTHING: Confirmed = { below: null, cutAt: null };
