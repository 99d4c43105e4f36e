/** A changelog in front of the heap keeps the contract of state backends. */
import { changelogFactory } from "../../backends/changelog/changelog_factory.ts";
import { heapBackendFactory, HeapStateBackend } from "../../backends/heap/heap_backend.ts";
import type { StateBackendFactory } from "../../core/backend.ts";
import { stateModelSuite } from "../contracts/keyed_state_model.ts";
import { stateBackendContract } from "../contracts/state_backend.ts";

const checking: StateBackendFactory = {
  name: "hashmap, checking key groups",
  create: (context) => new HeapStateBackend(context, { checkKeyGroups: true }),
};
/** A failure is told at once. */
const ONCE = { maxAttempts: 1 };
const LOGGED = { isLogged: true };

stateBackendContract("changelog over heap", changelogFactory(heapBackendFactory, ONCE), {
  checking: changelogFactory(checking, ONCE),
  traits: LOGGED,
});
stateModelSuite(
  "changelog in memory over heap",
  changelogFactory(heapBackendFactory, { ...ONCE, inFiles: false, compress: true }),
  LOGGED,
);
