/**
 * Value state on the heap.
 *
 * Called by: actors, through core/state.ts.
 * Calls: entry_slot.ts.
 *
 * @module
 */
import type { ValueStateDescriptor } from "../../core/descriptors.ts";
import type { Namespace } from "../../core/key.ts";
import type { Namespaced, ValueState } from "../../core/state.ts";
import { isObject } from "./entry.ts";
import type { EntrySlot } from "./entry_slot.ts";

/** The value of the current key. */
export class ValueHandle<T> implements ValueState<T>, Namespaced {
  private readonly makeDefault: (() => T) | undefined;
  /** Whether numbers and strings must be shown to the serializer: only its own kind will do for a typed one. */
  private readonly strict: boolean;

  constructor(private readonly slot: EntrySlot, descriptor: ValueStateDescriptor<T>) {
    this.makeDefault = descriptor.makeDefault;
    this.strict = slot.state.serializer.id !== "auto";
  }

  value(): T {
    const slot = this.slot;
    const entry = slot.seen === slot.ledger.version ? slot.entry : slot.find();
    // Without a default the descriptor's T includes null.
    if (entry === null) return this.makeDefault === undefined ? null as T : this.makeDefault();
    const value = entry.value;
    if (isObject(value) && entry.epoch !== slot.ledger.epoch) slot.ledger.expose(entry);
    return value as T; // only update() stores here
  }

  update(value: T): void {
    if (value === null || value === undefined) return this.slot.remove();
    if (this.strict || (typeof value !== "number" && typeof value !== "string")) this.slot.check(value);
    const slot = this.slot;
    const ledger = slot.ledger;
    const entry = slot.seen === ledger.version ? slot.entry : slot.find();
    if (entry === null) {
      slot.create(value);
      return;
    }
    if (entry.epoch !== ledger.epoch) ledger.touch(entry);
    entry.value = value;
  }

  clear(): void {
    this.slot.remove();
  }

  setNamespace(namespace: Namespace): void {
    this.slot.setNamespace(namespace);
  }
}
