/**
 * Writes one sorted run to a working file of a store on disk, synchronously.
 *
 * Called by: stores on disk, when they flush or compact.
 * Calls: run_encoder.ts, file_failure.ts; the file it was given.
 *
 * Invariants:
 * - about one chunk is held back;
 * - the file is closed by `finish`, by `abandon`, and by a write that fails.
 *
 * @module
 */
import { StreamError } from "../../core/errors.ts";
import type { OutputFile } from "../../core/file_system.ts";
import { writeFailure } from "./file_failure.ts";
import { RunEncoder, type RunOptions } from "./run_encoder.ts";
import type { RowCode, RunState } from "./run_format.ts";

/** The file is written in pieces of this size or a block larger, unless told otherwise. */
const CHUNK_BYTES = 131_072;

/** How a local run is written: with a state table, which is fixed. */
export interface LocalRunOptions extends RunOptions {
  /** Goes into the run; its kinds say where prefixes end. */
  readonly states: readonly RunState[];
  /** The file is written in pieces of this size or a block larger. Default 128 KiB. */
  readonly chunkBytes?: number;
}

/** A finished run, as a snapshot's handle must describe it. */
export interface LocalRun {
  /** Of the whole file. */
  readonly sizeBytes: number;
  /** Puts and deletes. */
  readonly rowCount: number;
  /** CRC-32 of the footer. */
  readonly footerCrc32: number;
}

/** Writes rows in ascending order. */
export class LocalRunWriter {
  private readonly encoder: RunEncoder;
  private readonly chunkBytes: number;
  private readonly states: readonly RunState[];
  private open = true;

  /** @param file New and empty; closed, never removed, by this class. */
  constructor(private readonly file: OutputFile, options: LocalRunOptions) {
    this.states = options.states;
    this.chunkBytes = options.chunkBytes ?? CHUNK_BYTES;
    this.encoder = new RunEncoder(options, this.chunkBytes + (this.chunkBytes >> 1));
  }

  /** Rows so far. */
  get rowCount(): number {
    return this.encoder.rowCount;
  }

  /** Size of the file so far, without index and filter. */
  get sizeBytes(): number {
    return this.encoder.sizeBytes;
  }

  /** About how many bytes of memory it holds. */
  get memoryBytes(): number {
    return this.encoder.memoryBytes;
  }

  /**
   * Adds a row whose key is the key group followed by `bytes[keyStart..keyEnd-1]` and whose value is
   * `bytes[keyEnd..valueEnd-1]`.
   *
   * @throws {StreamError} If the row is not above the one before, or the file cannot be written: the run is over then.
   */
  add(keyGroup: number, code: RowCode, bytes: Uint8Array, keyStart: number, keyEnd: number, valueEnd: number): void {
    const encoder = this.encoder;
    encoder.add(keyGroup, code, bytes, keyStart, keyEnd, valueEnd);
    if (encoder.closedBytes >= this.chunkBytes) this.writeClosed();
  }

  /** Adds a row with the whole row key `key[0..keyBytes-1]` and the value `value[valueStart..valueEnd-1]`; as `add`. */
  addRow(
    code: RowCode,
    key: Uint8Array,
    keyBytes: number,
    value: Uint8Array,
    valueStart: number,
    valueEnd: number,
  ): void {
    const encoder = this.encoder;
    encoder.addRow(code, key, keyBytes, value, valueStart, valueEnd);
    if (encoder.closedBytes >= this.chunkBytes) this.writeClosed();
  }

  /** Does a part of the work of `finish`, about a millisecond; true when little is left. No row may be added any more. */
  prepare(): boolean {
    return this.encoder.prepare();
  }

  /**
   * Ends the run and closes the file, which is not synced.
   *
   * @throws {StreamError} If the file cannot be written or closed.
   */
  finish(): LocalRun {
    const encoder = this.encoder;
    const footerCrc32 = encoder.finish(this.states);
    this.write(encoder.out.view());
    this.open = false;
    try {
      this.file.closeSync();
    } catch (error) {
      throw writeFailure(this.file.path, error);
    }
    return { sizeBytes: encoder.sizeBytes, rowCount: encoder.rowCount, footerCrc32 };
  }

  /** Closes the file, which the caller removes; safe to call twice, and after `finish`. */
  abandon(): void {
    if (!this.open) return;
    this.open = false;
    this.file.closeSync();
  }

  private writeClosed(): void {
    this.write(this.encoder.out.view(0, this.encoder.closedBytes));
    this.encoder.dropClosed();
  }

  private write(bytes: Uint8Array): void {
    if (!this.open) throw new StreamError("invalid", `Cannot write "${this.file.path}": it is closed`);
    try {
      this.file.writeSync(bytes);
    } catch (error) {
      this.abandon();
      throw writeFailure(this.file.path, error);
    }
  }
}
