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
import type { MetricGroup } from "../../core/metrics.ts";
import type { ActorScope, ActorTimers, TimeDomain } from "../actor.ts";
import type { OperatorContext } from "../operator.ts";
import type { KeyedProcessContext, KeyedProcessFunction, StateDeclarations } from "../process_function.ts";
import type { ActorRef } from "../feedback/actor_ref.ts";
import { delayOf } from "../feedback/outbox.ts";
import type { OutputTag } from "../side_output.ts";
import type { Duration } from "../windows/duration.ts";
import { KeyedOperator } from "./keyed_operator.ts";

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
    this.stepContext = new StepContext<K, O, S>(this.scope, handles as KeyedProcessContext<K, O, S>["state"]);
    this.scope.isSealed = true;
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

class StepContext<K extends Key, O, S extends StateDeclarations> implements KeyedProcessContext<K, O, S> {
  constructor(private readonly scope: ActorScope, readonly state: KeyedProcessContext<K, O, S>["state"]) {}

  get key(): K {
    // The operator sets only keys that its key selector, typed K, returned.
    return this.scope.backend.currentKey() as K;
  }

  get timestampMs(): number {
    return this.scope.timestampMs;
  }

  get timers(): ActorTimers {
    return this.scope.timers;
  }

  get metrics(): MetricGroup {
    return this.scope.metrics;
  }

  tell<T extends Key, M>(actor: ActorRef<T, M> | string, key: T, message: M): void {
    const { outbox, timestampMs } = this.scope;
    outbox.tell(actor, key, message, timestampMs, null);
  }

  tellAfter<T extends Key, M>(delay: Duration, actor: ActorRef<T, M> | string, key: T, message: M): void {
    const { outbox, timestampMs, timers } = this.scope;
    outbox.tell(actor, key, message, timestampMs, timers.currentProcessingTime() + delayOf(delay));
  }

  emit(value: O): void {
    this.scope.out.collect(value, this.scope.timestampMs);
  }

  emitTo<T>(tag: OutputTag<T>, value: T): void {
    this.scope.sideOutput(tag.id).collect(value, this.scope.timestampMs);
  }
}
