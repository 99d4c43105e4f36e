/**
 * What one snapshot still needs of rows and cells that have changed since it was taken.
 *
 * Values that are replaced or removed are kept by reference, which costs the record nothing but a few pushes; values that
 * are handed out are written down, since their new owner may change them. A full snapshot keeps those of a large table in
 * a column, where its walk over the rows finds them; rows that are freed, cells and all else go to pieces of their own.
 *
 * Called by: ledger.ts (on the record path), heap_snapshot.ts and row_encoder.ts (which drain it).
 * Calls: core/serializer.ts, former_values.ts.
 *
 * Invariants:
 * - a row or cell is kept at most once per snapshot, or its copies are equal.
 *
 * @module
 */
import { ByteWriter } from "../../core/bytes.ts";
import type { Key } from "../../core/key.ts";
import { writeValue } from "../../core/serializer.ts";
import { FormerValues } from "./former_values.ts";
import type { HeapState } from "./heap_state.ts";
import type { RunningSnapshot } from "./ledger.ts";
import type { ListItems } from "./list_items.ts";
import { type Cell, MapCells } from "./map_cells.ts";
import type { Table } from "./table.ts";

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

/** Rows and cells kept in one piece, so that nothing is copied as a capture grows. */
const PIECE = 1024;

/** Rows and cells that were kept, and what each of them held: as is, or a {@link WrittenValue}. */
export class CapturedPiece {
  /** Number of them. */
  count = 0;
  /** The table of a row, or the cell. */
  readonly owners: (Table | Cell)[] = [];
  /** Row in its table; 0 for a cell. It may be free or another key's by now. */
  readonly rows: Int32Array = new Int32Array(PIECE);
  /** The key of a row, or the map key. */
  readonly keys: Key[] = [];
  /** What was held. */
  readonly values: unknown[] = [];
}

/** Keeps rows and cells for one snapshot. */
export class Capture implements RunningSnapshot {
  /** What was kept and not yet drained, oldest first. */
  pieces: CapturedPiece[] = [];
  /** Lists whose elements were handed out. */
  readonly items: Map<ListItems, WrittenItems> = new Map();
  private piece: CapturedPiece | undefined;
  private readonly out = new ByteWriter();
  private readonly claimed: FormerValues[] = [];
  /** Tables that are walked without former values. */
  private readonly plain: Set<Table> = new Set();

  /**
   * @param columnRows Tables of at least this many rows keep former values in a column.
   * @param onFailure Told when a value cannot be written.
   */
  constructor(
    readonly scope: SnapshotScope,
    private readonly columnRows: number,
    private readonly onFailure: (error: Error) => void,
  ) {}

  retainRow(table: Table, row: number): void {
    const former = this.formerOf(table);
    if (former === undefined) {
      if (this.lacksRow(table, row)) this.keep(table, row, table.keys[row]!, table.held(row));
    } else if (row >= former.cursor && table.epochs[row]! <= this.scope.epoch) {
      former.put(row, table.held(row), table.rowLimit);
    }
  }

  retainRowBytes(table: Table, row: number): void {
    const former = this.formerOf(table);
    const lacks = former === undefined
      ? this.lacksRow(table, row)
      : row >= former.cursor && table.epochs[row]! <= this.scope.epoch;
    if (!lacks) return;
    const bytes = this.write(table.state, table.held(row));
    if (bytes === undefined) return;
    if (former === undefined) this.keep(table, row, table.keys[row]!, new WrittenValue(bytes));
    else former.put(row, new WrittenValue(bytes), table.rowLimit);
  }

  leaveRow(table: Table, row: number): void {
    const former = table.former;
    if (former === undefined || former.owner !== this || row < former.cursor) return;
    // The row may be another key's soon.
    const value = former.take(row);
    if (value !== undefined) this.keep(table, row, table.keys[row]!, value);
  }

  /**
   * The former values of `table` for a walk over its rows; undefined when a row's walk must be noted row by row.
   * What is changed after this call is kept accordingly.
   */
  startWalk(table: Table): FormerValues | undefined {
    const former = this.formerOf(table);
    if (former === undefined) this.plain.add(table);
    return former;
  }

  /** The column of former values, if this snapshot has it. */
  private formerOf(table: Table): FormerValues | undefined {
    const former = table.former;
    return former !== undefined && former.owner === this ? former : this.claim(table);
  }

  /** Takes the column, if it is worth it and no other snapshot has it. */
  private claim(table: Table): FormerValues | undefined {
    if (this.scope.baseEpoch >= 0 || table.rowLimit < this.columnRows || this.plain.has(table)) return undefined;
    const { kind } = table.state;
    if (kind === "list" || kind === "map") return undefined;
    const former = table.former ??= new FormerValues();
    if (former.owner !== undefined) return undefined;
    former.owner = this;
    this.claimed.push(former);
    return former;
  }

  /** Gives the columns back. @param isEmpty Whether all tables were walked to their end. */
  release(isEmpty: boolean): void {
    for (const former of this.claimed) former.release(isEmpty);
    this.claimed.length = 0;
    this.plain.clear();
  }

  private lacksRow(table: Table, row: number): boolean {
    const scope = this.scope;
    const epoch = table.epochs[row]!;
    if (epoch > scope.epoch || table.walked[row] === scope.number) return false;
    // A map's own epoch does not tell about its cells.
    return epoch > scope.baseEpoch || table.values[row] instanceof MapCells;
  }

  retainCell(cell: Cell): void {
    if (this.lacksCell(cell)) this.keep(cell, 0, cell.key, cell.value);
  }

  retainCellBytes(cell: Cell): void {
    if (!this.lacksCell(cell)) return;
    const bytes = this.write(cell.map.table.state, cell.value);
    if (bytes !== undefined) this.keep(cell, 0, cell.key, new WrittenValue(bytes));
  }

  private lacksCell(cell: Cell): boolean {
    const { number, epoch, baseEpoch } = this.scope;
    return cell.epoch <= epoch && cell.epoch > baseEpoch && cell.walked !== number;
  }

  private keep(owner: Table | Cell, row: number, key: Key, value: unknown): void {
    let piece = this.piece;
    if (piece === undefined || piece.count === PIECE) {
      piece = new CapturedPiece();
      this.piece = piece;
      this.pieces.push(piece);
    }
    piece.owners.push(owner);
    piece.rows[piece.count++] = row;
    piece.keys.push(key);
    piece.values.push(value);
  }

  /** Hands over what was kept. */
  take(): readonly CapturedPiece[] {
    const pieces = this.pieces;
    this.pieces = [];
    this.piece = undefined;
    return pieces;
  }

  retainItems(table: Table, row: number, items: ListItems): void {
    const scope = this.scope;
    if (table.births[row]! > scope.epoch || table.walked[row] === scope.number || this.items.has(items)) return;
    const span = spanOf(items, scope);
    const values: Uint8Array[] = [];
    for (let i = span.from; i < span.to; i++) {
      const bytes = this.write(table.state, items.values[i]);
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
