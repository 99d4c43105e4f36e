/** The backend `hashmap` keeps the contract of state backends. */
import type { StateBackendFactory } from "../../core/backend.ts";
import { heapBackendFactory, HeapStateBackend } from "../../backends/heap/heap_backend.ts";
import { stateModelSuite } from "../contracts/keyed_state_model.ts";
import { stateBackendContract } from "../contracts/state_backend.ts";

const checking: StateBackendFactory = {
  name: "hashmap, checking key groups",
  create: (context) => new HeapStateBackend(context, { checkKeyGroups: true }),
};
/** Gives way after every row, so that writes fall between all steps of a snapshot; small tables count as large. */
const yielding: StateBackendFactory = {
  name: "hashmap, yielding",
  create: (context) => new HeapStateBackend(context, { rowsPerLook: 1, columnRows: 1, indexedRows: 3 }),
};

stateBackendContract("heap", heapBackendFactory, { checking });
stateModelSuite("heap that yields after every row", yielding);
