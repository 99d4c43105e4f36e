/**
 * Value state on the heap with a time to live, as actors use it. Stamps lie in a column beside the values, so that reading
 * and writing a value makes no object.
 *
 * Called by: actors, through core/state.ts.
 * Calls: row_slot.ts, the time of the state's `Expiry`.
 *
 * @module
 */
import type { Namespace } from "../../core/key.ts";
import type { Serializer } from "../../core/serializer.ts";
import type { AccessTime, Expiry, StampedSerializer } from "../../core/stamped_value.ts";
import type { Namespaced, ValueState } from "../../core/state.ts";
import { checkPresent } from "../states/access_checks.ts";
import type { RowSlot } from "./row_slot.ts";
import { isObject, type Table } from "./table.ts";

/** The value of the current key, as long as it lives. */
export class LivingValueHandle<T> implements ValueState<T>, Namespaced {
  private readonly time: AccessTime;
  private readonly expiry: Expiry;
  private readonly updatesOnRead: boolean;
  private readonly returnsOver: boolean;
  private readonly serializer: Serializer<unknown>;
  /** As in value_handle.ts. */
  private readonly strict: boolean;

  /** @param slot Of a state that keeps stamps. */
  constructor(private readonly slot: RowSlot, private readonly makeDefault: (() => T) | undefined) {
    // That is how such a state is known.
    const { inner, expiry } = slot.state.serializer as StampedSerializer<unknown>;
    this.expiry = expiry;
    this.time = expiry.time;
    this.updatesOnRead = expiry.updatesOnRead;
    this.returnsOver = expiry.returnsOver;
    this.serializer = inner;
    this.strict = inner.id !== "auto";
  }

  value(): T {
    const slot = this.slot;
    const ledger = slot.ledger;
    const row = slot.seen === ledger.version ? slot.row : slot.find();
    if (row === 0) return this.absent();
    const table = slot.table;
    const value = table.values[row];
    if (table.ticks![row]! <= this.expiry.limitTick && this.isOver(table, row)) return this.takeOver(value as T); // only update() stores here
    if (this.updatesOnRead) this.restamp(table, row);
    if (isObject(value) && table.epochs[row] !== ledger.epoch) ledger.exposeRow(table, row);
    return value as T; // as above
  }

  private absent(): T {
    // Without a default the descriptor's T includes null.
    return this.makeDefault === undefined ? null as T : this.makeDefault();
  }

  private takeOver(value: T): T {
    this.slot.remove();
    return this.returnsOver ? value : this.absent();
  }

  private isOver(table: Table, row: number): boolean {
    return this.expiry.isOver(table.stampOf(row), this.time.nowMs);
  }

  private restamp(table: Table, row: number): void {
    const { tick } = this.time;
    if (table.ticks![row] === tick) return;
    if (table.epochs[row] !== this.slot.ledger.epoch) this.slot.ledger.touchRow(table, row);
    table.ticks![row] = tick;
  }

  update(value: T): void {
    if (value === null || value === undefined) return this.slot.remove();
    if (this.strict || (typeof value !== "number" && typeof value !== "string")) this.check(value);
    const slot = this.slot;
    const ledger = slot.ledger;
    const row = slot.seen === ledger.version ? slot.row : slot.find();
    if (row === 0) return this.create(value);
    const table = slot.table;
    if (table.epochs[row] !== ledger.epoch) ledger.touchRow(table, row);
    table.values[row] = value;
    table.ticks![row] = this.time.tick;
  }

  private create(value: T): void {
    const row = this.slot.create(value);
    this.slot.table.tick(row, this.time.tick);
  }

  private check(value: unknown): void {
    const { where } = this.slot.state;
    checkPresent(value, where);
    this.serializer.check?.(value, where);
  }

  clear(): void {
    this.slot.remove();
  }

  setNamespace(namespace: Namespace): void {
    this.slot.setNamespace(namespace);
  }
}
