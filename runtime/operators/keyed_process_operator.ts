/**
 * Runs a keyed processing step: an actor written as a plain object.
 *
 * Called by: the operator upstream, the timer service.
 * Calls: the user's step.
 *
 * @module
 */
import type { ValueStateDescriptor } from "../../core/descriptors.ts";
import type { Key } from "../../core/key.ts";
import type { ActorScope, ActorTimers, TimeDomain } from "../actor.ts";
import type { OperatorContext } from "../operator.ts";
import type { KeyedProcessContext, KeyedProcessFunction, StateDeclarations } from "../process_function.ts";
import type { ActorRef } from "../feedback/actor_ref.ts";
import { tell, tellAfter } from "../feedback/outbox.ts";
import type { Duration } from "../windows/duration.ts";
import { KeyedOperator } from "./keyed_operator.ts";
import { ScopeContext } from "./scope_context.ts";

/** One step for all keys of a subtask. */
export class KeyedProcessOperator<K extends Key, I, O, S extends StateDeclarations> extends KeyedOperator<K, I, O> {
  /** What the step is called with; set by `declare`. */
  protected stepContext: KeyedProcessContext<K, O, S> | null = null;

  constructor(
    context: OperatorContext,
    keyOf: (value: I) => K,
    private readonly step: KeyedProcessFunction<K, I, O, S>,
  ) {
    super(context, keyOf);
  }

  protected override declare(): void {
    const handles: Record<string, unknown> = {};
    for (const [name, descriptor] of Object.entries(this.step.state ?? {})) {
      // Every descriptor has a kind that one of the overloads takes; the handle's type is StateOf of it.
      handles[name] = this.states.open(descriptor as ValueStateDescriptor<unknown>);
    }
    // The handles were made one by one from the declarations of S.
    this.stepContext = this.makeContext(handles as KeyedProcessContext<K, O, S>["state"]);
    this.scope.isSealed = true;
  }

  /** Called once, when all state is declared. */
  protected makeContext(state: KeyedProcessContext<K, O, S>["state"]): KeyedProcessContext<K, O, S> {
    return new StepContext<K, O, S>(this.scope, state);
  }

  protected override onRecord(value: I): void {
    const result: unknown = this.step.onMessage(value, this.stepContext!);
    if (result !== undefined) this.checkSynchronous(result, "onMessage()");
  }

  protected override onDueTimer(timestampMs: number, domain: TimeDomain): void {
    const result: unknown = this.step.onTimer?.(timestampMs, this.stepContext!, domain);
    if (result !== undefined) this.checkSynchronous(result, "onTimer()");
  }
}

/** The context of a keyed step. */
export class StepContext<K extends Key, O, S> extends ScopeContext<O> implements KeyedProcessContext<K, O, S> {
  constructor(scope: ActorScope, readonly state: KeyedProcessContext<K, O, S>["state"]) {
    super(scope);
  }

  get key(): K {
    // The operator sets only keys that its key selector, typed K, returned.
    return this.scope.backend.currentKey() as K;
  }

  get timers(): ActorTimers {
    return this.scope.timers;
  }

  tell<T extends Key, M>(actor: ActorRef<T, M> | string, key: T, message: M): void {
    tell(this.scope, actor, key, message);
  }

  tellAfter<T extends Key, M>(delay: Duration, actor: ActorRef<T, M> | string, key: T, message: M): void {
    tellAfter(this.scope, delay, actor, key, message);
  }
}
