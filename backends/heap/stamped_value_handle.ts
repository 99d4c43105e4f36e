/**
 * Value state on the heap whose values have a time to live: stamps lie in a column beside the values, so that reading and
 * writing a value makes no object.
 *
 * Called by: backends/ttl/, through core/stamped_value.ts; whoever wraps a backend, as a value state of stamped values.
 * Calls: row_slot.ts, the time of the state's `Expiry`.
 *
 * @module
 */
import type { Namespace } from "../../core/key.ts";
import type { Serializer } from "../../core/serializer.ts";
import { type AccessTime, type LivingValue, Stamped, type StampedSerializer } from "../../core/stamped_value.ts";
import type { Namespaced, ValueState } from "../../core/state.ts";
import { checkPresent } from "../states/access_checks.ts";
import type { RowSlot } from "./row_slot.ts";
import { isObject, type Table } from "./table.ts";

/** The value of the current key and its stamp. */
export class StampedValueHandle<T> implements LivingValue<T>, ValueState<Stamped<T> | null>, Namespaced {
  private readonly time: AccessTime;
  private readonly timeMs: number;
  private readonly updatesOnRead: boolean;
  private readonly returnsOver: boolean;
  private readonly serializer: Serializer<unknown>;
  /** As in value_handle.ts. */
  private readonly strict: boolean;

  /** @param slot Of a state that keeps stamps. */
  constructor(private readonly slot: RowSlot) {
    // That is how such a state is known.
    const { inner, expiry: { settings, time } } = slot.state.serializer as StampedSerializer<unknown>;
    this.time = time;
    this.timeMs = settings.timeMs;
    this.updatesOnRead = settings.update === "on-read-and-write";
    this.returnsOver = settings.visibility === "return-expired-if-not-cleaned-up";
    this.serializer = inner;
    this.strict = inner.id !== "auto";
  }

  readLiving(): T | undefined {
    const time = this.time;
    const nowMs = time.left-- > 0 ? time.nowMs : time.look();
    const slot = this.slot;
    const ledger = slot.ledger;
    const row = slot.seen === ledger.version ? slot.row : slot.find();
    if (row === 0) return undefined;
    const table = slot.table;
    const value = table.values[row];
    if (table.stamps![row]! + this.timeMs <= nowMs) return this.readOver(value as T); // only write() stores here
    if (this.updatesOnRead) this.restamp(table, row, nowMs);
    if (isObject(value) && table.epochs[row] !== ledger.epoch) ledger.exposeRow(table, row);
    return value as T; // as above
  }

  private readOver(value: T): T | undefined {
    this.slot.remove();
    return this.returnsOver ? value : undefined;
  }

  private restamp(table: Table, row: number, nowMs: number): void {
    if (table.stamps![row] === nowMs) return;
    if (table.epochs[row] !== this.slot.ledger.epoch) this.slot.ledger.touchRow(table, row);
    table.stamps![row] = nowMs;
  }

  writeLiving(value: T): void {
    if (this.strict || (typeof value !== "number" && typeof value !== "string")) this.check(value);
    const time = this.time;
    this.write(value, time.left-- > 0 ? time.nowMs : time.look());
  }

  private write(value: T, stampMs: number): void {
    const slot = this.slot;
    const ledger = slot.ledger;
    const row = slot.seen === ledger.version ? slot.row : slot.find();
    if (row === 0) return this.create(value, stampMs);
    const table = slot.table;
    if (table.epochs[row] !== ledger.epoch) ledger.touchRow(table, row);
    table.values[row] = value;
    table.stamps![row] = stampMs;
  }

  private create(value: T, stampMs: number): void {
    const row = this.slot.create(value);
    this.slot.table.stamp(row, stampMs);
  }

  private check(value: unknown): void {
    const { where } = this.slot.state;
    checkPresent(value, where);
    this.serializer.check?.(value, where);
  }

  clear(): void {
    this.slot.remove();
  }

  value(): Stamped<T> | null {
    const value = this.slot.take();
    if (value === undefined) return null;
    const { table, row } = this.slot;
    return new Stamped(table.stamps![row]!, value as T); // only write() stores here
  }

  update(stamped: Stamped<T> | null): void {
    if (stamped === null) return this.slot.remove();
    this.check(stamped.value);
    this.write(stamped.value, stamped.stampMs);
  }

  setNamespace(namespace: Namespace): void {
    this.slot.setNamespace(namespace);
  }
}
