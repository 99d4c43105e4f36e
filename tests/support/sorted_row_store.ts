/**
 * A store of rows in memory, in the plainest way: each ingest is a layer, a sorted array; reads merge them newest first.
 *
 * Snapshots are real runs, one for each layer, so that increments, aborts and restores can be tested.
 *
 * Called by: tests of what stands on a store.
 * Calls: backends/runs/.
 */
import type {
  FoundValue,
  FrozenStore,
  MomentRows,
  RestorableHandle,
  RowCursor,
  RowStore,
  RowStoreFactory,
  SortedRows,
  Steps,
  StoreContext,
  StoreSnapshot,
  StoreSnapshotRequest,
} from "../../backends/embedded/row_store.ts";
import { MergeCursor } from "../../backends/runs/merge_cursor.ts";
import { DELETE_PREFIX, PUT } from "../../backends/runs/run_format.ts";
import { OpenRun } from "../../backends/runs/open_run.ts";
import { RunWriter } from "../../backends/runs/run_writer.ts";
import { StreamError } from "../../core/errors.ts";
import { compareBytes } from "../../core/bytes.ts";
import { pause } from "../../core/clock.ts";
import { intersect } from "../../core/key_groups.ts";
import type { FileScope, RunHandle, SnapshotReader, SnapshotStore } from "../../core/snapshot.ts";
import { applyRows, bytesOf, type RowModel, type SampleRow, textOf } from "./sample_rows.ts";

/** Layers above which `nextWork` has something to do. */
const MANY_LAYERS = 4;
/** Rows of an ingest or a merge per step. */
const STEP_ROWS = 16;

/** Rows of one ingest, ascending. Never changes. */
interface Layer {
  readonly rows: readonly SampleRow[];
}

/** Settings of {@link SortedRowStores}. */
export interface SortedRowStoresOptions {
  /** Layers from which on the store says that it is behind. */
  readonly behindLayers?: number;
}

/** Makes stores and remembers them. */
export class SortedRowStores implements RowStoreFactory {
  readonly name = "sorted";
  /** All that were made. */
  readonly stores: SortedRowStore[] = [];

  constructor(private readonly options: SortedRowStoresOptions = {}) {}

  open(context: StoreContext): Promise<SortedRowStore> {
    const store = new SortedRowStore(context, this.options);
    this.stores.push(store);
    return Promise.resolve(store);
  }
}

/** The store. */
export class SortedRowStore implements RowStore {
  /** Thrown by the next step of an ingest or of work, and by those after it. */
  fault: Error | undefined;
  /** Ingests that were finished. */
  ingestCount = 0;
  /** Freezes that are not released. */
  frozenCount = 0;
  /** Ingests and work that are under way. */
  stepsCount = 0;
  /** Cursors that are not closed. */
  cursorCount = 0;
  isClosed = false;
  private layers: readonly Layer[] = [];
  /** Uploaded layers of the last confirmed checkpoint. */
  private confirmed: ReadonlyMap<Layer, RunHandle> = new Map();
  private readonly uploaded = new Map<number, ReadonlyMap<Layer, RunHandle>>();
  /** What `layers` read as. */
  private merged: { readonly layers: readonly Layer[]; readonly rows: readonly SampleRow[] } | undefined;
  private ingesting = false;
  private working = false;

  constructor(private readonly context: StoreContext, private readonly options: SortedRowStoresOptions = {}) {}

  async restore(handles: readonly RestorableHandle[], reader: SnapshotReader): Promise<void> {
    const layers: Layer[] = [];
    for (const { handle, keyGroups } of handles) {
      const runs: OpenRun[] = [];
      try {
        for (const run of handle.runs) {
          if (intersect(run.keyGroups, keyGroups) !== undefined) runs.push(await OpenRun.openSnapshot(run, reader));
        }
        layers.push({ rows: this.restoredRows(runs, keyGroups) });
      } finally {
        for (const run of runs) run.close();
      }
    }
    this.layers = layers.filter(({ rows }) => rows.length > 0);
  }

  private restoredRows(runs: readonly OpenRun[], range: RestorableHandle["keyGroups"]): SampleRow[] {
    const ids = runs.map((run) =>
      new Map(run.states.map((state) => [state.id, this.context.restoredStateId(state, run.path)]))
    );
    const merged = new MergeCursor(runs.map((run) => run.rows(range)));
    const rows: SampleRow[] = [];
    while (merged.next()) {
      const { key, keyBytes, value, valueStart, valueEnd } = merged;
      const own = key.slice(0, keyBytes);
      const id = ids[merged.runIndex]!.get((own[2]! << 8) | own[3]!);
      if (id === undefined) throw new StreamError("corrupt", "Cannot restore a row: its state is not in the run");
      own[2] = id >> 8;
      own[3] = id;
      rows.push({ code: PUT, key: own, value: value.slice(valueStart, valueEnd) });
    }
    return sorted(rows);
  }

