/**
 * Declares how text becomes records, and what happens to text that does not.
 *
 * Called by: connectors/file_split.ts; implemented by the formats of file sources.
 * Calls: core/ only.
 *
 * @module
 */
import { StreamError } from "../core/errors.ts";
import type { SourceOutput } from "../core/source.ts";
import type { Framing } from "./record_scanner.ts";

/** What a decoder returns for text that is no record and no mistake either, such as a header or an empty line. */
export const NO_RECORD: unique symbol = Symbol("no record");

/** How bad a mistake is, and what has noticed it. */
export interface MistakeOptions {
  /** The error that led here. */
  readonly cause?: unknown;
  /** True when nothing after it can be read either, for example after a mistake in a header: then no policy helps. */
  readonly fatal?: boolean;
}

/** Text that is no record. */
export class MalformedRecordError extends Error {
  /** Name of the class, as printed before the message. */
  override readonly name = "MalformedRecordError";
  /** 0-based offset in characters within the record's text of the mistake. */
  readonly at: number;
  /** Whether nothing after it can be read either. */
  readonly fatal: boolean;

  /**
   * Of one record; what reads the file adds where it is.
   *
   * @param reason What is wrong, to follow "line 1, column 1: ".
   * @param at 0-based offset in characters within the record's text.
   */
  constructor(reason: string, at: number, options: MistakeOptions = {}) {
    super(reason, { cause: options.cause });
    this.at = at;
    this.fatal = options.fatal ?? false;
  }
}

/** Turns the records of one file from text into values. */
export interface RecordDecoder<T> {
  /** Names of the columns, once the header has been read; part of the position. */
  readonly header: readonly string[] | null;
  /** Makes a value of the text of a record. @throws {MalformedRecordError} */
  decode(text: string): T | typeof NO_RECORD;
}

/** A format of text files. Immutable. */
export interface RecordFormat<T> {
  /** Where records end. */
  readonly framing: Framing;
  /** Starts on a file; `header` is what the decoder knew when the position was taken, null at the start. */
  decoder(header: readonly string[] | null): RecordDecoder<T>;
}

/** What to do with text that is no record. */
export type MalformedPolicy = "fail" | "skip" | "side-output";

/** A record that could not be read. */
export interface Mistake {
  /** Of the file. */
  readonly path: string;
  /** 1-based; the line that the record starts in. */
  readonly line: number;
  /** The whole record. */
  readonly text: string;
  /** 0-based offset in characters within the text. */
  readonly at: number;
  /** What is wrong with it. */
  readonly reason: string;
  /** Whether nothing after it can be read either. */
  readonly fatal: boolean;
  /** The error that has noticed it. */
  readonly cause: unknown;
}

/** Longest text that is handed on. */
const MAX_TEXT = 1000;

/** Line and column, 1-based, of a mistake. */
function placeOf({ line, text, at }: Mistake): { readonly line: number; readonly column: number } {
  const before = text.slice(0, at);
  const lastEnd = before.lastIndexOf("\n");
  return { line: line + before.split("\n").length - 1, column: at - lastEnd };
}

/**
 * Does what the policy says.
 *
 * @returns False when the output takes no more now.
 * @throws {StreamError} "invalid" under `fail`, and when the mistake is fatal.
 */
export function handleMistake(policy: MalformedPolicy, mistake: Mistake, output: SourceOutput<never>): boolean {
  if (policy === "skip" && !mistake.fatal) return true;
  const { line, column } = placeOf(mistake);
  if (policy === "side-output" && !mistake.fatal) {
    return output.collectMalformed({
      location: `${mistake.path}:${line}:${column}`,
      text: mistake.text.slice(0, MAX_TEXT),
      reason: mistake.reason,
    });
  }
  throw new StreamError(
    "invalid",
    `Cannot read "${mistake.path}" line ${line}, column ${column}: ${mistake.reason}; ` +
      (mistake.fatal ? "correct the file" : 'correct the file, or set onMalformed to "skip" or "side-output"'),
    { cause: mistake.cause },
  );
}
