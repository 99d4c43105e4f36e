/**
 * What the handles of one embedded backend share: its rows, the current key, and the buffers through which values pass.
 *
 * Called by: the handles, embedded_backend.ts.
 * Calls: core/key_groups.ts, core/serializer.ts.
 *
 * Invariants:
 * - `version` changes with each `setKey`: a row key that was encoded for an older version is stale.
 *
 * @module
 */
import { ByteReader, ByteWriter } from "../../core/bytes.ts";
import { SnapshotCorruptError, StreamError } from "../../core/errors.ts";
import type { Key } from "../../core/key.ts";
import { keyGroupOf } from "../../core/key_groups.ts";
import { writeValue } from "../../core/serializer.ts";
import type { EmbeddedState } from "./embedded_state.ts";
import type { Rows } from "./rows.ts";

/** A buffer that one large value has made larger than this is not kept. */
const KEPT_BYTES = 1_048_576;

/** The shared heart of a backend; its fields are read on the record path. */
export class KeyedRows {
  /** The current key. */
  key: Key | undefined = undefined;
  /** Counts the keys that were set. */
  version = 0;
  /** Number that the next list element takes. */
  nextListNumber = 0;
  private keyGroup = 0;
  private keyGroupVersion = -1;
  private readonly input = ByteReader.pooled();
  private out = new ByteWriter();

  /** @param maxParallelism Number of key groups of the operator. */
  constructor(readonly rows: Rows, private readonly maxParallelism: number) {}

  /** Makes `key` the current one; undefined: there is none. */
  setKey(key: Key | undefined): void {
    this.key = key;
    this.version++;
  }

  /** Key group of the current key, which there must be. */
  currentKeyGroup(): number {
    if (this.keyGroupVersion !== this.version) {
      this.keyGroup = keyGroupOf(this.key!, this.maxParallelism);
      this.keyGroupVersion = this.version;
    }
    return this.keyGroup;
  }

  /** The value that `bytes[start..end-1]` holds. @throws {StreamError} Naming the state, if they are no value of it. */
  read(state: EmbeddedState, bytes: Uint8Array, start: number, end: number): unknown {
    const input = this.input;
    try {
      input.open(bytes, start, end);
      const value = state.serializer.read(input);
      if (input.position !== end) input.fail("a value goes on after its end");
      return value;
    } catch (error) {
      throw unreadable(state, error);
    }
  }

  /** Serializes a value; what is returned holds its bytes alone, until the next call. */
  write(state: EmbeddedState, value: unknown): ByteWriter {
    const out = this.startValues();
    writeValue(state.serializer, value, out, state.where);
    return out;
  }

  /** An empty buffer for values, used again by the next call of this or `write`. */
  startValues(): ByteWriter {
    if (this.out.buffer.length > KEPT_BYTES) this.out = new ByteWriter();
    this.out.reset();
    return this.out;
  }
}

function unreadable(state: EmbeddedState, error: unknown): unknown {
  if (!(error instanceof StreamError) || error.kind !== "corrupt" || error instanceof SnapshotCorruptError) {
    return error;
  }
  return new StreamError("corrupt", `Cannot read a value of ${state.where}: ${error.message}`, { cause: error });
}
