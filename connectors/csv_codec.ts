/**
 * CSV as RFC 4180 has it: one record to fields, fields to one record.
 *
 *     record = field *(delimiter field)
 *     field  = *(any but quote, delimiter, line end) / quote *(any but quote / quote quote) quote
 *
 * Called by: connectors/csv_source.ts, connectors/line_encoder.ts.
 * Calls: connectors/record_format.ts.
 *
 * @module
 */
import { MalformedRecordError } from "./record_format.ts";

/** Splits the text of one record, without its line end, into fields. @throws {MalformedRecordError} */
export function parseCsvRow(text: string, delimiter: string): string[] {
  if (!text.includes('"')) return text.split(delimiter);
  const fields: string[] = [];
  let at = 0;
  for (;;) {
    if (text[at] === '"') {
      const end = closingQuote(text, at);
      fields.push(text.slice(at + 1, end).replaceAll('""', '"'));
      at = end + 1;
      if (at < text.length && text[at] !== delimiter) {
        throw new MalformedRecordError("text follows a closing quote", at);
      }
    } else {
      const delimiterAt = text.indexOf(delimiter, at);
      const end = delimiterAt < 0 ? text.length : delimiterAt;
      const quoteAt = text.indexOf('"', at);
      if (quoteAt >= 0 && quoteAt < end) {
        throw new MalformedRecordError("a quote is inside a field that does not start with one", quoteAt);
      }
      fields.push(text.slice(at, end));
      at = end;
    }
    if (at >= text.length) return fields;
    at++;
  }
}

/** Where field `index` of a record that {@link parseCsvRow} takes starts, with its quote; characters. */
export function csvFieldOffset(text: string, delimiter: string, index: number): number {
  let at = 0;
  for (let count = 0; count < index; count++) {
    at = text[at] === '"' ? closingQuote(text, at) + 1 : text.indexOf(delimiter, at);
    at++;
  }
  return at;
}

/** Offset of the quote that ends the field whose quote is at `start`. */
function closingQuote(text: string, start: number): number {
  let at = start + 1;
  for (;;) {
    const quoteAt = text.indexOf('"', at);
    if (quoteAt < 0) throw new MalformedRecordError("a quote is opened and never closed", start);
    if (text[quoteAt + 1] !== '"') return quoteAt;
    at = quoteAt + 2;
  }
}

const NEEDS_QUOTES = /[",\r\n]/;

/** One record of these fields, without its line end. */
export function csvRow(fields: readonly string[]): string {
  // A lone empty field would be an empty line, which readers leave out.
  if (fields.length === 1 && fields[0] === "") return '""';
  return fields.map((field) => NEEDS_QUOTES.test(field) ? `"${field.replaceAll('"', '""')}"` : field).join(",");
}
