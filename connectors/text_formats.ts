/**
 * Sources of text lines and of JSON lines.
 *
 * Called by: pipelines.
 * Calls: file_source.ts, json_syntax.ts.
 *
 * @module
 */
import { messageOf } from "../core/errors.ts";
import type { Source } from "../core/source.ts";
import { fileSource, type FileSourceOptions } from "./file_source.ts";
import { findJsonMistake } from "./json_syntax.ts";
import type { Paths } from "./path_pattern.ts";
import { MalformedRecordError, NO_RECORD, type RecordDecoder, type RecordFormat } from "./record_format.ts";

const LINES: RecordFormat<string> = {
  framing: { delimiter: null, block: false },
  decoder: () => ({ header: null, decode: (text) => text }),
};

/**
 * Reads files line by line; each line is a record, without its line end.
 *
 * A byte order mark is left out. Text that is not UTF-8 counts as malformed.
 *
 * @example
 * ```ts
 * import { lines } from "./text_formats.ts";
 *
 * const logs = lines("logs/*.log.gz", { onMalformed: "skip" });
 * if (logs.boundedness !== "bounded") throw new Error("it ends with the files");
 * ```
 */
export function lines(paths: Paths, options: FileSourceOptions = {}): Source<string> {
  return fileSource(paths, LINES, options);
}

/** How JSON lines are read. */
export interface JsonLinesOptions<T> extends FileSourceOptions {
  /** Checks or converts what was parsed; a line for which it throws counts as malformed. Absent: taken as it is. */
  readonly parse?: (value: unknown) => T;
}

class JsonDecoder<T> implements RecordDecoder<T> {
  readonly header = null;
  readonly #parse: ((value: unknown) => T) | undefined;

  constructor(parse: ((value: unknown) => T) | undefined) {
    this.#parse = parse;
  }

  decode(text: string): T | typeof NO_RECORD {
    let value: T;
    try {
      // Without `parse` the caller vouches for the shape by naming T.
      value = JSON.parse(text) as T;
    } catch (error) {
      if (text.trim() === "") return NO_RECORD;
      const { reason, at } = findJsonMistake(text) ?? { reason: String(error), at: 0 };
      throw new MalformedRecordError(reason, at, { cause: error });
    }
    if (this.#parse === undefined) return value;
    try {
      return this.#parse(value);
    } catch (error) {
      throw new MalformedRecordError(messageOf(error), 0, { cause: error });
    }
  }
}

/**
 * Reads files of which each line is a JSON value (also called NDJSON). Empty lines are left out.
 *
 * @example
 * ```ts
 * import { jsonLines } from "./text_formats.ts";
 *
 * interface Flight {
 *   readonly origin: string;
 *   readonly delay: number;
 * }
 * const flights = jsonLines<Flight>("flights.jsonl", { ratePerSecond: 10_000 });
 * if (!flights.replayable) throw new Error("a restored job goes on behind the last line it has read");
 * ```
 *
 * @typeParam T Shape of a record. It is not checked unless you pass `parse`.
 */
export function jsonLines<T>(paths: Paths, options: JsonLinesOptions<T> = {}): Source<T> {
  const { parse } = options;
  const format: RecordFormat<T> = {
    framing: { delimiter: null, block: true },
    decoder: () => new JsonDecoder(parse),
  };
  return fileSource(paths, format, options);
}
