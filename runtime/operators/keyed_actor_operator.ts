/**
 * Runs a user's actor: sets the key, calls the actor.
 *
 * Called by: the operator upstream, the timer service.
 * Calls: the actor.
 *
 * @module
 */
import type { Key } from "../../core/key.ts";
import { type KeyedActor, makeActor, type TimeDomain } from "../actor.ts";
import type { OperatorContext } from "../operator.ts";
import { KeyedOperator } from "./keyed_operator.ts";

/** One actor for all keys of a subtask. */
export class KeyedActorOperator<K extends Key, I, O, A extends KeyedActor<K, I, O> = KeyedActor<K, I, O>>
  extends KeyedOperator<K, I, O> {
  /** Made by `declare`; null again once it is closed. */
  protected actor: A | null = null;

  constructor(context: OperatorContext, keyOf: (value: I) => K, private readonly make: () => A) {
    super(context, keyOf);
  }

  protected override declare(): void {
    this.actor = makeActor(this.scope, this.make);
  }

  protected override async prepare(): Promise<void> {
    await this.actor!.onOpen();
  }

  protected override onRecord(value: I): void {
    const result: unknown = this.actor!.onMessage(value);
    if (result !== undefined) this.checkSynchronous(result, "onMessage()");
  }

  protected override onDueTimer(timestampMs: number, domain: TimeDomain): void {
    const result: unknown = this.actor!.onTimer(timestampMs, domain);
    if (result !== undefined) this.checkSynchronous(result, "onTimer()");
  }

  override async close(): Promise<void> {
    const actor = this.actor;
    this.actor = null;
    this.refuseOutput();
    try {
      await actor?.onClose();
    } finally {
      await super.close();
    }
  }
}
