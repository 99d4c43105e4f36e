/**
 * Value state with a time to live.
 *
 * Called by: actors, through core/state.ts.
 * Calls: living values, of the backend or boxed_values.ts.
 *
 * @module
 */
import type { ValueStateDescriptor } from "../../core/descriptors.ts";
import type { Namespace } from "../../core/key.ts";
import type { LivingValue } from "../../core/stamped_value.ts";
import type { Namespaced, ValueState } from "../../core/state.ts";

/** The value of the current key, as long as it lives, else its default. */
export class TtlValue<T> implements ValueState<T>, Namespaced {
  private readonly makeDefault: (() => T) | undefined;

  constructor(private readonly living: LivingValue<T> & Namespaced, { makeDefault }: ValueStateDescriptor<T>) {
    this.makeDefault = makeDefault;
  }

  value(): T {
    const value = this.living.readLiving();
    if (value !== undefined) return value;
    // Without a default the descriptor's T includes null.
    return this.makeDefault === undefined ? null as T : this.makeDefault();
  }

  update(value: T): void {
    if (value === null || value === undefined) this.living.clear();
    else this.living.writeLiving(value);
  }

  clear(): void {
    this.living.clear();
  }

  setNamespace(namespace: Namespace): void {
    this.living.setNamespace(namespace);
  }
}
