/**
 * The backends that a job can have, as configuration: small memory, so that state goes to disk within few records.
 *
 * Called by: tests of whole jobs.
 * Calls: tests/support/plain_backend_kinds.ts; tests/support/native_folder.ts, for the backend that opens its files itself.
 */
import { loadLmdb } from "../../backends/lmdb/lmdb_module.ts";
import { nativeFolder } from "./native_folder.ts";
import { type BackendKind, HEAP, LSM, SMALL } from "./plain_backend_kinds.ts";

export { type BackendKind, HEAP, LSM } from "./plain_backend_kinds.ts";

const diskFolder = nativeFolder("jobs");
// A job with virtual time cannot wait for it.
await loadLmdb();

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
