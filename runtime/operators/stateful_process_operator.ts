/**
 * Runs a processing step that has state of its own, on a stream without a key.
 *
 * Called by: the operator upstream.
 * Calls: the user's step.
 *
 * Invariants:
 * - `onEnd` is called once for an end of input, whatever the job is restored from.
 *
 * @module
 */
import { type Barrier, MAX_WATERMARK, NO_TIMESTAMP } from "../../core/element.ts";
import type { OperatorListStateDescriptor, OperatorStateDescriptor } from "../../core/operator_state.ts";
import type { OperatorContext, OperatorSnapshotParts } from "../operator.ts";
import { listOf, valuesOf } from "../operator_lists.ts";
import type {
  OperatorStateDeclarations,
  OperatorStateHandles,
  StatefulProcessContext,
  StatefulProcessFunction,
} from "../process_function.ts";
import { StepOperator } from "./step_operator.ts";

/** Whether the step has been told of the end, an item for each subtask. */
const ENDED = "ended";

/** One call of `onMessage` per record; the operator is the step's context. */
export class StatefulProcessOperator<I, O, S extends OperatorStateDeclarations> extends StepOperator<I, O>
  implements StatefulProcessContext<O, S> {
  /** Filled by `open`. */
  state: OperatorStateHandles<S> = Object.freeze({}) as OperatorStateHandles<S>; // nothing is called before `open`
  /** Records taken when `onEnd` was called; null when it was not, here and before the checkpoint. */
  #endedAt: number | null = null;

  constructor(context: OperatorContext, private readonly functions: StatefulProcessFunction<I, O, S>) {
    super(context);
  }

  override get declared(): readonly OperatorStateDescriptor[] {
    // Only `operatorListState` and `broadcastState` make descriptors of these kinds; `open` refuses others.
    return Object.values(this.functions.state ?? {}) as unknown as readonly OperatorStateDescriptor[];
  }

  override open(): void {
    const { context, functions, states } = this;
    const handles: Record<string, unknown> = {};
    for (const [name, descriptor] of Object.entries(functions.state ?? {})) {
      // Both kinds of descriptor have an overload of `declare`, which refuses other kinds.
      handles[name] = states.declare(descriptor as OperatorListStateDescriptor<unknown>);
    }
    // The handles were made one by one from the declarations of S.
    this.state = Object.freeze(handles) as OperatorStateHandles<S>;
    if (hadEnded(context)) this.#endedAt = this.recordsIn.count;
    super.open();
    const { subtaskIndex, parallelism, metrics } = context;
    const isRestored = context.restore !== null;
    const result: unknown = functions.onOpen?.({ state: this.state, subtaskIndex, parallelism, isRestored, metrics });
    if (result !== undefined) this.checkSynchronous(result, "onOpen()");
  }

  collect(value: I, timestampMs: number): void {
    this.recordsIn.count++;
    this.timestampMs = timestampMs;
    try {
      const result: unknown = this.functions.onMessage(value, this);
      if (result !== undefined) this.checkSynchronous(result, "onMessage()");
    } catch (cause) {
      throw this.failure(cause, value);
    }
  }

  /** Whether all input had ended, and nothing has come since; after a drain there may be more input. */
  get #hasEnded(): boolean {
    return this.#endedAt === this.recordsIn.count;
  }

  /** Event time comes to its end when all input has. */
  override watermark(watermarkMs: number): void {
    if (watermarkMs === MAX_WATERMARK && !this.#hasEnded) this.#end();
    super.watermark(watermarkMs);
  }

  #end(): void {
    this.#endedAt = this.recordsIn.count;
    this.timestampMs = NO_TIMESTAMP;
    try {
      const result: unknown = this.functions.onEnd?.(this);
      if (result !== undefined) this.checkSynchronous(result, "onEnd()");
    } catch (cause) {
      throw this.failureOutsideRecords(cause);
    }
  }

  override snapshot(barrier: Barrier): OperatorSnapshotParts {
    const parts = super.snapshot(barrier);
    if (this.functions.onEnd === undefined) return parts;
    const ended = listOf("union", [this.#hasEnded]);
    return { keyed: null, lists: async () => ({ ...await parts.lists(), [ENDED]: ended }) };
  }
}

/** Whether the step has been told of the end before the checkpoint: this subtask if there are as many as then, else all. */
function hadEnded({ restore, subtaskIndex, parallelism }: OperatorContext): boolean {
  const ended = valuesOf(restore?.lists[ENDED]);
  if (ended.length === parallelism) return ended[subtaskIndex] === true;
  return ended.length > 0 && ended.every((one) => one === true);
}
