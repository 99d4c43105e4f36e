/**
 * What a window keeps of its elements: all of them, or a fold.
 *
 * Called by: runtime/windowed_stream.ts (makes it), the operators in this folder.
 * Calls: the user's functions.
 *
 * @module
 */
import type { AggregateFunction, StateOptions } from "../../core/descriptors.ts";

/** How elements become what the function of a window is given. `I` an element, `A` what is kept, `C` what is given. */
export interface Folding<I, A, C> {
  readonly kind: "reduce" | "aggregate" | "elements";
  /** How what is kept is written; of "elements", one of them. */
  readonly options: StateOptions<A>;
  /** Of kind "aggregate" only. */
  readonly aggregate: AggregateFunction<I, A, C> | null;
  /** What is given for what is kept. */
  result(kept: A): C;
  /** Joins what two panes keep; changes neither. @param isFirst Whether `left` is a pane's, not a former result of this. */
  combine(left: A, right: A, isFirst: boolean): A;
  /** What would be kept of these elements, of which there is at least one. */
  foldAll(elements: readonly I[]): A;
}

/** Keeps one value. */
export function reduceFolding<T>(reduce: (left: T, right: T) => T, options: StateOptions<T>): Folding<T, T, T> {
  return {
    kind: "reduce",
    options,
    aggregate: null,
    result: (kept) => kept,
    combine: (left, right) => reduce(left, right),
    foldAll: (elements) => elements.reduce((left, right) => reduce(left, right)),
  };
}

/** Keeps an accumulator. */
export function aggregateFolding<I, A, O>(
  aggregate: AggregateFunction<I, A, O>,
  options: StateOptions<A>,
): Folding<I, A, O> {
  // An accumulator that state holds must not be changed: it is joined into a fresh one.
  const joined = (left: A, right: A): A => {
    const result = aggregate.merge(left, right);
    return result === right && typeof right === "object" ? structuredClone(right) : result;
  };
  return {
    kind: "aggregate",
    options,
    aggregate,
    result: (kept) => aggregate.result(kept),
    combine: (left, right, isFirst) => joined(isFirst ? joined(aggregate.create(), left) : left, right),
    foldAll: (elements) => elements.reduce((kept, element) => aggregate.add(kept, element), aggregate.create()),
  };
}

/** Keeps every element, in the order in which they came. */
export function elementsFolding<T>(): Folding<T, T[], T[]> {
  return {
    kind: "elements",
    options: {},
    aggregate: null,
    result: (kept) => kept,
    combine: (left, right) => [...left, ...right],
    foldAll: (elements) => [...elements],
  };
}
