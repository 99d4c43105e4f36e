/**
 * Makes the factory of state backends that the configuration asks for. A backend is loaded when it is asked for, so
 * that a job with its state on the heap loads nothing else.
 *
 * Called by: control/stream_environment.ts.
 * Calls: backends/, by dynamic import; control/working_directory.ts.
 *
 * @module
 */
import { heapBackendFactory } from "../backends/heap/heap_backend.ts";
import {
  LMDB_EMBEDDED_OPTIONS,
  LSM_EMBEDDED_OPTIONS,
  MANAGED_MEMORY,
  splitDirectories,
} from "../backends/embedded/options.ts";
import type { EmbeddedBackendFactoryOptions } from "../backends/embedded/embedded_backend_factory.ts";
import type { RowStoreFactory } from "../backends/embedded/row_store.ts";
import type { SlotMemoryOptions } from "../backends/embedded/slot_memory.ts";
import type { LsmOptionsFactory } from "../backends/lsm/options_factory.ts";
import type { StateBackendFactory } from "../core/backend.ts";
import type { Configuration } from "../core/config.ts";
import { StreamError } from "../core/errors.ts";
import { STATE_BACKEND, type StateBackendKind } from "../runtime/options.ts";
import { temporaryDirectory } from "./process_surroundings.ts";
import type { WorkingDirectoryPorts } from "./working_directory.ts";

/** What the factory is made for. */
export interface BackendPorts extends WorkingDirectoryPorts {
  /** Slots of the job: its largest parallelism. Not called for state on the heap. */
  readonly slots: () => number;
  /** Decides about the options of LSM stores, if there is one. */
  readonly lsmOptionsFactory?: LsmOptionsFactory | undefined;
}

/**
 * The factory for `state.backend.type`; its `close` removes what it has made on disk.
 *
 * @throws {StreamError} If options do not go together, no folder can be written to, or a native add-on is missing.
 */
export async function createStateBackendFactory(
  configuration: Configuration,
  ports: BackendPorts,
): Promise<StateBackendFactory> {
  const type = backendOf(configuration);
  if (type === "hashmap") return heapBackendFactory;
  const options = type === "lsm" ? LSM_EMBEDDED_OPTIONS : LMDB_EMBEDDED_OPTIONS;
  // First what the user may have wrong.
  const { slotMemorySettings } = await import("../backends/embedded/memory_settings.ts");
  const memory = slotMemorySettings(configuration, options, ports.slots());
  const [{ embeddedBackendFactory }, { firstUsableDirectory }, { openWorkingDirectory }] = await Promise.all([
    import("../backends/embedded/embedded_backend_factory.ts"),
    import("../backends/embedded/local_directory.ts"),
    import("./working_directory.ts"),
  ]);
  const { stores, ...settings } = await loadStores(type, configuration, memory, ports.lsmOptionsFactory);
  const parents = splitDirectories(configuration.get(options.localDirectories) ?? [temporaryDirectory()]);
  const parent = await firstUsableDirectory(parents, { ...ports, key: options.localDirectories.key });
  const folder = await openWorkingDirectory(parent, ports);
  const factory = embeddedBackendFactory(stores, { memory, ...settings, directory: folder.path });
  return { ...factory, close: () => folder.close() };
}

/** One of Weir's own. Says so when memory is set aside for the heap backend, which takes none of it. */
function backendOf(configuration: Configuration): StateBackendKind {
  const type = configuration.get(STATE_BACKEND);
  if (type === "lsm" || type === "lmdb") return type;
  if (type !== "hashmap") {
    throw new StreamError(
      "invalid",
      `Cannot make a state backend: "${type}" is none of Weir's, must be one of hashmap, lsm, lmdb; give the factory itself`,
    );
  }
  if ((configuration.get(MANAGED_MEMORY) ?? 0) > 0) {
    configuration.note(
      `Option "${MANAGED_MEMORY.key}" (${
        configuration.originOf(MANAGED_MEMORY)
      }) has no effect: state on the heap takes ` +
        "no managed memory; remove it or set it to 0",
    );
  }
  return type;
}

/** What a backend has of its own. */
interface LoadedStores extends Partial<Omit<EmbeddedBackendFactoryOptions, "directory">> {
  readonly stores: RowStoreFactory;
}

async function loadStores(
  type: "lsm" | "lmdb",
  configuration: Configuration,
  slotMemory: SlotMemoryOptions,
  factory: LsmOptionsFactory | undefined,
): Promise<LoadedStores> {
  if (type === "lmdb") {
    const { loadLmdb } = await import("../backends/lmdb/lmdb_module.ts");
    await loadLmdb();
    const { lmdbRowStoreFactory } = await import("../backends/lmdb/lmdb_store_factory.ts");
    return { stores: lmdbRowStoreFactory() };
  }
  const [{ lsmRowStoreFactory }, { configuredLsm }, { isMemoryShared }] = await Promise.all([
    import("../backends/lsm/lsm_store.ts"),
    import("../backends/lsm/configured_lsm.ts"),
    import("../backends/embedded/memory_settings.ts"),
  ]);
  const sharedMemory = isMemoryShared(configuration, LSM_EMBEDDED_OPTIONS) ? slotMemory : undefined;
  const lsm = configuredLsm(configuration, { factory, sharedMemory });
  const { memory, sharesMemory, maxBufferBytes, columnOf, columnFamilyAsVariable } = lsm;
  if (lsm.bufferNotice !== null) configuration.note(lsm.bufferNotice);
  const { metrics, partitionedIndexFilters, indexPartBytes } = lsm.store;
  const stores = lsmRowStoreFactory({
    ...lsm.column,
    ...(columnOf === undefined ? {} : { column: columnOf }),
    indexPartBytes: partitionedIndexFilters ? indexPartBytes : undefined,
    metrics,
    columnFamilyAsVariable,
  });
  return { stores, memory, sharesMemory, maxBufferBytes, metrics, columnFamilyAsVariable };
}
