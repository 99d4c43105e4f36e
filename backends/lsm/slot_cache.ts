/**
 * Gives the stores of one slot their common block cache.
 *
 * Called by: lsm_store.ts.
 * Calls: ../runs/block_cache.ts, ../runs/bloom_filter.ts.
 *
 * @module
 */
import type { SlotMemory } from "../embedded/slot_memory.ts";
import { BlockCache } from "../runs/block_cache.ts";
import { LINE_BYTES } from "../runs/bloom_filter.ts";

/** Gone with the slot's memory, which the stores share as long as one of them is open. */
const caches = new WeakMap<SlotMemory, BlockCache>();

/**
 * The cache of a slot; made, for blocks of that size, by the first that asks.
 *
 * @param partBytes Indexes and filters are in memory by parts of this size, the same in all of a job; undefined: whole.
 */
export function slotCache(memory: SlotMemory, blockBytes: number, partBytes?: number): BlockCache {
  let cache = caches.get(memory);
  if (cache === undefined) {
    const { cacheBytes, highPriorityBytes } = memory;
    // A line of a filter is in one part.
    const indexPartBytes = partBytes === undefined ? undefined : Math.ceil(partBytes / LINE_BYTES) * LINE_BYTES;
    cache = new BlockCache({ cacheBytes, highPriorityBytes, blockBytes, indexPartBytes });
    caches.set(memory, cache);
    memory.cacheFigures = cache;
  }
  return cache;
}
