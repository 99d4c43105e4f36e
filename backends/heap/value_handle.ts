/**
 * Value state on the heap.
 *
 * Called by: actors, through core/state.ts.
 * Calls: row_slot.ts.
 *
 * @module
 */
import type { ValueStateDescriptor } from "../../core/descriptors.ts";
import type { Namespace } from "../../core/key.ts";
import type { Namespaced, ValueState } from "../../core/state.ts";
import type { RowSlot } from "./row_slot.ts";
import { isObject } from "./table.ts";

/** The value of the current key. */
export class ValueHandle<T> implements ValueState<T>, Namespaced {
  private readonly makeDefault: (() => T) | undefined;
  /** Whether numbers and strings must be shown to the serializer: only its own kind will do for a typed one. */
  private readonly strict: boolean;

  constructor(private readonly slot: RowSlot, descriptor: ValueStateDescriptor<T>) {
    this.makeDefault = descriptor.makeDefault;
    this.strict = slot.state.serializer.id !== "auto";
  }

  value(): T {
    const slot = this.slot;
    const row = slot.seen === slot.ledger.version ? slot.row : slot.find();
    // Without a default the descriptor's T includes null.
    if (row === 0) return this.makeDefault === undefined ? null as T : this.makeDefault();
    const table = slot.table;
    const value = table.values[row];
    if (isObject(value) && table.epochs[row] !== slot.ledger.epoch) slot.ledger.exposeRow(table, row);
    return value as T; // only update() stores here
  }

  update(value: T): void {
    if (value === null || value === undefined) return this.slot.remove();
    if (this.strict || (typeof value !== "number" && typeof value !== "string")) this.slot.check(value);
    const slot = this.slot;
    const ledger = slot.ledger;
    const row = slot.seen === ledger.version ? slot.row : slot.find();
    if (row === 0) {
      slot.create(value);
      return;
    }
    const table = slot.table;
    if (table.epochs[row] !== ledger.epoch) ledger.touchRow(table, row);
    table.values[row] = value;
  }

  clear(): void {
    this.slot.remove();
  }

  setNamespace(namespace: Namespace): void {
    this.slot.setNamespace(namespace);
  }
}
