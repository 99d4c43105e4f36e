/**
 * The state backends of a harness.
 *
 * Called by: runtime/testing/harness_context.ts.
 * Calls: backends/.
 *
 * @module
 */
import { heapBackendFactory } from "../../backends/heap/heap_backend.ts";
import type { StateBackendFactory } from "../../core/backend.ts";

/** Where an actor in a harness keeps its state: on the heap, in sorted files in memory, or in a backend of your own. */
export type HarnessBackend = "heap" | "lsm" | StateBackendFactory;

/** Memory of an LSM store, bytes. */
const MEMORY_BYTES = 16 * 1024 * 1024;

/** The factory. */
export async function harnessBackendFactory(backend: HarnessBackend): Promise<StateBackendFactory> {
  if (typeof backend !== "string") return backend;
  if (backend === "heap") return heapBackendFactory;
  const [{ embeddedBackendFactory }, { lsmRowStoreFactory }] = await Promise.all([
    import("../../backends/embedded/embedded_backend_factory.ts"),
    import("../../backends/lsm/lsm_store.ts"),
  ]);
  const memory = { bytes: MEMORY_BYTES, writeBufferRatio: 0.5, highPriorityPoolRatio: 0.1 };
  return embeddedBackendFactory(lsmRowStoreFactory(), { memory, directory: "/state" });
}
