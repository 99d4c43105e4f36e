/**
 * What a state backend or a factory of its options is made of; `mod.ts` has the rest.
 *
 * Called by: users who write a state backend, or decide about the options of one.
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
export { type ColumnOptions as LsmColumnOptions } from "./backends/lsm/column_options.ts";
export { type StoreOptions as LsmStoreOptions } from "./backends/lsm/column_options.ts";
export { type Partly } from "./backends/lsm/column_options.ts";
export { type ReadableConfiguration } from "./backends/lsm/options_factory.ts";
export { type AnyOption } from "./core/config.ts";
export { booleanOption } from "./core/config_option.ts";
export { type ConfigOption } from "./core/config_option.ts";
export { doubleOption } from "./core/config_option.ts";
export { durationOption } from "./core/config_option.ts";
export { enumOption } from "./core/config_option.ts";
export { intOption } from "./core/config_option.ts";
export { listOption } from "./core/config_option.ts";
export { sizeOption } from "./core/config_option.ts";
export { stringOption } from "./core/config_option.ts";
export { type EnumDeclaration } from "./core/config_option.ts";
export { type IntDeclaration } from "./core/config_option.ts";
export { type NumberDeclaration } from "./core/config_option.ts";
export { type OptionDeclaration } from "./core/config_option.ts";
export { type TextDeclaration } from "./core/config_option.ts";
export { type OptionType } from "./core/config_option.ts";
export { Configuration } from "./core/config.ts";
export { type RefusedKeys } from "./core/config.ts";
export { type ShownEntry } from "./core/config.ts";
export { type CompactionRules } from "./backends/lsm/compaction_picker.ts";
