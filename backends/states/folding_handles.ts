/**
 * Reducing and aggregating state: one value per key that `add` folds into, wherever it is kept.
 *
 * Called by: actors and windows, through core/state.ts.
 * Calls: the backend's slots.
 *
 * Invariants:
 * - what a user's function is given was taken: it may change and return it.
 *
 * @module
 */
import type { AggregateFunction, AggregatingStateDescriptor, ReducingStateDescriptor } from "../../core/descriptors.ts";
import type { Namespace } from "../../core/key.ts";
import type { AggregatingState, MergingState, ReducingState } from "../../core/state.ts";
import { mergeInto, type NamespacedSlot } from "./namespaces.ts";

/** Where a backend keeps one value of the current key in a namespace. */
export interface FoldSlot extends NamespacedSlot {
  /** The value, which may then be changed by the caller until it is put back; undefined when there is none. */
  take(): unknown;
  /** Stores a value that was checked. */
  put(value: unknown): void;
  /** Forgets the value. */
  remove(): void;
  /** @throws {TypeError} For null and undefined. @throws {StreamError} For a value that cannot be stored, if that can be told. */
  check(value: unknown): void;
}

/** A value that `add` folds into. */
export class ReducingHandle<T> implements ReducingState<T>, MergingState {
  private readonly reduce: (left: T, right: T) => T;

  /** @param sources A second slot of the same state. */
  constructor(
    private readonly slot: FoldSlot,
    private readonly sources: FoldSlot,
    descriptor: ReducingStateDescriptor<T>,
  ) {
    this.reduce = (left, right) => descriptor.reduce(left, right);
  }

  get(): T | null {
    const value = this.slot.take();
    return value === undefined ? null : value as T; // only add() stores here
  }

  add(value: T): void {
    this.slot.check(value);
    this.fold(value);
  }

  private fold(value: T): void {
    const left = this.slot.take();
    if (left === undefined) return this.slot.put(value);
    const folded = this.reduce(left as T, value); // only add() stores here
    this.slot.check(folded);
    this.slot.put(folded);
  }

  clear(): void {
    this.slot.remove();
  }

  setNamespace(namespace: Namespace): void {
    this.slot.setNamespace(namespace);
  }

  mergeNamespaces(target: Namespace, sources: readonly Namespace[]): void {
    mergeInto(this.slot, target, this.sources, sources, () => {
      const value = this.sources.take();
      if (value === undefined) return;
      this.sources.remove();
      this.fold(value as T); // only add() stores here
    });
  }
}

/** An accumulator that `add` folds into. */
export class AggregatingHandle<I, A, O> implements AggregatingState<I, O>, MergingState {
  private readonly aggregate: AggregateFunction<I, A, O>;

  /** @param sources A second slot of the same state. */
  constructor(
    private readonly slot: FoldSlot,
    private readonly sources: FoldSlot,
    descriptor: AggregatingStateDescriptor<I, A, O>,
  ) {
    this.aggregate = descriptor.aggregate;
  }

  get(): O | null {
    const accumulator = this.slot.take();
    return accumulator === undefined ? null : this.aggregate.result(accumulator as A); // only store() stores here
  }

  add(value: I): void {
    if (value === null || value === undefined) this.slot.check(value);
    const stored = this.slot.take();
    const accumulator = stored === undefined ? this.aggregate.create() : stored as A; // only store() stores here
    this.store(this.aggregate.add(accumulator, value));
  }

  private store(accumulator: A): void {
    this.slot.check(accumulator);
    this.slot.put(accumulator);
  }

  clear(): void {
    this.slot.remove();
  }

  setNamespace(namespace: Namespace): void {
    this.slot.setNamespace(namespace);
  }

  mergeNamespaces(target: Namespace, sources: readonly Namespace[]): void {
    mergeInto(this.slot, target, this.sources, sources, () => {
      const value = this.sources.take();
      if (value === undefined) return;
      this.sources.remove();
      const stored = this.slot.take();
      this.store(stored === undefined ? value as A : this.aggregate.merge(stored as A, value as A)); // only store() stores here
    });
  }
}
