/**
 * Folds the records of each key and emits the fold after every record.
 *
 * Called by: the operator upstream.
 * Calls: the user's function.
 *
 * @module
 */
import { reducingState } from "../../core/descriptors.ts";
import type { Key } from "../../core/key.ts";
import type { ReducingState } from "../../core/state.ts";
import type { OperatorContext } from "../operator.ts";
import { KeyedOperator } from "./keyed_operator.ts";

/** A running fold per key. */
export class ReduceOperator<K extends Key, T> extends KeyedOperator<K, T, T> {
  #fold: ReducingState<T> | null = null;
  /** Whether the record in hand is the first of its key: nothing was folded. */
  #isFirst = false;

  constructor(context: OperatorContext, keyOf: (value: T) => K, private readonly reduce: (left: T, right: T) => T) {
    super(context, keyOf);
  }

  protected override declare(): void {
    this.#fold = this.states.open(reducingState<T>("fold", (left, right) => {
      this.#isFirst = false;
      const result = this.reduce(left, right);
      if (typeof result === "object") this.checkSynchronous(result, "the function given to reduce()");
      return result;
    }));
    this.scope.isSealed = true;
  }

  protected override onRecord(value: T): void {
    const fold = this.#fold!;
    this.#isFirst = true;
    fold.add(value);
    if (this.#isFirst && typeof value === "object") {
      // A function that changes `left` changes the state's copy, not the record that the source or others still hold.
      fold.clear();
      fold.add(structuredClone(value));
      this.out.collect(value, this.scope.timestampMs);
      return;
    }
    // Something has just been added.
    this.out.collect(fold.get() as T, this.scope.timestampMs);
  }

  protected override onDueTimer(): void {}
}
