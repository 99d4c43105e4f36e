/**
 * Declares what a state backend says of the memory that it holds: who holds how many bytes.
 *
 * Called by: core/backend.ts, runtime/job.ts, control/; made in backends/embedded/.
 * Calls: nothing.
 *
 * @module
 */

/** Bytes that one operator subtask holds in the memory of its slot. */
export interface OperatorMemory {
  /** Name of the operator. */
  readonly operatorName: string;
  /** In the write buffer that is written to. */
  readonly activeBytes: number;
  /** In write buffers that wait for their flush. */
  readonly frozenBytes: number;
  /** In the write buffer that was flushed last and is kept for reads, as long as nobody needs its memory. */
  readonly keptBytes: number;
  /** Of indexes and filters of its files, which are in the block cache of the slot. */
  readonly indexAndFilterBytes: number;
}

/** Bytes of the write buffers of one slot. */
export interface WriteBufferMemory {
  /** What they may hold: `write-buffer-ratio` of the slot. */
  readonly limitBytes: number;
  /** What they hold now: rows, their tables, the scratch of flushes. */
  readonly usedBytes: number;
  /** The most that they ever held. */
  readonly peakBytes: number;
  /** By how much that was above the limit; 0: never. */
  readonly overshootBytes: number;
  /** Of the one buffer, the arena, that their rows lie in; 0 before the first. Memory is taken from the system page by page. */
  readonly arenaBytes: number;
}

/** Bytes of the block cache of one slot. */
export interface BlockCacheMemory {
  /** What it may hold: what write buffers leave of the slot. */
  readonly limitBytes: number;
  /** What it has taken from the system, room for blocks that is free included. */
  readonly heldBytes: number;
  /** Of cached blocks. */
  readonly blockBytes: number;
  /** Of those that reads and iterations stand on now, which cannot be given up. */
  readonly pinnedBytes: number;
  /** Of indexes and filters of open files. */
  readonly indexAndFilterBytes: number;
  /** What is kept free of blocks for indexes and filters: `high-prio-pool-ratio` of the limit. */
  readonly reservedBytes: number;
  /** What flushes and compactions hold while they read and write files. */
  readonly scratchBytes: number;
}

/**
 * Bytes of one slot, which has subtask `slotIndex` of every operator. Where memory is not managed each operator has a
 * memory of its own: then there is one report for each of them.
 */
export interface SlotMemoryReport {
  /** 0-based. */
  readonly slotIndex: number;
  /** All that it may take. */
  readonly capBytes: number;
  /** What its write buffers and its block cache hold now. */
  readonly usedBytes: number;
  /** Those of all its operators. */
  readonly writeBuffers: WriteBufferMemory;
  /** Null: no operator of the slot has one; the system caches what `lmdb` reads. */
  readonly blockCache: BlockCacheMemory | null;
  /** In the order of their start. */
  readonly operators: readonly OperatorMemory[];
}

/** Who holds how many bytes of the memory for state on disk. */
export interface MemoryReport {
  /** As in `state.backend.type`. */
  readonly backend: string;
  /** Memory of all slots that are in use; 0 for state on the heap, which has none. */
  readonly totalBytes: number;
  /** What is used of it. */
  readonly usedBytes: number;
  /** Slots in use; none before the first attempt of a job, between two attempts and after the last. */
  readonly slots: readonly SlotMemoryReport[];
}
