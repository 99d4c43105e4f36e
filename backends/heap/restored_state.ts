/**
 * Restored rows of one state, kept as bytes until the state is declared; if it never is, they travel on as they are.
 *
 * Called by: restore.ts (fills it), state_registry.ts (declares), heap_backend.ts (carries on).
 * Calls: core/key.ts, core/serializer.ts, row_store.ts.
 *
 * @module
 */
import { ByteReader, ByteWriter } from "../../core/bytes.ts";
import { SnapshotCorruptError, StreamError } from "../../core/errors.ts";
import { type Key, readKey, readNamespace } from "../../core/key.ts";
import { snapshotOf, writeValue } from "../../core/serializer.ts";
import type { Stamped } from "../../core/stamped_value.ts";
import type { ValueReader } from "../../core/state_compatibility.ts";
import type { RunState } from "../runs/run_format.ts";
import { readU64 } from "../runs/run_sections.ts";
import {
  checkRestoredKind,
  migrationFailure,
  restoredStateName,
  sameFormat,
  writerOf,
} from "../states/state_checks.ts";
import type { HeapState } from "./heap_state.ts";
import type { Ledger } from "./ledger.ts";
import { ListItems } from "./list_items.ts";
import { Cell, MapCells } from "./map_cells.ts";
import { RowStore, type StoredRows } from "./row_store.ts";
import { isObject, type Table } from "./table.ts";

/** Rows between two looks at the clock. */
const ROWS_PER_LOOK = 64;

/** Rows that one serializer wrote. */
export interface RestoredPart {
  /** As in the run, with the id that the state has now. */
  readonly state: RunState;
  readonly rows: RowStore;
  /** A file that they came from, for errors. */
  readonly path: string;
}

/** All restored rows of a state. */
export class RestoredState {
  /** One part for each format of the values. */
  readonly parts: RestoredPart[] = [];

  /** @param takeId Takes an id for a part: the wanted one if it is free. */
  constructor(readonly name: string, private readonly takeId: (wanted: number) => number) {}

  /** The parts that have rows; a run may also speak of a format in which none are left. */
  get filled(): readonly RestoredPart[] {
    return this.parts.filter((part) => part.rows.rowCount > 0);
  }

  /** The id of the state, should it be declared; there is a part. */
  get id(): number {
    return (this.filled[0] ?? this.parts[0]!).state.id;
  }

  /** The part for rows written as `state` says; made when there is none. @throws {StreamError} If the kinds differ. */
  partFor(state: RunState, path: string): RestoredPart {
    for (const part of this.parts) {
      checkRestoredKind(this.name, part.state.kind, state.kind, path);
      if (sameFormat(part.state, state)) return part;
    }
    const part = { state: { ...state, id: this.takeId(state.id) }, rows: new RowStore(), path };
    this.parts.push(part);
    return part;
  }
}

/** Reads restored rows into the tables of the state that was declared for them. */
export class RestoredRowReader {
  private readonly keys = new ByteReader(new Uint8Array(0));
  private readonly values = new ByteReader(new Uint8Array(0));
  private readonly scratch = new ByteWriter();
  private key: Key | undefined;

  /** @param operatorName For errors. */
  constructor(
    private readonly ledger: Ledger,
    private readonly target: HeapState,
    private readonly operatorName: string,
  ) {}

  /**
   * Reads one part, a few rows at a time.
   *
   * @throws {SnapshotCorruptError} If a row cannot be decoded.
   * @throws {StreamError} If a value cannot be migrated.
   */
  *read(part: RestoredPart, reader: ValueReader<unknown>): Generator<void> {
    let count = 0;
    try {
      for (const group of part.rows.keyGroups()) {
        const rows = part.rows.rowsOf(group);
        while (rows.next()) {
          this.readRow(rows, reader);
          if (++count % ROWS_PER_LOOK === 0) yield;
        }
      }
    } catch (error) {
      throw this.failure(error, part, reader);
    }
  }

  private failure(error: unknown, { path, state }: RestoredPart, { outcome }: ValueReader<unknown>): unknown {
    const { target, operatorName, key } = this;
    if (error instanceof SnapshotCorruptError) return error;
    if (error instanceof StreamError && error.kind === "corrupt") {
      return new SnapshotCorruptError(path, { reason: `${target.where}: ${error.message}`, cause: error });
    }
    if (outcome === "as-is" || key === undefined) return error;
    return migrationFailure(error, {
      where: restoredStateName(target.name, operatorName),
      key,
      from: writerOf(state),
      to: snapshotOf(target.serializer),
    });
  }

  private readRow(rows: StoredRows, reader: ValueReader<unknown>): void {
    const keys = this.keys;
    this.key = undefined;
    keys.open(rows.bytes, rows.keyStart, rows.keyEnd);
    const key = this.key = readKey(keys);
    const table = this.target.obtain(readNamespace(keys));
    const value = this.readValue(rows, reader);
    switch (this.target.kind) {
      case "list":
        this.addItem(key, table, readU64(keys), value);
        break;
      case "map":
        this.addCell(key, table, readKey(keys), value);
        break;
      default:
        if (table.ticks === undefined) this.addRow(key, table, value);
        else this.addStamped(key, table, value as Stamped<unknown>); // what the readers of such a state give
    }
    if (keys.remaining !== 0) keys.fail("a row key goes on after its end");
  }

  private readValue(rows: StoredRows, reader: ValueReader<unknown>): unknown {
    const values = this.values;
    values.open(rows.bytes, rows.keyEnd, rows.valueEnd);
    const value = reader.read(values);
    if (values.remaining !== 0) values.fail("a value goes on after its end");
    if (reader.outcome === "migrate") this.checkWritable(value);
    return value;
  }

  /** What cannot be written is noticed here, not in the first checkpoint. */
  private checkWritable(value: unknown): void {
    this.scratch.reset();
    writeValue(this.target.serializer, value, this.scratch, this.target.where);
  }

  private addRow(key: Key, table: Table, value: unknown): number {
    const row = table.add(key, value, 0);
    // A snapshot that runs has the rows as bytes and must not get them again: they count as written after it.
    if (this.ledger.running.length > 0) this.ledger.bookRow(table, row);
    this.ledger.entryCount++;
    return row;
  }

  private addStamped(key: Key, table: Table, { stampMs, value }: Stamped<unknown>): void {
    table.stamp(this.addRow(key, table, value), stampMs);
  }

  private addItem(key: Key, table: Table, number: number, value: unknown): void {
    const found = table.find(key);
    const row = found === 0 ? this.addRow(key, table, new ListItems()) : found;
    const items = table.values[row] as ListItems; // rows of list states hold nothing else
    items.numbers.push(number);
    items.values.push(value);
    if (isObject(value)) items.hasObjects = true;
  }

  private addCell(key: Key, table: Table, mapKey: Key, value: unknown): void {
    const row = table.find(key);
    // Rows of map states hold nothing else.
    const cells = row === 0 ? this.addMap(key, table) : table.values[row] as MapCells;
    const cell = new Cell(mapKey, value, cells, 0, 0);
    cells.set(cell);
    if (this.ledger.running.length > 0) this.ledger.bookCell(cell);
  }

  private addMap(key: Key, table: Table): MapCells {
    const cells = new MapCells(table, key);
    this.addRow(key, table, cells);
    return cells;
  }
}
