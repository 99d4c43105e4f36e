/**
 * Runs a keyed step on two streams: the first input is that of a keyed step, the second has a port with a key selector of
 * its own.
 *
 * Called by: the gate of its subtask, the timer service.
 * Calls: the user's step.
 *
 * @module
 */
import type { Key } from "../../core/key.ts";
import type { OperatorContext } from "../operator.ts";
import { KeyedProcessOperator } from "../operators/keyed_process_operator.ts";
import type { InputPort, RecordPort } from "../output.ts";
import type { KeyedProcessFunction, StateDeclarations } from "../process_function.ts";
import type { KeyedTwoInputProcessFunction } from "./two_input_functions.ts";

/** The key selectors of both inputs. */
export interface TwoKeys<K extends Key, A, B> {
  readonly first: (value: A) => K;
  readonly second: (value: B) => K;
}

/** One step for all keys of a subtask. */
export class KeyedTwoInputOperator<K extends Key, A, B, O, S extends StateDeclarations>
  extends KeyedProcessOperator<K, A, O, S> {
  readonly #onSecond = (value: B): void => {
    const result: unknown = this.functions.onSecond(value, this.stepContext!);
    if (result !== undefined) this.checkSynchronous(result, "onSecond()");
  };

  constructor(
    context: OperatorContext,
    private readonly keys: TwoKeys<K, A, B>,
    private readonly functions: KeyedTwoInputProcessFunction<K, A, B, O, S>,
  ) {
    super(context, keys.first, firstOf(functions));
  }

  override port(port: InputPort): RecordPort {
    if (port === 0) return super.port(0);
    const { second } = this.keys;
    // connect() has tied what comes in to B.
    return { collect: (value, timestampMs) => this.collectSecond(value as B, timestampMs, second, this.#onSecond) };
  }
}

/** The part of the step that is a keyed step on the first input alone. */
function firstOf<K extends Key, A, B, O, S extends StateDeclarations>(
  step: KeyedTwoInputProcessFunction<K, A, B, O, S>,
): KeyedProcessFunction<K, A, O, S> {
  return {
    ...(step.state === undefined ? {} : { state: step.state }),
    onMessage: (value, context) => step.onFirst(value, context),
    ...(step.onTimer === undefined
      ? {}
      : { onTimer: (timestampMs, context, domain) => step.onTimer!(timestampMs, context, domain) }),
  };
}
