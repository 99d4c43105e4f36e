/**
 * What steps on a stream without a key have in common: they emit, and they have a place for state.
 *
 * Called by: runtime/operators/process_operator.ts, runtime/operators/stateful_process_operator.ts.
 * Calls: runtime/operator_states.ts.
 *
 * @module
 */
import { type Barrier, NO_TIMESTAMP } from "../../core/element.ts";
import type { MetricGroup } from "../../core/metrics.ts";
import { Operator, type OperatorContext, type OperatorSnapshotParts } from "../operator.ts";
import { OperatorStates } from "../operator_states.ts";
import { RefusingOutput } from "../output.ts";
import type { ProcessContext } from "../process_function.ts";
import type { OutputTag } from "../side_output.ts";

/** The operator is the step's context, so that no record makes an object. */
export abstract class StepOperator<I, O> extends Operator<I, O> implements ProcessContext<O> {
  timestampMs: number = NO_TIMESTAMP;
  /** Where `emit` sends to between two slices. */
  #between = new RefusingOutput(
    this.name,
    (error) => this.context.task.fail(this.failureOutsideRecords(error)),
  );
  private isBetween = false;
  /** Of a step without state: what a former version of it has left in the checkpoint. */
  protected readonly states: OperatorStates;

  constructor(context: OperatorContext) {
    super(context);
    this.states = this.makeStates();
  }

  /** The place for state, called once. */
  protected makeStates(): OperatorStates {
    return new OperatorStates(this.context);
  }

  get metrics(): MetricGroup {
    return this.context.metrics;
  }

  override open(): void {
    this.states.seal();
  }

  emit(value: O): void {
    if (this.isBetween) return this.#between.collect();
    this.out.collect(value, this.timestampMs);
  }

  emitTo<T>(tag: OutputTag<T>, value: T): void {
    if (this.isBetween) return this.#between.collect();
    this.side(tag.id).collect(value, this.timestampMs);
  }

  override snapshot(_barrier: Barrier): OperatorSnapshotParts {
    const lists = Promise.resolve(this.states.snapshot());
    return { keyed: null, lists: () => lists };
  }

  override beginSlice(): void {
    this.isBetween = false;
    this.states.access.isOpen = true;
  }

  override endSlice(): void {
    this.isBetween = true;
    this.states.access.isOpen = false;
    this.timestampMs = NO_TIMESTAMP;
  }

  override close(): void {
    this.#between = new RefusingOutput(this.name); // The job may have ended: whoever emits now has to hear of it.
    this.isBetween = true;
    this.states.access.isOpen = false;
  }
}
