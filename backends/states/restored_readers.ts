/**
 * Reads the restored values of one state, whether they have stamps or not, for a state that is declared with or without a
 * time to live.
 *
 * Called by: the state registries of the backends.
 * Calls: core/state_compatibility.ts, core/stamped_value.ts, state_checks.ts.
 *
 * @module
 */
import type { ByteReader } from "../../core/bytes.ts";
import type { Serializer } from "../../core/serializer.ts";
import { readStamp, STAMP_BYTES, Stamped, StampedSerializer } from "../../core/stamped_value.ts";
import { readersOf, type RestoredValues, type ValueReader } from "../../core/state_compatibility.ts";
import { type RunState, STATE_HAS_STAMPS } from "../runs/run_format.ts";
import { writerOf } from "./state_checks.ts";

/**
 * As `readersOf`, for values that `written` describe. Values without a stamp that get one were written now; stamps that
 * are wanted no more are passed over.
 *
 * @throws {StreamError} If one of them wrote what cannot be read.
 */
export function restoredReadersOf(
  asked: Serializer<unknown>,
  written: readonly RunState[],
  where: string,
): RestoredValues<unknown> {
  const writers = written.map(writerOf);
  if (!(asked instanceof StampedSerializer)) {
    const { serializer, readers } = readersOf(asked, writers, where);
    return { serializer, readers: readers.map((reader, i) => hasStamps(written[i]!) ? unstamping(reader) : reader) };
  }
  const { serializer, readers } = readersOf<unknown>(asked.inner, writers, where);
  return {
    serializer: asked.around(serializer),
    readers: readers.map((reader, i) =>
      hasStamps(written[i]!) ? stamped(reader) : stamping(reader, asked.expiry.nowMs())
    ),
  };
}

function hasStamps(state: RunState): boolean {
  return (state.flags & STATE_HAS_STAMPS) !== 0;
}

function unstamping(reader: ValueReader<unknown>): ValueReader<unknown> {
  return {
    outcome: "migrate",
    read(input: ByteReader): unknown {
      input.view(STAMP_BYTES);
      return reader.read(input);
    },
  };
}

function stamped(reader: ValueReader<unknown>): ValueReader<unknown> {
  return {
    outcome: reader.outcome,
    read(input: ByteReader): unknown {
      const stampMs = readStamp(input);
      return new Stamped(stampMs, reader.read(input));
    },
  };
}

function stamping(reader: ValueReader<unknown>, nowMs: number): ValueReader<unknown> {
  return { outcome: "migrate", read: (input) => new Stamped(nowMs, reader.read(input)) };
}
