/**
 * What a state backend is made with in benches.
 *
 * Called by: the benches of state.
 * Calls: runtime/.
 *
 * @module
 */
import type { StateBackendContext } from "../core/backend.ts";
import type { SnapshotStore } from "../core/snapshot.ts";
import { MetricRegistry } from "../runtime/metrics.ts";
import { systemClock, systemRandom } from "../runtime/system_clock.ts";
import { systemFileSystem } from "../runtime/system_file_system.ts";

/** All key groups of an operator of parallelism 1. */
export function backendContext(
  options: { readonly incremental?: boolean; readonly sharedStore?: SnapshotStore | undefined } = {},
): StateBackendContext {
  return {
    ...(options.sharedStore !== undefined && { sharedStore: options.sharedStore }),
    operatorName: "bench",
    keyGroups: { start: 0, end: 127 },
    maxParallelism: 128,
    clock: systemClock,
    random: systemRandom,
    fileSystem: systemFileSystem,
    slotIndex: 0,
    metrics: new MetricRegistry("bench").operator("bench", "bench", 0),
    incremental: options.incremental ?? false,
  };
}
