/**
 * Runs a processing step on a stream without a key.
 *
 * Called by: the operator upstream.
 * Calls: the user's function.
 *
 * @module
 */
import { type Barrier, NO_TIMESTAMP } from "../../core/element.ts";
import type { MetricGroup } from "../../core/metrics.ts";
import { Operator, type OperatorContext, type OperatorSnapshotParts } from "../operator.ts";
import { OperatorStates } from "../operator_states.ts";
import { RefusingOutput } from "../output.ts";
import type { ProcessContext, ProcessFunction } from "../process_function.ts";
import type { OutputTag } from "../side_output.ts";

/** One call of the user's function per record; it is its own context, so that no record makes an object. */
export class ProcessOperator<I, O> extends Operator<I, O> implements ProcessContext<O> {
  timestampMs: number = NO_TIMESTAMP;
  /** Where `emit` sends to between two slices. */
  #between = new RefusingOutput(
    this.name,
    (error) => this.context.task.fail(this.failureOutsideRecords(error)),
  );
  private isBetween = false;
  /** Of a step without state: what a former version of it has left in the checkpoint. */
  protected readonly states: OperatorStates;

  /** @param what Names the step in errors. */
  constructor(
    context: OperatorContext,
    private readonly step: ProcessFunction<I, O>,
    private readonly what: string = "the function given to process()",
  ) {
    super(context);
    this.states = new OperatorStates(context);
  }

  get metrics(): MetricGroup {
    return this.context.metrics;
  }

  override open(): void {
    this.states.seal();
  }

  collect(value: I, timestampMs: number): void {
    this.recordsIn.count++;
    this.timestampMs = timestampMs;
    try {
      const result: unknown = this.step(value, this);
      if (result !== undefined) this.checkSynchronous(result, this.what);
    } catch (cause) {
      throw this.failure(cause, value);
    }
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
