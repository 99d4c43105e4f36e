/**
 * Decides which request for a checkpoint runs next, and when.
 *
 * Called by: coordinator.ts.
 * Calls: nothing; does no I/O and knows no time but what it is told.
 *
 * Source: Flink's `CheckpointRequestDecider`.
 *
 * Invariants:
 * - requests are ordered: savepoints, forced, asked for, periodic; then by time;
 * - at most `limit` wait; at most one of them is periodic.
 *
 * @module
 */
import { type CheckpointProperties, isForced } from "./checkpoint_properties.ts";

/** Most requests that wait. */
export const MAX_WAITING_REQUESTS = 1000;

/** A wish for a checkpoint. */
export interface CheckpointRequest {
  readonly properties: CheckpointProperties;
  /** The interval asks for it, not a person. */
  readonly periodic: boolean;
  /** When it was asked for, milliseconds. */
  readonly timestampMs: number;
}

/** What the coordinator is doing. */
export interface RequestFacts {
  /** A checkpoint is being started right now. */
  readonly isTriggering: boolean;
  /** Checkpoints under way, without savepoints: those hold nothing back. */
  readonly pendingCount: number;
  readonly maxConcurrent: number;
  /** Old checkpoints whose files are being deleted. */
  readonly cleaningCount: number;
  readonly minPauseMs: number;
  /** When the last checkpoint completed, on the monotonic clock; `-Infinity` when none has. */
  readonly lastCompletionMs: number;
  /** Monotonic clock. */
  readonly nowMs: number;
}

/** What happens next. */
export type RequestDecision<R> =
  | { readonly action: "none" }
  | { readonly action: "run"; readonly request: R }
  /** Ask again after this time, milliseconds. */
  | { readonly action: "later"; readonly delayMs: number };

/** Requests that wait. */
export class RequestQueue<R extends CheckpointRequest> {
  readonly #limit: number;
  #waiting: R[] = [];

  /** @param limit Most requests that wait, ≥ 1. */
  constructor(limit: number = MAX_WAITING_REQUESTS) {
    this.#limit = limit;
  }

  /** Number of requests that wait. */
  get size(): number {
    return this.#waiting.length;
  }

  /** @returns The request that is turned down for it: itself, the lowest one, or null. */
  add(request: R): R | null {
    if (request.periodic && this.#waiting.some((waiting) => waiting.periodic)) return request;
    if (this.#waiting.length >= this.#limit && this.#waiting.at(-1)?.periodic !== true) return request;
    const at = this.#waiting.findIndex((waiting) => compare(request, waiting) < 0);
    this.#waiting.splice(at < 0 ? this.#waiting.length : at, 0, request);
    return this.#waiting.length > this.#limit ? this.#waiting.pop() ?? null : null;
  }

  /** Takes the next request that may run now out of the queue. */
  next(facts: RequestFacts): RequestDecision<R> {
    const first = this.#waiting[0];
    if (first === undefined || facts.isTriggering || facts.cleaningCount > facts.maxConcurrent) {
      return { action: "none" };
    }
    if (facts.pendingCount >= facts.maxConcurrent && !isForced(first.properties)) return { action: "none" };
    if (first.periodic) {
      const delayMs = facts.lastCompletionMs + facts.minPauseMs - facts.nowMs;
      if (delayMs > 0) return { action: "later", delayMs };
    }
    this.#waiting.shift();
    return { action: "run", request: first };
  }

  /** Takes all out. */
  clear(): R[] {
    const waiting = this.#waiting;
    this.#waiting = [];
    return waiting;
  }
}

function compare(a: CheckpointRequest, b: CheckpointRequest): number {
  return rank(a) - rank(b) || a.timestampMs - b.timestampMs;
}

function rank({ properties, periodic }: CheckpointRequest): number {
  if (properties.type === "savepoint") return 0;
  return isForced(properties) ? 1 : periodic ? 3 : 2;
}
