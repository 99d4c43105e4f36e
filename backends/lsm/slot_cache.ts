/**
 * Gives the stores of one slot their common block cache.
 *
 * Called by: lsm_store.ts.
 * Calls: ../runs/block_cache.ts.
 *
 * @module
 */
import type { SlotMemory } from "../embedded/slot_memory.ts";
import { BlockCache } from "../runs/block_cache.ts";

/** As RocksDB's `metadata_block_size`. */
const INDEX_PART_BYTES = 4_096;

/** Gone with the slot's memory, which the stores share as long as one of them is open. */
const caches = new WeakMap<SlotMemory, BlockCache>();

/**
 * The cache of a slot; made, for blocks of that size, by the first that asks.
 *
 * @param partsIndexes Whether indexes and filters are in memory by parts; the same in all of a job.
 */
export function slotCache(memory: SlotMemory, blockBytes: number, partsIndexes: boolean = false): BlockCache {
  let cache = caches.get(memory);
  if (cache === undefined) {
    const { cacheBytes, highPriorityBytes } = memory;
    const indexPartBytes = partsIndexes ? INDEX_PART_BYTES : undefined;
    cache = new BlockCache({ cacheBytes, highPriorityBytes, blockBytes, indexPartBytes });
    caches.set(memory, cache);
    memory.cacheFigures = cache;
  }
  return cache;
}
