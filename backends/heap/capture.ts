/**
 * What one snapshot still needs of entries that have changed since it was taken.
 *
 * Values that are replaced or removed are kept by reference, which costs the record nothing but two pushes; values that
 * are handed out are written down, since their new owner may change them.
 *
 * Called by: ledger.ts (on the record path), heap_snapshot.ts and row_encoder.ts (which drain it).
 * Calls: core/serializer.ts.
 *
 * Invariants:
 * - an entry is kept at most once per snapshot, or its copies are equal.
 *
 * @module
 */
import { ByteWriter } from "../../core/bytes.ts";
import { writeValue } from "../../core/serializer.ts";
import { type Entry, type ListItems, MapCells } from "./entry.ts";
import type { HeapState } from "./heap_state.ts";
import type { RunningSnapshot } from "./ledger.ts";

/** Which rows a snapshot has. */
export interface SnapshotScope {
  /** Its number among the snapshots of the backend, from 1. */
  readonly number: number;
  /** It holds what was touched in this epoch and before. */
  readonly epoch: number;
  /** It holds what was touched after this epoch; -1: everything. */
  readonly baseEpoch: number;
  /** It holds list elements with numbers below this. */
  readonly listNumber: number;
  /** The snapshot that it builds on holds those with numbers below this. */
  readonly baseListNumber: number;
}

/** A value in its bytes. */
export class WrittenValue {
  constructor(readonly bytes: Uint8Array) {}
}

/** The elements of a list that a snapshot needs, in their bytes. */
export interface WrittenItems {
  readonly span: ItemSpan;
  readonly values: readonly Uint8Array[];
}

/** Which elements of a list a snapshot needs. */
export interface ItemSpan {
  /** Whether the list is written anew, because elements of earlier snapshots may have changed. */
  readonly rewritten: boolean;
  /** Index of the first. */
  readonly from: number;
  /** Index after the last. */
  readonly to: number;
}

/** The state of an entry: its own, or that of the map it is in. */
export function stateOf(entry: Entry): HeapState {
  const owner = entry.owner;
  return owner instanceof MapCells ? owner.table.state : owner.state;
}

/** Which elements of `items` a snapshot needs. */
export function spanOf(items: ListItems, scope: SnapshotScope): ItemSpan {
  const rewritten = items.exposedEpoch > scope.baseEpoch && scope.baseEpoch >= 0;
  const from = rewritten || scope.baseEpoch < 0 ? 0 : lowerBound(items.numbers, scope.baseListNumber);
  return { rewritten, from, to: lowerBound(items.numbers, scope.listNumber) };
}

function lowerBound(numbers: readonly number[], limit: number): number {
  let low = 0;
  let high = numbers.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (numbers[middle]! < limit) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Keeps entries for one snapshot. */
export class Capture implements RunningSnapshot {
  /** Entries that were kept and not yet drained. */
  entries: Entry[] = [];
  /** What each of them held: as is, or a {@link WrittenValue}. */
  values: unknown[] = [];
  /** Lists whose elements were handed out. */
  readonly items: Map<ListItems, WrittenItems> = new Map();
  private readonly out = new ByteWriter();

  /** @param onFailure Told when a value cannot be written. */
  constructor(readonly scope: SnapshotScope, private readonly onFailure: (error: Error) => void) {}

  retain(entry: Entry): void {
    if (!this.lacks(entry)) return;
    this.entries.push(entry);
    this.values.push(entry.value);
  }

  retainBytes(entry: Entry): void {
    if (!this.lacks(entry)) return;
    const bytes = this.write(stateOf(entry), entry.value);
    if (bytes === undefined) return;
    this.entries.push(entry);
    this.values.push(new WrittenValue(bytes));
  }

  private lacks(entry: Entry): boolean {
    const scope = this.scope;
    if (entry.epoch > scope.epoch || entry.walked === scope.number) return false;
    // A map's own epoch does not tell about its cells.
    return entry.epoch > scope.baseEpoch || entry.value instanceof MapCells;
  }

  retainItems(entry: Entry, items: ListItems): void {
    const scope = this.scope;
    if (entry.birth > scope.epoch || entry.walked === scope.number || this.items.has(items)) return;
    const span = spanOf(items, scope);
    const values: Uint8Array[] = [];
    const state = stateOf(entry);
    for (let i = span.from; i < span.to; i++) {
      const bytes = this.write(state, items.values[i]);
      if (bytes === undefined) return;
      values.push(bytes);
    }
    this.items.set(items, { span, values });
  }

  private write(state: HeapState, value: unknown): Uint8Array | undefined {
    this.out.reset();
    try {
      writeValue(state.serializer, value, this.out, state.where);
    } catch (error) {
      this.onFailure(error instanceof Error ? error : new Error(String(error)));
      return undefined;
    }
    return this.out.copy();
  }
}
