/** Opens the stores of one test, drives their work and takes their snapshots. */
import type {
  RestorableHandle,
  RowStore,
  RowStoreFactory,
  SortedRows,
  Steps,
  StoreContext,
} from "../../backends/embedded/row_store.ts";
import { SlotMemory } from "../../backends/embedded/slot_memory.ts";
import { rowHash } from "../../backends/runs/row_hash.ts";
import type { RunState } from "../../backends/runs/run_format.ts";
import type { KeyGroupRange } from "../../core/key_groups.ts";
import type { KeyedStateHandle } from "../../core/snapshot.ts";
import { backendContext } from "../support/backend_context.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { MemorySnapshots } from "../support/memory_snapshot_store.ts";
import {
  drainCursor,
  LISTS,
  MAPS,
  type RowName,
  type SampleRow,
  SampleRows,
  textOf,
  TIMERS,
  VALUES,
} from "../support/sample_rows.ts";

/** What an implementation of the contract of a row store is tested with. */
export interface StoreSubject {
  /** Asked once per test. */
  factory(): RowStoreFactory;
  /**
   * Ports other than the suite's, which are a file system in memory and a clock that the suite drives. Asked once per
   * store; `directory` must be free.
   */
  ports?(): Partial<Pick<StoreContext, "fileSystem" | "clock" | "directory">>;
  /** Where snapshots go; a `MemorySnapshots` when absent. Asked once per test. */
  snapshots?(): MemorySnapshots;
  /** Why the store never has work of its own; absent: it has, after some dozens of ingests. */
  readonly noWorkBecause?: string;
  /** Bytes of the slot's memory; 1 MiB when absent. */
  readonly memoryBytes?: number;
}

/** Key groups of the rig's stores, unless told otherwise. */
export const ALL: KeyGroupRange = { start: 0, end: 127 };

const STATES: readonly RunState[] = ([["value", VALUES], ["list", LISTS], ["map", MAPS], ["rows", TIMERS]] as const)
  .map(([kind, id]) => ({
    id,
    name: kind,
    kind,
    serializerId: "bytes",
    serializerVersion: 1,
    schemaVersion: 1,
    flags: 0,
  }));

/** Stores of one test, which share a slot. */
export class StoreRig implements AsyncDisposable {
  readonly snapshots: MemorySnapshots;
  readonly memory: SlotMemory;
  private readonly factory: RowStoreFactory;
  /** Unless the subject has its own. */
  readonly clock: ManualClock = new ManualClock({ tickMs: 0.4 });
  private readonly ports = backendContext();
  private readonly stores: RowStore[] = [];

  constructor(private readonly subject: StoreSubject) {
    this.factory = subject.factory();
    this.snapshots = subject.snapshots?.() ?? new MemorySnapshots();
    this.memory = new SlotMemory({
      bytes: subject.memoryBytes ?? 1 << 20,
      writeBufferRatio: 0.5,
      highPriorityPoolRatio: 0.1,
    });
  }

  /** An empty store; incremental unless told otherwise. */
  async open(options: Partial<StoreContext> = {}): Promise<RowStore> {
    const { fileSystem, metrics, random } = this.ports;
    const store = await this.wait(this.factory.open({
      operatorName: "op",
      keyGroups: ALL,
      clock: this.clock,
      random,
      fileSystem,
      directory: `store-${this.stores.length}`,
      incremental: true,
      memory: this.memory,
      metrics,
      states: () => STATES,
      restoredStateId: ({ id }) => id,
      ...this.subject.ports?.(),
      ...options,
    }));
    this.stores.push(store);
    return store;
  }

  /** A store with the wanted part of handles. */
  async restored(
    handles: readonly KeyedStateHandle[],
    keyGroups: KeyGroupRange = ALL,
    options: Partial<StoreContext> = {},
  ): Promise<RowStore> {
    const store = await this.open({ keyGroups, ...options });
    await this.wait(store.restore(handles.flatMap((handle) => part(handle, keyGroups)), this.snapshots));
    return store;
  }

  /** Waits for what may take turns of the event loop. */
  wait<T>(promise: Promise<T>, between?: () => void): Promise<T> {
    const ownClock = this.subject.ports?.().clock === undefined;
    return ownClock ? this.clock.runUntil(promise, between) : promise;
  }

  /** The asynchronous part of a snapshot of what a store holds now. */
  async snapshot(
    store: RowStore,
    checkpointId: number,
    { full = false, keyGroups = ALL, frozen = store.freeze(), between = (): void => {} } = {},
  ): Promise<KeyedStateHandle> {
    const signal = new AbortController().signal;
    const { runs, incrementBytes } = await this.wait(
      frozen.write({ checkpointId, full }, this.snapshots, signal),
      between,
    );
    frozen.release();
    const fullBytes = runs.reduce((sum, { file }) => sum + file.sizeBytes, 0);
    return { keyGroups, runs, nextListNumber: 0, incrementBytes, fullBytes };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const store of this.stores) await this.wait(store.close());
  }
}

function part(handle: KeyedStateHandle, wanted: KeyGroupRange): RestorableHandle[] {
  const start = Math.max(handle.keyGroups.start, wanted.start);
  const end = Math.min(handle.keyGroups.end, wanted.end);
  return start <= end ? [{ handle, keyGroups: { start, end } }] : [];
}

/** Takes steps to the end; returns how many. */
export function drive(steps: Steps): number {
  let count = 1;
  while (!steps.step()) count++;
  return count;
}

/** Ingests rows to the end. */
export function ingest(store: RowStore, rows: readonly SampleRow[] | SortedRows): void {
  drive(store.ingest("rowCount" in rows ? rows : new SampleRows(rows)));
}

/** Does all work that is due; returns how often there was some. */
export function work(store: RowStore): number {
  let count = 0;
  for (let steps = store.nextWork(); steps !== null; steps = store.nextWork()) {
    drive(steps);
    if (++count > 1000) throw new Error("The work of the store does not end");
  }
  return count;
}

/** The value of a row, null when there is none. */
export function read(store: RowStore, { key, prefixBytes }: RowName): string | null {
  const found = { bytes: new Uint8Array(0), start: 0, end: 0 };
  const row = new Uint8Array(key.length + 5);
  row.set(key);
  row.fill(0xee, key.length);
  if (!store.get(row, key.length, prefixBytes, rowHash(key, 0, prefixBytes), found)) return null;
  return textOf(found.bytes, found.start, found.end);
}

/** Rows of a list or map. */
export function group(store: RowStore, { key, prefixBytes }: RowName): [string, string][] {
  return drainCursor(store.scan(key, prefixBytes, rowHash(key, 0, prefixBytes)));
}

/** Rows of a state in a key group, from a row on. */
export function rows(store: RowStore, keyGroup: number, state: number, from?: Uint8Array): [string, string][] {
  const prefix = new Uint8Array([keyGroup >> 8, keyGroup, state >> 8, state, 0xee]);
  return drainCursor(store.scan(prefix, 4, null, from));
}

/** All rows of key groups 0..7. */
export function everything(store: RowStore): [string, string][] {
  return Array.from({ length: 8 }, (_, keyGroup) =>
    [VALUES, LISTS, MAPS, TIMERS]
      .flatMap((state) => rows(store, keyGroup, state))).flat();
}
