/**
 * Names the parts of a segment of a changelog. docs/formats.md has the grammar in full:
 *
 *     segment = header *frame states footer
 *     header  = "WEIRLOG" version
 *     frame   = crc32 size compression payload      ; u32 u32 octet; crc32 covers all that follows it in the frame
 *     payload = 1*entry                             ; none, or zstd: then raw-size (u32) and a zstd frame of it
 *     entry   = kind row-size row [value-size value]  ; sizes: varints; a value for put and append
 *     states  = count *state crc32                  ; as in a sorted run
 *     footer  = states-offset states-size frame-count entry-count version "WEIRLOG" crc32
 *
 * Called by: the writer and readers beside it.
 * Calls: core/bytes.ts, core/errors.ts, ../runs/run_sections.ts.
 *
 * @module
 */
import { ByteReader, type ByteWriter, crc32 } from "../../core/bytes.ts";
import { SnapshotCorruptError } from "../../core/errors.ts";
import { readU64, sealSection, writeU64 } from "../runs/run_sections.ts";

/** First bytes of a segment; its version follows. */
export const LOG_MAGIC: Uint8Array = new TextEncoder().encode("WEIRLOG");
/** The only version so far. */
export const LOG_VERSION = 1;
/** Size of the header. */
export const LOG_HEADER_BYTES = 8;
/** What comes before a frame's payload: CRC, size, compression. */
export const FRAME_HEADER_BYTES = 9;
/** Size of the footer. */
export const LOG_FOOTER_BYTES: number = 8 + 4 + 4 + 8 + 1 + 7 + 4;

/** The row has this value from now on. */
export const LOG_PUT = 0;
/** The row is gone. */
export const LOG_DELETE = 1;
/** All rows that start with this key are gone. */
export const LOG_DELETE_PREFIX = 2;
/** One more element of the list that the key names, behind those that it has. */
export const LOG_APPEND = 3;

/** What a change does. */
export type LogCode = typeof LOG_PUT | typeof LOG_DELETE | typeof LOG_DELETE_PREFIX | typeof LOG_APPEND;

/** What the footer says. */
export interface LogFooter {
  readonly statesOffset: number;
  readonly statesBytes: number;
  readonly frameCount: number;
  readonly entryCount: number;
}

/** Appends "WEIRLOG" and the version. */
export function writeLogHeader(out: ByteWriter): void {
  out.bytes(LOG_MAGIC);
  out.u8(LOG_VERSION);
}

/** Appends the footer; returns its CRC-32. */
export function writeLogFooter(out: ByteWriter, footer: LogFooter): number {
  const start = out.length;
  writeU64(out, footer.statesOffset);
  out.u32(footer.statesBytes);
  out.u32(footer.frameCount);
  writeU64(out, footer.entryCount);
  out.u8(LOG_VERSION);
  out.bytes(LOG_MAGIC);
  return sealSection(out, start);
}

/**
 * The footer of a segment.
 *
 * @param bytes The last bytes of the file, as many as a footer has.
 * @param expectedCrc What the checkpoint's metadata says.
 * @throws {SnapshotCorruptError} If it is not what was written.
 */
export function readLogFooter(bytes: Uint8Array, path: string, offset: number, expectedCrc: number): LogFooter {
  const crc = crc32(bytes.subarray(0, LOG_FOOTER_BYTES - 4));
  const input = new ByteReader(bytes, LOG_FOOTER_BYTES - 4);
  const stored = input.u32();
  if (crc !== stored || crc !== expectedCrc) {
    throw new SnapshotCorruptError(path, { reason: "the footer does not have the checksum that it must have", offset });
  }
  input.open(bytes, 0, LOG_FOOTER_BYTES - 4);
  const footer = {
    statesOffset: readU64(input),
    statesBytes: input.u32(),
    frameCount: input.u32(),
    entryCount: readU64(input),
  };
  const version = input.u8();
  if (version !== LOG_VERSION) {
    const reason = `its format has version ${version}, this program reads ${LOG_VERSION}`;
    throw new SnapshotCorruptError(path, { reason, offset });
  }
  return footer;
}
