/**
 * Value state with a time to live.
 *
 * Called by: actors, through core/state.ts.
 * Calls: the backend's stamped state, ttl_time.ts.
 *
 * @module
 */
import type { ValueStateDescriptor } from "../../core/descriptors.ts";
import type { Namespace } from "../../core/key.ts";
import type { StampedSlot } from "../../core/stamped_value.ts";
import type { Namespaced, ValueState } from "../../core/state.ts";
import type { TtlSettings } from "../../core/state_ttl.ts";
import type { TtlTime } from "./ttl_time.ts";

/** The value of the current key, as long as it lives. */
export class TtlValue<T> implements ValueState<T>, Namespaced {
  private readonly makeDefault: (() => T) | undefined;
  private readonly timeMs: number;
  private readonly updatesOnRead: boolean;
  private readonly returnsOver: boolean;

  constructor(
    private readonly slot: StampedSlot<T> & Namespaced,
    private readonly time: TtlTime,
    { makeDefault }: ValueStateDescriptor<T>,
    { timeMs, update, visibility }: TtlSettings,
  ) {
    this.makeDefault = makeDefault;
    this.timeMs = timeMs;
    this.updatesOnRead = update === "on-read-and-write";
    this.returnsOver = visibility === "return-expired-if-not-cleaned-up";
  }

  value(): T {
    const { time, slot } = this;
    const nowMs = time.left-- > 0 ? time.nowMs : time.look();
    const value = slot.take();
    if (value === undefined) return this.absent();
    const { stampMs } = slot;
    if (stampMs + this.timeMs <= nowMs) return this.remove(value);
    if (this.updatesOnRead && stampMs !== nowMs) slot.restamp(nowMs);
    return value;
  }

  private remove(value: T): T {
    this.slot.clear();
    return this.returnsOver ? value : this.absent();
  }

  private absent(): T {
    // Without a default the descriptor's T includes null.
    return this.makeDefault === undefined ? null as T : this.makeDefault();
  }

  update(value: T): void {
    const { time } = this;
    const nowMs = time.left-- > 0 ? time.nowMs : time.look();
    if (value === null || value === undefined) this.slot.clear();
    else this.slot.put(value, nowMs);
  }

  clear(): void {
    this.slot.clear();
  }

  setNamespace(namespace: Namespace): void {
    this.slot.setNamespace(namespace);
  }
}
