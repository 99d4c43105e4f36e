/**
 * What was touched in one epoch: rows by table, keys that were removed, and cells of maps.
 *
 * Called by: ledger.ts (fills it), heap_snapshot.ts (writes it down).
 * Calls: map_cells.ts, table.ts.
 *
 * Invariants:
 * - a row is listed at most once, though it may be freed and taken again; a removed key at most once;
 * - what came and went within the epoch takes no memory for long.
 *
 * @module
 */
import type { Key } from "../../core/key.ts";
import { type Cell, GONE_UNSEEN } from "./map_cells.ts";
import type { Table } from "./table.ts";

/** Below this many changes nobody looks for dead ones. */
const FIRST_COMPACTION = 4096;
/** Row numbers are kept in pieces from the first size to the second, so that none is ever copied as they grow. */
const FIRST_PIECE = 16;
const LAST_PIECE = 65_536;

/** Row numbers in the order in which they were added. */
export class RowNumbers {
  /** All are full but the last, which ends with zeros. */
  readonly pieces: Int32Array[] = [];
  private inLast = 0;
  private last: Int32Array = new Int32Array(0);

  /** How many there are. */
  get count(): number {
    let count = this.inLast - this.last.length;
    for (const piece of this.pieces) count += piece.length;
    return count;
  }

  /** Adds one. */
  push(row: number): void {
    if (this.inLast === this.last.length) {
      this.last = new Int32Array(Math.min(LAST_PIECE, Math.max(FIRST_PIECE, this.last.length * 2)));
      this.pieces.push(this.last);
      this.inLast = 0;
    }
    this.last[this.inLast++] = row;
  }
}

/** Changes of one table in one epoch. */
export class TableChanges {
  /** Rows that were written, handed out, or freed. */
  readonly rows: RowNumbers = new RowNumbers();
  /** Keys that a snapshot has seen and that were removed. */
  readonly removed: Key[] = [];

  constructor(readonly list: ChangeList, readonly table: Table) {}
}

/** What was touched in one epoch. */
export class ChangeList {
  /** By table. */
  tables: TableChanges[] = [];
  /** Cells that were written, handed out, or removed. */
  cells: Cell[] = [];
  private compactTablesAt = FIRST_COMPACTION;
  private compactCellsAt = FIRST_COMPACTION;

  constructor(readonly epoch: number) {}

  /** How many there are; map entries that are in `cells` count one by one. */
  get size(): number {
    let size = this.cells.length;
    for (const { rows, removed } of this.tables) size += rows.count + removed.length;
    return size;
  }

  /** The changes of `table`. */
  of(table: Table): TableChanges {
    const known = table.changes;
    if (known !== undefined && known.list === this) return known;
    if (this.tables.length >= this.compactTablesAt) this.compactTables();
    const changes = new TableChanges(this, table);
    table.changes = changes;
    this.tables.push(changes);
    return changes;
  }

  /** Lists a cell. */
  addCell(cell: Cell): void {
    if (this.cells.push(cell) >= this.compactCellsAt) this.compactCells();
  }

  /** Drops tables that were emptied and have left nothing; a dropped table never comes back. */
  private compactTables(): void {
    this.tables = this.tables.filter(({ table, removed }) => table.attached || removed.length > 0);
    this.compactTablesAt = Math.max(FIRST_COMPACTION, this.tables.length * 2);
  }

  /** Drops cells that came and went, and those of cleared maps: the row that clears the map speaks for them. */
  private compactCells(): void {
    this.cells = this.cells.filter((cell) => cell.birth !== GONE_UNSEEN && cell.map.goneEpoch < 0);
    this.compactCellsAt = Math.max(FIRST_COMPACTION, this.cells.length * 2);
  }
}
