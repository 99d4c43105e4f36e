/**
 * Takes changes as bytes, one behind the other, in the form in which a segment of the log has them: what is taken need
 * only be ended, not copied, to be written.
 *
 * Called by: log_slot.ts and logged_rows.ts (for each change), change_log.ts, attached_log.ts.
 * Calls: core/bytes.ts, log_format.ts, ../runs/run_sections.ts, node:zlib (a pure function).
 *
 * Invariants:
 * - frames lie one behind the other and end at the end of an entry;
 * - once sealed, the bytes are changed by `finish` alone.
 *
 * @module
 */
import { zstdCompressSync } from "node:zlib";
import { ByteWriter, crc32 } from "../../core/bytes.ts";
import { COMPRESSION_NONE, COMPRESSION_ZSTD, type RunState } from "../runs/run_format.ts";
import { writeStates } from "../runs/run_sections.ts";
import {
  FRAME_HEADER_BYTES,
  LOG_APPEND,
  LOG_DELETE,
  LOG_DELETE_PREFIX,
  LOG_HEADER_BYTES,
  LOG_PUT,
  writeLogFooter,
  writeLogHeader,
} from "./log_format.ts";

/** Size of a frame, about. */
export const FRAME_BYTES = 262_144;
/** First allocation. */
const FIRST_BYTES = 65_536;

/** Changes that will be one segment. */
export class LogBuffer {
  /** The segment so far. */
  readonly out: ByteWriter = new ByteWriter(FIRST_BYTES);
  /** Changes so far. */
  entryCount = 0;
  /** Where the open frame begins. */
  private frameStart = 0;
  /** Size at which the open frame is closed. */
  private limit = 0;
  private readonly frameEnds: number[] = [];

  /**
   * @param onFrame Told when a frame has been closed: the buffer may be large enough to be written.
   * @param frameBytes A frame is closed by the change that takes it to this size. Default 256 KiB.
   */
  constructor(private readonly onFrame: () => void, private readonly frameBytes: number = FRAME_BYTES) {
    this.reset();
  }

  /** Forgets all changes; keeps the memory. */
  reset(): void {
    this.out.reset();
    writeLogHeader(this.out);
    this.frameEnds.length = 0;
    this.entryCount = 0;
    this.openFrame();
  }

  private openFrame(): void {
    const { out } = this;
    this.frameStart = out.length;
    this.limit = out.length + this.frameBytes;
    out.reserve(FRAME_HEADER_BYTES);
    out.reset(out.length + FRAME_HEADER_BYTES);
  }

  /** Bytes of changes. */
  get sizeBytes(): number {
    return this.entryCount === 0 ? 0 : this.out.length;
  }

  /** Sets the value of a row. */
  put(row: Uint8Array, rowBytes: number, value: Uint8Array, start: number, end: number): void {
    this.withValue(LOG_PUT, row, rowBytes, value, start, end);
  }

  /** Adds an element to the list that `row` names. */
  append(row: Uint8Array, rowBytes: number, value: Uint8Array, start: number, end: number): void {
    this.withValue(LOG_APPEND, row, rowBytes, value, start, end);
  }

  private withValue(
    code: typeof LOG_PUT | typeof LOG_APPEND,
    row: Uint8Array,
    rowBytes: number,
    value: Uint8Array,
    start: number,
    end: number,
  ): void {
    const { out } = this;
    out.u8(code);
    out.varint(rowBytes);
    out.bytes(row, 0, rowBytes);
    out.varint(end - start);
    out.bytes(value, start, end);
    this.entryCount++;
    if (out.length >= this.limit) this.closeFrame();
  }

  /** Removes a row. */
  delete(row: Uint8Array, rowBytes: number): void {
    this.withoutValue(LOG_DELETE, row, rowBytes);
  }

  /** Removes all rows whose keys start with `row`. */
  clear(row: Uint8Array, rowBytes: number): void {
    this.withoutValue(LOG_DELETE_PREFIX, row, rowBytes);
  }

  private withoutValue(code: typeof LOG_DELETE | typeof LOG_DELETE_PREFIX, row: Uint8Array, rowBytes: number): void {
    const { out } = this;
    out.u8(code);
    out.varint(rowBytes);
    out.bytes(row, 0, rowBytes);
    this.entryCount++;
    if (out.length >= this.limit) this.closeFrame();
  }

  private closeFrame(): void {
    this.frameEnds.push(this.out.length);
    this.openFrame();
    this.onFrame();
  }

  /** Takes no more changes: closes the last frame. */
  seal(): void {
    if (this.out.length > this.frameStart + FRAME_HEADER_BYTES) this.frameEnds.push(this.out.length);
    else this.out.reset(this.frameStart);
  }

  /**
   * Makes a segment of what was sealed; called once.
   *
   * @param states The state table.
   * @returns The whole file, and the CRC-32 of its footer.
   */
  finish(states: readonly RunState[], compress: boolean): { readonly out: ByteWriter; readonly footerCrc32: number } {
    const out = compress ? this.compressed() : this.out;
    if (!compress) this.sealFrames();
    const statesOffset = out.length;
    writeStates(out, states);
    const footerCrc32 = writeLogFooter(out, {
      statesOffset,
      statesBytes: out.length - statesOffset,
      frameCount: this.frameEnds.length,
      entryCount: this.entryCount,
    });
    return { out, footerCrc32 };
  }

  private sealFrames(): void {
    let start = LOG_HEADER_BYTES;
    for (const end of this.frameEnds) {
      sealFrame(this.out, start, end, COMPRESSION_NONE);
      start = end;
    }
  }

  private compressed(): ByteWriter {
    const packed = new ByteWriter(this.out.length >>> 1);
    writeLogHeader(packed);
    let start = LOG_HEADER_BYTES;
    for (const end of this.frameEnds) {
      const payload = this.out.view(start + FRAME_HEADER_BYTES, end);
      const frame = zstdCompressSync(payload);
      const at = packed.length;
      packed.reserve(FRAME_HEADER_BYTES);
      packed.reset(at + FRAME_HEADER_BYTES);
      if (frame.length + 4 < payload.length) {
        packed.u32(payload.length);
        packed.bytes(frame);
        sealFrame(packed, at, packed.length, COMPRESSION_ZSTD);
      } else {
        packed.bytes(payload);
        sealFrame(packed, at, packed.length, COMPRESSION_NONE);
      }
      start = end;
    }
    return packed;
  }
}

/** Writes what comes before the payload of the frame `start..end-1`. */
function sealFrame(out: ByteWriter, start: number, end: number, compression: number): void {
  out.setU32(start + 4, end - start - FRAME_HEADER_BYTES);
  out.buffer[start + 8] = compression;
  out.setU32(start, crc32(out.view(start + 4, end)));
}
