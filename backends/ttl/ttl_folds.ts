/**
 * Reducing and aggregating state with a time to live: a stamped fold per key in the backend, of which reads see what lives.
 *
 * Called by: ttl_states.ts; actors and windows, through core/state.ts.
 * Calls: the backend's state of stamped folds, ttl_time.ts.
 *
 * Invariants:
 * - the backend folds: what it holds is looked up once for each `add`.
 *
 * @module
 */
import type { StateBackend } from "../../core/backend.ts";
import type { AggregatingStateDescriptor, ReducingStateDescriptor } from "../../core/descriptors.ts";
import { type Namespace, VOID_NAMESPACE } from "../../core/key.ts";
import type { Serializer } from "../../core/serializer.ts";
import { type Expiry, Stamped, type StampedSerializer } from "../../core/stamped_value.ts";
import type { AggregatingState, MergingState } from "../../core/state.ts";
import { checkPresent } from "../states/access_checks.ts";
import type { TtlTime } from "./ttl_time.ts";

/** A state of the backend that holds a stamped fold, and folds in what comes with a stamp. */
interface StampedFold<A> extends MergingState {
  /** The fold; null when there is none. */
  get(): Stamped<A> | null;
  /** Folds in, or replaces: see {@link TtlFold.replaces}. */
  add(stamped: Stamped<unknown>): void;
  /** Forgets the fold. */
  clear(): void;
}

/** The fold of the current key, as long as it lives. */
class TtlFold<I, A, O> implements AggregatingState<I, O>, MergingState {
  /** Of the access in hand. */
  nowMs = 0;
  /** Whether what is added takes the place of the fold. */
  replaces = false;
  private namespace: Namespace = VOID_NAMESPACE;
  private readonly where: string;
  private readonly updatesOnRead: boolean;
  private readonly returnsOver: boolean;
  /** Set by `openWith`, before any access. */
  private state!: StampedFold<A>;

  /** @param resultOf What a read gives of the fold. */
  constructor(
    private readonly time: TtlTime,
    private readonly expiry: Expiry,
    name: string,
    private readonly resultOf: (fold: A) => O,
  ) {
    this.where = `state "${name}"`;
    this.updatesOnRead = expiry.updatesOnRead;
    this.returnsOver = expiry.returnsOver;
  }

  /** @param state Its functions look at this object. */
  openWith(state: StampedFold<A>): this {
    this.state = state;
    return this;
  }

  private begin(): void {
    this.nowMs = this.time.nowMs;
  }

  /** Whether a fold is over at the access in hand. */
  isOver({ stampMs }: Stamped<unknown>): boolean {
    return this.expiry.isOver(stampMs, this.nowMs);
  }

  /** What a function of the user's has folded at the access in hand. @throws {TypeError} If that is nothing. */
  folded(value: A): Stamped<A> {
    checkPresent(value, this.where);
    return new Stamped(this.nowMs, value);
  }

  get(): O | null {
    this.begin();
    const fold = this.state.get();
    if (fold === null) return null;
    if (this.isOver(fold)) {
      this.state.clear();
      return this.returnsOver ? this.resultOf(fold.value) : null;
    }
    if (this.updatesOnRead && fold.stampMs !== this.nowMs) this.restamp(fold);
    return this.resultOf(fold.value);
  }

  private restamp({ value }: Stamped<A>): void {
    this.replaces = true;
    try {
      this.state.add(new Stamped(this.nowMs, value));
    } finally {
      this.replaces = false;
    }
  }

  add(value: I): void {
    checkPresent(value, this.where);
    this.begin();
    this.state.add(new Stamped(this.nowMs, value));
  }

  clear(): void {
    this.state.clear();
  }

  setNamespace(namespace: Namespace): void {
    this.state.setNamespace(namespace);
    this.namespace = namespace;
  }

  mergeNamespaces(target: Namespace, sources: readonly Namespace[]): void {
    this.begin();
    this.state.mergeNamespaces(target, sources);
    this.state.setNamespace(target);
    try {
      const fold = this.state.get();
      // One that lay under a single namespace has been moved as it was.
      if (fold !== null && this.isOver(fold)) this.state.clear();
      else if (fold !== null) this.restamp(fold);
    } finally {
      this.state.setNamespace(this.namespace);
    }
  }
}

/** Declares reducing state on `backend`. */
export function openReducing<T>(
  backend: Pick<StateBackend, "state">,
  descriptor: ReducingStateDescriptor<T>,
  serializer: StampedSerializer<T>,
  time: TtlTime,
): AggregatingState<T, T> & MergingState {
  const { kind, name } = descriptor;
  const handle = new TtlFold<T, T, T>(time, serializer.expiry, name, (value) => value);
  const reduce = (left: Stamped<T>, right: Stamped<T>): Stamped<T> => {
    if (handle.replaces || handle.isOver(left)) return right;
    if (handle.isOver(right)) return left;
    return handle.folded(descriptor.reduce(left.value, right.value));
  };
  return handle.openWith(backend.state<Stamped<T>>({ kind, name, serializer, reduce }));
}

/** Declares aggregating state on `backend`. */
export function openAggregating<I, A, O>(
  backend: Pick<StateBackend, "state">,
  { kind, name, aggregate }: AggregatingStateDescriptor<I, A, O>,
  serializer: StampedSerializer<A>,
  time: TtlTime,
): AggregatingState<I, O> & MergingState {
  const handle = new TtlFold<I, A, O>(time, serializer.expiry, name, (accumulator) => aggregate.result(accumulator));
  return handle.openWith(
    backend.state<Stamped<unknown>, Stamped<A> | null, Stamped<A>>({
      kind,
      name,
      // Null is never stored: `add` follows `create`.
      serializer: serializer as Serializer<Stamped<A> | null>,
      aggregate: {
        create: () => null,
        add: (fold, input) => {
          // Only a fold is ever added to replace one, and inputs otherwise.
          if (handle.replaces) return input as Stamped<A>;
          const isFresh = fold === null || handle.isOver(fold);
          return handle.folded(aggregate.add(isFresh ? aggregate.create() : fold.value, input.value as I));
        },
        result: (fold) => fold!, // as above
        merge: (left, right) => {
          if (handle.isOver(left!)) return right;
          return handle.isOver(right!) ? left : handle.folded(aggregate.merge(left!.value, right!.value));
        },
      },
    }),
  );
}
