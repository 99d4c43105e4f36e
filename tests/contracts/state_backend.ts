/** What every state backend promises: the suites below, and what holds for a snapshot. */
import type { StateBackendFactory } from "../../core/backend.ts";
import type { BackendTraits } from "./backend_rig.ts";
import { keyedMapSuite } from "./keyed_maps.ts";
import { keyedStateSuite } from "./keyed_state.ts";
import { keyIterationSuite } from "./key_iteration.ts";
import { rescalingSuite } from "./keyed_rescaling.ts";
import { incrementSuite, rowSourceSuite } from "./keyed_increments.ts";
import { migrationSuite } from "./keyed_migration.ts";
import { savepointSuite } from "./keyed_savepoints.ts";
import { serializerSuite } from "./keyed_serializers.ts";
import { keyedSnapshotSuite } from "./keyed_snapshot.ts";
import { stateModelSuite } from "./keyed_state_model.ts";

/** Where a backend differs. */
export interface StateBackendContractOptions {
  /** The same backend with the debug check of key groups. */
  readonly checking: StateBackendFactory;
  /** How many chains of runs its snapshots have; 1 when absent. */
  readonly chains?: number;
  readonly traits?: BackendTraits;
}

/** Registers the suite for the backends that `factory` makes. */
export function stateBackendContract(
  name: string,
  factory: StateBackendFactory,
  options: StateBackendContractOptions,
): void {
  keyedStateSuite(name, factory);
  keyedMapSuite(name, factory);
  keyIterationSuite(name, factory);
  keyedSnapshotSuite(name, factory, options.traits);
  serializerSuite(name, factory);
  migrationSuite(name, factory);
  rowSourceSuite(name, factory);
  incrementSuite(name, factory, options.chains, options.traits);
  savepointSuite(name, factory);
  rescalingSuite(name, factory, options.checking, options.traits);
  stateModelSuite(name, factory, options.traits);
}
