import { lsmRowStoreFactory } from "../../backends/lsm/lsm_store.ts";
import { rowStoreContract } from "../contracts/row_store.ts";

/** Small enough that flushes, compactions and cuts happen in milliseconds. */
const SMALL = { blockBytes: 512, targetFileBytes: 8192, levelBaseBytes: 32_768 };

rowStoreContract("lsm", { factory: () => lsmRowStoreFactory(SMALL) });
