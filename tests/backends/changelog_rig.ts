/** A backend with a changelog whose files may fail, for the tests beside this one. */
import { deepEqual } from "node:assert/strict";
import type { ChangelogSettings } from "../../backends/changelog/changelog_backend.ts";
import { changelogFactory } from "../../backends/changelog/changelog_factory.ts";
import { embeddedBackendFactory } from "../../backends/embedded/embedded_backend_factory.ts";
import { heapBackendFactory } from "../../backends/heap/heap_backend.ts";
import { lsmRowStoreFactory } from "../../backends/lsm/lsm_store.ts";
import type { StateBackend, StateBackendFactory } from "../../core/backend.ts";
import type { FileRef, KeyedStateHandle, SnapshotStore } from "../../core/snapshot.ts";
import { MetricRegistry } from "../../runtime/metrics.ts";
import { ALL, BackendRig } from "../contracts/backend_rig.ts";
import { COUNT, ITEMS, read } from "../contracts/snapshot_sample.ts";
import { backendContext } from "../support/backend_context.ts";

const memory = { bytes: 1_048_576, writeBufferRatio: 0.5, highPriorityPoolRatio: 0.1 };
export const BACKENDS: readonly (readonly [string, StateBackendFactory])[] = [
  ["heap", heapBackendFactory],
  ["lsm", embeddedBackendFactory(lsmRowStoreFactory(), { memory, directory: "/state" })],
];
export const INTERVAL_MS = 1_000;

/** A backend with a changelog whose files may fail, and what is known of it. */
export class LoggedRig extends BackendRig {
  readonly registry = new MetricRegistry("test");
  /** Names of files that were discarded after they were finished. */
  readonly removed: string[] = [];
  /** Asked before each file of the shared folder is made. */
  beforeCreate: () => Promise<void> | void = () => {};
  /** Where a checkpoint writes. */
  readonly store: SnapshotStore = {
    create: (scope) => this.files.create(scope),
    discard: (file) => {
      if (file.scope === "inline") return Promise.resolve();
      this.removed.push(file.name);
      this.files.files.delete(file.name);
      return Promise.resolve();
    },
  };
  private names = 0;

  async openLogged(
    inner: StateBackendFactory,
    settings: Partial<ChangelogSettings> = {},
    handles: readonly (KeyedStateHandle | null)[] = [],
  ): Promise<StateBackend> {
    const { clock, fileSystem, files } = this;
    const sharedStore: SnapshotStore = {
      ...this.store,
      create: async (scope) => {
        await this.beforeCreate();
        return await files.create(scope);
      },
    };
    const random = { next: () => 0.5, id: () => `logged${this.names++}`.padStart(32, "0") };
    const metrics = this.registry.operator("op", "op", 0);
    const factory = changelogFactory(inner, { intervalMs: INTERVAL_MS, ...settings });
    const backend = factory.create(
      backendContext({ keyGroups: ALL, clock, random, fileSystem, incremental: true, metrics, sharedStore }),
    );
    this.onEnd.push(() => backend.close());
    await clock.runUntil(backend.open(handles.filter((handle) => handle !== null), files));
    return backend;
  }

  private readonly onEnd: (() => Promise<void>)[] = [];

  override async [Symbol.asyncDispose](): Promise<void> {
    for (const end of this.onEnd) await end();
    await super[Symbol.asyncDispose]();
  }

  /** Lets time pass, and whatever becomes due with it. */
  async pass(ms: number): Promise<void> {
    const end = this.clock.nowMs() + ms;
    for (;;) {
      await this.rest();
      const next = this.clock.nextDueMs;
      if (next === undefined || next > end) break;
      this.clock.advance(next - this.clock.nowMs());
    }
    this.clock.advance(end - this.clock.nowMs());
    await this.rest();
  }

  /** Runs all that can run without time passing. */
  async rest(): Promise<void> {
    for (let i = 0; i < 400; i++) {
      await this.clock.settle();
      if (this.clock.runDeferred() === 0 && i > 20) return;
    }
  }

  count(name: string): number {
    return this.registry.operator("op", "op", 0).counter(name).count;
  }
}

export function touch(backend: StateBackend, round: number): void {
  for (const i of [0, 53, 54 + round]) {
    backend.setCurrentKey(`k${i}`);
    backend.state(COUNT).update(1000 + round);
    backend.state(ITEMS).add(round);
  }
  backend.setCurrentKey(`k${106 + round}`);
  backend.state(COUNT).clear();
  backend.leaveKey?.();
}

export function nameOf(file: FileRef): string {
  return file.scope === "inline" ? "" : file.name;
}

export async function verify(rig: LoggedRig, backend: StateBackend, handle: KeyedStateHandle | null): Promise<void> {
  await using restored = await rig.open([handle], { factory: changelogFactory(heapBackendFactory) });
  deepEqual(read(restored), read(backend));
  deepEqual([...restored.keys(COUNT)].map(String).sort(), [...backend.keys(COUNT)].map(String).sort());
}
