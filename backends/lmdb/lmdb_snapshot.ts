/**
 * What a store held at a moment, and how it gets into a checkpoint: as the runs of the ingests since the last confirmed
 * one, or as one run of all rows; or row by row.
 *
 * Called by: lmdb_store.ts (makes it).
 * Calls: increment_chain.ts, row_walk.ts, row_upload.ts, rows_of_moment.ts, ../states/file_upload.ts.
 *
 * @module
 */
import { StreamError } from "../../core/errors.ts";
import type { RunHandle, SnapshotStore } from "../../core/snapshot.ts";
import type {
  FrozenStore,
  MomentRows,
  StoreContext,
  StoreSnapshot,
  StoreSnapshotRequest,
} from "../embedded/row_store.ts";
import type { RunState } from "../runs/run_format.ts";
import { FileUpload } from "../states/file_upload.ts";
import type { IncrementChain, IncrementPlan } from "./increment_chain.ts";
import type { Moment } from "./moment.ts";
import type { RowTree } from "./row_tree.ts";
import { uploadRows } from "./row_upload.ts";
import { RowsOfMoment } from "./rows_of_moment.ts";
import { RowWalk } from "./row_walk.ts";

/** What a snapshot needs of its store. */
export interface SnapshotSource {
  readonly context: StoreContext;
  readonly tree: RowTree;
  /** Null when no snapshot builds on another. */
  readonly chain: IncrementChain | null;
}

const NOTHING = new Uint8Array(0);

/** A pinned moment of a store. */
export class LmdbSnapshot implements FrozenStore {
  private readonly states: readonly RunState[];
  private readonly mark: { readonly ingest: number } | undefined;
  private started = false;
  private moment: Moment | null;
  /** What reads its rows. */
  private reading: RowWalk | RowsOfMoment | undefined;

  /**
   * @param moment Its caller's share goes to this object.
   * @param onRelease Called once.
   */
  constructor(
    private readonly source: SnapshotSource,
    moment: Moment,
    private onRelease: ((snapshot: LmdbSnapshot) => void) | undefined,
  ) {
    this.moment = moment;
    this.states = source.context.states();
    this.mark = source.chain?.freeze();
  }

  async write(request: StoreSnapshotRequest, target: SnapshotStore, signal: AbortSignal): Promise<StoreSnapshot> {
    const { fileSystem, clock } = this.source.context;
    this.start();
    const chain = request.full ? null : this.source.chain;
    const upload = new FileUpload({
      store: target,
      scope: chain === null ? "exclusive" : "shared",
      signal,
      fileSystem,
      clock,
    });
    const plan = chain?.plan(this.mark!) ?? null;
    try {
      const older = plan?.basis ?? [];
      const added = plan === null ? await this.all(upload) : await this.since(plan, upload);
      signal.throwIfAborted();
      const all = [...older, ...added];
      const runs = all.map((run, i) => ({ ...run, level: all.length - 1 - i }));
      chain?.written(request.checkpointId, this.mark!, plan, runs);
      return { runs, incrementBytes: upload.sizeBytes };
    } catch (error) {
      await upload.discard(error);
      throw error;
    } finally {
      if (plan !== null) chain!.unpin(plan);
      this.release();
    }
  }

  rows(): MomentRows {
    return this.reading = new RowsOfMoment(this.source.tree, this.start(), () => this.check());
  }

  private start(): Moment {
    const { operatorName } = this.source.context;
    if (this.started) {
      throw new StreamError("invalid", `Cannot write a snapshot of "${operatorName}": it was written already`);
    }
    this.started = true;
    return this.check();
  }

  /** @throws {StreamError} If it was released: a walk ends early then. */
  private check(): Moment {
    if (this.moment === null) throw released(this.source.context.operatorName);
    return this.moment;
  }

  release(): void {
    this.reading?.close();
    this.moment?.release();
    this.moment = null;
    if (this.mark !== undefined) this.source.chain!.released(this.mark);
    const onRelease = this.onRelease;
    this.onRelease = undefined;
    onRelease?.(this);
  }

  private async all(upload: FileUpload): Promise<RunHandle[]> {
    const { tree, context: { keyGroups } } = this.source;
    const walk = new RowWalk(tree, { prefix: NOTHING, prefixBytes: 0 }, this.moment!.transaction);
    this.reading = walk;
    try {
      const run = await uploadRows(walk, this.states, upload);
      this.check();
      return run === null ? [] : [{ ...run, level: 0, keyGroups }];
    } finally {
      walk.close();
    }
  }

  private async since(plan: IncrementPlan, upload: FileUpload): Promise<RunHandle[]> {
    // Its pages may be used again: the runs say all.
    this.moment?.release();
    this.moment = null;
    const runs: RunHandle[] = [];
    for (const { path, sizeBytes, rowCount, footerCrc32 } of plan.added) {
      const file = await upload.file(path, sizeBytes);
      runs.push({ file, level: 0, keyGroups: this.source.context.keyGroups, rowCount, footerCrc32 });
    }
    return runs;
  }
}

function released(operatorName: string): StreamError {
  return new StreamError("invalid", `Cannot write a snapshot of "${operatorName}": it was released`);
}
