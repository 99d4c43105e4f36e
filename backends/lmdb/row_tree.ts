/**
 * Keeps rows with keys of any length, in their order, in an LMDB database whose keys are limited.
 *
 * A row whose key has up to CHUNK_BYTES bytes is an entry of that key. Of a longer one the first chunk is replaced by a
 * number: entry `chunk %x00` holds the number of a *space*, and the rest of the key is an entry of that space, or
 * again cut. Entries of space n have the key `%xFF n(6 bytes) rest`; row keys never begin with %xFF, since a key group is
 * below 32768. So byte order is kept: `chunk %x00` sorts after a row that ends with the chunk and before any other row,
 * and is where all rows that go on after the chunk belong.
 *
 *     entry   = row / link                       ; both with the space before it, unless it is the root space
 *     row     = 0*1900octet                      ; value: that of the row
 *     link    = 1900octet %x00                   ; value: number of the space in which the rows go on
 *     space   = %xFF 6octet
 *
 * Called by: the store, its ingests, restore.
 * Calls: lmdb_module.ts, row_walk.ts.
 *
 * Invariants:
 * - a link is there exactly as long as its space has entries;
 * - numbers of spaces are never used again.
 *
 * @module
 */
import { messageOf, StreamError } from "../../core/errors.ts";
import type { FoundValue } from "../embedded/row_store.ts";
import type {
  EntryReceiver,
  KeySlice,
  LmdbDatabase,
  LmdbStats,
  RangeOptions,
  ReadTransaction,
  ValueSlice,
} from "./lmdb_module.ts";
import type { Moment } from "./moment.ts";

/** Bytes of a row key that one entry can hold. */
export const CHUNK_BYTES = 1900;
/** Bytes before the rest of a key in any space but the root. */
export const SPACE_BYTES = 7;
/** The space of whole row keys. */
export const ROOT = -1;
/** A value above this does not fit the package's buffer: reading it in the usual way would make that grow for ever. */
const LARGE_VALUE_BYTES = 16 * 1024 * 1024;
const NUMBER_BYTES = 6;
const MISSING = -2;

/** A moment, as reads are told of it. */
export interface ReadAt {
  readonly moment: Moment;
  readonly transaction: ReadTransaction;
}

/** Rows in order. */
export class RowTree implements EntryReceiver {
  /** Takes the entries of the range that is being read. */
  receiver: EntryReceiver | undefined;
  /** The moment that `get` sees; undefined: now. Within a transaction it is always now. */
  readAt: ReadAt | undefined;
  private database: LmdbDatabase | undefined;
  private nextSpace = 0;
  private hasLargeValues = false;
  private readonly slice: KeySlice = { bytes: new Uint8Array(0), start: 0, end: 0 };
  private readonly scratch: KeySlice = { bytes: new Uint8Array(SPACE_BYTES + CHUNK_BYTES + 1), start: 0, end: 0 };
  private value: ValueSlice = valueSlice(new ArrayBuffer(0));
  private readonly number: ValueSlice = valueSlice(new ArrayBuffer(NUMBER_BYTES));
  /** What the package returned last, and a plain view of the same bytes. */
  private returned: Uint8Array | undefined;
  private view: Uint8Array = this.number;

  /** @param where Names the store in errors. */
  constructor(private readonly where: string) {}

  /** Has to be called once, before anything else. */
  attach(database: LmdbDatabase): void {
    this.database = database;
  }

  takeKey(source: Uint8Array, start: number, end: number): void {
    this.receiver?.takeKey(source, start, end);
  }

  takeValue(source: Uint8Array, size: number): void {
    this.receiver?.takeValue(source, size);
  }

  /** Figures of the database; null when it is closed. */
  stats(): LmdbStats | null {
    return this.database?.getStats() ?? null;
  }

  /** Fixes what is there now for a reader. */
  pin(): ReadTransaction {
    return this.opened.useReadTransaction();
  }

  /** Runs `write` in a transaction: all of it counts or, when it throws, nothing. @throws {StreamError} If it cannot be written. */
  transaction(write: () => void): void {
    try {
      this.opened.transactionSync(write);
    } catch (error) {
      throw this.explained("write", error);
    }
  }

  /** Looks for the row `row[0..rowBytes-1]`. */
  get(row: Uint8Array, rowBytes: number, found: FoundValue): boolean {
    const key = rowBytes <= CHUNK_BYTES ? this.whole(row, 0, rowBytes) : this.existing(row, 0, rowBytes);
    const bytes = key === undefined ? undefined : this.read(key);
    if (bytes === undefined) return false;
    found.bytes = bytes;
    found.start = 0;
    found.end = this.opened.lastSize;
    return true;
  }

  /** Sets the row `key[keyStart..keyEnd-1]` to `value[start..end-1]`; within a transaction. */
  put(key: Uint8Array, keyStart: number, keyEnd: number, value: Uint8Array, start: number, end: number): void {
    const entry = keyEnd - keyStart <= CHUNK_BYTES
      ? this.whole(key, keyStart, keyEnd)
      : this.made(key, keyStart, keyEnd);
    // The package asks for the address of each view's memory; that of an arena is asked for once.
    if (this.value.buffer !== value.buffer) this.value = valueSlice(value.buffer);
    this.value.start = value.byteOffset + start;
    this.value.end = value.byteOffset + end;
    if (end - start > LARGE_VALUE_BYTES) this.hasLargeValues = true;
    this.opened.put(entry, this.value);
  }

  /** Removes a row; no error when there is none; within a transaction. */
  remove(bytes: Uint8Array, keyStart: number, keyEnd: number): void {
    if (keyEnd - keyStart <= CHUNK_BYTES) this.opened.remove(this.whole(bytes, keyStart, keyEnd));
    else this.removeLong(bytes, keyStart, keyEnd);
  }

