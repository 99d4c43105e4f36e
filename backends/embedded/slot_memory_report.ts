/**
 * Says who holds how many bytes of a slot's memory. Read when somebody looks; counts nothing on the way of records.
 *
 * Called by: slot_memories.ts.
 * Calls: slot_memory.ts.
 *
 * @module
 */
import type { BlockCacheMemory, SlotMemoryReport } from "../../core/backend_memory.ts";
import type { CacheFigures, SlotMemory } from "./slot_memory.ts";

/** The report of one slot. */
export function slotMemoryReport(slotIndex: number, memory: SlotMemory): SlotMemoryReport {
  const blockCache = memory.cacheFigures === undefined ? null : blockCacheMemory(memory.cacheFigures, memory);
  return {
    slotIndex,
    capBytes: memory.capBytes,
    usedBytes: memory.usedBytes + (blockCache?.heldBytes ?? 0),
    writeBuffers: {
      limitBytes: memory.writeBytes,
      usedBytes: memory.usedBytes,
      peakBytes: memory.peakBytes,
      overshootBytes: memory.overshootBytes,
      arenaBytes: memory.arenaBytes,
    },
    blockCache,
    operators: memory.users().map((owner) => owner.memoryUse()),
  };
}

function blockCacheMemory(figures: CacheFigures, { highPriorityBytes }: SlotMemory): BlockCacheMemory {
  const { capacityBytes, heldBytes, usageBytes, pinnedBytes, indexBytes, scratchBytes } = figures;
  return {
    limitBytes: capacityBytes,
    heldBytes,
    // The cache counts indexes and filters as used, and as pinned.
    blockBytes: usageBytes - indexBytes,
    pinnedBytes: pinnedBytes - indexBytes,
    indexAndFilterBytes: indexBytes,
    reservedBytes: highPriorityBytes,
    scratchBytes,
  };
}
