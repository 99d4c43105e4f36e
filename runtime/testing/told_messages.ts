/**
 * Where an actor in a harness tells others: messages are kept for the test to look at, and delivered to nobody.
 *
 * Called by: runtime/testing/harness_context.ts.
 * Calls: runtime/feedback/.
 *
 * @module
 */
import type { Key } from "../../core/key.ts";
import { FeedbackGroup } from "../feedback/feedback_group.ts";
import type { Feedback } from "../feedback/feedback_network.ts";
import { Inbox } from "../feedback/inbox.ts";
import type { Message } from "../feedback/message.ts";
import { type Addressee, Outbox } from "../feedback/outbox.ts";

/** A message that an actor has told another. */
export interface ToldMessage {
  /** Name of the actor that was told. */
  readonly actor: string;
  /** Its key. */
  readonly key: Key;
  /** As it was told; not a copy. */
  readonly message: unknown;
  /** Event time of what the sender had in hand, milliseconds since the epoch; -Infinity when it had none. */
  readonly timestampMs: number;
  /** Wall clock before which it would not be delivered, milliseconds since the epoch; null: at once. */
  readonly dueMs: number | null;
}

/** Keeps what would be delivered. */
class ListeningInbox extends Inbox {
  constructor(private readonly actor: string, group: FeedbackGroup, private readonly told: ToldMessage[]) {
    super({ actorName: actor, senderCount: 1, limit: Number.POSITIVE_INFINITY, group });
  }

  override deliver(_sender: number, { key, value, timestampMs, dueMs }: Message): void {
    this.told.push({ actor: this.actor, key, message: value, timestampMs, dueMs });
  }

  override mark(): void {}
}

/** The ways of an actor that tells others; what it tells is added to `told`. */
export function listeningFeedback(
  operatorName: string,
  tells: readonly string[],
  maxParallelism: number,
  told: ToldMessage[],
): Feedback {
  const group = new FeedbackGroup(1);
  const addressees = tells.map((actor): [string, Addressee] => {
    return [actor, { maxParallelism, inboxes: [new ListeningInbox(actor, group, told)], sender: 0 }];
  });
  return { inbox: null, outbox: new Outbox(operatorName, new Map(addressees)), group };
}
