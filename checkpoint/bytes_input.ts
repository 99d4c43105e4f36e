/**
 * Reads a file of a snapshot that is in memory: one that travels within
 * `_metadata`.
 *
 * Called by: filesystem_reader.ts, memory_storage.ts.
 * Calls: core/errors.ts.
 *
 * @module
 */
import { SnapshotCorruptError } from "../core/errors.ts";
import type { SnapshotInput } from "../core/snapshot.ts";

/** A file that is in memory. */
export class BytesInput implements SnapshotInput {
  readonly path: string;
  readonly #bytes: Uint8Array;

  /** @param path Names the bytes in errors. */
  constructor(path: string, bytes: Uint8Array) {
    this.path = path;
    this.#bytes = bytes;
  }

  get sizeBytes(): number {
    return this.#bytes.length;
  }

  read(offset: number, length: number): Uint8Array {
    checkRange(this, offset, length);
    return this.#bytes.subarray(offset, offset + length);
  }

  /** Nothing to do. */
  close(): void {}
}

/** @throws {SnapshotCorruptError} If the range is not within the file. */
export function checkRange(input: SnapshotInput, offset: number, length: number): void {
  if (offset >= 0 && length >= 0 && offset + length <= input.sizeBytes) return;
  throw new SnapshotCorruptError(input.path, {
    reason: `it has ${input.sizeBytes} bytes, ${length} are needed`,
    offset,
  });
}
