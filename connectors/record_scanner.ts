/**
 * Cuts a stream of bytes into records at line ends and turns each into text.
 *
 * Called by: connectors/file_split.ts.
 * Calls: core/bytes.ts.
 *
 * Invariants:
 * - `offset` and `line` are those behind the record that was taken last, exact to the byte whatever the encoding;
 * - the bytes of a record that is not complete yet are looked at once, however many chunks it spans.
 *
 * @module
 */
import { crc32 } from "../core/bytes.ts";

const LINE_END = 10;
const CARRIAGE_RETURN = 13;
const QUOTE = 34;
/** Length of the mark that some writers put before the first line. */
export const BYTE_ORDER_MARK_BYTES = 3;
/** Bytes of what was read that are kept, to recognise the file by. */
const TRACE_BYTES = 1024;
/** Longest text that every runtime can hold, with room to spare. */
const MAX_RECORD_BYTES = 256 * 1024 * 1024;

/** Where a record ends. */
export interface Framing {
  /**
   * Code of the character between fields, below 128: then a line end within a quoted field is part of the record
   * (CSV). Null: each line is a record.
   */
  readonly delimiter: number | null;
  /**
   * Whether text is decoded for many records at once. Faster, but then each text that is kept keeps its whole
   * block: only for records that are parsed into something else.
   */
  readonly block: boolean;
}

/** By what bytes that were read can be recognised. */
export interface Trace {
  /** How many bytes. */
  readonly length: number;
  /** Their CRC-32. */
  readonly crc: number;
}

/** Bytes that are no UTF-8. */
export class InvalidTextError extends Error {
  /** Name of the class, as printed before the message. */
  override readonly name = "InvalidTextError";
  /** 0-based offset in characters of the first one. */
  readonly at: number;
  /** The record, with U+FFFD in place of what is not readable. */
  readonly text: string;

  /** @param text The record, with U+FFFD in place of what is not readable. */
  constructor(text: string) {
    super("it is not valid UTF-8");
    this.text = text;
    this.at = Math.max(0, text.indexOf("\ufffd"));
  }
}

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lenient = new TextDecoder("utf-8", { ignoreBOM: true });

/** The records of one stream. */
export class RecordScanner {
  readonly #framing: Framing;
  /** Content at [#start, #end); [#start, #scanned) holds no record end. */
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #start = 0;
  #end = 0;
  #scanned = 0;
  /** Whether #scanned is between quotes. */
  #inQuotes = false;
  /** Where the last quoted field seemed to end; another quote right behind continues it. */
  #closedAt = -1;
  /** Line ends in [#start, #scanned). */
  #innerLines = 0;
  /** Text of [#blockStart, #blockEnd), one character per byte; empty when there is none. */
  #block = "";
  #blockStart = 0;
  #blockEnd = 0;
  /** Bounds of the record that was found, without its line end. */
  #recordStart = 0;
  #recordEnd = 0;
  /** Bytes of the stream up to the end of the last record. */
  offset: number;
  /** Lines of the stream up to there. */
  line: number;

  /** Starts behind `offset` bytes and `line` lines of the stream. */
  constructor(framing: Framing, offset: number, line: number) {
    this.#framing = framing;
    this.offset = offset;
    this.line = line;
  }

  /** Bytes that were pushed and are not part of a record yet. */
  get restBytes(): number {
    return this.#end - this.#start;
  }

  /** Takes up what comes before the first chunk, for traces. */
  remember(before: Uint8Array): void {
    this.#bytes = before.slice();
    this.#start = this.#end = this.#scanned = before.byteLength;
  }

  /** Of the last bytes before `offset`. */
  get trace(): Trace {
    return this.#traceOf(this.#start);
  }

  /** Of the last bytes that were pushed, whether they are part of a record or not. */
  get pushedTrace(): Trace {
    return this.#traceOf(this.#end);
  }

