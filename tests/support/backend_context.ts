/** What a state backend is made with in tests: nothing real. */
import type { StateBackendContext } from "../../core/backend.ts";
import { MetricRegistry } from "../../runtime/metrics.ts";
import { ManualClock } from "./manual_clock.ts";
import { MemoryFileSystem } from "./memory_file_system.ts";

/** Key groups 0..127 of 128, unless told otherwise. */
export function backendContext(options: Partial<StateBackendContext> = {}): StateBackendContext {
  let ids = 0;
  return {
    operatorName: "op",
    keyGroups: { start: 0, end: 127 },
    maxParallelism: 128,
    clock: new ManualClock(),
    random: { next: () => 0.5, id: () => `${ids++}`.padStart(32, "0") },
    fileSystem: new MemoryFileSystem(),
    slotIndex: 0,
    metrics: new MetricRegistry("test").operator("op", "op", 0),
    incremental: false,
    ...options,
  };
}
