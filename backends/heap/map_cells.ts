/**
 * The map of one key: a cell per map key, each kept for snapshots and listed for increments on its own.
 *
 * Called by: map_handle.ts, restored_state.ts; capture.ts, row_encoder.ts and the ledger read cells.
 * Calls: core/key.ts.
 *
 * Invariants:
 * - a cell that is no longer in its map has a negative `birth`, unless the whole map was cleared.
 *
 * @module
 */
import { identityOf, isComplexKey, type Key } from "../../core/key.ts";
import type { Identity, Table } from "./table.ts";

/** `birth` of a cell that is gone, after a snapshot has seen it: increments must delete it. */
export const GONE = -1;
/** `birth` of a cell that is gone, and that no snapshot has seen: nothing is left to do. */
export const GONE_UNSEEN = -2;

/** One cell of a map. */
export class Cell {
  /** Number of the snapshot that has written it most recently. */
  walked = 0;

  /**
   * @param key The map key.
   * @param epoch Epoch in which it was last written or handed out.
   * @param birth Epoch in which it was made, or GONE, or GONE_UNSEEN.
   */
  constructor(
    readonly key: Key,
    public value: unknown,
    readonly map: MapCells,
    public epoch: number,
    public birth: number,
  ) {}
}

/** The cells of one key's map. */
export class MapCells {
  private readonly simple = new Map<Identity, Cell>();
  private readonly complex = new Map<Identity, Cell>();
  /** Epoch in which the map was removed as a whole; -1 while it is there. */
  goneEpoch = -1;

  /** @param key The key that holds the map in `table`. */
  constructor(readonly table: Table, readonly key: Key) {}

  /** The cell of a map key. */
  get(key: Key): Cell | undefined {
    return isComplexKey(key) ? this.complex.get(identityOf(key)) : this.simple.get(key);
  }

  /** Puts `cell` under its map key. */
  set(cell: Cell): void {
    const key = cell.key;
    if (isComplexKey(key)) this.complex.set(identityOf(key), cell);
    else this.simple.set(key, cell);
  }

  /** Removes the cell of a map key. */
  delete(key: Key): void {
    if (isComplexKey(key)) this.complex.delete(identityOf(key));
    else this.simple.delete(key);
  }

  /** Number of cells. */
  get size(): number {
    return this.simple.size + this.complex.size;
  }

  /** Live: cells that are added meanwhile are visited too. */
  *[Symbol.iterator](): IterableIterator<Cell> {
    yield* this.simple.values();
    yield* this.complex.values();
  }
}
