/** A changelog in front of `lsm` keeps the contract of state backends. */
import { changelogFactory } from "../../backends/changelog/changelog_factory.ts";
import { embeddedBackendFactory } from "../../backends/embedded/embedded_backend_factory.ts";
import { lsmRowStoreFactory } from "../../backends/lsm/lsm_store.ts";
import { stateModelSuite } from "../contracts/keyed_state_model.ts";
import { stateBackendContract } from "../contracts/state_backend.ts";

const SMALL = { blockBytes: 512, targetFileBytes: 8192, levelBaseBytes: 32_768 };
/** A failure is told at once. */
const ONCE = { maxAttempts: 1 };
const traits = { isLogged: true };

function factory(bytes: number, checkKeyGroups = false) {
  const memory = { bytes, writeBufferRatio: 0.5, highPriorityPoolRatio: 0.1 };
  const lsm = embeddedBackendFactory(lsmRowStoreFactory(SMALL), { memory, directory: "/state", checkKeyGroups });
  return changelogFactory(lsm, ONCE);
}

stateBackendContract("changelog over lsm", factory(8_388_608), { checking: factory(8_388_608, true), traits });
stateModelSuite("changelog over lsm in little memory", factory(65_536), traits);
