/**
 * Value state with a time to live over a backend that keeps stamps within its values.
 *
 * Called by: actors, through core/state.ts.
 * Calls: a value state of the backend, ttl_time.ts.
 *
 * Invariants:
 * - where the backend keeps bytes, one box goes in and out each time, and no object is made per access.
 *
 * @module
 */
import type { ValueStateDescriptor } from "../../core/descriptors.ts";
import type { Namespace } from "../../core/key.ts";
import { type AccessTime, type Expiry, Stamped } from "../../core/stamped_value.ts";
import type { Namespaced, ValueState } from "../../core/state.ts";

/** The value of the current key, as long as it lives. */
export class TtlValue<T> implements ValueState<T>, Namespaced {
  private readonly makeDefault: (() => T) | undefined;
  private readonly box: Stamped<T> | undefined;
  private readonly time: AccessTime;
  private readonly timeMs: number;
  private readonly updatesOnRead: boolean;
  private readonly returnsOver: boolean;

  /** @param storesBytes Whether the backend keeps bytes alone. */
  constructor(
    private readonly state: ValueState<Stamped<T> | null> & Namespaced,
    { makeDefault }: ValueStateDescriptor<T>,
    { settings, time, updatesOnRead, returnsOver }: Expiry,
    storesBytes: boolean,
  ) {
    this.makeDefault = makeDefault;
    this.time = time;
    this.timeMs = settings.timeMs;
    this.updatesOnRead = updatesOnRead;
    this.returnsOver = returnsOver;
    // Filled before it is stored.
    this.box = storesBytes ? new Stamped(0, undefined as T) : undefined;
  }

  value(): T {
    const stamped = this.state.value();
    if (stamped === null) return this.absent();
    const { stampMs, value } = stamped;
    const nowMs = this.time.nowMs;
    if (stampMs + this.timeMs <= nowMs) return this.takeOver(value);
    if (this.updatesOnRead && stampMs !== nowMs) this.write(value, nowMs);
    return value;
  }

  private absent(): T {
    // Without a default the descriptor's T includes null.
    return this.makeDefault === undefined ? null as T : this.makeDefault();
  }

  private takeOver(value: T): T {
    this.state.clear();
    return this.returnsOver ? value : this.absent();
  }

  update(value: T): void {
    if (value === null || value === undefined) this.state.clear();
    else this.write(value, this.time.nowMs);
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
