/**
 * What benches of state on disk need: backends in folders of their own, work in turns as the engine does it, and
 * checkpoints in a folder.
 *
 * Called by: the benches of state on disk.
 * Calls: backends/, checkpoint/.
 *
 * @module
 */
import { ChangelogBackend } from "../backends/changelog/changelog_backend.ts";
import { DEFAULT_CHANGELOG } from "../backends/changelog/changelog_factory.ts";
import { EmbeddedBackend } from "../backends/embedded/embedded_backend.ts";
import { BufferedRows } from "../backends/embedded/buffered_rows.ts";
import { BufferMetrics } from "../backends/embedded/buffer_metrics.ts";
import type { RowStore } from "../backends/embedded/row_store.ts";
import { SlotMemory } from "../backends/embedded/slot_memory.ts";
import { heapBackendFactory } from "../backends/heap/heap_backend.ts";
import { lmdbRowStoreFactory } from "../backends/lmdb/lmdb_store_factory.ts";
import { lsmRowStoreFactory, LsmStore } from "../backends/lsm/lsm_store.ts";
import { FilesystemStorage } from "../checkpoint/filesystem_storage.ts";
import type { PendingSnapshot, StateBackend } from "../core/backend.ts";
import { pause } from "../core/clock.ts";
import type { KeyedStateHandle, SnapshotReader, SnapshotStore } from "../core/snapshot.ts";
import { MetricRegistry } from "../runtime/metrics.ts";
import { systemClock, systemRandom } from "../runtime/system_clock.ts";
import { systemFileSystem } from "../runtime/system_file_system.ts";
import { backendContext } from "./backend_context.ts";
import { inFolder } from "./disk_baselines.ts";

/** Milliseconds of records between two turns of the event loop, as in runtime/host.ts. */
const TURN_MS = 12;
/** The same while a file is waited for, as there. */
const SHORT_TURN_MS = 2;
/** Records between two looks at clock and memory, as in runtime/subtask.ts. */
const LOOK_INTERVAL = 64;

/** How often metrics are read, milliseconds: more often than by most reporters. */
const READ_INTERVAL_MS = 1_000;

/** Backends whose state is on disk. */
export type DiskBackend = "lsm" | "lmdb";

/** Settings of {@link openBackend}. */
export interface OpenOptions {
  /** Memory of the slot. */
  readonly capBytes: number;
  /** Where the backend works. */
  readonly folder: string;
  readonly incremental?: boolean;
  /** Names of native metrics that are read every second, as a reporter would; none when absent. */
  readonly metrics?: readonly string[];
  /** Where a changelog in front of it writes its files; absent: there is none. */
  readonly changelog?: CheckpointFolder;
  readonly restore?: {
    readonly handle: KeyedStateHandle;
    readonly reader: SnapshotReader;
    /** Gives states other ids than they had, so that every row must be rewritten. */
    readonly rewriting?: boolean;
  };
}

/** A backend, and a way to wait for what it does in the background. */
export interface BenchedBackend {
  readonly backend: StateBackend;
  /** Waits until everything is flushed and no compaction is due. */
  settle(): Promise<void>;
  /** Of an LSM store: rows that were asked for one by one, and runs that were read for them. */
  reads(): { readonly points: number; readonly runs: number };
}

