/**
 * Runs a user's actor on two streams.
 *
 * Called by: the gate of its subtask, the timer service.
 * Calls: the actor.
 *
 * @module
 */
import type { Key } from "../../core/key.ts";
import type { OperatorContext } from "../operator.ts";
import { KeyedActorOperator } from "../operators/keyed_actor_operator.ts";
import type { InputPort, RecordPort } from "../output.ts";
import type { CoActor } from "./co_actor.ts";
import type { TwoKeys } from "./keyed_two_input_operator.ts";

/** One actor for all keys of a subtask. */
export class CoActorOperator<K extends Key, A, B, O> extends KeyedActorOperator<K, A, O, CoActor<K, A, B, O>> {
  readonly #onSecond = (value: B): void => {
    const result: unknown = this.actor!.onSecond(value);
    if (result !== undefined) this.checkSynchronous(result, "onSecond()");
  };

  constructor(
    context: OperatorContext,
    private readonly keys: TwoKeys<K, A, B>,
    make: () => CoActor<K, A, B, O>,
  ) {
    super(context, keys.first, make);
  }

  override port(port: InputPort): RecordPort {
    if (port === 0) return super.port(0);
    const { second } = this.keys;
    // connect() has tied what comes in to B.
    return { collect: (value, timestampMs) => this.collectSecond(value as B, timestampMs, second, this.#onSecond) };
  }
}
