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

/** Gone with the slot's memory, which the stores share as long as one of them is open. */
const caches = new WeakMap<SlotMemory, BlockCache>();

/** The cache of a slot; made, for blocks of that size, by the first that asks. */
export function slotCache(memory: SlotMemory, blockBytes: number): BlockCache {
  let cache = caches.get(memory);
  if (cache === undefined) {
    const { cacheBytes, highPriorityBytes } = memory;
    cache = new BlockCache({ cacheBytes, highPriorityBytes, blockBytes });
    caches.set(memory, cache);
    memory.cacheFigures = cache;
  }
  return cache;
}
