/**
 * Decides what the next snapshot builds on, and keeps the runs that it then needs: each ingest is also written as a
 * sorted run into the working directory.
 *
 * Called by: lmdb_store.ts, lmdb_ingest.ts, lmdb_snapshot.ts.
 * Calls: ../runs/local_run_writer.ts, the FileSystem port.
 *
 * Source: Flink's incremental snapshots of RocksDB: an increment builds on the last confirmed checkpoint alone.
 *
 * Invariants:
 * - of every ingest since the last confirmed checkpoint, since those not confirmed yet and since freezes that may still be
 *   written, the run is kept, until all that would be more than a full snapshot;
 * - a run that an upload reads is not removed;
 * - nothing is ever built on full snapshots, nor on what was restored.
 *
 * @module
 */
import type { Random } from "../../core/clock.ts";
import type { FileSystem } from "../../core/file_system.ts";
import type { RunHandle } from "../../core/snapshot.ts";
import { writeFailure } from "../runs/file_failure.ts";
import { LocalRunWriter } from "../runs/local_run_writer.ts";
import type { RunState } from "../runs/run_format.ts";

/** A chain of this many checkpoints is rebased by a full run. */
const MAX_CHECKPOINTS = 16;
/** And so is one of this many runs: there may be several ingests between two checkpoints. */
const MAX_RUNS = 256;
/** Runs that no checkpoint has may have this size whatever the size of the state. */
const SMALL_BYTES = 64 * 1024 * 1024;
/** After this many snapshots that nobody confirmed or aborted, the next one is full. */
const MAX_UNCONFIRMED = 16;

/** A run in the working directory: the rows of one ingest. */
export interface KeptRun {
  /** Number of the ingest. */
  readonly ingest: number;
  readonly path: string;
  readonly sizeBytes: number;
  readonly rowCount: number;
  readonly footerCrc32: number;
}

/** A run that is being written beside an ingest. */
export interface OpenRun {
  readonly path: string;
  readonly writer: LocalRunWriter;
}

/** What a snapshot builds on, and the runs that it adds, oldest first. */
export interface IncrementPlan {
  readonly basis: readonly RunHandle[];
  readonly added: readonly KeptRun[];
  /** Checkpoints in the chain, this one included. */
  readonly length: number;
}

/** A snapshot that is or may become what others build on. */
interface Checkpoint {
  /** Number of the last ingest that it holds. */
  readonly ingest: number;
  readonly runs: readonly RunHandle[];
  /** Checkpoints in its chain, itself included. */
  readonly length: number;
}

/** The chain of one store. */
export class IncrementChain {
  private ingest = 0;
  private basis: Checkpoint | undefined;
  private confirmedId = Number.NEGATIVE_INFINITY;
  private readonly unconfirmed = new Map<number, Checkpoint>();
  /** Last ingest of each freeze that may still be written. */
  private readonly frozen = new Set<{ readonly ingest: number }>();
  private kept: KeptRun[] = [];
  private readonly pins = new Map<string, number>();
  private readonly doomed = new Set<string>();

  constructor(
    private readonly fileSystem: FileSystem,
    private readonly directory: string,
    private readonly random: Random,
  ) {}

  /** Runs in the working directory that a snapshot may need. */
  get runCount(): number {
    return this.kept.length;
  }

  /** Starts the run of an ingest; null when no snapshot to come will ask for it. @throws {StreamError} If it cannot be created. */
  begin(states: readonly RunState[]): OpenRun | null {
    if (this.oldestNeeded() === undefined) return null;
    const path = `${this.directory}/${this.random.id()}.run`;
    try {
      return { path, writer: new LocalRunWriter(this.fileSystem.createSync(path, "exclusive"), { states }) };
    } catch (error) {
      throw writeFailure(path, error);
    }
  }

  /** Ends an ingest, with its run. @throws {StreamError} If the run cannot be written. */
  end(run: OpenRun | null): void {
    const ingest = this.ingest + 1;
    if (run !== null) this.kept.push({ ingest, path: run.path, ...run.writer.finish() });
    this.ingest = ingest;
    if (this.keptBytes() > Math.max(SMALL_BYTES, this.fullBytes())) this.forget();
    this.trim();
  }

  /** Removes the run of an ingest that is given up. */
  abandon(run: OpenRun): void {
    run.writer.abandon();
    this.remove(run.path);
  }

  /** Notes a freeze; what it returns goes to `plan` and, in any case, to `released`. */
  freeze(): { readonly ingest: number } {
    const mark = { ingest: this.ingest };
    this.frozen.add(mark);
    return mark;
  }

