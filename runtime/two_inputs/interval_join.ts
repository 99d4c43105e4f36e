/**
 * The fluent API of joins of two keyed streams by the distance of their times.
 *
 * Called by: users, through `intervalJoin()` in runtime/keyed_stream.ts.
 * Calls: interval_join_operator.ts.
 *
 * @module
 */
import type { Key } from "../../core/key.ts";
import type { OutputTag } from "../side_output.ts";
import type { DataStream } from "../stream.ts";
import { type Duration, durationMs } from "../windows/duration.ts";
import type { TwoInputs } from "./connected_streams.ts";
import { type IntervalJoinFunction, IntervalJoinOperator } from "./interval_join_operator.ts";
import type { TwoKeys } from "./keyed_two_input_operator.ts";

/** What may be said besides the bounds. */
export interface IntervalJoinOptions<A, B> {
  /** Whether a distance of exactly the lower bound counts. Default true. */
  readonly lowerInclusive?: boolean;
  /** Whether a distance of exactly the upper bound counts. Default true. */
  readonly upperInclusive?: boolean;
  /** Where values of the first stream go that come behind the watermark; otherwise they are counted and left out. */
  readonly lateFirst?: OutputTag<A>;
  /** The same for the second stream. */
  readonly lateSecond?: OutputTag<B>;
}

/** Two keyed streams before it is known how far apart in time values may be. */
export class IntervalJoin<K extends Key, A, B> {
  /** Not for users: comes from `keyedStream.intervalJoin(…)`. */
  constructor(private readonly inputs: TwoInputs, private readonly keys: TwoKeys<K, A, B>) {}

  /**
   * Says how much later than a value of the first stream one of the second may be: from `lower` to `upper`, each a number
   * of milliseconds or text such as "5 s" or "-1 min"; negative is earlier.
   *
   * @throws {RangeError} If a bound is no time, or the lower one is above the upper one.
   */
  between(lower: Duration, upper: Duration, options: IntervalJoinOptions<A, B> = {}): BoundedIntervalJoin<K, A, B> {
    const { lowerInclusive = true, upperInclusive = true } = options;
    const lowerMs = durationMs(lower, "the lower bound of a join", -Infinity) + (lowerInclusive ? 0 : 1);
    const upperMs = durationMs(upper, "the upper bound of a join", -Infinity) - (upperInclusive ? 0 : 1);
    if (lowerMs > upperMs) {
      throw new RangeError(
        `Cannot join within ${lower} .. ${upper}: no time lies between, the lower bound must not be above`,
      );
    }
    return new BoundedIntervalJoin(this.inputs, { ...options, keys: this.keys, lowerMs, upperMs });
  }
}

/** What the operator is made with. */
export interface IntervalJoinPlan<K extends Key, A, B> extends IntervalJoinOptions<A, B> {
  readonly keys: TwoKeys<K, A, B>;
  /** Both inclusive. */
  readonly lowerMs: number;
  readonly upperMs: number;
}

/** Two keyed streams whose values are joined when their keys are equal and their times not too far apart. */
export class BoundedIntervalJoin<K extends Key, A, B> {
  /** Not for users: comes from `intervalJoin(…).between(…)`. */
  constructor(private readonly inputs: TwoInputs, private readonly plan: IntervalJoinPlan<K, A, B>) {}

  /**
   * Calls back for each pair; what it emits has the later of both times.
   *
   * @param name Identifies the join's state across restarts; unique in the pipeline.
   * @param join Synchronous. What it emits is named: `process<string>(…)`.
   */
  process<O = never>(name: string, join: IntervalJoinFunction<A, B, O>): DataStream<O> {
    return this.inputs.add(
      { name, label: name, kind: "keyed" },
      (context) => new IntervalJoinOperator<K, A, B, O>(context, this.plan, join),
    );
  }
}