  #traceOf(end: number): Trace {
    const bytes = this.#bytes.subarray(Math.max(0, end - TRACE_BYTES), end);
    return { length: bytes.byteLength, crc: crc32(bytes) };
  }

  /** Adds a chunk. @throws {RangeError} When a record grows beyond what a text can hold. */
  push(chunk: Uint8Array): void {
    const rest = this.#end - this.#start;
    if (rest > MAX_RECORD_BYTES) {
      const quotes = this.#inQuotes ? "; look for a quote that is opened and never closed" : "";
      throw new RangeError(`it has no end within ${MAX_RECORD_BYTES} bytes, must be shorter${quotes}`);
    }
    if (this.#end + chunk.byteLength > this.#bytes.byteLength) this.#makeRoom(rest, chunk.byteLength);
    this.#bytes.set(chunk, this.#end);
    this.#end += chunk.byteLength;
    if (this.offset === 0) this.#skipByteOrderMark();
    // A record that spans chunks is decoded once, when it is complete.
    if (this.#framing.block && rest <= chunk.byteLength) this.#decodeBlock();
  }

  /** Finds the next record; false when more bytes are needed. */
  next(): boolean {
    const { delimiter } = this.#framing;
    const end = delimiter === null ? this.#bytes.indexOf(LINE_END, this.#scanned) : this.#quotedEnd(delimiter);
    if (end < 0 || end >= this.#end) {
      this.#scanned = this.#end;
      return false;
    }
    this.#take(end, end + 1);
    return true;
  }

  /** Takes what is left at the end of the stream as the last record; false when nothing is left. */
  last(): boolean {
    if (this.#start === this.#end) return false;
    this.#take(this.#end, this.#end);
    return true;
  }

  /** Text of the record that was found last, without its line end. @throws {InvalidTextError} */
  text(): string {
    const start = this.#recordStart;
    const end = this.#recordEnd;
    if (start >= this.#blockStart && end <= this.#blockEnd) {
      return this.#block.slice(start - this.#blockStart, end - this.#blockStart);
    }
    const bytes = this.#bytes.subarray(start, end);
    try {
      return strict.decode(bytes);
    } catch {
      throw new InvalidTextError(lenient.decode(bytes));
    }
  }

  #take(end: number, next: number): void {
    this.#recordStart = this.#start;
    this.#recordEnd = end > this.#start && this.#bytes[end - 1] === CARRIAGE_RETURN ? end - 1 : end;
    this.offset += next - this.#start;
    this.line += this.#innerLines + 1;
    this.#start = next;
    this.#scanned = next;
    this.#innerLines = 0;
    this.#inQuotes = false;
    this.#closedAt = -1;
  }

  /** Where the record ends when line ends in quoted fields do not count; -1 when that is not known yet. */
  #quotedEnd(delimiter: number): number {
    const bytes = this.#bytes;
    for (let at = this.#scanned; at < this.#end; at++) {
      const byte = bytes[at];
      if (byte === QUOTE) {
        if (this.#inQuotes) {
          this.#inQuotes = false;
          this.#closedAt = at;
        } else {
          // A quote in the middle of a field opens nothing: the format will object to it, the next lines are safe.
          this.#inQuotes = at === this.#start || bytes[at - 1] === delimiter || this.#closedAt === at - 1;
        }
      } else if (byte === LINE_END) {
        if (!this.#inQuotes) return at;
        this.#innerLines++;
      }
    }
    return -1;
  }

  #makeRoom(rest: number, more: number): void {
    const capacity = this.#bytes.byteLength;
    let target = this.#bytes;
    const kept = Math.min(this.#start, TRACE_BYTES);
    if (kept + rest + more > capacity / 2) {
      target = new Uint8Array(Math.max(2 * capacity, 2 * (kept + rest + more)));
    }
    const from = this.#start - kept;
    target.set(this.#bytes.subarray(from, this.#end));
    this.#bytes = target;
    this.#scanned -= from;
    this.#closedAt -= from;
    this.#start = kept;
    this.#end = kept + rest;
    this.#block = "";
    this.#blockStart = this.#blockEnd = 0;
  }

  #skipByteOrderMark(): void {
    const bytes = this.#bytes;
    const at = this.#start;
    if (
      this.#end - at < BYTE_ORDER_MARK_BYTES || bytes[at] !== 0xef || bytes[at + 1] !== 0xbb || bytes[at + 2] !== 0xbf
    ) return;
    this.#start += BYTE_ORDER_MARK_BYTES;
    this.#scanned = this.#start;
    this.offset = BYTE_ORDER_MARK_BYTES;
  }

  #decodeBlock(): void {
    const bytes = this.#bytes.subarray(this.#start, this.#end);
    this.#block = "";
    this.#blockStart = this.#blockEnd = 0;
    let text: string;
    try {
      text = strict.decode(bytes);
    } catch {
      // A character that is cut by the end of the chunk, or bytes that are no text: each record decides for itself.
      return;
    }
    // Equal lengths mean one byte per character, so that places in the text are places in the bytes.
    if (text.length !== bytes.byteLength) return;
    this.#block = text;
    this.#blockStart = this.#start;
    this.#blockEnd = this.#end;
  }
}
