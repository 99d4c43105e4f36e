/**
 * Value state on the heap whose stamps lie beside its values, as a value state of stamped values.
 *
 * Called by: backends/ttl/, which asks it for the handle that actors use; whoever wraps a backend.
 * Calls: row_slot.ts, living_value_handle.ts.
 *
 * @module
 */
import type { Namespace } from "../../core/key.ts";
import { type LivingValues, Stamped } from "../../core/stamped_value.ts";
import type { Namespaced, ValueState } from "../../core/state.ts";
import { LivingValueHandle } from "./living_value_handle.ts";
import { RowSlot } from "./row_slot.ts";

/** The value of the current key and its stamp. */
export class StampedValueHandle<T> implements LivingValues<T>, ValueState<Stamped<T> | null>, Namespaced {
  /** @param slot Of a state that keeps stamps. */
  constructor(private readonly slot: RowSlot) {}

  living(makeDefault: (() => T) | undefined): ValueState<T> & Namespaced {
    return new LivingValueHandle(new RowSlot(this.slot.ledger, this.slot.state), makeDefault);
  }

  value(): Stamped<T> | null {
    const value = this.slot.take();
    if (value === undefined) return null;
    const { table, row } = this.slot;
    return new Stamped(table.stampOf(row), value as T); // only update() stores here
  }

  update(stamped: Stamped<T> | null): void {
    if (stamped === null) return this.slot.remove();
    const { slot } = this;
    slot.check(stamped);
    slot.put(stamped.value);
    slot.table.stamp(slot.row, stamped.stampMs);
  }

  clear(): void {
    this.slot.remove();
  }

  setNamespace(namespace: Namespace): void {
    this.slot.setNamespace(namespace);
  }
}
