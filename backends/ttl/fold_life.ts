/**
 * What reducing and aggregating state with a time to live have in common: a stamped fold per key in the backend, of which
 * reads see what lives.
 *
 * Called by: ttl_folds.ts.
 * Calls: the backend's state of stamped folds, ttl_time.ts.
 *
 * @module
 */
import { type Namespace, VOID_NAMESPACE } from "../../core/key.ts";
import { type Expiry, Stamped } from "../../core/stamped_value.ts";
import type { MergingState } from "../../core/state.ts";
import type { TtlTime } from "./ttl_time.ts";

/** A state of the backend that holds a stamped fold, and folds in what comes with a stamp. */
export interface StampedFold<A> extends MergingState {
  /** The fold; null when there is none. */
  get(): Stamped<A> | null;
  /** Folds in, or replaces: see {@link FoldLife.replaces}. */
  add(stamped: Stamped<unknown>): void;
  /** Forgets the fold. */
  clear(): void;
}

/** The fold of the current key, and the time of the access in hand. */
export class FoldLife<A> implements MergingState {
  /** Of the access in hand. */
  nowMs = 0;
  /** Whether what is added takes the place of the fold. */
  replaces = false;
  private namespace: Namespace = VOID_NAMESPACE;
  private readonly updatesOnRead: boolean;
  private readonly returnsOver: boolean;
  /** Set by `openWith`, before any access. */
  private state!: StampedFold<A>;

  constructor(private readonly time: TtlTime, private readonly expiry: Expiry) {
    const { update, visibility } = expiry.settings;
    this.updatesOnRead = update === "on-read-and-write";
    this.returnsOver = visibility === "return-expired-if-not-cleaned-up";
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

  /** The fold that a read may give. */
  get(): Stamped<A> | null {
    this.begin();
    const fold = this.state.get();
    if (fold === null) return null;
    if (this.isOver(fold)) {
      this.state.clear();
      return this.returnsOver ? fold : null;
    }
    if (this.updatesOnRead && fold.stampMs !== this.nowMs) this.restamp(fold);
    return fold;
  }

  private restamp({ value }: Stamped<A>): void {
    this.replaces = true;
    try {
      this.state.add(new Stamped(this.nowMs, value));
    } finally {
      this.replaces = false;
    }
  }

  /** Folds a value in. */
  add(value: unknown): void {
    this.begin();
    this.state.add(new Stamped(this.nowMs, value));
  }

  /** Forgets the fold. */
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