  get(row: Uint8Array, rowBytes: number, _prefixBytes: number, _prefixHash: number, found: FoundValue): boolean {
    this.requireOpen();
    const name = row.subarray(0, rowBytes);
    for (let i = this.layers.length - 1; i >= 0; i--) {
      const { rows } = this.layers[i]!;
      const at = lowerBound(rows, name);
      const hit = rows[at];
      if (hit !== undefined && same(hit.key, name) && hit.code !== DELETE_PREFIX) {
        found.bytes = hit.value;
        found.start = 0;
        found.end = hit.value.length;
        return hit.code === PUT;
      }
      for (let size = 4; size <= rowBytes; size++) {
        const prefix = name.subarray(0, size);
        const above = rows[lowerBound(rows, prefix)];
        if (above?.code === DELETE_PREFIX && same(above.key, prefix)) return false;
      }
    }
    return false;
  }

  scan(prefix: Uint8Array, prefixBytes: number, _prefixHash: number | null, from?: Uint8Array): RowCursor {
    this.requireOpen();
    this.cursorCount++;
    const start = prefix.subarray(0, prefixBytes);
    const alive = this.alive(this.layers);
    let end = lowerBound(
      alive,
      from === undefined || compareBytes(from, 0, from.length, start, 0, prefixBytes) < 0 ? start : from,
    );
    const first = end;
    while (end < alive.length && compareBytes(alive[end]!.key, 0, prefixBytes, start, 0, prefixBytes) === 0) end++;
    return new ArrayCursor(alive.slice(first, end), this);
  }

  /** The rows that no newer one hides, ascending. */
  private alive(layers: readonly Layer[]): readonly SampleRow[] {
    if (this.merged?.layers !== layers) {
      const model: RowModel = new Map();
      for (const { rows } of layers) applyRows(model, rows);
      const rows = [...model].map(([key, value]) => ({ code: PUT, key: bytesOf(key), value: bytesOf(value) } as const));
      this.merged = { layers, rows: sorted(rows) };
    }
    return this.merged.rows;
  }

  ingest(rows: SortedRows): Steps {
    this.requireOpen();
    if (this.ingesting) throw new Error("Cannot ingest: another ingest is under way");
    this.ingesting = true;
    const layer: SampleRow[] = [];
    let isSorted = false;
    return this.steps((end) => {
      if (!isSorted) {
        isSorted = rows.sort();
        return false;
      }
      for (let i = 0; i < STEP_ROWS; i++) {
        if (!rows.next()) {
          requireAscending(layer, rows.rowCount);
          if (layer.length > 0) this.layers = [...this.layers, { rows: layer }];
          this.ingestCount++;
          end();
          return true;
        }
        const { code, bytes, keyStart, keyEnd, valueEnd } = rows;
        layer.push({ code, key: bytes.slice(keyStart, keyEnd), value: bytes.slice(keyEnd, valueEnd) });
      }
      return false;
    }, () => this.ingesting = false);
  }

  /** Merges the two newest layers: the rows below them may be hidden by their deletes, which stay. */
  nextWork(): Steps | null {
    this.requireOpen();
    if (this.working) throw new Error("Cannot start work: other work is under way");
    if (this.layers.length <= MANY_LAYERS) return null;
    this.working = true;
    const older = this.layers.at(-2)!;
    const newer = this.layers.at(-1)!;
    let left = older.rows.length + newer.rows.length;
    return this.steps((end) => {
      left -= STEP_ROWS;
      if (left > 0) return false;
      const at = this.layers.indexOf(older);
      this.layers = [...this.layers.slice(0, at), merged(older, newer), ...this.layers.slice(at + 2)];
      end();
      return true;
    }, () => this.working = false);
  }

  private steps(step: (end: () => void) => boolean, free: () => void): Steps {
    let over = false;
    this.stepsCount++;
    const end = () => {
      if (over) return;
      over = true;
      this.stepsCount--;
      free();
    };
    return {
      step: () => {
        if (over) throw new Error("Cannot go on: the work is over");
        if (this.fault !== undefined) {
          end();
          throw this.fault;
        }
        return step(end);
      },
      cancel: end,
    };
  }

  get isBehind(): boolean {
    return this.layers.length >= (this.options.behindLayers ?? Number.POSITIVE_INFINITY);
  }

  freeze(): FrozenStore {
    this.requireOpen();
    if (this.ingesting) throw new Error("Cannot freeze a store: an ingest is under way");
    this.frozenCount++;
    const layers = this.layers;
    let isReleased = false;
    let isUsed = false;
    const start = () => {
      if (isUsed || isReleased) throw new StreamError("invalid", "Cannot write a snapshot: it was written or released");
      isUsed = true;
    };
    return {
      write: async (request, target, signal) => {
        start();
        return await this.upload(layers, request, target, signal);
      },
      rows: () => {
        start();
        this.cursorCount++;
        return new SeekingCursor(this.alive(layers), this);
      },
      release: () => {
        if (!isReleased) this.frozenCount--;
        isReleased = true;
      },
    };
  }

