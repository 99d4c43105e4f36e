/**
 * The backend `lsm` with states in trees of files of their own keeps the contract of state backends, in memory enough
 * and in so little that all is on disk.
 */
import { embeddedBackendFactory } from "../../backends/embedded/embedded_backend_factory.ts";
import { columnOptions } from "../../backends/lsm/column_options.ts";
import type { LsmOptions } from "../../backends/lsm/lsm_options.ts";
import { lsmRowStoreFactory } from "../../backends/lsm/lsm_store.ts";
import { LSM_STATE_METRICS } from "../../backends/lsm/native_metrics.ts";
import { stateModelSuite } from "../contracts/keyed_state_model.ts";
import { stateBackendContract } from "../contracts/state_backend.ts";

/** Small enough that flushes, compactions and cuts happen in milliseconds. */
const SMALL = { blockBytes: 512, targetFileBytes: 8192, levelBaseBytes: 32_768 };
const COLUMNS = [
  columnOptions(SMALL),
  columnOptions({ ...SMALL, blockBytes: 256, restartInterval: 4, bloomBitsPerKey: 0 }),
  columnOptions({ ...SMALL, compressionPerLevel: ["none", "zstd"], targetFileBytes: 2048 }),
];

/** Names of the suites' states are many: each goes to one of so many families. */
function dealt(families: number): LsmOptions {
  const familyOf = (name: string) => [...name].reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % families;
  return { ...SMALL, column: (name) => COLUMNS[familyOf(name)]! };
}

function factory(options: LsmOptions, bytes: number, checkKeyGroups = false) {
  const memory = { bytes, writeBufferRatio: 0.5, highPriorityPoolRatio: 0.1 };
  return embeddedBackendFactory(lsmRowStoreFactory(options), { memory, directory: "/state", checkKeyGroups });
}

/** Name, families, options. */
const VARIANTS: readonly (readonly [string, number, LsmOptions])[] = [
  ["lsm with two families", 2, dealt(2)],
  ["lsm with three families", 3, dealt(3)],
  ["lsm with a family for each state", 5, { ...SMALL, metrics: LSM_STATE_METRICS }],
];

for (const [name, chains, options] of VARIANTS) {
  const checking = factory(options, 8_388_608, true);
  stateBackendContract(name, factory(options, 8_388_608), { checking, chains });
  stateModelSuite(`${name} in little memory`, factory(options, 65_536));
}