  /** What a snapshot of that freeze builds on; null: it must be full. Its runs are kept until `unpin`. */
  plan(mark: { readonly ingest: number }): IncrementPlan | null {
    const basis = this.basis;
    if (basis === undefined || basis.ingest > mark.ingest || this.unconfirmed.size >= MAX_UNCONFIRMED) return null;
    const added = this.kept.filter(({ ingest }) => ingest > basis.ingest && ingest <= mark.ingest);
    // What adds nothing makes no chain longer.
    const length = added.length === 0 ? basis.length : basis.length + 1;
    if (length > MAX_CHECKPOINTS || isLong(basis.runs, added)) return null;
    for (const { path } of added) this.pins.set(path, (this.pins.get(path) ?? 0) + 1);
    return { basis: basis.runs, added, length };
  }

  /** An upload needs its runs no more. */
  unpin(plan: IncrementPlan): void {
    for (const { path } of plan.added) {
      const pins = this.pins.get(path)! - 1;
      if (pins > 0) this.pins.set(path, pins);
      else this.pins.delete(path);
      if (pins === 0 && this.doomed.delete(path)) this.fileSystem.removeSync(path);
    }
  }

  /** A freeze will not be written any more. */
  released(mark: { readonly ingest: number }): void {
    if (this.frozen.delete(mark)) this.trim();
  }

  /** A snapshot on which later ones may build was written; `plan` as `plan` gave it. */
  written(
    checkpointId: number,
    mark: { readonly ingest: number },
    plan: IncrementPlan | null,
    runs: readonly RunHandle[],
  ): void {
    // A freeze that was forgotten meanwhile has lost the runs after it.
    if (checkpointId <= this.confirmedId || !this.frozen.has(mark)) return;
    this.unconfirmed.set(checkpointId, { ingest: mark.ingest, runs, length: plan?.length ?? 1 });
  }

  /** The checkpoint is durable: later snapshots build on it. */
  confirm(checkpointId: number): void {
    const checkpoint = this.unconfirmed.get(checkpointId);
    if (checkpoint === undefined) return;
    this.basis = checkpoint;
    this.confirmedId = checkpointId;
    for (const id of this.unconfirmed.keys()) if (id <= checkpointId) this.unconfirmed.delete(id);
    this.trim();
  }

  /** The checkpoint will never complete. */
  abort(checkpointId: number): void {
    if (this.unconfirmed.delete(checkpointId)) this.trim();
  }

  /** Makes the next snapshot full: the runs since the last one have become more than that. */
  private forget(): void {
    this.basis = undefined;
    this.unconfirmed.clear();
    this.frozen.clear();
  }

  /** The ingest after which every run is needed; undefined when none is. */
  private oldestNeeded(): number | undefined {
    let oldest = this.basis?.ingest;
    for (const { ingest } of this.unconfirmed.values()) oldest = Math.min(oldest ?? ingest, ingest);
    for (const { ingest } of this.frozen) oldest = Math.min(oldest ?? ingest, ingest);
    return oldest;
  }

  private trim(): void {
    const oldest = this.oldestNeeded() ?? this.ingest;
    const passed = this.kept.filter(({ ingest }) => ingest <= oldest);
    if (passed.length === 0) return;
    this.kept = this.kept.filter(({ ingest }) => ingest > oldest);
    for (const { path } of passed) this.remove(path);
  }

  private remove(path: string): void {
    if (this.pins.has(path)) this.doomed.add(path);
    else this.fileSystem.removeSync(path);
  }

  private keptBytes(): number {
    return this.kept.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  }

  /** About the size of a full snapshot. */
  private fullBytes(): number {
    let largest = this.basis === undefined ? 0 : bytesOf(this.basis.runs);
    for (const { runs } of this.unconfirmed.values()) largest = Math.max(largest, bytesOf(runs));
    return largest;
  }
}

function bytesOf(runs: readonly RunHandle[]): number {
  return runs.reduce((sum, { file }) => sum + file.sizeBytes, 0);
}

/** Whether a full run is due: too many runs, or increments that outweigh the run that they build on. */
function isLong(basis: readonly RunHandle[], added: readonly KeptRun[]): boolean {
  if (added.length > 0 && basis.length + added.length > MAX_RUNS) return true;
  const firstBytes = basis[0]?.file.sizeBytes ?? 0;
  if (basis.length > 1 && added.length > 0 && bytesOf(basis) > 2 * firstBytes) return true;
  return added.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) > Math.max(firstBytes, SMALL_BYTES / 16);
}
