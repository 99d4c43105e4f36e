/**
 * Turns rows of tables, cells of maps and elements of lists into the rows of one snapshot.
 *
 * Called by: heap_snapshot.ts.
 * Calls: core/key.ts, core/serializer.ts, ../runs/row_batch.ts, capture.ts.
 *
 * @module
 */
import type { ByteWriter } from "../../core/bytes.ts";
import { type Key, writeKey, writeNamespace } from "../../core/key.ts";
import { writeValue } from "../../core/serializer.ts";
import { stampAt, type Stamped } from "../../core/stamped_value.ts";
import type { RowBatch } from "../runs/row_batch.ts";
import { DELETE, DELETE_PREFIX, PUT } from "../runs/run_format.ts";
import { writeU64 } from "../runs/run_sections.ts";
import type { CanonicalStates } from "../states/canonical_states.ts";
import { type Capture, type ItemSpan, spanOf, WrittenValue } from "./capture.ts";
import type { FormerValues } from "./former_values.ts";
import type { HeapState } from "./heap_state.ts";
import type { KeyGroupBatches } from "../states/key_group_batches.ts";
import { ListItems } from "./list_items.ts";
import { type Cell, GONE, MapCells } from "./map_cells.ts";
import type { Slices } from "../states/slices.ts";
import { FREE, type Table } from "./table.ts";

/** Elements or cells that are written without asking for the time. */
const FEW = 256;

/** Writes what the heap holds to batches. */
export class RowEncoder {
  /** Batch of the key that is being written. */
  private batch!: RowBatch;

  /** @param takenAtMs When the snapshot was taken; a full one leaves out what was over then. */
  constructor(
    private readonly capture: Capture,
    private readonly batches: KeyGroupBatches,
    private readonly slices: Slices,
    private readonly takenAtMs: number,
    private readonly canonical?: CanonicalStates,
  ) {}

  /** Whether values of a state that are over are left out. */
  private leavesOutOver({ expiry }: HeapState): boolean {
    return expiry !== undefined && this.capture.scope.baseEpoch < 0 && expiry.settings.cleanup.fullSnapshot;
  }

  /** Whether a value of such a state is left out. */
  private isOver({ expiry }: HeapState, value: unknown): boolean {
    // Of a state that is over some day a snapshot gets nothing else.
    const stampMs = value instanceof WrittenValue ? stampAt(value.bytes, 0) : (value as Stamped<unknown>).stampMs;
    return expiry!.isOver(stampMs, this.takenAtMs);
  }

  /**
   * Writes a row, unless it is free, has changed since the snapshot (then its capture speaks for it) or is written
   * already. The promise, if any, is that of a long list or map.
   */
  row(table: Table, row: number): Promise<void> | undefined {
    const scope = this.capture.scope;
    if (table.epochs[row]! > scope.epoch || table.births[row] === FREE || table.walked[row] === scope.number) {
      return undefined;
    }
    return this.capturedRow(table, row, table.keys[row]!, table.held(row));
  }

  /** Writes the rows `from..to-1` of a table that has a column of former values. */
  rows(table: Table, former: FormerValues, from: number, to: number): void {
    const { epoch } = this.capture.scope;
    const { epochs, keys, values, ticks, state } = table;
    const leavesOutOver = this.leavesOutOver(state);
    for (let row = from; row < to; row++) {
      let value = epochs[row]! <= epoch ? values[row] : former.take(row);
      // Free, or made since; if it was freed since, its value is with the captured rows.
      if (value === undefined) continue;
      if (ticks !== undefined && epochs[row]! <= epoch) value = table.held(row);
      if (leavesOutOver && this.isOver(state, value)) continue;
      const key = keys[row]!;
      this.batch = this.batches.of(key);
      this.batch.startRow();
      this.address(table, key);
      this.batch.endKey();
      this.put(state, value);
    }
    former.cursor = to;
  }

  /** Writes what a row held when the snapshot was taken; it may be another key's by now. */
  capturedRow(table: Table, row: number, key: Key, value: unknown): Promise<void> | undefined {
    this.batch = this.batches.of(key);
    if (value instanceof ListItems) return this.list(table, row, key, value);
    table.walked[row] = this.capture.scope.number;
    if (value instanceof MapCells) return this.map(value);
    if (this.leavesOutOver(table.state) && this.isOver(table.state, value)) return undefined;
    this.batch.startRow();
    this.address(table, key);
    this.batch.endKey();
    this.put(table.state, value);
    return undefined;
  }

