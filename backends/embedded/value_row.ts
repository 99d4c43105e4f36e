/**
 * Value state of an embedded backend: one row.
 *
 * Called by: actors, through core/state.ts.
 * Calls: state_slot.ts.
 *
 * @module
 */
import type { ValueStateDescriptor } from "../../core/descriptors.ts";
import type { Namespace } from "../../core/key.ts";
import type { Namespaced, ValueState } from "../../core/state.ts";
import type { StateSlot } from "./state_slot.ts";

/** The value of the current key. */
export class ValueRow<T> implements ValueState<T>, Namespaced {
  private readonly makeDefault: (() => T) | undefined;

  constructor(private readonly slot: StateSlot, descriptor: ValueStateDescriptor<T>) {
    this.makeDefault = descriptor.makeDefault;
  }

  value(): T {
    const value = this.slot.take();
    if (value !== undefined) return value as T; // only update() stores here
    // Without a default the descriptor's T includes null.
    return this.makeDefault === undefined ? null as T : this.makeDefault();
  }

  update(value: T): void {
    if (value === null || value === undefined) this.slot.remove();
    else this.slot.put(value);
  }

  clear(): void {
    this.slot.remove();
  }

  setNamespace(namespace: Namespace): void {
    this.slot.setNamespace(namespace);
  }
}
