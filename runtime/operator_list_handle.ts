/**
 * A list of an operator subtask, in memory.
 *
 * Called by: users' functions and sources, through core/operator_state.ts; runtime/operator_states.ts (snapshots).
 * Calls: the serializer of the state.
 *
 * @module
 */
import { checkPresent } from "../backends/states/access_checks.ts";
import type { OperatorListState } from "../core/operator_state.ts";
import { type Serializer, snapshotOf } from "../core/serializer.ts";
import type { OperatorList } from "../core/snapshot.ts";
import { ItemsWriter, readItems, type StateAccess, type StoredState } from "./stored_state.ts";

/** The elements are live objects; a snapshot holds their bytes. */
export class OperatorListHandle<T> implements OperatorListState<T>, StoredState {
  private values: T[] = [];

  /** @param where Names the state. */
  constructor(
    private readonly where: string,
    private readonly distribution: "split" | "union",
    private serializer: Serializer<T>,
    private readonly access: StateAccess,
  ) {}

  get(): T[] {
    return this.values.slice();
  }

  get size(): number {
    return this.values.length;
  }

  [Symbol.iterator](): Iterator<T> {
    return this.get()[Symbol.iterator]();
  }

  add(value: T): void {
    if (!this.access.isOpen) this.access.refuse(this.where);
    this.check(value);
    this.values.push(value);
  }

  addAll(values: Iterable<T>): void {
    for (const value of this.checked(values)) this.values.push(value);
  }

  update(values: Iterable<T>): void {
    this.values = this.checked(values);
  }

  clear(): void {
    if (!this.access.isOpen) this.access.refuse(this.where);
    this.values = [];
  }

  private checked(values: Iterable<T>): T[] {
    if (!this.access.isOpen) this.access.refuse(this.where);
    checkPresent(values, this.where);
    const checked = [...values];
    for (const value of checked) this.check(value);
    return checked;
  }

  private check(value: T): void {
    checkPresent(value, this.where);
    this.serializer.check?.(value, this.where);
  }

  snapshot(): OperatorList | null {
    const { distribution, serializer, values } = this;
    // No element is left out by leaving the list out.
    if (values.length === 0) return null;
    const items = new ItemsWriter(serializer, this.where);
    for (const value of values) items.add(null, value);
    return { distribution, serializer: snapshotOf(serializer), items: items.finish() };
  }

  restore(list: OperatorList): void {
    const { serializer, where, access: { operatorName } } = this;
    this.serializer = readItems(list, { serializer, where, operatorName }, (_input, read) => this.values.push(read()));
  }
}
