/**
 * Text formats of file sinks: a value to the line that stands for it.
 *
 * Called by: connectors/file_sink.ts.
 * Calls: core/, csv_codec.ts, json_losses.ts.
 *
 * @module
 */
import { messageOf, StreamError } from "../core/errors.ts";
import { csvRow } from "./csv_codec.ts";
import { findUnsaid } from "./json_losses.ts";

/** A text format of output files. */
export interface SinkFormat<T> {
  /** Ending of the file names, with its dot; may be empty. */
  readonly extension: string;
  /** First text of each file. Absent: none. */
  header?(firstValue: T): string;
  /** Text that stands for a value, with its line end. */
  encode(value: T): string;
}

/** Names of the formats that need no options. */
export type SinkFormatName = "jsonl" | "lines" | "csv";

/**
 * Each value as JSON on a line. Properties that are undefined are left out, as JSON.stringify does.
 *
 * @throws {StreamError} "invalid" for what JSON cannot say and would lose in silence: NaN and infinities, Maps, Sets,
 * binary arrays, bigints; and undefined, functions and symbols instead of a value. `toJSON` decides where there is one.
 */
export const jsonLinesFormat: SinkFormat<unknown> = {
  extension: ".jsonl",
  encode(value: unknown): string {
    // Typed as a string, but undefined for what JSON cannot say.
    let text: string | undefined;
    try {
      text = JSON.stringify(value) as string | undefined;
    } catch (cause) {
      throw unsaidIn(value) ??
        new StreamError("invalid", `Cannot write ${shown(value)} as JSON: ${messageOf(cause)}`, { cause });
    }
    if (text === undefined) throw notEncodable(value, "JSON", "must be what JSON.stringify can write");
    // Each loss leaves one of these; looking for them costs far less than looking at every property.
    if (text.includes("null") || text.includes("{}") || text.includes('{"0":')) {
      const mistake = unsaidIn(value);
      if (mistake !== null) throw mistake;
    }
    return `${text}\n`;
  },
};

/** Each value, a string without line ends, on a line. */
export const linesFormat: SinkFormat<unknown> = {
  extension: ".txt",
  encode(value: unknown): string {
    if (typeof value !== "string") throw notEncodable(value, "a line", "must be a string; map it first");
    if (value.includes("\n")) throw notEncodable(value, "a line", "must not hold a line end; choose another format");
    return `${wellFormed(value)}\n`;
  },
};

/**
 * Each value, an object, as a CSV row (RFC 4180, but with `\n` for line ends); a header row first.
 *
 * @param columns Properties to write, in order. Absent: those of each file's first value. A missing one is an empty field.
 */
export function csvFormat(columns?: readonly string[]): SinkFormat<unknown> {
  let current = columns;
  return {
    extension: ".csv",
    header(firstValue: unknown): string {
      current = columns ?? Object.keys(objectOf(firstValue));
      return `${wellFormed(csvRow(current))}\n`;
    },
    encode(value: unknown): string {
      const record = objectOf(value);
      const names = current ?? [];
      if (columns === undefined) refuseOthers(record, names);
      return `${wellFormed(csvRow(names.map((name) => fieldOf(record[name], name))))}\n`;
    },
  };
}

/** The format with that name, or the format itself. A new one per writer, because CSV remembers its columns. */
export function sinkFormat<T>(format: SinkFormatName | SinkFormat<T>): SinkFormat<T> {
  if (format === "jsonl") return jsonLinesFormat;
  if (format === "lines") return linesFormat;
  if (format === "csv") return csvFormat();
  return format;
}

function unsaidIn(value: unknown): StreamError | null {
  const unsaid = findUnsaid(value);
  if (unsaid === null) return null;
  const place = unsaid.path === "" ? "the record" : `field "${unsaid.path}"`;
  return new StreamError("invalid", `Cannot write ${place} as JSON: it is ${unsaid.what}; ${unsaid.remedy}`);
}

function objectOf(value: unknown): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw notEncodable(value, "a CSV row", "must be an object; map it first");
  }
  // A non-null object that is no array can be read by property name.
  return value as Record<string, unknown>;
}

function refuseOthers(record: Record<string, unknown>, names: readonly string[]): void {
  const other = Object.keys(record).find((name) => !names.includes(name));
  if (other === undefined) return;
  throw new StreamError(
    "invalid",
    `Cannot write a CSV row: property "${other}" is not a column (${
      names.join(", ")
    }), which the first record of the ` +
      "file decides; pass all columns to csvFormat",
  );
}

function fieldOf(value: unknown, name: string): string {
  if (value === undefined || value === null) return "";
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean" || typeof value === "bigint") return String(value);
  throw notEncodable(
    value,
    `CSV column "${name}"`,
    "must be a string, number, bigint, boolean or nothing; map it first",
  );
}

function wellFormed(text: string): string {
  if (text.isWellFormed()) return text;
  throw notEncodable(text, "UTF-8", "must not hold half a surrogate pair; clean it with toWellFormed()");
}

function notEncodable(value: unknown, format: string, demand: string): StreamError {
  return new StreamError(
    "invalid",
    `Cannot write ${shown(value)} as ${format}: it is of type ${typeof value}, ${demand}`,
  );
}

/** A value in an error message. */
function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, 100));
  if (typeof value !== "object" || value === null) return String(value).slice(0, 100);
  return Array.isArray(value) ? "an array" : "an object";
}
