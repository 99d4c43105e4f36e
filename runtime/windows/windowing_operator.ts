/**
 * What all operators with windows share: the window function, timers of both clocks, elements that are too late, and what
 * a checkpoint must know of how windows are kept.
 *
 * Called by: subclasses.
 * Calls: runtime/operators/keyed_operator.ts, firing.ts.
 *
 * Invariants:
 * - a timer of processing time is set for the end of its millisecond, so that a window is complete when it fires;
 * - state is taken back only by an operator that keeps windows in the same way.
 *
 * @module
 */
import type { Barrier } from "../../core/element.ts";
import { StreamError } from "../../core/errors.ts";
import type { Key, Namespace } from "../../core/key.ts";
import type { Counter } from "../../core/metrics.ts";
import type { TimeDomain } from "../actor.ts";
import type { OperatorContext, OperatorSnapshotParts } from "../operator.ts";
import { listOf, valuesOf } from "../operator_lists.ts";
import { KeyedOperator } from "../operators/keyed_operator.ts";
import { Firing } from "./firing.ts";
import type { CheckSynchronous } from "./window_contents.ts";
import type { WindowPlan } from "./window_plan.ts";

/** How windows are kept, in checkpoints. */
const LAYOUT = "windows";

/** Windows of one subtask. */
export abstract class WindowingOperator<I, A, C, O> extends KeyedOperator<Key, I, O> {
  /** Set by `declare`. */
  protected firing!: Firing<C, O>;
  protected readonly isEventTime: boolean;
  protected readonly latenessMs: number;
  protected readonly check: CheckSynchronous = (result, what) => this.checkSynchronous(result, what);
  private readonly lateCounter: Counter;

  constructor(context: OperatorContext, keyOf: (value: I) => Key, protected readonly plan: WindowPlan<I, A, C, O>) {
    super(context, keyOf);
    this.isEventTime = plan.assigner.domain === "event";
    this.latenessMs = this.isEventTime ? plan.latenessMs : 0;
    this.lateCounter = context.metrics.counter("numLateRecordsDropped");
  }

  /** Names how windows are kept; state and timers of another layout would not be understood. */
  protected abstract readonly layout: string;

  /** A timer of the current key is due. */
  protected abstract onWindowTimer(timestampMs: number, domain: TimeDomain, namespace: Namespace): void;

  protected override declare(): void {
    this.#checkLayout();
    this.firing = new Firing(this.scope, this.plan.step, this.check);
    this.declareWindows();
    this.scope.isSealed = true;
  }

  /** Opens what the windows are kept in. */
  protected abstract declareWindows(): void;

  #checkLayout(): void {
    const restored = valuesOf(this.context.restore?.lists[LAYOUT]);
    const other = restored.find((layout) => layout !== this.layout);
    if (other === undefined) return;
    throw new StreamError(
      "invalid",
      `Cannot restore "${this.name}": its windows are kept as ${String(other)}, must be as ${this.layout}, since ` +
        `windows, trigger or function have changed; undo the change, or give the operator another name`,
    );
  }

  protected override onDueTimer(timestampMs: number, domain: TimeDomain, namespace: Namespace): void {
    this.onWindowTimer(domain === "event" ? timestampMs : timestampMs - 1, domain, namespace);
  }

  /** Sets a timer on the clock of the windows. */
  protected setTimer(timestampMs: number, namespace: Namespace): void {
    if (this.isEventTime) this.timers.registerEventTime(timestampMs, namespace);
    else this.timers.registerProcessingTime(timestampMs + 1, namespace);
  }

  /** The watermark if windows are of event time; else so early that nothing is late. */
  protected get timeMs(): number {
    return this.isEventTime ? this.timers.currentWatermark : Number.NEGATIVE_INFINITY;
  }

  /** Called for an element that no window has taken. */
  protected leaveOut(value: I): void {
    const { timestampMs } = this.scope;
    if (!this.isEventTime || timestampMs + this.latenessMs > this.timers.currentWatermark) return;
    const { lateTag } = this.plan;
    if (lateTag === null) this.lateCounter.inc();
    else this.side(lateTag.id).collect(value, timestampMs);
  }

  override snapshot(barrier: Barrier): OperatorSnapshotParts {
    const { keyed, lists } = super.snapshot(barrier);
    const layout = listOf("union", [this.layout]);
    return { keyed, lists: async () => ({ ...await lists(), [LAYOUT]: layout }) };
  }
}

/** When a window is to go; Infinity if never, since the time is beyond all times. */
export function cleanupTimeOf(maxTimestampMs: number, latenessMs: number): number {
  const timeMs = maxTimestampMs + latenessMs;
  return timeMs <= Number.MAX_SAFE_INTEGER ? timeMs : Number.POSITIVE_INFINITY;
}
