/**
 * Writes one sorted run to a snapshot file, chunk by chunk.
 *
 * Called by: the backends.
 * Calls: run_encoder.ts; the file it was given.
 *
 * Invariants:
 * - at most two chunks of blocks are held back, one of which the file is writing.
 *
 * @module
 */
import { ByteWriter } from "../../core/bytes.ts";
import type { FileRef, SnapshotFile } from "../../core/snapshot.ts";
import { RunEncoder, type RunOptions } from "./run_encoder.ts";
import type { RowCode, RunState } from "./run_format.ts";

/** Chunks handed to the file are of this size or a block larger. */
const CHUNK_BYTES = 524_288;

/** What `finish` says of the run. */
export interface WrittenRun {
  readonly file: FileRef;
  readonly rowCount: number;
  readonly footerCrc32: number;
}

/** Writes rows in ascending order; `add` is synchronous, `flush` hands full chunks on. */
export class RunWriter {
  private readonly encoder: RunEncoder;
  /** The chunk that the file is writing, if it still does. */
  private spare: ByteWriter | undefined;
  private writing: Promise<void> = Promise.resolve();

  /** @param file Receives the bytes; the caller discards it when a call of this class fails. */
  constructor(private readonly file: SnapshotFile, options: RunOptions = {}) {
    this.encoder = new RunEncoder(options, CHUNK_BYTES * 2);
  }

  /** Rows so far. */
  get rowCount(): number {
    return this.encoder.rowCount;
  }

  /** Whether `flush` should be awaited before more rows are added. */
  get wantsFlush(): boolean {
    return this.encoder.out.length >= CHUNK_BYTES;
  }

  /**
   * Adds a row whose key is the key group followed by `bytes[keyStart..keyEnd-1]` and whose value is
   * `bytes[keyEnd..valueEnd-1]`.
   */
  add(keyGroup: number, code: RowCode, bytes: Uint8Array, keyStart: number, keyEnd: number, valueEnd: number): void {
    this.encoder.add(keyGroup, code, bytes, keyStart, keyEnd, valueEnd);
  }

  /** Adds a row with the whole row key `key[0..keyBytes-1]` and the value `value[valueStart..valueEnd-1]`. */
  addRow(
    code: RowCode,
    key: Uint8Array,
    keyBytes: number,
    value: Uint8Array,
    valueStart: number,
    valueEnd: number,
  ): void {
    this.encoder.addRow(code, key, keyBytes, value, valueStart, valueEnd);
  }

  /**
   * Hands the closed blocks to the file. No row may be added until it has resolved, which it does as soon as the file
   * has written what it was handed before; a failure to write is thrown by the next call.
   */
  async flush(): Promise<void> {
    const size = this.encoder.closedBytes;
    if (size === 0) return;
    await this.writing;
    const full = this.encoder.swap(this.spare ?? new ByteWriter(CHUNK_BYTES * 2));
    this.spare = full;
    this.writing = this.file.write(full.view(0, size));
    // The next flush, or finish, throws it; nobody may call them after a cancellation.
    this.writing.catch(() => {});
  }

  /** Ends the run. `states` is the state table. */
  async finish(states: readonly RunState[]): Promise<WrittenRun> {
    const footerCrc32 = this.encoder.finish(states);
    await this.writing;
    await this.file.write(this.encoder.out.view());
    return { file: await this.file.finish(), rowCount: this.encoder.rowCount, footerCrc32 };
  }
}
