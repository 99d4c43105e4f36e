/**
 * Sorts what a snapshot has to write into one bucket per key group.
 *
 * Called by: heap_snapshot.ts.
 * Calls: core/key_groups.ts.
 *
 * @module
 */
import { keyGroupOf, type KeyGroupRange } from "../../core/key_groups.ts";
import { type Entry, MapCells } from "./entry.ts";
import { RowStore } from "./row_store.ts";

/** Entries and what they held. */
export interface CapturedEntries {
  readonly entries: Entry[];
  readonly values: unknown[];
}

/** The buckets of one snapshot. */
export class KeyGroupBuckets {
  private readonly entries: Entry[][] = [];
  private readonly captured: CapturedEntries[] = [];
  private readonly foreignRows = new Map<number, RowStore>();
  /** Key groups up to this one are written. */
  private closed: number;

  constructor(private readonly range: KeyGroupRange, private readonly maxParallelism: number) {
    this.closed = range.start - 1;
    for (let group = range.start; group <= range.end; group++) {
      this.entries.push([]);
      this.captured.push({ entries: [], values: [] });
    }
  }

  private indexOf(entry: Entry): number {
    const owner = entry.owner;
    const key = owner instanceof MapCells ? owner.entry!.key : entry.key;
    return keyGroupOf(key, this.maxParallelism) - this.range.start;
  }

  /** Adds an entry that is encoded as it stands when its turn comes. */
  add(entry: Entry): void {
    const bucket = this.entries[this.indexOf(entry)];
    if (bucket !== undefined) bucket.push(entry);
    else this.refuse(entry);
  }

  /** Adds what an entry held, unless its key group is written. */
  addCaptured(entry: Entry, value: unknown): void {
    const index = this.indexOf(entry);
    if (index + this.range.start <= this.closed) return;
    const bucket = this.captured[index];
    if (bucket === undefined) return this.refuse(entry);
    bucket.entries.push(entry);
    bucket.values.push(value);
  }

  private refuse(entry: Entry): never {
    const { start, end } = this.range;
    throw new RangeError(
      `Cannot snapshot key ${
        String(entry.key)
      }: its key group is outside ${start}..${end}, the range of this backend; ` +
        `route records by key group before they reach it`,
    );
  }

  /** Whether there is nothing to write for a key group. */
  isEmpty(group: number): boolean {
    const index = group - this.range.start;
    if (this.entries[index]!.length > 0 || this.captured[index]!.entries.length > 0) return false;
    for (const rows of this.foreignRows.values()) if (rows.has(group)) return false;
    return true;
  }

  /** Hands over the entries of a key group. */
  take(group: number): Entry[] {
    const index = group - this.range.start;
    const taken = this.entries[index]!;
    this.entries[index] = [];
    return taken;
  }

  /** Hands over the captured entries of a key group. */
  takeCaptured(group: number): CapturedEntries {
    const index = group - this.range.start;
    const taken = this.captured[index]!;
    this.captured[index] = { entries: [], values: [] };
    return taken;
  }

  /** Says that all entries of the key group are encoded; key groups are closed in order. */
  close(group: number): void {
    this.closed = group;
  }

  /** The rows of another owner, by state id. */
  foreign(stateId: number): RowStore {
    let rows = this.foreignRows.get(stateId);
    if (rows === undefined) {
      rows = new RowStore();
      this.foreignRows.set(stateId, rows);
    }
    return rows;
  }

  /** All rows of other owners, by state id. */
  stores(): IterableIterator<[number, RowStore]> {
    return this.foreignRows.entries();
  }
}
