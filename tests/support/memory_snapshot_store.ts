/** Snapshot files in memory, which users' tests have too. */
export { MemorySnapshots, type MemorySnapshotsOptions } from "../../runtime/testing/memory_snapshot_store.ts";
