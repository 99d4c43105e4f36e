/** Opens the rows of one test over a store in memory, and speaks of them in text. */
import type { RowCursor } from "../../backends/embedded/row_store.ts";
import type { Rows } from "../../backends/embedded/rows.ts";
import type { KeyedStateHandle } from "../../core/snapshot.ts";
import type { SlotMemory } from "../../backends/embedded/slot_memory.ts";
import type { ManualClock } from "../support/manual_clock.ts";
import { bytesOf, drainCursor, type RowName, textOf } from "../support/sample_rows.ts";
import type { SortedRowStore } from "../support/sorted_row_store.ts";
import { StoreRig } from "./store_rig.ts";
import { SortedRowStores } from "../support/sorted_row_store.ts";

/** What rows under test are made of. */
export interface RowsParts {
  readonly store: SortedRowStore;
  readonly memory: SlotMemory;
  readonly clock: ManualClock;
}

/** What an implementation of the contract of rows is tested with. */
export interface RowsSubject {
  /** Rows over a store. */
  open(parts: RowsParts): Rows;
}

/** The smallest slot that there can be: eight pages for write buffers. */
export const TINY_BYTES = 8_192;

/** Rows of one test, which share a slot. */
export class RowsRig implements AsyncDisposable {
  readonly stores: SortedRowStores;
  private readonly rig: StoreRig;
  private readonly opened: Rows[] = [];

  /** @param behindLayers Layers from which on a store says that it is behind. */
  constructor(
    private readonly subject: RowsSubject,
    memoryBytes = TINY_BYTES,
    behindLayers: number = Number.POSITIVE_INFINITY,
  ) {
    this.stores = new SortedRowStores({ behindLayers });
    this.rig = new StoreRig({ factory: () => this.stores, memoryBytes });
  }

  get memory(): SlotMemory {
    return this.rig.memory;
  }

  get clock(): ManualClock {
    return this.rig.clock;
  }

  /** The store that was made last. */
  get store(): SortedRowStore {
    return this.stores.stores.at(-1)!;
  }

  /** Rows over an empty store, or one with what a snapshot holds. */
  async open(handle?: KeyedStateHandle): Promise<Rows> {
    if (handle === undefined) await this.rig.open();
    else await this.rig.restored([handle]);
    const rows = this.subject.open({ store: this.store, memory: this.memory, clock: this.clock });
    this.opened.push(rows);
    return rows;
  }

  /** Runs background work while a promise waits. */
  wait<T>(promise: Promise<T>, between?: () => void): Promise<T> {
    return this.rig.wait(promise, between);
  }

  /** Runs background work until none is left. */
  settle(): void {
    for (let turns = 0; this.clock.runDeferred() > 0; turns++) {
      if (turns > 100_000) throw new Error("Background work does not end");
    }
  }

  /** The snapshot of a freeze. */
  async snapshot(rows: Rows, ticket: number, checkpointId: number, between?: () => void): Promise<KeyedStateHandle> {
    const frozen = await this.wait(rows.frozen(ticket), between);
    return await this.rig.snapshot(this.store, checkpointId, { frozen });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const rows of this.opened) await this.wait(rows.close());
    await this.rig[Symbol.asyncDispose]();
  }
}

const row = new Uint8Array(200_000);
const value = new Uint8Array(200_000);

/** Puts a key where callers do: in a buffer that goes on behind it. */
function place({ key }: RowName): number {
  row.set(key);
  row.fill(0xee, key.length, key.length + 4);
  return key.length;
}

/** Sets a value; the bytes are overwritten afterwards. */
export function putRow(rows: Rows, name: RowName, text: string, start = 3): void {
  value.set(bytesOf(text), start);
  rows.put(row, place(name), name.prefixBytes, value, start, start + text.length);
  value.fill(0xdd, 0, start + text.length + 4);
  row.fill(0xdd, 0, name.key.length + 4);
}

/** Adds an element of a list. */
export function appendRow(rows: Rows, name: RowName, text: string): void {
  value.set(bytesOf(text));
  rows.append(row, place(name), name.prefixBytes, value, 0, text.length);
  value.fill(0xdd, 0, text.length + 4);
}

/** Removes a row. */
export function deleteRow(rows: Rows, name: RowName): void {
  rows.delete(row, place(name), name.prefixBytes);
}

/** Removes the rows of a list or map. */
export function clearRows(rows: Rows, name: RowName): void {
  rows.clear(row, place(name));
}

/** The value of a row, null when there is none. */
export function getRow(rows: Rows, name: RowName): string | null {
  if (!rows.get(row, place(name), name.prefixBytes)) return null;
  return textOf(rows.found.bytes, rows.found.start, rows.found.end);
}

/** The rows of a list or map. */
export function groupOf(rows: Rows, name: RowName): [string, string][] {
  return drainCursor(openGroup(rows, name));
}

/** A cursor over a list or map. */
export function openGroup(rows: Rows, name: RowName): RowCursor {
  return rows.group(row, place({ key: name.key.slice(0, name.prefixBytes), prefixBytes: name.prefixBytes }));
}

/** The rows of a state in a key group. */
export function scanOf(
  rows: Rows,
  keyGroup: number,
  state: number,
  limit: number = Number.POSITIVE_INFINITY,
  from?: Uint8Array,
): [string, string][] {
  return drainCursor(openScan(rows, keyGroup, state, limit, from));
}

/** A cursor over a state in a key group. */
export function openScan(
  rows: Rows,
  keyGroup: number,
  state: number,
  limit: number = Number.POSITIVE_INFINITY,
  from?: Uint8Array,
): RowCursor {
  const prefix = new Uint8Array([keyGroup >> 8, keyGroup, state >> 8, state, 0xee]);
  return from === undefined ? rows.scan(prefix, limit) : rows.scan(prefix, limit, from);
}
