/**
 * List state of an embedded backend: a row for each element, so that adding costs the same however long the list is.
 *
 * Called by: actors and windows, through core/state.ts.
 * Calls: state_slot.ts, the rows.
 *
 * Invariants:
 * - each element has a number of its own, above those of all elements added before it.
 *
 * @module
 */
import type { Namespace } from "../../core/key.ts";
import { writeValue } from "../../core/serializer.ts";
import type { ListState, MergingState } from "../../core/state.ts";
import { mergeInto } from "../states/namespaces.ts";
import type { StateSlot } from "./state_slot.ts";

/** The list of the current key. */
export class ListRows<T> implements ListState<T>, MergingState {
  /** @param sources A second slot of the same state. */
  constructor(private readonly slot: StateSlot, private readonly sources: StateSlot) {}

  get(): T[] {
    const { slot } = this;
    const { keyed, state } = slot;
    slot.address();
    const values: T[] = [];
    const cursor = keyed.rows.group(slot.row.buffer, slot.prefixBytes);
    try {
      while (cursor.next()) {
        values.push(keyed.read(state, cursor.value, cursor.valueStart, cursor.valueEnd) as T); // only append() stores here
      }
    } finally {
      cursor.close();
    }
    return values;
  }

  [Symbol.iterator](): Iterator<T> {
    return this.get()[Symbol.iterator]();
  }

  add(value: T): void {
    this.slot.check(value);
    this.slot.address();
    const out = this.slot.keyed.write(this.slot.state, value);
    this.append(out.buffer, 0, out.length);
  }

  addAll(values: Iterable<T>): void {
    this.appendAll(this.listed(values));
  }

  update(values: Iterable<T>): void {
    const listed = this.listed(values);
    this.slot.address();
    const ends = this.serialize(listed);
    this.slot.clear();
    this.appendSerialized(ends);
  }

  private listed(values: Iterable<T>): T[] {
    this.slot.check(values);
    const listed = [...values];
    for (const value of listed) this.slot.check(value);
    return listed;
  }

  private appendAll(values: readonly T[]): void {
    this.slot.address();
    this.appendSerialized(this.serialize(values));
  }

  /** Serializes all values before the first is stored, so that one that is refused leaves the list as it is. */
  private serialize(values: readonly T[]): SerializedValues {
    const { keyed, state } = this.slot;
    const out = keyed.startValues();
    const ends = new Float64Array(values.length);
    for (let i = 0; i < values.length; i++) {
      writeValue(state.serializer, values[i], out, state.where);
      ends[i] = out.length;
    }
    return { bytes: out.buffer, ends };
  }

  private appendSerialized({ bytes, ends }: SerializedValues): void {
    let start = 0;
    for (let i = 0; i < ends.length; i++) {
      this.append(bytes, start, ends[i]!);
      start = ends[i]!;
    }
  }

  private append(bytes: Uint8Array, start: number, end: number): void {
    const { slot } = this;
    slot.addressNextElement();
    slot.keyed.rows.append(slot.row.buffer, slot.row.length, slot.prefixBytes, bytes, start, end);
  }

  clear(): void {
    this.slot.clear();
  }

  setNamespace(namespace: Namespace): void {
    this.slot.setNamespace(namespace);
  }

  mergeNamespaces(target: Namespace, sources: readonly Namespace[]): void {
    mergeInto(this.slot, target, this.sources, sources, () => this.moveFrom(this.sources));
  }

  private moveFrom(source: StateSlot): void {
    source.address();
    const cursor = source.keyed.rows.group(source.row.buffer, source.prefixBytes);
    let moved = false;
    try {
      while (cursor.next()) {
        moved = true;
        this.append(cursor.value, cursor.valueStart, cursor.valueEnd);
      }
    } finally {
      cursor.close();
    }
    if (moved) source.clear();
  }
}

/** Value `i` is `bytes[ends[i-1]..ends[i]-1]`. */
interface SerializedValues {
  readonly bytes: Uint8Array;
  readonly ends: Float64Array;
}
