/**
 * What the handles of one embedded backend share: its rows, the current key, and the buffers through which values pass.
 *
 * Called by: the handles, embedded_backend.ts.
 * Calls: core/serializer.ts, ../states/current_key.ts.
 *
 * @module
 */
import { ByteReader, type ByteWriter } from "../../core/bytes.ts";
import { SnapshotCorruptError, StreamError } from "../../core/errors.ts";
import { writeValue } from "../../core/serializer.ts";
import { CurrentKey } from "../states/current_key.ts";
import type { EmbeddedState } from "./embedded_state.ts";
import type { Rows } from "./rows.ts";

/** The shared heart of a backend; its fields are read on the record path. */
export class KeyedRows extends CurrentKey {
  /** Number that the next list element takes. */
  nextListNumber = 0;
  private readonly input = ByteReader.pooled();

  /** @param maxParallelism Number of key groups of the operator. */
  constructor(readonly rows: Rows, maxParallelism: number) {
    super(maxParallelism);
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

  /** Serializes a value; what is returned holds its bytes alone, until the next call of this or `startValues`. */
  write(state: EmbeddedState, value: unknown): ByteWriter {
    const out = this.startValues();
    writeValue(state.serializer, value, out, state.where);
    return out;
  }
}

function unreadable(state: EmbeddedState, error: unknown): unknown {
  if (!(error instanceof StreamError) || error.kind !== "corrupt" || error instanceof SnapshotCorruptError) {
    return error;
  }
  return new StreamError("corrupt", `Cannot read a value of ${state.where}: ${error.message}`, { cause: error });
}