  private async upload(
    layers: readonly Layer[],
    { checkpointId, full }: StoreSnapshotRequest,
    target: SnapshotStore,
    signal: AbortSignal,
  ): Promise<StoreSnapshot> {
    const increments = this.context.incremental && !full;
    const known = increments ? this.confirmed : new Map<Layer, RunHandle>();
    const handles = new Map<Layer, RunHandle>();
    let incrementBytes = 0;
    for (const layer of layers) {
      let handle = known.get(layer);
      if (handle === undefined) {
        handle = await this.writeRun(layer, increments ? "shared" : "exclusive", target, signal);
        incrementBytes += handle.file.sizeBytes;
      }
      handles.set(layer, handle);
    }
    if (increments) this.uploaded.set(checkpointId, handles);
    return { runs: [...handles.values()], incrementBytes };
  }

  private async writeRun(
    layer: Layer,
    scope: FileScope,
    target: SnapshotStore,
    signal: AbortSignal,
  ): Promise<RunHandle> {
    const file = await target.create(scope);
    try {
      const writer = new RunWriter(file);
      for (const { code, key, value } of layer.rows) {
        const bytes = new Uint8Array([...key, ...value]);
        writer.add((key[0]! << 8) | key[1]!, code, bytes, 2, key.length, bytes.length);
        if (writer.wantsFlush) await writer.flush();
      }
      await pause(this.context.clock);
      signal.throwIfAborted();
      const written = await writer.finish(this.context.states());
      return { ...written, level: 0, keyGroups: this.context.keyGroups };
    } catch (error) {
      await file.discard();
      throw error;
    }
  }

  confirm(checkpointId: number): void {
    this.confirmed = this.uploaded.get(checkpointId) ?? this.confirmed;
    for (const id of [...this.uploaded.keys()]) if (id <= checkpointId) this.uploaded.delete(id);
  }

  abort(checkpointId: number): void {
    this.uploaded.delete(checkpointId);
  }

  close(): Promise<void> {
    this.isClosed = true;
    this.layers = [];
    return Promise.resolve();
  }

  private requireOpen(): void {
    if (this.isClosed) throw new Error("Cannot use a store: it is closed");
  }
}

class ArrayCursor implements RowCursor {
  key: Uint8Array = new Uint8Array(0);
  keyBytes = 0;
  value: Uint8Array = new Uint8Array(0);
  readonly valueStart = 0;
  valueEnd = 0;
  private at = 0;
  private open = true;

  constructor(private rows: readonly SampleRow[], private readonly owner: SortedRowStore) {}

  restart(rows: readonly SampleRow[]): void {
    this.rows = rows;
    this.at = 0;
  }

  next(): boolean {
    if (!this.open) throw new Error("Cannot read rows: the cursor is closed");
    const row = this.rows[this.at++];
    if (row === undefined) return false;
    this.key = row.key;
    this.keyBytes = this.key.length;
    this.value = row.value;
    this.valueEnd = this.value.length;
    return true;
  }

  close(): void {
    if (this.open) this.owner.cursorCount--;
    this.open = false;
  }
}

class SeekingCursor extends ArrayCursor implements MomentRows {
  constructor(private readonly all: readonly SampleRow[], owner: SortedRowStore) {
    super(all, owner);
  }

  seek(target: Uint8Array, boundBytes: number): void {
    const rest = this.all.slice(lowerBound(this.all, target));
    const isOutside = ({ key }: SampleRow) => compareBytes(key, 0, boundBytes, target, 0, boundBytes) !== 0;
    const end = rest.findIndex(isOutside);
    this.restart(end < 0 ? rest : rest.slice(0, end));
  }
}

/** One layer that hides what the two have hidden. */
function merged(older: Layer, newer: Layer): Layer {
  const prefixes = newer.rows.filter(({ code }) => code === DELETE_PREFIX).map(({ key }) => textOf(key));
  const rows = new Map<string, SampleRow>();
  for (const row of older.rows) {
    const key = textOf(row.key);
    if (!prefixes.some((prefix) => key.startsWith(prefix))) rows.set(key, row);
  }
  for (const row of newer.rows) rows.set(textOf(row.key), row);
  return { rows: sorted([...rows.values()]) };
}

function sorted(rows: SampleRow[]): SampleRow[] {
  return rows.sort((a, b) => compareBytes(a.key, 0, a.key.length, b.key, 0, b.key.length));
}

function requireAscending(rows: readonly SampleRow[], rowCount: number): void {
  if (rows.length !== rowCount) throw new Error(`Cannot ingest: ${rows.length} rows came, ${rowCount} were announced`);
  for (let i = 1; i < rows.length; i++) {
    const [a, b] = [rows[i - 1]!.key, rows[i]!.key];
    if (compareBytes(a, 0, a.length, b, 0, b.length) >= 0) {
      throw new Error(`Cannot ingest: row ${i} is not above its last`);
    }
  }
  const short = rows.find(({ code, value }) => code !== PUT && value.length > 0);
  if (short !== undefined) throw new Error("Cannot ingest: a delete has a value");
}

/** Index of the first row that is not below `key`. */
function lowerBound(rows: readonly SampleRow[], key: Uint8Array): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const other = rows[middle]!.key;
    if (compareBytes(other, 0, other.length, key, 0, key.length) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return compareBytes(a, 0, a.length, b, 0, b.length) === 0;
}