  /** Writes that `key` was removed from `table`, with all that it held. */
  removal(table: Table, key: Key): void {
    const kind = table.state.kind;
    this.batch = this.batches.of(key);
    this.batch.startRow();
    this.address(table, key);
    this.batch.endKey();
    this.batch.endRow(kind === "list" || kind === "map" ? DELETE_PREFIX : DELETE);
  }

  /** Writes a live or removed cell, unless it has changed since the snapshot or is written already. */
  cell(cell: Cell): void {
    const scope = this.capture.scope;
    if (cell.epoch > scope.epoch || cell.walked === scope.number) return;
    if (cell.birth >= 0) return this.capturedCell(cell, cell.value);
    cell.walked = scope.number;
    // One that no snapshot has seen leaves nothing.
    if (cell.birth !== GONE) return;
    this.batch = this.batches.of(cell.map.key);
    this.startCell(cell);
    this.batch.endRow(DELETE);
  }

  /** Writes what a cell held when the snapshot was taken. */
  capturedCell(cell: Cell, value: unknown): void {
    this.batch = this.batches.of(cell.map.key);
    this.cellValue(cell, value);
  }

  private cellValue(cell: Cell, value: unknown): void {
    cell.walked = this.capture.scope.number;
    const { state } = cell.map.table;
    if (this.leavesOutOver(state) && this.isOver(state, value)) return;
    this.startCell(cell);
    this.put(cell.map.table.state, value);
  }

  private startCell(cell: Cell): void {
    const map = cell.map;
    this.batch.startRow();
    this.address(map.table, map.key);
    writeKey(this.batch.out, cell.key);
    this.batch.endKey();
  }

  private put(state: HeapState, value: unknown): void {
    const out = this.batch.out;
    if (value instanceof WrittenValue) out.bytes(value.bytes);
    else writeValue(state.serializer, value, out, state.where);
    this.batch.endRow(PUT);
  }

  /** Appends state id, key and namespace. */
  private address(table: Table, key: Key): void {
    const out: ByteWriter = this.batch.out;
    const { id } = table.state;
    out.u16(this.canonical === undefined ? id : this.canonical.idOf(id));
    writeKey(out, key);
    writeNamespace(out, table.namespace);
  }

  private map(cells: MapCells): Promise<void> | undefined {
    const iterator = cells[Symbol.iterator]();
    if (this.someCells(iterator)) return undefined;
    return this.manyCells(iterator);
  }

  private async manyCells(iterator: Iterator<Cell>): Promise<void> {
    do {
      if (this.slices.isDue()) await this.slices.pause();
    } while (!this.someCells(iterator));
  }

  /** Writes up to FEW cells; true when there are no more. */
  private someCells(iterator: Iterator<Cell>): boolean {
    const { number, epoch, baseEpoch } = this.capture.scope;
    for (let i = 0; i < FEW; i++) {
      const step = iterator.next();
      if (step.done === true) return true;
      const cell = step.value;
      if (cell.epoch > epoch || cell.epoch <= baseEpoch || cell.walked === number) continue;
      this.cellValue(cell, cell.value);
    }
    return false;
  }

  private list(table: Table, row: number, key: Key, items: ListItems): Promise<void> | undefined {
    const span = spanBefore(this.capture, items);
    if (span.rewritten) this.removal(table, key);
    if (span.to - span.from > FEW) return this.manyItems(table, row, key, items, span);
    this.someItems(table, key, items, span, span.from, span.to);
    table.walked[row] = this.capture.scope.number;
    return undefined;
  }

  private async manyItems(table: Table, row: number, key: Key, items: ListItems, span: ItemSpan): Promise<void> {
    for (let at = span.from; at < span.to; at += FEW) {
      if (this.slices.isDue()) await this.slices.pause();
      this.someItems(table, key, items, span, at, Math.min(at + FEW, span.to));
    }
    // Not before: until here, handing the elements out must still write them down.
    table.walked[row] = this.capture.scope.number;
  }

  private someItems(table: Table, key: Key, items: ListItems, span: ItemSpan, from: number, to: number): void {
    if (from >= to) return;
    const { batch } = this;
    const out = batch.out;
    const state = table.state;
    const written = this.capture.items.get(items)?.values;
    const leavesOutOver = this.leavesOutOver(state);
    for (let i = from; i < to; i++) {
      if (leavesOutOver && this.isOver(state, items.values[i])) continue;
      batch.startRow();
      this.address(table, key);
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
