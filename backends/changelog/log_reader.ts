/**
 * Reads a segment of a changelog, frame by frame; each is looked at only after its checksum.
 *
 * Called by: log_replay.ts, verify_segment.ts.
 * Calls: core/, log_format.ts, ../runs/run_sections.ts, node:zlib (a pure function).
 *
 * Invariants:
 * - whatever the bytes are, the outcome is the changes that were written or a SnapshotCorruptError;
 * - one frame is in memory at a time.
 *
 * @module
 */
import { zstdDecompressSync } from "node:zlib";
import { ByteReader, crc32 } from "../../core/bytes.ts";
import { SnapshotCorruptError, StreamError } from "../../core/errors.ts";
import type { LogSegment, SnapshotInput } from "../../core/snapshot.ts";
import { COMPRESSION_NONE, COMPRESSION_ZSTD, type RunState } from "../runs/run_format.ts";
import { readStates } from "../runs/run_sections.ts";
import {
  FRAME_HEADER_BYTES,
  LOG_APPEND,
  LOG_FOOTER_BYTES,
  LOG_HEADER_BYTES,
  LOG_MAGIC,
  LOG_PUT,
  LOG_VERSION,
  type LogCode,
  type LogFooter,
  readLogFooter,
} from "./log_format.ts";

/** Walks the changes of one segment; the fields speak of the change that `next` has moved to. */
export class LogReader {
  /** The state table. */
  readonly states: readonly RunState[];
  /** What the change does. */
  code: LogCode = LOG_PUT;
  /** The row key is `bytes[rowStart..rowEnd-1]`; valid until the next call of `nextFrame`. */
  rowStart = 0;
  /** See {@link LogReader.rowStart}. */
  rowEnd = 0;
  /** The value, of a put or an append, is `bytes[valueStart..valueEnd-1]`. */
  valueStart = 0;
  /** See {@link LogReader.valueStart}. */
  valueEnd = 0;
  private readonly footer: LogFooter;
  private readonly entries = new ByteReader(new Uint8Array(0));
  private offset = LOG_HEADER_BYTES;
  private framesLeft: number;
  private entriesLeft: number;

  /** Reads all but the frames. @throws {SnapshotCorruptError} If anything is not as it was written. */
  constructor(private readonly input: SnapshotInput, segment: LogSegment) {
    const { path, sizeBytes } = input;
    if (sizeBytes < LOG_HEADER_BYTES + LOG_FOOTER_BYTES) this.fail(`it ends after ${sizeBytes} bytes`, sizeBytes);
    const header = input.read(0, LOG_HEADER_BYTES);
    LOG_MAGIC.forEach((octet, i) => {
      if (header[i] !== octet) this.fail(`it does not begin with "WEIRLOG"`, i);
    });
    if (header[LOG_HEADER_BYTES - 1] !== LOG_VERSION) this.fail("its version is unknown", LOG_HEADER_BYTES - 1);
    const footerOffset = sizeBytes - LOG_FOOTER_BYTES;
    const footer = readLogFooter(input.read(footerOffset, LOG_FOOTER_BYTES), path, footerOffset, segment.footerCrc32);
    if (footer.entryCount !== segment.entryCount) {
      this.fail(`it has ${footer.entryCount} changes, the metadata says ${segment.entryCount}`, footerOffset);
    }
    if (footer.statesOffset + footer.statesBytes !== footerOffset || footer.statesOffset < LOG_HEADER_BYTES) {
      this.fail("its parts leave a gap", footerOffset);
    }
    this.footer = footer;
    this.framesLeft = footer.frameCount;
    this.entriesLeft = footer.entryCount;
    this.states = this.readStateTable();
  }

  private fail(reason: string, offset: number, cause?: unknown): never {
    throw new SnapshotCorruptError(this.input.path, { reason, offset, cause });
  }