  /** The entries of a range, which go to `receiver`. */
  range(options: RangeOptions): Iterator<unknown> {
    return this.opened.getRange(options)[Symbol.iterator]();
  }

  /** Any error of the package as one that names the store. */
  explained(verb: string, error: unknown): unknown {
    if (error instanceof StreamError || error instanceof TypeError || error instanceof RangeError) return error;
    return new StreamError(
      "unavailable",
      `Cannot ${verb} ${this.where}: ${messageOf(error)}; make sure that its disk has space and works`,
      { cause: error },
    );
  }

  /** Frees it; safe to call twice. All walks and pins must have ended. */
  async close(): Promise<void> {
    const database = this.database;
    this.database = undefined;
    await database?.close();
  }

  private get opened(): LmdbDatabase {
    if (this.database === undefined) throw new StreamError("invalid", `Cannot use ${this.where}: it is closed`);
    return this.database;
  }

  private read(key: KeySlice): Uint8Array | undefined {
    const database = this.opened;
    const bytes = this.hasLargeValues ? database.getBinary(key, this.readAt) : database.getBinaryFast(key, this.readAt);
    if (bytes === undefined) return undefined;
    if (bytes !== this.returned) {
      // The package's buffer has a length of its own making, which would slow every reader down.
      this.returned = bytes;
      this.view = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
    return this.view;
  }

  private whole(bytes: Uint8Array, start: number, end: number): KeySlice {
    const slice = this.slice;
    slice.bytes = bytes;
    slice.start = start;
    slice.end = end;
    return slice;
  }

  /** The entry key of a long row, if its space is there. */
  private existing(bytes: Uint8Array, start: number, end: number): KeySlice | undefined {
    let space = ROOT;
    for (; end - start > CHUNK_BYTES; start += CHUNK_BYTES) {
      space = this.follow(this.link(space, bytes, start));
      if (space === MISSING) return undefined;
    }
    return this.entry(space, bytes, start, end);
  }

  /** The entry key of a long row; links that are missing are made. */
  private made(bytes: Uint8Array, start: number, end: number): KeySlice {
    let space = ROOT;
    for (; end - start > CHUNK_BYTES; start += CHUNK_BYTES) {
      const link = this.link(space, bytes, start);
      space = this.follow(link);
      if (space !== MISSING) continue;
      space = this.nextSpace++;
      writeNumber(this.number, 0, space);
      this.number.start = 0;
      this.number.end = NUMBER_BYTES;
      this.opened.put(link, this.number);
    }
    return this.entry(space, bytes, start, end);
  }

  private removeLong(bytes: Uint8Array, keyStart: number, keyEnd: number): void {
    const spaces = [ROOT];
    let start = keyStart;
    for (; keyEnd - start > CHUNK_BYTES; start += CHUNK_BYTES) {
      const space = this.follow(this.link(spaces.at(-1)!, bytes, start));
      if (space === MISSING) return;
      spaces.push(space);
    }
    this.opened.remove(this.entry(spaces.at(-1)!, bytes, start, keyEnd));
    for (let i = spaces.length - 1; i > 0 && this.isEmpty(spaces[i]!); i--) {
      start -= CHUNK_BYTES;
      this.opened.remove(this.link(spaces[i - 1]!, bytes, start));
    }
  }

  private isEmpty(space: number): boolean {
    const entries = this.range({ start: spaceStart(space), end: spaceStart(space + 1), limit: 1 });
    this.receiver = undefined;
    const { done } = entries.next();
    entries.return?.();
    return done === true;
  }

  private follow(link: KeySlice): number {
    const bytes = this.opened.getBinaryFast(link, this.readAt);
    return bytes === undefined ? MISSING : readNumber(bytes, 0);
  }

  private entry(space: number, bytes: Uint8Array, start: number, end: number): KeySlice {
    const scratch = this.scratch;
    let at = writeSpace(scratch.bytes, space);
    for (let i = start; i < end; i++) scratch.bytes[at++] = bytes[i]!;
    scratch.end = at;
    return scratch;
  }

  private link(space: number, bytes: Uint8Array, start: number): KeySlice {
    const scratch = this.entry(space, bytes, start, start + CHUNK_BYTES);
    scratch.bytes[scratch.end++] = 0;
    return scratch;
  }
}

function valueSlice(buffer: ArrayBufferLike): ValueSlice {
  return Object.assign(new Uint8Array(buffer), { start: 0, end: 0 });
}

/** Writes what entries of a space begin with; returns its size. */
export function writeSpace(target: Uint8Array, space: number): number {
  if (space === ROOT) return 0;
  target[0] = 0xff;
  writeNumber(target, 1, space);
  return SPACE_BYTES;
}

/** First key of a space other than the root. */
function spaceStart(space: number): KeySlice {
  const bytes = new Uint8Array(SPACE_BYTES);
  writeSpace(bytes, space);
  return { bytes, start: 0, end: SPACE_BYTES };
}

function writeNumber(target: Uint8Array, at: number, number: number): void {
  const high = Math.floor(number / 0x1_0000_0000);
  target[at] = high >>> 8;
  target[at + 1] = high;
  target[at + 2] = number >>> 24;
  target[at + 3] = number >>> 16;
  target[at + 4] = number >>> 8;
  target[at + 5] = number;
}

/** Reads the number of a space from a link's value. */
export function readNumber(source: Uint8Array, at: number): number {
  const high = source[at]! * 256 + source[at + 1]!;
  return high * 0x1_0000_0000 + source[at + 2]! * 0x100_0000 + (source[at + 3]! << 16) + (source[at + 4]! << 8) +
    source[at + 5]!;
}
