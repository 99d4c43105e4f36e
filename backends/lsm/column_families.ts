/**
 * A store whose states have trees of files of their own where their options differ, or where figures are wanted for
 * each: RocksDB's column families. The trees share directory, block cache, flushes and snapshots.
 *
 * A state's tree follows from its name alone, so that it is the same for a state that is restored and not declared yet.
 *
 * Called by: the embedded backend, through ../embedded/row_store.ts; lsm_store.ts makes it when one tree is not enough.
 * Calls: lsm_store.ts, for each tree; family_flush.ts, restore.ts, frozen_version.ts.
 *
 * Invariants:
 * - all rows of a state are in one tree, and in no other;
 * - the rows of a flush are seen in all trees at once, and a snapshot is one moment of all.
 *
 * @module
 */
import { StreamError } from "../../core/errors.ts";
import type { SnapshotReader } from "../../core/snapshot.ts";
import type {
  FoundValue,
  FrozenStore,
  RestorableHandle,
  RowCursor,
  RowStore,
  SortedRows,
  Steps,
  StoreContext,
} from "../embedded/row_store.ts";
import { columnKey, type ColumnOptions } from "./column_options.ts";
import { FamilyFlush } from "./family_flush.ts";
import { freezeTrees } from "./frozen_version.ts";
import type { LsmStore } from "./lsm_store.ts";
import type { NativeMetrics } from "./native_metrics.ts";
import { Restore } from "./restore.ts";
import type { RunFile } from "./run_file.ts";
import { UploadedRuns } from "./uploaded_runs.ts";

/** Makes a tree. @param uploaded What the trees of the store know of uploaded files. */
export type MakeTree = (
  context: StoreContext,
  column: ColumnOptions,
  uploaded: UploadedRuns<RunFile> | null,
) => LsmStore;

/** How states are dealt to trees. */
export interface FamilyOptions {
  /** Options of states that have none of their own. */
  readonly shared: ColumnOptions;
  /** Options of a state, by its name; absent: all have the shared ones. */
  readonly column: ((stateName: string) => ColumnOptions) | undefined;
  /** Whether each state has a tree of its own, though others have the same options. */
  readonly isTreeForEachState: boolean;
  readonly native: NativeMetrics;
}

/** The store of one operator subtask. */
export class ColumnFamilies implements RowStore {
  /** There is one from the start: that of rows whose state nobody knows. */
  private readonly trees: LsmStore[] = [];
  private readonly treesByKey = new Map<string, LsmStore>();
  private readonly treesByName = new Map<string, LsmStore>();
  private readonly treesByState: (LsmStore | undefined)[] = [];
  private readonly uploaded: UploadedRuns<RunFile> | null;
  private flush: FamilyFlush | undefined;
  /** The tree that is asked for work first. */
  private turn = 0;
  private closed = false;

  /** @param context Its directory exists, and is empty. */
  constructor(
    private readonly context: StoreContext,
    private readonly options: FamilyOptions,
    private readonly makeTree: MakeTree,
  ) {
    this.uploaded = context.incremental ? new UploadedRuns() : null;
    this.treeWith("", options.shared);
    options.native.reportStore(() => this.trees);
  }

  /** How many trees there are. */
  get treeCount(): number {
    return this.trees.length;
  }

  indexBytes(): number {
    return this.trees.reduce((bytes, tree) => bytes + tree.indexBytes(), 0);
  }

  /** The tree of a state, by its id. */
  private treeOf(stateId: number): LsmStore {
    return this.treesByState[stateId] ?? this.findTree(stateId);
  }

  private findTree(stateId: number): LsmStore {
    const state = this.context.states().find(({ id }) => id === stateId);
    const tree = state === undefined ? this.trees[0]! : this.treeOfName(state.name);
    return this.treesByState[stateId] = tree;
  }

