/**
 * Value state on the heap whose values have a time to live: stamps lie in a column beside the values, so that reading and
 * writing a value makes no object.
 *
 * Called by: backends/ttl/, through core/stamped_value.ts; whoever wraps a backend, as a value state of stamped values.
 * Calls: row_slot.ts.
 *
 * @module
 */
import type { Namespace } from "../../core/key.ts";
import type { Serializer } from "../../core/serializer.ts";
import { Stamped, type StampedSerializer, type StampedSlot } from "../../core/stamped_value.ts";
import type { Namespaced, ValueState } from "../../core/state.ts";
import { checkPresent } from "../states/access_checks.ts";
import type { RowSlot } from "./row_slot.ts";
import { isObject } from "./table.ts";

/** The value of the current key and its stamp. */
export class StampedValueHandle<T> implements StampedSlot<T>, ValueState<Stamped<T> | null>, Namespaced {
  stampMs = Number.NaN;
  private readonly serializer: Serializer<unknown>;
  /** As in value_handle.ts. */
  private readonly strict: boolean;

  /** @param slot Of a state that keeps stamps. */
  constructor(private readonly slot: RowSlot) {
    // That is how such a state is known.
    this.serializer = (slot.state.serializer as StampedSerializer<unknown>).inner;
    this.strict = this.serializer.id !== "auto";
  }

  take(): T | undefined {
    const slot = this.slot;
    const row = slot.seen === slot.ledger.version ? slot.row : slot.find();
    if (row === 0) return undefined;
    const table = slot.table;
    const value = table.values[row];
    if (isObject(value) && table.epochs[row] !== slot.ledger.epoch) slot.ledger.exposeRow(table, row);
    this.stampMs = table.stamps![row]!;
    return value as T; // only put() stores here
  }

  restamp(stampMs: number): void {
    const slot = this.slot;
    const row = slot.seen === slot.ledger.version ? slot.row : slot.find();
    if (row === 0) return;
    const table = slot.table;
    if (table.epochs[row] !== slot.ledger.epoch) slot.ledger.touchRow(table, row);
    table.stamps![row] = stampMs;
  }

  put(value: T, stampMs: number): void {
    if (this.strict || (typeof value !== "number" && typeof value !== "string")) this.check(value);
    const slot = this.slot;
    const ledger = slot.ledger;
    const row = slot.seen === ledger.version ? slot.row : slot.find();
    if (row === 0) {
      const made = slot.create(value);
      slot.table.stamp(made, stampMs);
      return;
    }
    const table = slot.table;
    if (table.epochs[row] !== ledger.epoch) ledger.touchRow(table, row);
    table.values[row] = value;
    table.stamps![row] = stampMs;
  }

  private check(value: T): void {
    const { where } = this.slot.state;
    checkPresent(value, where);
    this.serializer.check?.(value, where);
  }

  clear(): void {
    this.slot.remove();
  }

  value(): Stamped<T> | null {
    const value = this.take();
    return value === undefined ? null : new Stamped(this.stampMs, value);
  }

  update(stamped: Stamped<T> | null): void {
    if (stamped === null) this.slot.remove();
    else this.put(stamped.value, stamped.stampMs);
  }

  setNamespace(namespace: Namespace): void {
    this.slot.setNamespace(namespace);
  }
}
