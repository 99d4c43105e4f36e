/**
 * What a state backend of your own is made of; `mod.ts` has the rest.
 *
 * Called by: users who write a state backend.
 * Calls: nothing; it names what is public.
 *
 * @module
 */
export { type PendingSnapshot } from "./core/backend.ts";
export { type SnapshotRequest } from "./core/backend.ts";
export { type StateBackend } from "./core/backend.ts";
export { type StateBackendContext } from "./core/backend.ts";
export { type FrozenRows } from "./core/snapshot.ts";
export { type RowDraft } from "./core/snapshot.ts";
export { type RowKind } from "./core/snapshot.ts";
export { type RowSource } from "./core/snapshot.ts";
export { type SnapshotFile } from "./core/snapshot.ts";
export { type SnapshotInput } from "./core/snapshot.ts";
export { type SnapshotReader } from "./core/snapshot.ts";
export { type SnapshotStore } from "./core/snapshot.ts";
export { type KeyGroupRange } from "./core/key_groups.ts";
export { type OrderedRows } from "./core/ordered_rows.ts";
export { type KeyContext } from "./core/state.ts";
export { type MergingState } from "./core/state.ts";
export { type Namespaced } from "./core/state.ts";
export { type Namespace } from "./core/key.ts";
export { VOID_NAMESPACE } from "./core/key.ts";
