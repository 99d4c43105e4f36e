/**
 * Backends with stores as small as possible, and where timers live with each.
 *
 * Called by: tests of backends that go on from one another's checkpoints.
 * Calls: backends/.
 */
import { embeddedBackendFactory } from "../../backends/embedded/embedded_backend_factory.ts";
import type { RowStoreFactory } from "../../backends/embedded/row_store.ts";
import { heapBackendFactory } from "../../backends/heap/heap_backend.ts";
import { lsmRowStoreFactory } from "../../backends/lsm/lsm_store.ts";
import type { StateBackendFactory } from "../../core/backend.ts";
import { lmdbStoresForTests } from "./native_folder.ts";

/** A backend, and where timers live with it. */
export interface BackendVariant {
  readonly name: string;
  readonly factory: StateBackendFactory;
  readonly timers: "heap" | "embedded";
}

/** Every backend with its timers. @param memoryBytes Memory of a slot. */
export async function backendVariants(memoryBytes: number): Promise<readonly BackendVariant[]> {
  const memory = { bytes: memoryBytes, writeBufferRatio: 0.5, highPriorityPoolRatio: 0.1 };
  const embedded = (stores: RowStoreFactory) => embeddedBackendFactory(stores, { memory, directory: "/state" });
  const lsm = lsmRowStoreFactory({ blockBytes: 512, targetFileBytes: 8192, levelBaseBytes: 32_768 });
  return [
    { name: "heap", factory: heapBackendFactory, timers: "heap" },
    { name: "lsm", factory: embedded(lsm), timers: "embedded" },
    { name: "lmdb", factory: embedded(await lmdbStoresForTests()), timers: "embedded" },
    { name: "lsm with heap timers", factory: embedded(lsm), timers: "heap" },
  ];
}
