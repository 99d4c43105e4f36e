/** Rows of bytes for tests of stores and buffers, and the plain Map that says what they must read as. */
import { compareBytes } from "../../core/bytes.ts";
import type { RowCursor, SortedRows } from "../../backends/embedded/row_store.ts";
import { DELETE, DELETE_PREFIX, PUT, type RowCode } from "../../backends/runs/run_format.ts";

/** The states of {@link rowOf}: what follows the key differs. */
export const VALUES = 1;
/** Rows with a list number of 8 bytes. */
export const LISTS = 2;
/** Rows with a map key. */
export const MAPS = 3;
/** Rows of another owner: no value. */
export const TIMERS = 4;

/** As `core/key.ts` encodes it. */
const NO_NAMESPACE = "\x02";

/** A row key, and how much of it names the value, list or map that it belongs to. */
export interface RowName {
  readonly key: Uint8Array;
  readonly prefixBytes: number;
}

/** One row of a batch. */
export interface SampleRow {
  readonly code: RowCode;
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** Text as bytes, one byte a character. */
export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** Bytes as text, one character a byte: compares like the bytes. */
export function textOf(bytes: Uint8Array, start = 0, end = bytes.length): string {
  let text = "";
  for (let i = start; i < end; i++) text += String.fromCharCode(bytes[i]!);
  return text;
}

/**
 * Name of a row.
 *
 * @param key The key of the state; no character 0.
 * @param tail Of a list its element's number, of a map its map key; absent for the prefix itself.
 */
export function rowOf(keyGroup: number, state: number, key: string, tail?: number | string): RowName {
  const route = String.fromCharCode(keyGroup >> 8, keyGroup & 255, state >> 8, state & 255);
  const start = route + keyText(key) + NO_NAMESPACE;
  const rest = typeof tail === "number" ? numberText(tail) : tail === undefined ? "" : keyText(tail);
  return { key: bytesOf(start + rest), prefixBytes: start.length };
}

/** A string as `core/key.ts` encodes it. */
function keyText(key: string): string {
  return `\x40${key}\0\0`;
}

function numberText(value: number): string {
  return "\0\0\0\0" + String.fromCharCode(value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);
}

/** A row that sets a value. */
export function put({ key }: RowName, value: string): SampleRow {
  return { code: PUT, key, value: bytesOf(value) };
}

/** A row that removes one. */
export function gone({ key }: RowName): SampleRow {
  return { code: DELETE, key, value: new Uint8Array(0) };
}

/** A row that removes all that start like it. */
export function cleared({ key }: RowName): SampleRow {
  return { code: DELETE_PREFIX, key, value: new Uint8Array(0) };
}

/** A batch in the order of a run; sorted in as many steps as there are rows. */
export class SampleRows implements SortedRows {
  code: RowCode = PUT;
  bytes: Uint8Array = new Uint8Array(0);
  keyStart = 0;
  keyEnd = 0;
  valueEnd = 0;
  /** Calls of `sort` so far. */
  sortCount = 0;
  private readonly rows: readonly SampleRow[];
  private at = -1;

  /** @param rows In any order, each key once. */
  constructor(rows: readonly SampleRow[]) {
    this.rows = [...rows].sort((a, b) => compareBytes(a.key, 0, a.key.length, b.key, 0, b.key.length));
  }

  get rowCount(): number {
    return this.rows.length;
  }

  get sizeBytes(): number {
    return this.rows.reduce((sum, { key, value }) => sum + key.length + value.length, 0);
  }

  sort(): boolean {
    return this.sortCount++ >= this.rows.length;
  }

  next(): boolean {
    if (this.sortCount <= this.rows.length) throw new Error("Cannot read rows: they are not sorted yet");
    const row = this.rows[++this.at];
    if (row === undefined) return false;
    // Away from offset 0, so that a reader who ignores the start is found out.
    this.bytes = new Uint8Array(3 + row.key.length + row.value.length);
    this.bytes.set(row.key, 3);
    this.bytes.set(row.value, 3 + row.key.length);
    this.code = row.code;
    this.keyStart = 3;
    this.keyEnd = 3 + row.key.length;
    this.valueEnd = this.bytes.length;
    return true;
  }
}

/** What rows read as: text of the key → text of the value. */
export type RowModel = Map<string, string>;

/** Applies a batch: its deletes count for older rows only. */
export function applyRows(model: RowModel, rows: readonly SampleRow[]): void {
  for (const { code, key } of rows) {
    const text = textOf(key);
    if (code === DELETE) model.delete(text);
    if (code === DELETE_PREFIX) { for (const one of [...model.keys()]) if (one.startsWith(text)) model.delete(one); }
  }
  for (const { code, key, value } of rows) if (code === PUT) model.set(textOf(key), textOf(value));
}

/** The rows of a model that start with `prefix`, from `from` on, ascending. */
export function modelRows(model: RowModel, prefix: Uint8Array, from?: Uint8Array): [string, string][] {
  const start = textOf(prefix);
  const first = from === undefined ? "" : textOf(from);
  return [...model].filter(([key]) => key.startsWith(start) && key >= first).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** The rows that are left in a cursor, which is closed. */
export function drainCursor(cursor: RowCursor, limit: number = Number.POSITIVE_INFINITY): [string, string][] {
  const rows: [string, string][] = [];
  while (rows.length < limit && cursor.next()) {
    rows.push([textOf(cursor.key, 0, cursor.keyBytes), textOf(cursor.value, cursor.valueStart, cursor.valueEnd)]);
  }
  cursor.close();
  return rows;
}