  private treeOfName(name: string): LsmStore {
    const known = this.treesByName.get(name);
    if (known !== undefined) return known;
    const { column, shared, isTreeForEachState } = this.options;
    const tree = this.treeWith(isTreeForEachState ? name : "", column === undefined ? shared : column(name));
    this.treesByName.set(name, tree);
    return tree;
  }

  private treeWith(name: string, column: ColumnOptions): LsmStore {
    const key = `${columnKey(column)} ${name}`;
    const known = this.treesByKey.get(key);
    if (known !== undefined) return known;
    const { context } = this;
    const made: LsmStore = this.makeTree(
      {
        ...context,
        // Those of this tree alone: so a later restore sees at once whose rows a file has.
        states: () => context.states().filter(({ id }) => this.treeOf(id) === made),
        restoredStateId: (state, path) => context.restoredStateId(state, path),
      },
      column,
      this.uploaded,
    );
    this.treesByKey.set(key, made);
    this.trees.push(made);
    return made;
  }

  reportState(name: string): void {
    this.options.native.reportState(name, this.treeOfName(name));
  }

  async restore(handles: readonly RestorableHandle[], reader: SnapshotReader): Promise<void> {
    this.requireOpen("restore");
    const families = { first: this.trees[0]!.ports, of: (stateId: number) => this.treeOf(stateId).ports };
    const restored = await new Restore(this.context, families, reader).run(handles);
    for (const tree of this.trees) {
      const levels = restored.get(tree.ports);
      if (levels !== undefined) tree.publishLevels(levels);
    }
  }

  get(row: Uint8Array, rowBytes: number, prefixBytes: number, prefixHash: number, found: FoundValue): boolean {
    const stateId = (row[2]! << 8) | row[3]!;
    const tree = this.treesByState[stateId] ?? this.findTree(stateId);
    return tree.get(row, rowBytes, prefixBytes, prefixHash, found);
  }

  scan(prefix: Uint8Array, prefixBytes: number, prefixHash: number | null, from?: Uint8Array): RowCursor {
    return this.treeOf((prefix[2]! << 8) | prefix[3]!).scan(prefix, prefixBytes, prefixHash, from);
  }

  ingest(rows: SortedRows): Steps {
    this.requireOpen("flush into");
    if (this.flush !== undefined) this.refuse("flush into", "another flush is under way");
    this.flush = new FamilyFlush(rows, (stateId) => this.treeOf(stateId), () => this.flush = undefined);
    return this.flush;
  }

  nextWork(): Steps | null {
    this.requireOpen("compact");
    const { trees } = this;
    // That one refuses more.
    const busy = trees.find(({ statistics }) => statistics.runningCompactions > 0);
    const urgent = busy ?? trees.find((tree) => tree.isBehind);
    const first = urgent?.nextWork();
    if (first != null) return first;
    for (let i = 0; i < trees.length; i++) {
      const at = (this.turn + i) % trees.length;
      const steps = trees[at]!.nextWork();
      if (steps === null) continue;
      this.turn = at + 1;
      return steps;
    }
    return null;
  }

  get isBehind(): boolean {
    for (const tree of this.trees) if (tree.isBehind) return true;
    return false;
  }

  freeze(): FrozenStore {
    this.requireOpen("freeze");
    if (this.flush !== undefined) this.refuse("freeze", "a flush is under way");
    return freezeTrees([...this.trees], this.context, this.uploaded);
  }

  confirm(checkpointId: number): void {
    this.uploaded?.confirm(checkpointId);
  }

  abort(checkpointId: number): void {
    this.uploaded?.abort(checkpointId);
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    this.flush?.cancel();
    await Promise.all(this.trees.map((tree) => tree.closeFiles()));
    await this.context.fileSystem.removeDirectory(this.context.directory);
  }

  private requireOpen(verb: string): void {
    if (this.closed) this.refuse(verb, "it is closed");
  }

  private refuse(verb: string, why: string): never {
    throw new StreamError("invalid", `Cannot ${verb} the state of operator "${this.context.operatorName}": ${why}`);
  }
}
