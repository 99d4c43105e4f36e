/** Stores whose states have trees of their own keep the contract of a store of rows. */
import { columnOptions } from "../../backends/lsm/column_options.ts";
import { LSM_STATE_METRICS } from "../../backends/lsm/native_metrics.ts";
import { lsmRowStoreFactory } from "../../backends/lsm/lsm_store.ts";
import { rowStoreContract } from "../contracts/row_store.ts";

/** Small enough that flushes, compactions and cuts happen in milliseconds. */
const SMALL = { blockBytes: 512, targetFileBytes: 8192, levelBaseBytes: 32_768 };
const COLUMN = columnOptions(SMALL);
const OTHER = columnOptions({ ...SMALL, blockBytes: 256, restartInterval: 4, bloomBitsPerKey: 0 });
const THIRD = columnOptions({ ...SMALL, compressionPerLevel: ["none", "zstd"], targetFileBytes: 2048 });

const two = (name: string) => name === "map" || name === "rows" ? OTHER : COLUMN;
const three = (name: string) => name === "list" ? THIRD : two(name);

rowStoreContract("lsm with two families", { factory: () => lsmRowStoreFactory({ ...SMALL, column: two }) });
rowStoreContract("lsm with three families", { factory: () => lsmRowStoreFactory({ ...SMALL, column: three }) });
rowStoreContract("lsm with a family for each state", {
  factory: () => lsmRowStoreFactory({ ...SMALL, metrics: LSM_STATE_METRICS }),
});
