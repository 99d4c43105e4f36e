/**
 * Reducing and aggregating state on the heap: one value per key that `add` folds into.
 *
 * Called by: actors and windows, through core/state.ts.
 * Calls: row_slot.ts.
 *
 * Invariants:
 * - what a user's function is given counts as handed out: it may change and return it.
 *
 * @module
 */
import type { AggregateFunction, AggregatingStateDescriptor, ReducingStateDescriptor } from "../../core/descriptors.ts";
import type { Namespace } from "../../core/key.ts";
import type { AggregatingState, MergingState, ReducingState } from "../../core/state.ts";
import { otherNamespaces } from "./namespaces.ts";
import { RowSlot } from "./row_slot.ts";

/** A value that `add` folds into. */
export class ReducingHandle<T> implements ReducingState<T>, MergingState {
  private readonly sources: RowSlot;
  private readonly reduce: (left: T, right: T) => T;

  constructor(private readonly slot: RowSlot, descriptor: ReducingStateDescriptor<T>) {
    this.sources = new RowSlot(slot.ledger, slot.state);
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
    const former = this.slot.namespace;
    this.slot.setNamespace(target);
    for (const source of otherNamespaces(target, sources)) {
      this.sources.setNamespace(source);
      const value = this.sources.take();
      if (value === undefined) continue;
      this.sources.remove();
      this.fold(value as T); // only add() stores here
    }
    this.slot.setNamespace(former);
  }
}

/** An accumulator that `add` folds into. */
export class AggregatingHandle<I, A, O> implements AggregatingState<I, O>, MergingState {
  private readonly sources: RowSlot;
  private readonly aggregate: AggregateFunction<I, A, O>;

  constructor(private readonly slot: RowSlot, descriptor: AggregatingStateDescriptor<I, A, O>) {
    this.sources = new RowSlot(slot.ledger, slot.state);
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
    const former = this.slot.namespace;
    this.slot.setNamespace(target);
    for (const source of otherNamespaces(target, sources)) {
      this.sources.setNamespace(source);
      const value = this.sources.take();
      if (value === undefined) continue;
      this.sources.remove();
      const stored = this.slot.take();
      this.store(stored === undefined ? value as A : this.aggregate.merge(stored as A, value as A)); // only store() stores here
    }
    this.slot.setNamespace(former);
  }
}
