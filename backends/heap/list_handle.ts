/**
 * List state on the heap.
 *
 * Called by: actors and windows, through core/state.ts.
 * Calls: row_slot.ts.
 *
 * Invariants:
 * - each element has a row number of its own, above those of all elements added before it.
 *
 * @module
 */
import type { Namespace } from "../../core/key.ts";
import type { ListState, MergingState } from "../../core/state.ts";
import { ListItems } from "./list_items.ts";
import { mergeInto } from "../states/namespaces.ts";
import { RowSlot } from "./row_slot.ts";
import { isObject } from "./table.ts";

/** The list of the current key. */
export class ListHandle<T> implements ListState<T>, MergingState {
  private readonly sources: RowSlot;

  constructor(private readonly slot: RowSlot) {
    this.sources = new RowSlot(slot.ledger, slot.state);
  }

  get(): T[] {
    const items = this.itemsOf(this.slot);
    return items === undefined ? [] : items.values.slice() as T[]; // only append() stores here
  }

  /** The items that a slot speaks of, booked as handed out. */
  private itemsOf(slot: RowSlot): ListItems | undefined {
    const ledger = slot.ledger;
    const row = slot.seen === ledger.version ? slot.row : slot.find();
    if (row === 0) return undefined;
    const items = slot.table.values[row] as ListItems; // rows of list states hold nothing else
    if (items.hasObjects && items.exposedEpoch !== ledger.epoch) ledger.exposeItems(slot.table, row, items);
    return items;
  }

  [Symbol.iterator](): Iterator<T> {
    return this.get()[Symbol.iterator]();
  }

  add(value: T): void {
    this.slot.check(value);
    this.append(value, this.openItems());
  }

  addAll(values: Iterable<T>): void {
    this.appendAll(this.checked(values));
  }

  update(values: Iterable<T>): void {
    const checked = this.checked(values);
    this.slot.remove();
    this.appendAll(checked);
  }

  private checked(values: Iterable<T>): T[] {
    if (values === null || values === undefined) this.slot.check(values);
    const checked = [...values];
    for (const value of checked) this.slot.check(value);
    return checked;
  }

  private appendAll(values: readonly unknown[]): void {
    if (values.length === 0) return;
    const items = this.openItems();
    for (const value of values) this.append(value, items);
  }

  /** The items of the current key, ready for appending. */
  private openItems(): ListItems {
    const slot = this.slot;
    const ledger = slot.ledger;
    const row = slot.seen === ledger.version ? slot.row : slot.find();
    if (row === 0) {
      const items = new ListItems();
      slot.create(items);
      return items;
    }
    const table = slot.table;
    if (table.epochs[row] !== ledger.epoch) ledger.touchRow(table, row);
    return table.values[row] as ListItems; // rows of list states hold nothing else
  }

  private append(value: unknown, items: ListItems): void {
    items.values.push(value);
    items.numbers.push(this.slot.ledger.nextListNumber++);
    if (isObject(value)) items.hasObjects = true;
  }

  clear(): void {
    this.slot.remove();
  }

  setNamespace(namespace: Namespace): void {
    this.slot.setNamespace(namespace);
  }

  mergeNamespaces(target: Namespace, sources: readonly Namespace[]): void {
    mergeInto(this.slot, target, this.sources, sources, () => {
      const items = this.itemsOf(this.sources);
      if (items === undefined) return;
      const moved = items.values;
      this.sources.remove();
      this.appendAll(moved);
    });
  }
}
