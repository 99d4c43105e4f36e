/**
 * Keeps operations that take time: a request starts one, later requests ask how it went.
 *
 * Called by: routes that take savepoints or checkpoints, or dispose of them; whoever serves the API asks what is unread.
 * Calls: core/clock.ts.
 *
 * Invariants:
 * - an id starts at most one operation of a kind and job;
 * - a result is kept for the store duration after the end, then forgotten; sooner if there is no room for another;
 * - there are never more than `limit` operations.
 *
 * @module
 */
import type { Clock, Random } from "../../core/clock.ts";
import { ApiError } from "./api_error.ts";

/** What an operation does; a stop with savepoint is asked for as a savepoint. */
export type OperationKind = "savepoint" | "checkpoint" | "disposal";

/** How an operation has gone so far. */
export type OperationState =
  | { readonly status: "in-progress" }
  | { readonly status: "completed"; readonly result: unknown }
  | { readonly status: "failed"; readonly error: unknown };

/** Names an operation. */
export interface OperationKey {
  /** What it does. */
  readonly kind: OperationKind;
  /** 32 hex digits; empty when it belongs to no job. */
  readonly jobId: string;
  /** 32 hex digits. */
  readonly id: string;
}

interface Operation {
  state: OperationState;
  /** Monotonic, milliseconds; Infinity until then. */
  endedMs: number;
  /** Whether a client has seen how it ended. */
  isRead: boolean;
}

/** Operations that are kept at once: a client that starts more is told to wait. */
const LIMIT = 1_000;

/** Operations by kind, job and id. */
export class OperationStore {
  readonly #operations = new Map<string, Operation>();
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #keptMs: number;
  readonly #limit: number;
  #onRead: () => void = () => {};

  /** @param keptMs How long a result is kept after the end, milliseconds. */
  constructor(clock: Clock, random: Random, keptMs: number, limit: number = LIMIT) {
    this.#clock = clock;
    this.#random = random;
    this.#keptMs = keptMs;
    this.#limit = limit;
  }

  /** How many operations are kept. */
  get size(): number {
    return this.#operations.size;
  }

  /** How many have not ended, or have ended since a monotonic time, in milliseconds, and nobody has asked. */
  unreadCount(sinceMs: number): number {
    return [...this.#operations.values()].filter(({ isRead, endedMs }) => !isRead && endedMs >= sinceMs).length;
  }

  /** Called whenever a result is read for the first time, and when one is forgotten. */
  onRead(listener: () => void): void {
    this.#onRead = listener;
  }

  /**
   * Starts an operation, unless there is one with this id.
   *
   * @param id 32 hex digits of the client; a new one when undefined.
   * @param begin Starts it. May throw: then there is no operation.
   * @returns Its id.
   * @throws {ApiError} 503 if there are too many.
   */
  start(kind: OperationKind, jobId: string, id: string | undefined, begin: () => Promise<unknown>): string {
    const chosen = id ?? this.#random.id();
    const name = nameOf({ kind, jobId, id: chosen });
    if (this.#operations.has(name)) return chosen;
    if (this.#operations.size >= this.#limit && !this.#makeRoom()) {
      throw new ApiError(503, `Cannot start an operation: ${this.#limit} are under way; ask again later`);
    }
    const running = begin();
    const operation: Operation = { state: { status: "in-progress" }, endedMs: Infinity, isRead: false };
    this.#operations.set(name, operation);
    running.then(
      (result) => this.#end(name, operation, { status: "completed", result }),
      (error) => this.#end(name, operation, { status: "failed", error }),
    );
    return chosen;
  }

  /** Whether there is an operation with this id. */
  has(key: OperationKey): boolean {
    return this.#operations.has(nameOf(key));
  }

  /** How an operation goes; undefined when there is none. A result that is returned counts as read. */
  read(key: OperationKey): OperationState | undefined {
    const operation = this.#operations.get(nameOf(key));
    if (operation === undefined) return undefined;
    if (operation.state.status !== "in-progress" && !operation.isRead) {
      operation.isRead = true;
      this.#onRead();
    }
    return operation.state;
  }

  /** Forgets everything, at the end. */
  clear(): void {
    this.#operations.clear();
    for (const cancel of this.#forgetting) cancel();
    this.#forgetting.clear();
  }

  readonly #forgetting = new Set<() => void>();

  /** Forgets the oldest result: one that has been read if there is any. False if all operations are under way. */
  #makeRoom(): boolean {
    const ended = [...this.#operations].filter(([, { state }]) => state.status !== "in-progress");
    const oldest = ended.find(([, { isRead }]) => isRead) ?? ended[0];
    return oldest !== undefined && this.#operations.delete(oldest[0]);
  }

  #end(name: string, operation: Operation, state: OperationState): void {
    operation.state = state;
    operation.endedMs = this.#clock.monotonicMs();
    if (this.#operations.get(name) !== operation) return;
    const cancel = this.#clock.schedule(this.#keptMs, () => {
      this.#forgetting.delete(cancel);
      // It may have made room already, and another one have its name.
      if (this.#operations.get(name) === operation) this.#operations.delete(name);
      this.#onRead();
    });
    this.#forgetting.add(cancel);
  }
}

function nameOf({ kind, jobId, id }: OperationKey): string {
  return `${kind} ${jobId} ${id}`;
}
