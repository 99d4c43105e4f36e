/**
 * Carries records between two subtasks in one process: a queue of batches
 * with a stated bound, and marks (barriers, idleness, end of input) between them.
 *
 * Called by: runtime/exchange.ts (sending side), runtime/input_gate.ts (receiving side).
 * Calls: nothing.
 *
 * Invariants:
 * - at most `capacity` batches are queued: a sender without credit keeps its
 *   batches and stops its subtask; marks need no credit, there are few;
 * - what is sent first arrives first.
 *
 * @module
 */
import type { Barrier } from "../core/element.ts";

/** Records of one batch. Bounds how far a subtask runs ahead of the credit check. */
export const BATCH_SIZE = 512;

/** Batches that may wait in one channel. */
export const CHANNEL_CAPACITY = 4;

/**
 * Records on their way. `watermarks[i]` is the sender's watermark just before
 * record `i`, so that the order of watermarks and records does not depend on
 * where batches were cut.
 */
export class Batch {
  readonly values: unknown[] = [];
  readonly timestamps: Float64Array = new Float64Array(BATCH_SIZE);
  readonly watermarks: Float64Array = new Float64Array(BATCH_SIZE);
  /** First record that the receiver has not taken yet. */
  next = 0;
  /** The sender's watermark when the batch was sent. */
  lastWatermarkMs = Number.NEGATIVE_INFINITY;
}

/** What may stand between batches. */
export type Mark =
  | { readonly kind: "barrier"; readonly barrier: Barrier }
  | { readonly kind: "cancel-barrier"; readonly checkpointId: number }
  | { readonly kind: "watermark"; readonly watermarkMs: number }
  | { readonly kind: "idle"; readonly isIdle: boolean }
  | { readonly kind: "end" };

/** The receiving side's interest in a channel. */
export interface ChannelReceiver {
  /** Something has arrived. */
  wake(): void;
}

/** The sending side's interest in a channel. */
export interface ChannelSender {
  /** There is credit again. */
  creditReturned(): void;
}

/** One direction between one sender and one receiver. */
export class Channel {
  readonly queue: (Batch | Mark)[] = [];
  receiver: ChannelReceiver | null = null;
  sender: ChannelSender | null = null;
  #batches = 0;

  constructor(readonly capacity: number = CHANNEL_CAPACITY) {}

  /** Whether one more batch may be sent. */
  get hasCredit(): boolean {
    return this.#batches < this.capacity;
  }

  /** Batches that wait. */
  get queuedBatches(): number {
    return this.#batches;
  }

  /** Sends a batch (the caller has checked `hasCredit`) or a mark. */
  send(element: Batch | Mark): void {
    if (element instanceof Batch) this.#batches++;
    const last = this.queue.length - 1;
    // Two watermarks in a row are one: so what waits stays bounded however often the sender flushes.
    if (isWatermark(element) && last > 0 && isWatermark(this.queue[last])) this.queue[last] = element;
    else this.queue.push(element);
    this.receiver?.wake();
  }

  /** The oldest element, or undefined. */
  peek(): Batch | Mark | undefined {
    return this.queue[0];
  }

  /** Drops the oldest element; returns its credit. */
  shift(): void {
    const element = this.queue.shift();
    if (!(element instanceof Batch)) return;
    const wasFull = !this.hasCredit;
    this.#batches--;
    if (wasFull) this.sender?.creditReturned();
  }
}

function isWatermark(element: Batch | Mark | undefined): boolean {
  return element !== undefined && !(element instanceof Batch) && element.kind === "watermark";
}
