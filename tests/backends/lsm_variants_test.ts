/** LSM stores keep the contract of row stores whatever their options say. */
import type { LsmOptions } from "../../backends/lsm/lsm_options.ts";
import { lsmRowStoreFactory } from "../../backends/lsm/lsm_store.ts";
import { rowStoreContract } from "../contracts/row_store.ts";

/** Small enough that levels and cuts happen in milliseconds. */
const SMALL = { blockBytes: 512, targetFileBytes: 8192, levelBaseBytes: 32_768 };

const DYNAMIC: LsmOptions = {
  ...SMALL,
  dynamicLevelBytes: true,
  levelRatio: 2,
  compressionPerLevel: ["none", "none", "zstd"],
};
rowStoreContract("lsm, dynamic levels, compressed below", { factory: () => lsmRowStoreFactory(DYNAMIC) });

const UNIVERSAL: LsmOptions = {
  ...SMALL,
  compactionStyle: "UNIVERSAL",
  indexPartBytes: 128,
  restartInterval: 1,
  bloomBitsPerKey: 3,
};
rowStoreContract("lsm, universal, indexes by parts", { factory: () => lsmRowStoreFactory(UNIVERSAL) });

const NEVER: LsmOptions = { ...SMALL, compactionStyle: "NONE", bloomBitsPerKey: 0, restartInterval: 100 };
rowStoreContract("lsm, never merged", {
  factory: () => lsmRowStoreFactory(NEVER),
  noWorkBecause: "it was told not to merge",
});
