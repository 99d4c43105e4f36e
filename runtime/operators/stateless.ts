/**
 * The operators that keep nothing: map, filter, flatMap.
 *
 * Called by: the operator upstream, one direct call per record.
 * Calls: the user's function, the operator downstream.
 *
 * @module
 */
import { Operator, type OperatorContext } from "../operator.ts";

/** One record in, one out. */
export class MapOperator<I, O> extends Operator<I, O> {
  constructor(context: OperatorContext, private readonly apply: (value: I) => O) {
    super(context);
  }

  collect(value: I, timestampMs: number): void {
    this.recordsIn.count++;
    let result: O;
    try {
      result = this.apply(value);
      if (typeof result === "object") this.checkSynchronous(result, "the function given to map()");
    } catch (cause) {
      throw this.failure(cause, value);
    }
    this.out.collect(result, timestampMs);
  }
}

/** Lets through what the predicate holds for. */
export class FilterOperator<T> extends Operator<T, T> {
  constructor(context: OperatorContext, private readonly predicate: (value: T) => boolean) {
    super(context);
  }

  collect(value: T, timestampMs: number): void {
    this.recordsIn.count++;
    let passes: unknown;
    try {
      passes = this.predicate(value);
      if (typeof passes === "object") this.checkSynchronous(passes, "the function given to filter()");
    } catch (cause) {
      throw this.failure(cause, value);
    }
    if (passes) this.out.collect(value, timestampMs);
  }
}

/** One record in, any number out. */
export class FlatMapOperator<I, O> extends Operator<I, O> {
  constructor(context: OperatorContext, private readonly apply: (value: I) => Iterable<O>) {
    super(context);
  }

  collect(value: I, timestampMs: number): void {
    this.recordsIn.count++;
    try {
      const results: Iterable<O> = this.apply(value);
      this.checkSynchronous(results, "the function given to flatMap()");
      if (Array.isArray(results)) {
        for (let i = 0; i < results.length; i++) this.out.collect(results[i], timestampMs);
      } else {
        for (const result of results) this.out.collect(result, timestampMs);
      }
    } catch (cause) {
      throw this.failure(cause, value);
    }
  }
}
