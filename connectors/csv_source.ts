/**
 * Source of CSV files.
 *
 * Called by: pipelines.
 * Calls: file_source.ts, csv_codec.ts.
 *
 * @module
 */
import { messageOf } from "../core/errors.ts";
import type { Source } from "../core/source.ts";
import { csvFieldOffset, parseCsvRow } from "./csv_codec.ts";
import { fileSource, type FileSourceOptions } from "./file_source.ts";
import type { Paths } from "./path_pattern.ts";
import { MalformedRecordError, NO_RECORD, type RecordDecoder, type RecordFormat } from "./record_format.ts";

/**
 * How the text of each column becomes a value, by name of the column. One that throws, or returns NaN, makes the row
 * malformed, and so does `Number` for a field without text, of which it would make 0.
 */
export type CsvColumns = Readonly<Record<string, (text: string) => unknown>>;

/** A row, as `columns` make it. */
export type CsvRow<C extends CsvColumns> = { -readonly [K in keyof C]: ReturnType<C[K]> };

/** How CSV is read. */
export interface CsvOptions<C extends CsvColumns> extends FileSourceOptions {
  /** The columns to take, each with what makes a value of its text. Absent: all columns, as strings. */
  readonly columns?: C;
  /** Whether the first row of each file names the columns; true when absent. Without it `columns` does, in their order. */
  readonly header?: boolean;
  /** One ASCII character between fields; a comma when absent. */
  readonly delimiter?: string;
}

class CsvDecoder implements RecordDecoder<Record<string, unknown>> {
  readonly #columns: CsvColumns | null;
  readonly #delimiter: string;
  #header: readonly string[] | null;

  constructor(columns: CsvColumns | null, delimiter: string, header: readonly string[] | null) {
    this.#columns = columns;
    this.#delimiter = delimiter;
    this.#header = header;
  }

  get header(): readonly string[] | null {
    return this.#header;
  }

  decode(text: string): Record<string, unknown> | typeof NO_RECORD {
    if (text === "") return NO_RECORD;
    const fields = parseCsvRow(text, this.#delimiter);
    if (this.#header === null) {
      this.#header = this.#checkedHeader(fields);
      return NO_RECORD;
    }
    if (fields.length !== this.#header.length) {
      throw new MalformedRecordError(`it has ${fields.length} fields, the header has ${this.#header.length}`, 0);
    }
    const row: Record<string, unknown> = {};
    for (let index = 0; index < fields.length; index++) {
      // Both arrays have this length.
      this.#set(row, this.#header[index] as string, fields[index] as string, text, index);
    }
    return row;
  }

  #set(row: Record<string, unknown>, name: string, field: string, text: string, index: number): void {
    if (this.#columns === null) {
      row[name] = field;
      return;
    }
    const parse = Object.hasOwn(this.#columns, name) ? this.#columns[name] : undefined;
    if (parse === undefined) return;
    let value: unknown;
    try {
      value = parse(field);
    } catch (cause) {
      const at = csvFieldOffset(text, this.#delimiter, index);
      throw new MalformedRecordError(`column "${name}": ${messageOf(cause)}`, at, { cause });
    }
    if (Number.isNaN(value) || (parse === Number && field.trim() === "")) {
      const at = csvFieldOffset(text, this.#delimiter, index);
      throw new MalformedRecordError(`column "${name}": ${JSON.stringify(field.slice(0, 100))} is not a number`, at);
    }
    row[name] = value;
  }

  #checkedHeader(fields: readonly string[]): readonly string[] {
    const twice = fields.find((name, index) => fields.indexOf(name) !== index);
    if (twice !== undefined) throw headerMistake(`the header names column "${twice}" twice`);
    const missing = Object.keys(this.#columns ?? {}).find((name) => !fields.includes(name));
    if (missing !== undefined) throw headerMistake(`the header does not name column "${missing}"`);
    if (fields.includes("__proto__")) throw headerMistake('a column cannot be named "__proto__"');
    return fields;
  }
}

function headerMistake(reason: string): MalformedRecordError {
  return new MalformedRecordError(reason, 0, { fatal: true });
}

/**
 * Reads CSV files (RFC 4180: quotes, quotes within quotes, line ends within quotes); each row is a record.
 *
 * @example
 * ```ts
 * import { csv } from "./csv_source.ts";
 *
 * const flights = csv("flights.csv", { columns: { origin: String, delay: Number } });
 * // Records are of type { origin: string; delay: number }.
 * if (!flights.replayable) throw new Error("a restored job goes on behind the last row it has read");
 * ```
 *
 * @throws {RangeError} If `delimiter` is not one ASCII character, or a quote or line end.
 * @throws {TypeError} If `header` is false and there are no `columns`.
 */
export function csv(
  paths: Paths,
  options?: CsvOptions<CsvColumns> & { readonly columns?: never },
): Source<Record<string, string>>;
/** Reads CSV files, taking and converting the given columns. */
export function csv<C extends CsvColumns>(
  paths: Paths,
  options: CsvOptions<C> & { readonly columns: C },
): Source<CsvRow<C>>;
/** The implementation of both. */
export function csv(
  paths: Paths,
  options: CsvOptions<CsvColumns> = {},
): Source<Record<string, unknown>> {
  const { columns, header = true, delimiter = "," } = options;
  if (delimiter.length !== 1 || delimiter.charCodeAt(0) > 127 || /["\r\n]/.test(delimiter)) {
    throw new RangeError(
      `Cannot read CSV: delimiter is ${JSON.stringify(delimiter)}, must be one ASCII character, no quote or line end`,
    );
  }
  if (!header && columns === undefined) {
    throw new TypeError(
      "Cannot read CSV: header is false and columns is missing, must name the columns in their order",
    );
  }
  const names = header ? null : Object.keys(columns ?? {});
  const format: RecordFormat<Record<string, unknown>> = {
    framing: { delimiter: delimiter.charCodeAt(0), block: false },
    decoder: (known) => new CsvDecoder(columns ?? null, delimiter, known ?? names),
  };
  return fileSource(paths, format, options);
}
