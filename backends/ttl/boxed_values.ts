/**
 * Living values over a backend that keeps stamps within its values.
 *
 * Called by: ttl_states.ts, ttl_value.ts.
 * Calls: a value state of the backend, the time of the state's `Expiry`.
 *
 * Invariants:
 * - where the backend keeps bytes, one box goes in and out each time, and no object is made per access.
 *
 * @module
 */
import type { Namespace } from "../../core/key.ts";
import { type AccessTime, type Expiry, type LivingValue, Stamped } from "../../core/stamped_value.ts";
import type { Namespaced, ValueState } from "../../core/state.ts";

/** The value of the current key, in a box with its stamp. */
export class BoxedValues<T> implements LivingValue<T>, Namespaced {
  private readonly box: Stamped<T> | undefined;
  private readonly time: AccessTime;
  private readonly timeMs: number;
  private readonly updatesOnRead: boolean;
  private readonly returnsOver: boolean;

  /** @param storesBytes Whether the backend keeps bytes alone. */
  constructor(
    private readonly state: ValueState<Stamped<T> | null> & Namespaced,
    { settings, time }: Expiry,
    storesBytes: boolean,
  ) {
    this.time = time;
    this.timeMs = settings.timeMs;
    this.updatesOnRead = settings.update === "on-read-and-write";
    this.returnsOver = settings.visibility === "return-expired-if-not-cleaned-up";
    // Filled before it is stored.
    this.box = storesBytes ? new Stamped(0, undefined as T) : undefined;
  }

  readLiving(): T | undefined {
    const time = this.time;
    const nowMs = time.left-- > 0 ? time.nowMs : time.look();
    const stamped = this.state.value();
    if (stamped === null) return undefined;
    const { stampMs, value } = stamped;
    if (stampMs + this.timeMs <= nowMs) return this.readOver(value);
    if (this.updatesOnRead && stampMs !== nowMs) this.write(value, nowMs);
    return value;
  }

  private readOver(value: T): T | undefined {
    this.state.clear();
    return this.returnsOver ? value : undefined;
  }

  writeLiving(value: T): void {
    const time = this.time;
    this.write(value, time.left-- > 0 ? time.nowMs : time.look());
  }

  private write(value: T, stampMs: number): void {
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
