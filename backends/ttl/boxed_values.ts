/**
 * Stamped values in a backend that keeps stamps within its values.
 *
 * Called by: ttl_value.ts.
 * Calls: a value state of the backend.
 *
 * Invariants:
 * - where the backend keeps bytes, one box goes in and out each time, and no object is made per access.
 *
 * @module
 */
import type { Namespace } from "../../core/key.ts";
import { Stamped, type StampedSlot } from "../../core/stamped_value.ts";
import type { Namespaced, ValueState } from "../../core/state.ts";

/** A value and its stamp over a value state of boxes. */
export class BoxedValues<T> implements StampedSlot<T>, Namespaced {
  stampMs = 0;
  /** What was taken last. */
  private taken: T | undefined = undefined;
  private readonly box: Stamped<T> | undefined;

  /** @param storesBytes Whether the backend keeps bytes alone. */
  constructor(private readonly state: ValueState<Stamped<T> | null> & Namespaced, storesBytes: boolean) {
    // Filled before it is stored.
    this.box = storesBytes ? new Stamped(0, undefined as T) : undefined;
  }

  take(): T | undefined {
    const stamped = this.state.value();
    if (stamped === null) return undefined;
    this.stampMs = stamped.stampMs;
    return this.taken = stamped.value;
  }

  restamp(stampMs: number): void {
    this.put(this.taken as T, stampMs); // it was taken
  }

  put(value: T, stampMs: number): void {
    const { box } = this;
    if (box === undefined) return this.state.update(new Stamped(stampMs, value));
    box.stampMs = stampMs;
    box.value = value;
    this.state.update(box);
  }

  clear(): void {
    this.state.clear();
  }

  setNamespace(namespace: Namespace): void {
    this.state.setNamespace(namespace);
  }
}
