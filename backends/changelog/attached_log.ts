/**
 * Rows that live outside of the backend (timers on the heap): a chain of segments beside the log, each with what has
 * changed since the last confirmed checkpoint. The backend below sees them in snapshots that stand alone, and never else.
 *
 * Called by: changelog_backend.ts.
 * Calls: log_buffer.ts, log_uploader.ts, ../states/run_chain.ts, ../states/slices.ts.
 *
 * Invariants:
 * - a segment builds on those of the last confirmed checkpoint, so one of a checkpoint that was aborted is never named
 *   again.
 *
 * @module
 */
import type { StateBackend, StateBackendContext } from "../../core/backend.ts";
import { ByteWriter } from "../../core/bytes.ts";
import type { FileRef, FrozenRows, LogSegment, RowDraft, RowSource } from "../../core/snapshot.ts";
import type { RunState } from "../runs/run_format.ts";
import { RunChain } from "../states/run_chain.ts";
import { Slices } from "../states/slices.ts";
import { LogBuffer } from "./log_buffer.ts";
import type { LogUploader } from "./log_uploader.ts";

/** Rows handled between two looks at the clock. */
const ROWS_PER_LOOK = 64;
/** Of the bytes that may travel within the metadata a segment of rows has at most this part. */
const INLINE_SHARE = 0.25;

interface Attached {
  readonly state: RunState;
  readonly source: RowSource;
}

interface Frozen {
  readonly state: RunState;
  readonly rows: FrozenRows;
}

/** What a chain is written with. */
export interface AttachedLogPlan {
  readonly context: StateBackendContext;
  /** Undefined: segments are kept in memory. */
  readonly uploader: LogUploader | undefined;
  readonly compress: boolean;
  /** See `ChangelogSettings`. */
  readonly inlineBytes: number;
}

/** The sources of one backend. */
export class AttachedLog {
  private readonly attached: Attached[] = [];
  private readonly chain = new RunChain<undefined, LogSegment>();
  /** Whether the backend below takes a snapshot in which it has the rows. */
  private isShown = false;
  private order = 0;

  constructor(private readonly plan: AttachedLogPlan) {}

  /** Adds a source. @param lineOf Makes its line in the state tables of segments; called once the backend below has taken it. */
  attach(source: RowSource, lineOf: () => RunState, inner: StateBackend): void {
    inner.attach(this.shownBelow(source));
    this.attached.push({ state: lineOf(), source });
    this.chain.reset();
  }

  /** Shows the rows to the backend below while it takes a snapshot that stands alone. */
  standalone<T>(take: () => T): T {
    this.isShown = true;
    try {
      return take();
    } finally {
      this.isShown = false;
    }
  }

  private shownBelow(source: RowSource): RowSource {
    const shown = new Set<number>();
    return {
      name: source.name,
      freeze: (id, full) => {
        if (!this.isShown) return NO_ROWS;
        shown.add(id);
        return source.freeze(id, full);
      },
      load: (keyGroup, key, value) => source.load(keyGroup, key, value),
      // Nothing builds on what stands alone.
      confirm: () => {},
      abort: (id) => {
        if (shown.delete(id)) source.abort(id);
      },
    };
  }

  /** O(1) but for the number of sources. */
  freeze(checkpointId: number): FrozenAttachedLog {
    const { incremental } = this.plan.context;
    if (this.attached.length === 0) return new FrozenAttachedLog([], [], this.plan, () => {});
    const basis = this.chain.begin(checkpointId, ++this.order, undefined, !incremental);
    const sources = this.attached.map(({ state, source }) => ({
      state,
      rows: source.freeze(checkpointId, basis === undefined),
    }));
    return new FrozenAttachedLog(
      sources,
      basis?.runs ?? [],
      this.plan,
      (segments) => this.chain.written(checkpointId, segments),
    );
  }

  /** Checkpoint `checkpointId` is durable. */
  confirm(checkpointId: number): void {
    const builtOn = this.chain.confirm(checkpointId) || !this.plan.context.incremental;
    for (const { source } of this.attached) {
      if (builtOn) source.confirm(checkpointId);
      else source.abort(checkpointId);
    }
  }

  /** Checkpoint `checkpointId` will never complete. */
  abort(checkpointId: number): void {
    this.chain.abort(checkpointId);
    for (const { source } of this.attached) source.abort(checkpointId);
  }
}

const NO_ROWS: FrozenRows = { next: () => false, release: () => {} };

/** The rows of all sources as they were at a checkpoint. */
export class FrozenAttachedLog {
  private readonly slices: Slices;
  private released = false;
  /** Once it is written. */
  private file: FileRef | undefined;

  constructor(
    private readonly sources: readonly Frozen[],
    private readonly older: readonly LogSegment[],
    private readonly plan: AttachedLogPlan,
    private readonly onWritten: (segments: readonly LogSegment[]) => void,
  ) {
    this.slices = new Slices(plan.context.clock);
  }

  /** The segments that hold them, and the bytes that were written. @throws What `cancel` was given. */
  async write(): Promise<{ readonly segments: readonly LogSegment[]; readonly incrementBytes: number }> {
    const buffer = new LogBuffer(() => {});
    for (const source of this.sources) await this.gather(source, buffer);
    let segments = this.older;
    let incrementBytes = 0;
    if (buffer.entryCount > 0) {
      const segment = await this.writeSegment(buffer);
      this.slices.check();
      segments = [...segments, segment];
      incrementBytes = segment.file.sizeBytes;
    }
    this.onWritten(segments);
    return { segments, incrementBytes };
  }

  private async gather({ state, rows }: Frozen, buffer: LogBuffer): Promise<void> {
    const draft: RowDraft = { kind: "put", keyGroup: 0, key: new ByteWriter(), value: new ByteWriter() };
    const row = new ByteWriter();
    for (let count = 1;; count++) {
      draft.key.reset();
      draft.value.reset();
      if (!rows.next(draft)) return;
      row.reset();
      row.u16(draft.keyGroup);
      row.u16(state.id);
      row.bytes(draft.key.buffer, 0, draft.key.length);
      if (draft.kind === "put") buffer.put(row.buffer, row.length, draft.value.buffer, 0, draft.value.length);
      else if (draft.kind === "delete") buffer.delete(row.buffer, row.length);
      else buffer.clear(row.buffer, row.length);
      if (count % ROWS_PER_LOOK === 0 && this.slices.isDue()) await this.slices.pause();
    }
  }

  private async writeSegment(buffer: LogBuffer): Promise<LogSegment> {
    const { uploader, compress, inlineBytes, context: { keyGroups } } = this.plan;
    buffer.seal();
    const { out, footerCrc32 } = buffer.finish(this.sources.map(({ state }) => state), compress);
    const file: FileRef = uploader === undefined || out.length <= inlineBytes * INLINE_SHARE
      ? { scope: "inline", bytes: out.copy(), sizeBytes: out.length }
      : await uploader.upload(out.view());
    if (this.slices.isStopped) await uploader?.remove(file);
    else this.file = file;
    return { file, keyGroups, entryCount: buffer.entryCount, footerCrc32 };
  }

  /** Ends a write early. */
  cancel(reason: Error): void {
    this.slices.stop(reason);
  }

  /** Nobody will name what was written, nor what still is. */
  discard(reason: Error): void {
    this.slices.stop(reason);
    if (this.file !== undefined) this.plan.uploader?.remove(this.file);
    this.file = undefined;
  }

  /** Ends the freeze; allowed at any moment. */
  release(): void {
    if (this.released) return;
    this.released = true;
    for (const { rows } of this.sources) rows.release();
  }
}
