/** The backend `lsm` keeps the contract of state backends, in memory enough and in so little that all is on disk. */
import { embeddedBackendFactory } from "../../backends/embedded/embedded_backend_factory.ts";
import { lsmRowStoreFactory } from "../../backends/lsm/lsm_store.ts";
import { stateModelSuite } from "../contracts/keyed_state_model.ts";
import { stateBackendContract } from "../contracts/state_backend.ts";

/** Small enough that flushes, compactions and cuts happen in milliseconds. */
const SMALL = { blockBytes: 512, targetFileBytes: 8192, levelBaseBytes: 32_768 };

function factory(bytes: number, checkKeyGroups = false) {
  const memory = { bytes, writeBufferRatio: 0.5, highPriorityPoolRatio: 0.1 };
  return embeddedBackendFactory(lsmRowStoreFactory(SMALL), { memory, directory: "/state", checkKeyGroups });
}

stateBackendContract("lsm", factory(8_388_608), { checking: factory(8_388_608, true) });
stateModelSuite("lsm in little memory", factory(65_536));
