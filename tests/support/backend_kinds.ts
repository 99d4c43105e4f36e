/**
 * The backends that a job can have, as configuration: small memory, so that state goes to disk within few records.
 *
 * Called by: tests of whole jobs.
 * Calls: tests/support/native_folder.ts, for the backend that opens its files itself.
 */
import { loadLmdb } from "../../backends/lmdb/lmdb_module.ts";
import type { ProcessOptions } from "./job_harness.ts";
import { nativeFolder } from "./native_folder.ts";

/** A backend with its timers. */
export interface BackendKind {
  readonly name: string;
  readonly options: Pick<ProcessOptions, "config" | "diskFolder">;
}

const diskFolder = nativeFolder("jobs");
// A job with virtual time cannot wait for it.
await loadLmdb();

/** Memory of a slot: a few hundred rows. */
const SMALL = "256 kb";

/** State and timers on the heap. */
export const HEAP: BackendKind = { name: "heap", options: { config: { "state.backend.type": "hashmap" } } };
/** State and timers in sorted files. */
export const LSM: BackendKind = {
  name: "lsm",
  options: {
    config: {
      "state.backend.type": "lsm",
      "state.backend.lsm.memory.fixed-per-slot": SMALL,
      "state.backend.lsm.localdir": "/work",
      "state.backend.lsm.timer-service.cache-size": 2,
    },
  },
};
/** State in sorted files, timers on the heap. */
export const LSM_WITH_HEAP_TIMERS: BackendKind = {
  name: "lsm with heap timers",
  options: { config: { ...LSM.options.config, "state.backend.lsm.timer-service.factory": "heap" } },
};
/** State and timers in LMDB. */
export const LMDB: BackendKind = {
  name: "lmdb",
  options: {
    config: {
      "state.backend.type": "lmdb",
      "state.backend.lmdb.memory.fixed-per-slot": SMALL,
      "state.backend.lmdb.localdir": diskFolder,
      "state.backend.lmdb.timer-service.cache-size": 2,
    },
    diskFolder,
  },
};

/** Every kind. */
export const BACKEND_KINDS: readonly BackendKind[] = [HEAP, LSM, LMDB, LSM_WITH_HEAP_TIMERS];