  private readStateTable(): RunState[] {
    const { statesOffset, statesBytes } = this.footer;
    const bytes = this.checked(statesOffset, statesBytes, "state table");
    const input = new ByteReader(bytes, 0, bytes.length - 4);
    try {
      const states = readStates(input);
      if (input.remaining > 0) input.fail("the state table goes on behind its end");
      return states;
    } catch (error) {
      return this.fail("its state table cannot be read", statesOffset, error);
    }
  }

  /** A section with its CRC-32 at its end. */
  private checked(offset: number, size: number, what: string): Uint8Array {
    if (size < 5) this.fail(`its ${what} is too short`, offset);
    const bytes = this.input.read(offset, size);
    if (crc32(bytes.subarray(0, size - 4)) !== new ByteReader(bytes, size - 4).u32()) {
      this.fail(`its ${what} does not have its checksum`, offset);
    }
    return bytes;
  }

  /** What row and value lie in. */
  get bytes(): Uint8Array {
    return this.entries.buffer;
  }

  /** Reads the next frame and checks it; false when there is none. Then `next` moves through its changes. */
  nextFrame(): boolean {
    const { statesOffset } = this.footer;
    if (this.framesLeft === 0) {
      if (this.offset !== statesOffset) this.fail("its frames leave a gap", this.offset);
      if (this.entriesLeft !== 0) this.fail(`${this.entriesLeft} changes are missing`, this.offset);
      return false;
    }
    this.framesLeft--;
    if (this.offset + FRAME_HEADER_BYTES > statesOffset) this.fail("a frame is cut off", this.offset);
    const header = new ByteReader(this.input.read(this.offset, FRAME_HEADER_BYTES));
    const expected = header.u32();
    const size = header.u32();
    const compression = header.u8();
    if (this.offset + FRAME_HEADER_BYTES + size > statesOffset) this.fail("a frame is cut off", this.offset);
    // With size and compression, which the checksum covers as well.
    const frame = this.input.read(this.offset + 4, size + FRAME_HEADER_BYTES - 4);
    if (crc32(frame) !== expected) this.fail("a frame does not have its checksum", this.offset);
    this.openFrame(frame.subarray(FRAME_HEADER_BYTES - 4), compression);
    this.offset += FRAME_HEADER_BYTES + size;
    return true;
  }

  private openFrame(payload: Uint8Array, compression: number): void {
    if (compression === COMPRESSION_NONE) return this.entries.open(payload);
    if (compression !== COMPRESSION_ZSTD) this.fail(`a frame has the unknown compression ${compression}`, this.offset);
    try {
      const size = new ByteReader(payload).u32();
      const inflated = zstdDecompressSync(payload.subarray(4), { maxOutputLength: Math.max(1, size) });
      if (inflated.length !== size) this.fail(`a frame has ${inflated.length} bytes instead of ${size}`, this.offset);
      this.entries.open(inflated);
    } catch (error) {
      this.fail("a frame cannot be decompressed", this.offset, error);
    }
  }

  /** Moves to the next change of the frame; false when there is none. */
  next(): boolean {
    const { entries } = this;
    if (entries.remaining === 0) return false;
    try {
      const code = entries.u8();
      if (code > LOG_APPEND) entries.fail(`${code} is no kind of change`);
      this.code = code as LogCode; // Checked.
      const rowBytes = entries.varint();
      entries.need(rowBytes);
      if (rowBytes < 4) entries.fail("a row key is too short");
      this.rowStart = entries.position;
      this.rowEnd = entries.position += rowBytes;
      const valueBytes = code === LOG_PUT || code === LOG_APPEND ? entries.varint() : 0;
      entries.need(valueBytes);
      this.valueStart = entries.position;
      this.valueEnd = entries.position += valueBytes;
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
      this.fail("a change cannot be read", this.offset, error);
    }
    if (--this.entriesLeft < 0) this.fail("it has more changes than its footer says", this.offset);
    return true;
  }
}
