/**
 * The memory of one slot: how much its embedded backends may hold in write buffers and in cached blocks, and how much
 * they do hold.
 *
 * Called by: write buffers, the block cache, the factories of embedded backends.
 * Calls: nothing.
 *
 * @module
 */
import { StreamError } from "../../core/errors.ts";

/** How a slot's memory is divided. */
export interface SlotMemoryOptions {
  /** The cap: all of it. Default 128 MiB. */
  readonly bytes: number;
  /** Share of the write buffers, in (0, 1). Default 0.5. */
  readonly writeBufferRatio: number;
  /** Share of the block cache that is kept for indexes and filters, in (0, 1). Default 0.1. */
  readonly highPriorityPoolRatio: number;
}

/** Bytes of one slot, shared by every embedded backend in it. */
export class SlotMemory {
  /** All of it. */
  readonly capBytes: number;
  /** What write buffers may hold. */
  readonly writeBytes: number;
  /** What cached blocks, indexes and filters may hold. */
  readonly cacheBytes: number;
  /** The part of `cacheBytes` that is kept for indexes and filters. */
  readonly highPriorityBytes: number;

  /** @throws {StreamError} If a ratio is not between 0 and 1, or both leave nothing. */
  constructor(options: SlotMemoryOptions) {
    const { bytes, writeBufferRatio, highPriorityPoolRatio } = options;
    checkRatio("write-buffer-ratio", writeBufferRatio);
    checkRatio("high-prio-pool-ratio", highPriorityPoolRatio);
    this.capBytes = Math.floor(bytes);
    this.writeBytes = Math.floor(bytes * writeBufferRatio);
    this.cacheBytes = this.capBytes - this.writeBytes;
    this.highPriorityBytes = Math.floor(this.cacheBytes * highPriorityPoolRatio);
  }
}

function checkRatio(name: string, ratio: number): void {
  if (ratio > 0 && ratio < 1) return;
  throw new StreamError("invalid", `Cannot divide a slot's memory: ${name} is ${ratio}, it must be between 0 and 1`);
}
