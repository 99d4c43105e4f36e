/**
 * Turns entries into the rows of one snapshot.
 *
 * Called by: heap_snapshot.ts.
 * Calls: core/key.ts, core/serializer.ts, ../runs/row_batch.ts, capture.ts.
 *
 * @module
 */
import type { ByteWriter } from "../../core/bytes.ts";
import { writeKey, writeNamespace } from "../../core/key.ts";
import { writeValue } from "../../core/serializer.ts";
import type { KeyGroupBatches } from "./key_group_batches.ts";
import type { RowBatch } from "../runs/row_batch.ts";
import { DELETE, DELETE_PREFIX, PUT } from "../runs/run_format.ts";
import { writeU64 } from "../runs/run_sections.ts";
import { type Capture, type ItemSpan, spanOf, stateOf, WrittenValue } from "./capture.ts";
import { type Entry, GONE, ListItems, MapCells, type Table } from "./entry.ts";
import type { HeapState } from "./heap_state.ts";
import type { Slices } from "./slices.ts";

/** Elements or cells that are written without asking for the time. */
const FEW = 256;

/** Writes entries to a batch. */
export class RowEncoder {
  /** Batch of the entry that is being written. */
  private batch!: RowBatch;

  constructor(
    private readonly capture: Capture,
    private readonly batches: KeyGroupBatches,
    private readonly slices: Slices,
  ) {}

  /**
   * Writes a live or removed entry, unless it has changed since the snapshot (then its capture speaks for it) or is
   * written already. The promise, if any, is that of a long list or map.
   */
  entry(entry: Entry): Promise<void> | undefined {
    const scope = this.capture.scope;
    if (entry.epoch > scope.epoch || entry.walked === scope.number) return undefined;
    if (entry.birth >= 0) return this.captured(entry, entry.value);
    entry.walked = scope.number;
    // One that no snapshot has seen leaves nothing.
    if (entry.birth !== GONE) return undefined;
    this.batch = this.batches.of(entry);
    this.removal(entry);
    return undefined;
  }

  /** Writes what an entry held when the snapshot was taken. */
  captured(entry: Entry, value: unknown): Promise<void> | undefined {
    this.batch = this.batches.of(entry);
    if (value instanceof ListItems) return this.list(entry, value);
    entry.walked = this.capture.scope.number;
    if (value instanceof MapCells) return this.map(value);
    this.value(entry, value);
    return undefined;
  }

  private removal(entry: Entry): void {
    const state = stateOf(entry);
    const whole = !(entry.owner instanceof MapCells) && (state.kind === "list" || state.kind === "map");
    this.batch.startRow();
    this.address(entry, state);
    this.batch.endKey();
    this.batch.endRow(whole ? DELETE_PREFIX : DELETE);
  }

  private value(entry: Entry, value: unknown): void {
    const batch = this.batch;
    const state = stateOf(entry);
    batch.startRow();
    this.address(entry, state);
    batch.endKey();
    this.put(state, value);
  }

  private put(state: HeapState, value: unknown): void {
    const out = this.batch.out;
    if (value instanceof WrittenValue) out.bytes(value.bytes);
    else writeValue(state.serializer, value, out, state.where);
    this.batch.endRow(PUT);
  }

  /** Appends state id, key and namespace, and of a cell its map key. */
  private address(entry: Entry, state: HeapState): void {
    const out = this.batch.out;
    const owner = entry.owner;
    if (owner instanceof MapCells) {
      this.placeOf(out, state, owner.entry!, owner.table);
      writeKey(out, entry.key);
    } else {
      this.placeOf(out, state, entry, owner);
    }
  }

  private placeOf(out: ByteWriter, state: HeapState, entry: Entry, table: Table): void {
    out.u16(state.id);
    writeKey(out, entry.key);
    writeNamespace(out, table.namespace);
  }

  private map(cells: MapCells): Promise<void> | undefined {
    const iterator = cells.cells[Symbol.iterator]();
    if (this.someCells(iterator)) return undefined;
    return this.manyCells(iterator);
  }

  private async manyCells(iterator: Iterator<Entry>): Promise<void> {
    do {
      if (this.slices.isDue()) await this.slices.pause();
    } while (!this.someCells(iterator));
  }

  /** Writes up to FEW cells; true when there are no more. */
  private someCells(iterator: Iterator<Entry>): boolean {
    const { number, epoch, baseEpoch } = this.capture.scope;
    for (let i = 0; i < FEW; i++) {
      const step = iterator.next();
      if (step.done === true) return true;
      const cell = step.value;
      if (cell.epoch > epoch || cell.epoch <= baseEpoch || cell.walked === number) continue;
      cell.walked = number;
      this.value(cell, cell.value);
    }
    return false;
  }

  private list(entry: Entry, items: ListItems): Promise<void> | undefined {
    const span = spanBefore(this.capture, items);
    if (span.rewritten) this.removal(entry);
    if (span.to - span.from > FEW) return this.manyItems(entry, items, span);
    this.someItems(entry, items, span, span.from, span.to);
    entry.walked = this.capture.scope.number;
    return undefined;
  }

  private async manyItems(entry: Entry, items: ListItems, span: ItemSpan): Promise<void> {
    for (let at = span.from; at < span.to; at += FEW) {
      if (this.slices.isDue()) await this.slices.pause();
      this.someItems(entry, items, span, at, Math.min(at + FEW, span.to));
    }
    // Not before: until here, handing the elements out must still write them down.
    entry.walked = this.capture.scope.number;
  }

  private someItems(entry: Entry, items: ListItems, span: ItemSpan, from: number, to: number): void {
    if (from >= to) return;
    const { batch } = this;
    const out = batch.out;
    const state = stateOf(entry);
    const written = this.capture.items.get(items)?.values;
    for (let i = from; i < to; i++) {
      batch.startRow();
      this.address(entry, state);
      writeU64(out, items.numbers[i]!);
      batch.endKey();
      if (written === undefined) writeValue(state.serializer, items.values[i], out, state.where);
      else out.bytes(written[i - span.from]!);
      batch.endRow(PUT);
    }
  }
}

/** The span as it was when the snapshot was taken. */
function spanBefore(capture: Capture, items: ListItems): ItemSpan {
  return capture.items.get(items)?.span ?? spanOf(items, capture.scope);
}
