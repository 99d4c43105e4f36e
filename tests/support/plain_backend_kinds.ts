/**
 * The backends without native code, as configuration: small memory, so that state goes to disk within few records. In a
 * process without native code promises settle within a turn of the event loop, and virtual time never runs ahead of them.
 *
 * Called by: tests of whole jobs, tests/support/backend_kinds.ts.
 * Calls: nothing.
 */
import type { ProcessOptions } from "./job_harness.ts";

/** A backend with its timers. */
export interface BackendKind {
  readonly name: string;
  readonly options: Pick<ProcessOptions, "config" | "diskFolder">;
}

/** Memory of a slot: a few hundred rows. */
export const SMALL = "256 kb";

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
