/**
 * Joins two keyed streams by the distance of their times: keeps the values of both by their time, looks in those of the
 * other stream for partners, and forgets what can have none any more.
 *
 * Called by: the gate of its subtask, the timer service.
 * Calls: the user's function.
 *
 * Invariants:
 * - a pair is told once, when the later to arrive of both comes;
 * - a value is forgotten as soon as the watermark shows that all its partners have come or are late: a timer stands at
 *   that moment, the same moment for all values that are due then.
 *
 * Source: Flink's `IntervalJoinOperator`.
 *
 * @module
 */
import { mapState } from "../../core/descriptors.ts";
import { MIN_WATERMARK, NO_TIMESTAMP } from "../../core/element.ts";
import { StreamError } from "../../core/errors.ts";
import { type Key, VOID_NAMESPACE } from "../../core/key.ts";
import type { Counter } from "../../core/metrics.ts";
import type { MapState } from "../../core/state.ts";
import type { OperatorContext } from "../operator.ts";
import { KeyedOperator } from "../operators/keyed_operator.ts";
import { ScopeContext } from "../operators/scope_context.ts";
import type { InputPort, RecordPort } from "../output.ts";
import type { ProcessContext } from "../process_function.ts";
import type { OutputTag } from "../side_output.ts";
import type { IntervalJoinPlan } from "./interval_join.ts";

/** What a join function sees besides both values. */
export interface IntervalJoinContext<O> extends ProcessContext<O> {
  /** The later of both times; what is emitted has it. */
  readonly timestampMs: number;
  /** Event time of the value of the first stream. */
  readonly firstTimestampMs: number;
  /** Event time of the value of the second stream. */
  readonly secondTimestampMs: number;
}

/** Called for each pair. */
export type IntervalJoinFunction<A, B, O> = (first: A, second: B, context: IntervalJoinContext<O>) => void;

/** The context of the join: one for all pairs. */
class PairContext<O> extends ScopeContext<O> implements IntervalJoinContext<O> {
  firstTimestampMs: number = NO_TIMESTAMP;
  secondTimestampMs: number = NO_TIMESTAMP;
}

/** One join for all keys of a subtask. */
export class IntervalJoinOperator<K extends Key, A, B, O> extends KeyedOperator<K, A, O> {
  #pair!: PairContext<O>;
  readonly #late: Counter & { count: number };
  #firsts!: MapState<number, A[]>;
  #seconds!: MapState<number, B[]>;
  readonly #onSecond = (value: B): void => this.#takeSecond(value);

  constructor(
    context: OperatorContext,
    private readonly plan: IntervalJoinPlan<K, A, B>,
    private readonly join: IntervalJoinFunction<A, B, O>,
  ) {
    super(context, plan.keys.first);
    // As for `numRecordsIn`.
    this.#late = context.metrics.counter("numLateRecordsDropped") as Counter & { count: number };
  }

  protected override declare(): void {
    this.#firsts = this.states.open(mapState<number, A[]>("first"));
    this.#seconds = this.states.open(mapState<number, B[]>("second"));
    this.#pair = new PairContext(this.scope);
    this.scope.isSealed = true;
  }

  override port(port: InputPort): RecordPort {
    if (port === 0) return super.port(0);
    const { second } = this.plan.keys;
    // intervalJoin() has tied what comes in to B.
    return { collect: (value, timestampMs) => this.collectSecond(value as B, timestampMs, second, this.#onSecond) };
  }

  protected override onRecord(value: A): void {
    const { lowerMs, upperMs, lateFirst } = this.plan;
    const atMs = this.scope.timestampMs;
    if (this.#isLate(value, atMs, lateFirst)) return;
    append(this.#firsts, atMs, value);
    for (const [otherMs, others] of this.#seconds.entries()) {
      if (otherMs < atMs + lowerMs || otherMs > atMs + upperMs) continue;
      for (const other of others) this.#tell(value, other, atMs, otherMs);
    }
    this.timers.registerEventTime(atMs + Math.max(0, upperMs), VOID_NAMESPACE);
  }

  #takeSecond(value: B): void {
    const { lowerMs, upperMs, lateSecond } = this.plan;
    const atMs = this.scope.timestampMs;
    if (this.#isLate(value, atMs, lateSecond)) return;
    append(this.#seconds, atMs, value);
    for (const [otherMs, others] of this.#firsts.entries()) {
      if (otherMs < atMs - upperMs || otherMs > atMs - lowerMs) continue;
      for (const other of others) this.#tell(other, value, otherMs, atMs);
    }
    this.timers.registerEventTime(atMs + Math.max(0, -lowerMs), VOID_NAMESPACE);
  }

  #isLate<V>(value: V, atMs: number, tag: OutputTag<V> | undefined): boolean {
    if (atMs === NO_TIMESTAMP) {
      throw new StreamError(
        "invalid",
        `Cannot join in "${this.name}": a value has no event time, it must have one; give env.fromSource() a watermark ` +
          "strategy",
      );
    }
    const { currentWatermark } = this.timers;
    if (currentWatermark === MIN_WATERMARK || atMs >= currentWatermark) return false;
    if (tag === undefined) this.#late.count++;
    else this.#pair.emitTo(tag, value);
    return true;
  }

  #tell(first: A, second: B, firstMs: number, secondMs: number): void {
    const { scope } = this;
    const pair = this.#pair;
    const ownMs = scope.timestampMs;
    pair.firstTimestampMs = firstMs;
    pair.secondTimestampMs = secondMs;
    scope.timestampMs = Math.max(firstMs, secondMs);
    const result: unknown = this.join(first, second, pair);
    if (result !== undefined) this.checkSynchronous(result, "the function given to process()");
    scope.timestampMs = ownMs;
  }

  /** What is due at this moment has its partners behind it, whichever stream the timer was set for. */
  protected override onDueTimer(timestampMs: number): void {
    const { lowerMs, upperMs } = this.plan;
    this.#firsts.delete(timestampMs - Math.max(0, upperMs));
    this.#seconds.delete(timestampMs - Math.max(0, -lowerMs));
  }
}

function append<V>(values: MapState<number, V[]>, atMs: number, value: V): void {
  const there = values.get(atMs) ?? [];
  there.push(value);
  values.set(atMs, there);
}