/** Opens a backend that stands alone in its slot. */
export async function openBackend(kind: DiskBackend | "heap", options: OpenOptions): Promise<BenchedBackend> {
  const { capBytes, folder, incremental = false, metrics = [], restore } = options;
  const registry = new MetricRegistry("bench");
  const sharedStore = options.changelog?.sharedStore();
  const context = { ...backendContext({ incremental, sharedStore }), metrics: registry.operator("bench", "bench", 0) };
  const handles = restore === undefined ? [] : [restore.handle];
  const reader = restore?.reader ?? { open: () => Promise.reject(new Error("nothing is restored")) };
  if (kind === "heap") {
    const backend = heapBackendFactory.create(context);
    await backend.open(handles, reader);
    return { backend, settle: () => Promise.resolve(), reads: () => ({ points: 0, runs: 0 }) };
  }
  const stores = kind === "lsm" ? lsmRowStoreFactory({ metrics }) : lmdbRowStoreFactory();
  const reported = new BufferMetrics(metrics, context.metrics, false);
  const looking = metrics.length === 0 ? undefined : setInterval(() => registry.snapshot(), READ_INTERVAL_MS);
  const memory = new SlotMemory({ bytes: capBytes, writeBufferRatio: 0.5, highPriorityPoolRatio: 0.1 });
  const shift = restore?.rewriting === true ? 1 : 0;
  let rows!: BufferedRows;
  let store: RowStore | undefined;
  const directory = `${folder}/${systemRandom.id()}`;
  const embedded = new EmbeddedBackend(context, {
    openStore: ({ states, restoredStateId }) =>
      stores.open({
        ...context,
        states: () => states().map((state) => ({ ...state, id: state.id + shift })),
        restoredStateId: (state, path) => restoredStateId(state, path) + shift,
        directory,
        memory,
      }),
    bufferRows: (opened, states) => {
      store = opened;
      rows = new BufferedRows({ operatorName: "bench", backendName: kind, store, memory, clock: systemClock });
      reported.use(rows, states);
      return rows;
    },
    onState: (name) => reported.reportState(name),
    onClosed: () => {
      clearInterval(looking);
      memory[Symbol.dispose]();
    },
  });
  const backend = options.changelog === undefined
    ? embedded
    : new ChangelogBackend(context, embedded, DEFAULT_CHANGELOG);
  await backend.open(handles, reader);
  return {
    backend,
    async settle() {
      (await rows.frozen(rows.freeze())).release();
      while (!rows.isIdle) await pause(systemClock);
    },
    reads() {
      if (!(store instanceof LsmStore)) return { points: 0, runs: 0 };
      return { points: store.statistics.pointReads, runs: store.statistics.bloomFullPositive };
    },
  };
}

/** Runs `use` over an empty backend in a folder that is gone afterwards. @param metrics See {@link OpenOptions}. */
export function withBackend<T>(
  kind: DiskBackend,
  capBytes: number,
  use: (backend: StateBackend, settle: () => Promise<void>) => Promise<T>,
  metrics: readonly string[] = [],
): Promise<T> {
  return inFolder(async (folder) => {
    const { backend, settle } = await openBackend(kind, { capBytes, folder, metrics });
    try {
      return await use(backend, settle);
    } finally {
      await backend.close();
    }
  });
}

/** Calls `step` for 0..count-1 in turns, between which the backend works, and waits when the backend asks for it. */
export async function inTurns(backend: StateBackend, count: number, step: (i: number) => void): Promise<void> {
  for (let i = 0; i < count;) {
    const endMs = performance.now() + ((systemFileSystem.pendingCount ?? 0) > 0 ? SHORT_TURN_MS : TURN_MS);
    while (i < count && performance.now() < endMs) {
      for (const stop = Math.min(count, i + LOOK_INTERVAL); i < stop; i++) step(i);
      const room = backend.backpressure?.();
      if (room !== undefined) await room;
    }
    await pause(systemClock);
  }
}

/** A snapshot, and the checkpoint that it is in. */
export interface Taken {
  readonly handle: KeyedStateHandle;
  readonly path: string;
}

/** Checkpoints of one backend in a folder. */
export class CheckpointFolder {
  private readonly storage: FilesystemStorage;
  private isPrepared = false;

  constructor(folder: string) {
    this.storage = new FilesystemStorage({
      fileSystem: systemFileSystem,
      random: systemRandom,
      root: `${folder}/checkpoints`,
      jobId: "bench",
    });
  }

  /** Writes files that checkpoints share. */
  sharedStore(): SnapshotStore {
    return this.storage.sharedStore();
  }

  /** Takes and confirms a checkpoint, or a savepoint. */
  async take(
    id: number,
    backend: StateBackend,
    { canonical = false, full = canonical }: { readonly canonical?: boolean; readonly full?: boolean } = {},
  ): Promise<Taken> {
    return await this.complete(id, backend.snapshot({ checkpointId: id, full, canonical }), backend);
  }

  /** Writes a snapshot whose synchronous part is done, and confirms it. */
  async complete(id: number, pending: PendingSnapshot, backend: StateBackend): Promise<Taken> {
    // As in a job: before the first checkpoint.
    if (!this.isPrepared) await this.storage.prepare();
    this.isPrepared = true;
    const location = this.storage.begin(id);
    const handle = await pending.write(location.store({ vertexId: "bench", subtaskIndex: 0 }));
    if (handle === null) throw new Error(`Cannot complete checkpoint ${id}: there is no state`);
    const path = await location.writeMetadata(new Uint8Array(0));
    backend.confirm(id);
    return { handle, path };
  }

  /** Opens the files of a checkpoint. */
  reader({ path }: Taken): SnapshotReader {
    return this.storage.reader(path);
  }
}
