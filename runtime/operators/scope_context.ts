/**
 * What a user's function is given besides its value: a view on the scope of its operator.
 *
 * Called by: users' functions; made once by the operators that have one.
 * Calls: the operator's outputs.
 *
 * @module
 */
import type { MetricGroup } from "../../core/metrics.ts";
import type { ActorScope } from "../actor.ts";
import type { ProcessContext } from "../process_function.ts";
import type { OutputTag } from "../side_output.ts";

/** Time and outputs of the record or timer in hand. */
export class ScopeContext<O> implements ProcessContext<O> {
  constructor(protected readonly scope: ActorScope) {}

  get timestampMs(): number {
    return this.scope.timestampMs;
  }

  get metrics(): MetricGroup {
    return this.scope.metrics;
  }

  emit(value: O): void {
    this.scope.out.collect(value, this.scope.timestampMs);
  }

  emitTo<T>(tag: OutputTag<T>, value: T): void {
    this.scope.sideOutput(tag.id).collect(value, this.scope.timestampMs);
  }
}
