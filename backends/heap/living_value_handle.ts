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
import type { AccessTime, StampedSerializer } from "../../core/stamped_value.ts";
import type { Namespaced, ValueState } from "../../core/state.ts";
import { checkPresent } from "../states/access_checks.ts";
import type { RowSlot } from "./row_slot.ts";
import { isObject, type Table } from "./table.ts";

/** The value of the current key, as long as it lives. */
export class LivingValueHandle<T> implements ValueState<T>, Namespaced {
  private readonly time: AccessTime;
  private readonly timeMs: number;
  private readonly updatesOnRead: boolean;
  private readonly returnsOver: boolean;
  private readonly serializer: Serializer<unknown>;
  /** As in value_handle.ts. */
  private readonly strict: boolean;

  /** @param slot Of a state that keeps stamps. */
  constructor(private readonly slot: RowSlot, private readonly makeDefault: (() => T) | undefined) {
    // That is how such a state is known.
    const { inner, expiry: { settings, time } } = slot.state.serializer as StampedSerializer<unknown>;
    this.time = time;
    this.timeMs = settings.timeMs;
    this.updatesOnRead = settings.update === "on-read-and-write";
    this.returnsOver = settings.visibility === "return-expired-if-not-cleaned-up";
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
    const nowMs = this.time.nowMs;
    if (table.stamps![row]! + this.timeMs <= nowMs) return this.takeOver(value as T); // only update() stores here
    if (this.updatesOnRead) this.restamp(table, row, nowMs);
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

  private restamp(table: Table, row: number, nowMs: number): void {
    if (table.stamps![row] === nowMs) return;
    if (table.epochs[row] !== this.slot.ledger.epoch) this.slot.ledger.touchRow(table, row);
    table.stamps![row] = nowMs;
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
    table.stamps![row] = this.time.nowMs;
  }

  private create(value: T): void {
    const row = this.slot.create(value);
    this.slot.table.stamp(row, this.time.nowMs);
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
