/** What the suites of state backends work with: backends over one clock and one set of snapshot files. */
import type { StateBackend, StateBackendFactory } from "../../core/backend.ts";
import type { KeyGroupRange } from "../../core/key_groups.ts";
import type { FileRef, KeyedStateHandle } from "../../core/snapshot.ts";
import { backendContext } from "../support/backend_context.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { MemoryFileSystem } from "../support/memory_file_system.ts";
import { MemorySnapshots, type MemorySnapshotsOptions } from "../support/memory_snapshot_store.ts";

/** Key groups of every backend in the suites. */
export const MAX_PARALLELISM = 128;
/** All of them. */
export const ALL: KeyGroupRange = { start: 0, end: MAX_PARALLELISM - 1 };

/** What holds for some backends only. */
export interface BackendTraits {
  /**
   * Checkpoints are a log: they hold what was given to `update`, not what was changed in place; all of them share its
   * segments, which are written whatever becomes of a checkpoint.
   */
  readonly isLogged?: boolean;
}

/** Every file of a handle: those of runs, then those of its log. */
export function filesOf({ runs, log = [] }: KeyedStateHandle): FileRef[] {
  return [...runs, ...log].map(({ file }) => file);
}

/** Settings of one backend. */
export interface OpenOptions {
  readonly keyGroups?: KeyGroupRange;
  readonly maxParallelism?: number;
  readonly incremental?: boolean;
  /** Another one than the rig's. */
  readonly factory?: StateBackendFactory;
}

/** Makes backends, and closes them with itself; one rig per test. */
export class BackendRig implements AsyncDisposable {
  readonly clock: ManualClock;
  readonly files: MemorySnapshots;
  /** Working files of the backends. */
  readonly fileSystem: MemoryFileSystem = new MemoryFileSystem();
  private nextCheckpoint = 1;
  private nextName = 0;
  private readonly made: StateBackend[] = [];

  constructor(private readonly factory: StateBackendFactory, options: MemorySnapshotsOptions = {}) {
    // Each look at the clock takes a whole slice, so that work in slices really is interrupted.
    this.clock = new ManualClock({ tickMs: 1 });
    this.files = new MemorySnapshots(options);
  }

  /** A backend that its caller must open. */
  create(options: OpenOptions = {}): StateBackend {
    const { keyGroups = ALL, maxParallelism = MAX_PARALLELISM, incremental = false, factory = this.factory } = options;
    const { clock, fileSystem } = this;
    const random = { next: () => 0.5, id: () => `${this.nextName++}`.padStart(32, "0") };
    const sharedStore = this.files;
    const given = { keyGroups, maxParallelism, clock, random, fileSystem, incremental, sharedStore };
    const context = backendContext(given);
    const backend = factory.create(context);
    this.made.push(backend);
    return backend;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const backend of this.made) await backend.close();
  }

  /** A backend that has taken back `handles`. */
  async open(handles: readonly (KeyedStateHandle | null)[] = [], options: OpenOptions = {}): Promise<StateBackend> {
    const backend = this.create(options);
    await this.clock.runUntil(backend.open(handles.filter((handle) => handle !== null), this.files));
    return backend;
  }

  /** Takes a snapshot to its end; `between` runs between the slices of its asynchronous part. */
  async snapshot(
    backend: StateBackend,
    { id = this.nextCheckpoint++, canonical = false, full = canonical, confirm = false, between }: {
      readonly id?: number;
      readonly canonical?: boolean;
      readonly full?: boolean;
      readonly confirm?: boolean;
      readonly between?: () => void;
    } = {},
  ): Promise<KeyedStateHandle | null> {
    const pending = backend.snapshot({ checkpointId: id, full, ...(canonical ? { canonical } : {}) });
    const handle = await this.clock.runUntil(pending.write(this.files), between);
    if (confirm) backend.confirm(id);
    return handle;
  }
}
