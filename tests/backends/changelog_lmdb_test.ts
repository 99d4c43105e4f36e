/** A changelog in front of `lmdb` keeps the contract of state backends. */
import { changelogFactory } from "../../backends/changelog/changelog_factory.ts";
import { embeddedBackendFactory } from "../../backends/embedded/embedded_backend_factory.ts";
import { stateBackendContract } from "../contracts/state_backend.ts";
import { lmdbStoresForTests } from "../support/native_folder.ts";

const stores = await lmdbStoresForTests();

function factory(checkKeyGroups = false) {
  const memory = { bytes: 8_388_608, writeBufferRatio: 0.5, highPriorityPoolRatio: 0.1 };
  // A failure is told at once.
  return changelogFactory(embeddedBackendFactory(stores, { memory, directory: "work", checkKeyGroups }), {
    maxAttempts: 1,
  });
}

stateBackendContract("changelog over lmdb", factory(), { checking: factory(true), traits: { isLogged: true } });
