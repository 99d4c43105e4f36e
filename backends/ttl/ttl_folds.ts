/**
 * Reducing and aggregating state with a time to live.
 *
 * Called by: actors and windows, through core/state.ts.
 * Calls: the backend's state of stamped folds, fold_life.ts.
 *
 * Invariants:
 * - the backend folds: what it holds is looked up once for each `add`.
 *
 * @module
 */
import type { StateBackend } from "../../core/backend.ts";
import type { AggregatingStateDescriptor, ReducingStateDescriptor } from "../../core/descriptors.ts";
import type { Namespace } from "../../core/key.ts";
import type { Serializer } from "../../core/serializer.ts";
import { Stamped, type StampedSerializer } from "../../core/stamped_value.ts";
import type { AggregatingState, MergingState, ReducingState } from "../../core/state.ts";
import { checkPresent } from "../states/access_checks.ts";
import { FoldLife } from "./fold_life.ts";
import type { TtlTime } from "./ttl_time.ts";

/** The fold of the current key, as long as it lives. */
export class TtlReducing<T> implements ReducingState<T>, MergingState {
  private readonly where: string;

  private constructor(private readonly life: FoldLife<T>, name: string) {
    this.where = `state "${name}"`;
  }

  /** Declares the state on `backend`. */
  static open<T>(
    backend: Pick<StateBackend, "state">,
    { kind, name, ...descriptor }: ReducingStateDescriptor<T>,
    serializer: StampedSerializer<T>,
    time: TtlTime,
  ): TtlReducing<T> {
    const life = new FoldLife<T>(time, serializer.expiry);
    const handle = new TtlReducing(life, name);
    const fold = (left: Stamped<T>, right: Stamped<T>): Stamped<T> => {
      if (life.replaces || life.isOver(left)) return right;
      if (life.isOver(right)) return left;
      const value = descriptor.reduce(left.value, right.value);
      checkPresent(value, handle.where);
      return new Stamped(life.nowMs, value);
    };
    life.openWith(backend.state<Stamped<T>>({ kind, name, serializer, reduce: fold }));
    return handle;
  }

  get(): T | null {
    const fold = this.life.get();
    return fold === null ? null : fold.value;
  }

  add(value: T): void {
    checkPresent(value, this.where);
    this.life.add(value);
  }

  clear(): void {
    this.life.clear();
  }

  setNamespace(namespace: Namespace): void {
    this.life.setNamespace(namespace);
  }

  mergeNamespaces(target: Namespace, sources: readonly Namespace[]): void {
    this.life.mergeNamespaces(target, sources);
  }
}

/** The accumulator of the current key, as long as it lives. */
export class TtlAggregating<I, A, O> implements AggregatingState<I, O>, MergingState {
  private readonly where: string;

  private constructor(
    private readonly life: FoldLife<A>,
    name: string,
    private readonly resultOf: (accumulator: A) => O,
  ) {
    this.where = `state "${name}"`;
  }

  /** Declares the state on `backend`. */
  static open<I, A, O>(
    backend: Pick<StateBackend, "state">,
    { kind, name, aggregate }: AggregatingStateDescriptor<I, A, O>,
    serializer: StampedSerializer<A>,
    time: TtlTime,
  ): TtlAggregating<I, A, O> {
    const life = new FoldLife<A>(time, serializer.expiry);
    const handle = new TtlAggregating<I, A, O>(life, name, (accumulator) => aggregate.result(accumulator));
    const stamped = (value: A): Stamped<A> => {
      checkPresent(value, handle.where);
      return new Stamped(life.nowMs, value);
    };
    life.openWith(
      backend.state<Stamped<unknown>, Stamped<A> | null, Stamped<A>>({
        kind,
        name,
        // Null is never stored: `add` follows `create`.
        serializer: serializer as Serializer<Stamped<A> | null>,
        aggregate: {
          create: () => null,
          add: (fold, input) => {
            // Only a fold is ever added to replace one, and inputs otherwise.
            if (life.replaces) return input as Stamped<A>;
            const isFresh = fold === null || life.isOver(fold);
            return stamped(aggregate.add(isFresh ? aggregate.create() : fold.value, input.value as I));
          },
          result: (fold) => fold!, // as above
          merge: (left, right) => {
            if (life.isOver(left!)) return right;
            return life.isOver(right!) ? left : stamped(aggregate.merge(left!.value, right!.value));
          },
        },
      }),
    );
    return handle;
  }

  get(): O | null {
    const fold = this.life.get();
    return fold === null ? null : this.resultOf(fold.value);
  }

  add(value: I): void {
    checkPresent(value, this.where);
    this.life.add(value);
  }

  clear(): void {
    this.life.clear();
  }

  setNamespace(namespace: Namespace): void {
    this.life.setNamespace(namespace);
  }

  mergeNamespaces(target: Namespace, sources: readonly Namespace[]): void {
    this.life.mergeNamespaces(target, sources);
  }
}
