/**
 * Rows that live outside of the store (timers on the heap) and travel in the backend's snapshots: a chain of runs of
 * their own, behind those of the store.
 *
 * Called by: embedded_backend.ts, embedded_snapshot.ts.
 * Calls: ../states/run_chain.ts, ../states/run_assembly.ts, state_walk.ts.
 *
 * Invariants:
 * - the store holds no rows of a source that is attached, so its runs and the chain never speak of the same row.
 *
 * @module
 */
import type { SnapshotRequest, StateBackendContext } from "../../core/backend.ts";
import type { RowSource } from "../../core/snapshot.ts";
import type { RunState } from "../runs/run_format.ts";
import { KeyGroupBatches } from "../states/key_group_batches.ts";
import { type FrozenSource, RunAssembly } from "../states/run_assembly.ts";
import { RunChain } from "../states/run_chain.ts";
import type { Rows } from "./rows.ts";
import { ROUTE_BYTES, StateWalk } from "./state_walk.ts";

/** Rows handled between two looks at the clock. */
const ROWS_PER_LOOK = 64;

interface Attached {
  readonly state: RunState;
  readonly source: RowSource;
}

/** The rows of all sources as they were at a snapshot. */
export interface FrozenAttached {
  readonly sources: readonly FrozenSource[];
  /** Makes the run that holds them, behind those that it builds on. */
  readonly assembly: RunAssembly;
}

/** The sources of one backend. */
export class AttachedRows {
  private readonly attached: Attached[] = [];
  private readonly chain = new RunChain<undefined>();
  private order = 0;

  constructor(private readonly context: StateBackendContext) {}

  /** Adds a source. What the store holds of it is loaded, and removed from the store. */
  attach(source: RowSource, state: RunState, rows: Rows): void {
    const walk = new StateWalk(rows, this.context.keyGroups, state);
    try {
      while (walk.next()) {
        const { key, keyBytes, value, valueStart, valueEnd } = walk.row;
        source.load(walk.keyGroup, key.subarray(ROUTE_BYTES, keyBytes), value.subarray(valueStart, valueEnd));
        rows.delete(key, keyBytes, keyBytes);
      }
    } finally {
      walk.close();
    }
    this.attached.push({ state, source });
    // The chain, if there is one, lacks the rows of this source.
    this.chain.reset();
  }

  /** O(1) but for the number of sources; undefined when there are none. */
  freeze(request: SnapshotRequest, nextListNumber: number): FrozenAttached | undefined {
    if (this.attached.length === 0) return undefined;
    const { keyGroups, maxParallelism, clock, incremental } = this.context;
    const { checkpointId } = request;
    const full = request.full || !incremental;
    const basis = this.chain.begin(checkpointId, ++this.order, undefined, full);
    const sources = this.attached.map(({ state, source }) => ({
      state,
      rows: source.freeze(checkpointId, basis === undefined),
    }));
    const assembly = new RunAssembly({
      listNumbers: nextListNumber,
      olderRuns: basis?.runs ?? [],
      fileScope: full ? "exclusive" : "shared",
      keyGroups,
      batches: new KeyGroupBatches(keyGroups, maxParallelism),
      clock,
      rowsPerLook: ROWS_PER_LOOK,
    });
    return { sources, assembly };
  }

  /** All rows, for a snapshot on which none will build; as `freeze`. */
  freezeAll(checkpointId: number): readonly FrozenSource[] {
    return this.attached.map(({ state, source }) => ({ state, rows: source.freeze(checkpointId, true) }));
  }

  /** The chain. */
  get runs(): RunChain<undefined> {
    return this.chain;
  }

  /** None will build on a snapshot, so what was in it must go on to count as changed. */
  forget(checkpointId: number): void {
    for (const { source } of this.attached) source.abort(checkpointId);
  }

  /** Checkpoint `checkpointId` is durable. */
  confirm(checkpointId: number): void {
    const builtOn = this.chain.confirm(checkpointId) || !this.context.incremental;
    for (const { source } of this.attached) {
      if (builtOn) source.confirm(checkpointId);
      else source.abort(checkpointId);
    }
  }

  /** Checkpoint `checkpointId` will never complete. */
  abort(checkpointId: number): void {
    this.chain.abort(checkpointId);
    this.forget(checkpointId);
  }
}
