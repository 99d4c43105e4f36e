/**
 * Where one subtask of an actor tells others: finds the subtask that a key belongs to.
 *
 * Called by: runtime/actor.ts and contexts of steps (tell), runtime/operators/keyed_operator.ts (barriers, slices).
 * Calls: runtime/feedback/inbox.ts.
 *
 * @module
 */
import { checkKey, type Key } from "../../core/key.ts";
import { keyGroupOf, operatorIndexOf } from "../../core/key_groups.ts";
import { StreamError } from "../../core/errors.ts";
import { type Duration, durationMs } from "../windows/duration.ts";
import { type ActorRef, nameOfActor } from "./actor_ref.ts";
import type { Inbox } from "./inbox.ts";

/** An actor as one of its senders sees it. */
export interface Addressee {
  readonly maxParallelism: number;
  /** One for each of its subtasks. */
  readonly inboxes: readonly Inbox[];
  /** Number of this sender there. */
  readonly sender: number;
}

/** The actors that one subtask may tell. */
export class Outbox {
  /** Whether a message or a timer is in hand. */
  isOpen = false;
  /** Told instead of whoever tells while nothing is in hand: in a callback of the event loop nobody would catch the error. */
  refuse: (error: StreamError) => void = rethrow;

  /** @param addressees By the names of the actors. */
  constructor(private readonly operatorName: string, private readonly addressees: ReadonlyMap<string, Addressee>) {}

  /** @throws {StreamError} If it is not declared that this operator tells the actor, or nothing is in hand. @throws {TypeError} For null, undefined, or what is no key. */
  tell<K extends Key, M>(
    actor: ActorRef<K, M> | string,
    key: K,
    value: M,
    timestampMs: number,
    dueMs: number | null,
  ): void {
    const name = nameOfActor(actor);
    const addressee = this.addressees.get(name);
    if (!this.isOpen) return this.refuse(this.#refused(name, NOTHING_IN_HAND));
    if (addressee === undefined) throw this.#undeclared(name);
    checkKey(key);
    if (value === null || value === undefined) {
      throw new TypeError(`Cannot tell "${name}" ${value} from "${this.operatorName}": a message must be a value`);
    }
    const { inboxes, maxParallelism, sender } = addressee;
    const group = keyGroupOf(key, maxParallelism);
    const inbox = inboxes[operatorIndexOf(group, { parallelism: inboxes.length, maxParallelism })]!;
    inbox.deliver(sender, { key, value, timestampMs, dueMs }, this.operatorName);
  }

  /** The operator has taken its part of a checkpoint. */
  passBarrier(checkpointId: number): void {
    for (const { inboxes, sender } of this.addressees.values()) {
      for (const inbox of inboxes) inbox.mark(sender, checkpointId);
    }
  }

  #undeclared(name: string): StreamError {
    const declared = [...this.addressees.keys()].map((one) => `"${one}"`).join(", ");
    return this.#refused(
      name,
      `it is not among those that it tells${
        declared === "" ? "" : ` (${declared})`
      }; name it where the step is added, ` +
        `{ tells: ["${name}"] }`,
    );
  }

  #refused(name: string, why: string): StreamError {
    return new StreamError("invalid", `Cannot tell "${name}" from "${this.operatorName}": ${why}`);
  }
}

const NOTHING_IN_HAND =
  "no message and no timer is in hand, so a checkpoint could not tell whether it was sent; tell it " +
  "in onMessage() or onTimer(), before they return";

function rethrow(error: StreamError): never {
  throw error;
}

/** Whoever tells: the actor of the record or timer in hand. */
export interface Teller {
  readonly outbox: Outbox;
  readonly timestampMs: number;
  readonly timers: { currentProcessingTime(): number };
}

/** Tells a message at once. Errors as for {@link Outbox.tell}. */
export function tell<K extends Key, M>(
  { outbox, timestampMs }: Teller,
  actor: ActorRef<K, M> | string,
  key: K,
  value: M,
): void {
  outbox.tell(actor, key, value, timestampMs, null);
}

/** Tells a message for later. @throws {RangeError} If the delay is none. Other errors as for {@link Outbox.tell}. */
export function tellAfter<K extends Key, M>(
  { outbox, timestampMs, timers }: Teller,
  delay: Duration,
  actor: ActorRef<K, M> | string,
  key: K,
  value: M,
): void {
  const delayMs = durationMs(delay, "the delay of a message", 0);
  outbox.tell(actor, key, value, timestampMs, timers.currentProcessingTime() + delayMs);
}
