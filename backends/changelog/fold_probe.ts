/**
 * Catches what a folding state stores: wraps the functions of its descriptor, so that the log can hold the accumulator
 * and a restore needs no function of the user's.
 *
 * Called by: logged_states.ts, logged_handles.ts.
 * Calls: the functions of the descriptor.
 *
 * @module
 */
import type { AggregatingStateDescriptor, ReducingStateDescriptor } from "../../core/descriptors.ts";

/** What the functions of one descriptor have returned last. */
export class FoldProbe {
  /** What is stored; undefined: not known. */
  stored: unknown = undefined;
  /** Whether `result` is asked for the accumulator, not for a result. */
  isAsked = false;

  /** What is stored, which is forgotten here. */
  take(): unknown {
    const { stored } = this;
    this.stored = undefined;
    return stored;
  }

  /** The descriptor for the backend below. */
  reducing<T>(descriptor: ReducingStateDescriptor<T>): ReducingStateDescriptor<T> {
    return {
      ...descriptor,
      reduce: (left: T, right: T): T => {
        const folded = descriptor.reduce(left, right);
        this.stored = folded;
        return folded;
      },
    };
  }

  /** The descriptor for the backend below. */
  aggregating<I, A, O>(descriptor: AggregatingStateDescriptor<I, A, O>): AggregatingStateDescriptor<I, A, O> {
    const { aggregate } = descriptor;
    return {
      ...descriptor,
      aggregate: {
        create: () => aggregate.create(),
        add: (accumulator, input) => this.kept(aggregate.add(accumulator, input)),
        merge: (left, right) => this.kept(aggregate.merge(left, right)),
        result: (accumulator) => {
          if (!this.isAsked) return aggregate.result(accumulator);
          this.stored = accumulator;
          // The handle that has asked looks at what is stored here, and drops this.
          return undefined as O;
        },
      },
    };
  }

  private kept<A>(accumulator: A): A {
    this.stored = accumulator;
    return accumulator;
  }
}
