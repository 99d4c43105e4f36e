/**
 * What a window keeps, in the state backend under a namespace of its own.
 *
 * Called by: the operators in this folder.
 * Calls: the state backend.
 *
 * @module
 */
import { aggregatingState, listState, reducingState } from "../../core/descriptors.ts";
import type { Namespace } from "../../core/key.ts";
import type { AggregatingState, ListState, MergingState, ReducingState } from "../../core/state.ts";
import type { KeyedStates } from "../keyed_states.ts";
import type { Folding } from "./folding.ts";

/** Name of the state; no name of a user's begins like this. */
const NAME = "_window/contents";

/** What windows of the current key keep: `I` an element, `A` what is kept of them. */
export interface WindowContents<I, A> {
  /** Adds an element. Whether it is the first of the window: true also where that is not known. */
  add(value: I, timestampMs: number): boolean;
  /** What is kept; undefined when there is nothing. */
  kept(): A | undefined;
  /** Forgets it. */
  clear(): void;
  /** Later calls speak of this window. */
  setNamespace(namespace: Namespace): void;
  /** Moves what is under `sources` to `target`. */
  mergeNamespaces(target: Namespace, sources: readonly Namespace[]): void;
}

/** Opens contents; every call gives a handle of its own to the same state. */
export type OpenContents<I, A> = () => WindowContents<I, A>;

/** Says that a user's function has returned a promise. */
export type CheckSynchronous = (result: unknown, what: string) => void;

/** How the contents of windows are opened. */
export function contentsOpener<I, A, C>(
  states: KeyedStates,
  folding: Folding<I, A, C>,
  check: CheckSynchronous,
): OpenContents<I, A> {
  switch (folding.kind) {
    case "elements":
      // Of this kind are only foldings whose kept value is the list of elements.
      return () => new ElementsContents<I>(states) as unknown as WindowContents<I, A>;
    case "reduce":
      // Of this kind are only foldings that keep an element.
      return () =>
        new ReducedContents<I>(states, folding as unknown as Folding<I, I, I>, check) as WindowContents<I, A>;
    case "aggregate":
      return () => new AggregatedContents<I, A, C>(states, folding, check);
  }
}

/** Contents that are one state, which can merge. */
export abstract class ContentsInState<I, A> implements WindowContents<I, A> {
  protected abstract readonly state: MergingState & { clear(): void };

  abstract add(value: I, timestampMs: number): boolean;
  abstract kept(): A | undefined;

  clear(): void {
    this.state.clear();
  }

  setNamespace(namespace: Namespace): void {
    this.state.setNamespace(namespace);
  }

  mergeNamespaces(target: Namespace, sources: readonly Namespace[]): void {
    this.state.mergeNamespaces(target, sources);
  }
}

/** All elements. */
class ElementsContents<T> extends ContentsInState<T, T[]> {
  protected override readonly state: ListState<T> & MergingState;

  constructor(states: KeyedStates) {
    super();
    this.state = states.open(listState<T>(NAME));
  }

  add(value: T): boolean {
    this.state.add(value);
    return true;
  }

  kept(): T[] | undefined {
    const elements = this.state.get();
    return elements.length === 0 ? undefined : elements;
  }
}

/** One element that the others were folded into. */
class ReducedContents<T> extends ContentsInState<T, T> {
  protected override readonly state: ReducingState<T> & MergingState;
  private isFirst = false;

  constructor(states: KeyedStates, folding: Folding<T, T, T>, check: CheckSynchronous) {
    super();
    const { combine, options } = folding;
    this.state = states.open(reducingState<T>(NAME, (left, right) => {
      this.isFirst = false;
      const result = combine(left, right, false);
      if (typeof result === "object") check(result, "the function given to reduce()");
      return result;
    }, options));
  }

  add(value: T): boolean {
    this.isFirst = true;
    this.state.add(value);
    return this.isFirst;
  }

  kept(): T | undefined {
    return this.state.get() ?? undefined;
  }
}

/** An accumulator. */
class AggregatedContents<I, A, C> extends ContentsInState<I, A> {
  protected override readonly state: AggregatingState<I, A> & MergingState;
  private isFirst = false;

  constructor(states: KeyedStates, folding: Folding<I, A, C>, check: CheckSynchronous) {
    super();
    const { options } = folding;
    const aggregate = folding.aggregate!; // this kind has one
    this.state = states.open(aggregatingState<I, A, A>(NAME, {
      create: () => {
        this.isFirst = true;
        return aggregate.create();
      },
      add: (accumulator, input) => {
        const result = aggregate.add(accumulator, input);
        if (typeof result === "object") check(result, "add() of the function given to aggregate()");
        return result;
      },
      // Panes are joined before anybody sees a result.
      result: (accumulator) => accumulator,
      merge: (left, right) => aggregate.merge(left, right),
    }, options));
  }

  add(value: I): boolean {
    this.isFirst = false;
    this.state.add(value);
    return this.isFirst;
  }

  kept(): A | undefined {
    return this.state.get() ?? undefined;
  }
}
