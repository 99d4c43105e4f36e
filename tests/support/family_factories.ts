/**
 * The backend `lsm` with states in trees of files of their own, as small as possible.
 *
 * Called by: tests of such backends.
 * Calls: backends/.
 */
import { embeddedBackendFactory } from "../../backends/embedded/embedded_backend_factory.ts";
import { columnOptions } from "../../backends/lsm/column_options.ts";
import type { LsmOptions } from "../../backends/lsm/lsm_options.ts";
import { lsmRowStoreFactory } from "../../backends/lsm/lsm_store.ts";
import type { StateBackendFactory } from "../../core/backend.ts";

/** Small enough that flushes, compactions and cuts happen in milliseconds. */
export const SMALL = { blockBytes: 512, targetFileBytes: 8192, levelBaseBytes: 32_768 };
const COLUMNS = [
  columnOptions(SMALL),
  columnOptions({ ...SMALL, blockBytes: 256, restartInterval: 4, bloomBitsPerKey: 0 }),
  columnOptions({ ...SMALL, compressionPerLevel: ["none", "zstd"], targetFileBytes: 2048 }),
];

/** Deals states to so many families, at most three, by their names. */
export function familiesOf(count: number): LsmOptions {
  const familyOf = (name: string) => [...name].reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % count;
  return { ...SMALL, column: (name) => COLUMNS[familyOf(name)]! };
}

/** Makes backends with a slot of so many bytes. */
export function lsmFactory(options: LsmOptions, bytes: number, checkKeyGroups = false): StateBackendFactory {
  const memory = { bytes, writeBufferRatio: 0.5, highPriorityPoolRatio: 0.1 };
  return embeddedBackendFactory(lsmRowStoreFactory(options), { memory, directory: "/state", checkKeyGroups });
}
