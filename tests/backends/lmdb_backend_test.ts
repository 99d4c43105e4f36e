/** The backend `lmdb`: the contract of state backends over stores in LMDB. */
import {
  embeddedBackendFactory,
  type EmbeddedBackendFactoryOptions,
} from "../../backends/embedded/embedded_backend_factory.ts";
import { stateModelSuite } from "../contracts/keyed_state_model.ts";
import { stateBackendContract } from "../contracts/state_backend.ts";
import { lmdbStoresForTests } from "../support/native_folder.ts";

const stores = await lmdbStoresForTests();
const OPTIONS: EmbeddedBackendFactoryOptions = {
  memory: { bytes: 8_388_608, writeBufferRatio: 0.5, highPriorityPoolRatio: 0.1 },
  directory: "work",
};

function factory(options: Partial<EmbeddedBackendFactoryOptions> = {}) {
  return embeddedBackendFactory(stores, { ...OPTIONS, ...options });
}

stateBackendContract("lmdb", factory(), { checking: factory({ checkKeyGroups: true }) });
// So little that buffers are flushed in the middle of nearly everything.
stateModelSuite("lmdb in little memory", factory({ memory: { ...OPTIONS.memory, bytes: 65_536 } }));
