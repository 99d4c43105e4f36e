/**
 * List state with a time to live: each element lives on its own.
 *
 * Called by: actors and windows, through core/state.ts.
 * Calls: the backend's list of stamped elements, ttl_time.ts.
 *
 * @module
 */
import { type Namespace, VOID_NAMESPACE } from "../../core/key.ts";
import { type Expiry, Stamped } from "../../core/stamped_value.ts";
import type { ListState, MergingState } from "../../core/state.ts";
import { checkPresent } from "../states/access_checks.ts";
import type { TtlTime } from "./ttl_time.ts";

/** The elements of the current key that live. */
export class TtlList<T> implements ListState<T>, MergingState {
  private namespace: Namespace = VOID_NAMESPACE;
  private readonly updatesOnRead: boolean;
  private readonly returnsOver: boolean;

  /** @param where Names the state in errors. */
  constructor(
    private readonly elements: ListState<Stamped<T>> & MergingState,
    private readonly time: TtlTime,
    private readonly expiry: Expiry,
    private readonly where: string,
  ) {
    this.updatesOnRead = expiry.updatesOnRead;
    this.returnsOver = expiry.returnsOver;
  }

  get(): T[] {
    const nowMs = this.time.nowMs;
    const all = this.elements.get();
    const alive = this.aliveOf(all, nowMs);
    if (this.updatesOnRead && alive.some(({ stampMs }) => stampMs !== nowMs)) {
      this.elements.update(alive.map(({ value }) => new Stamped(nowMs, value)));
    } else if (alive.length < all.length) {
      this.elements.update(alive);
    }
    return (this.returnsOver ? all : alive).map(({ value }) => value);
  }

  private aliveOf(all: Stamped<T>[], nowMs: number): Stamped<T>[] {
    return all.some(({ stampMs }) => this.expiry.isOver(stampMs, nowMs))
      ? all.filter(({ stampMs }) => !this.expiry.isOver(stampMs, nowMs))
      : all;
  }

  [Symbol.iterator](): Iterator<T> {
    return this.get()[Symbol.iterator]();
  }

  add(value: T): void {
    checkPresent(value, this.where);
    this.elements.add(new Stamped(this.time.nowMs, value));
  }

  addAll(values: Iterable<T>): void {
    this.elements.addAll(this.stamped(values));
  }

  update(values: Iterable<T>): void {
    this.elements.update(this.stamped(values));
  }

  private stamped(values: Iterable<T>): Stamped<T>[] {
    checkPresent(values, this.where);
    const nowMs = this.time.nowMs;
    return Array.from(values, (value) => {
      checkPresent(value, this.where);
      return new Stamped(nowMs, value);
    });
  }

  clear(): void {
    this.elements.clear();
  }

  setNamespace(namespace: Namespace): void {
    this.elements.setNamespace(namespace);
    this.namespace = namespace;
  }

  mergeNamespaces(target: Namespace, sources: readonly Namespace[]): void {
    const nowMs = this.time.nowMs;
    this.elements.mergeNamespaces(target, sources);
    this.elements.setNamespace(target);
    try {
      // What a merge leaves was written by it.
      const alive = this.aliveOf(this.elements.get(), nowMs);
      this.elements.update(alive.map(({ value }) => new Stamped(nowMs, value)));
    } finally {
      this.elements.setNamespace(this.namespace);
    }
  }
}
