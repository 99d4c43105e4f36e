/**
 * Writes the values of a restored state anew, in the format of the serializer that it is declared with.
 *
 * Called by: state_table.ts.
 * Calls: core/serializer.ts, state_walk.ts, the rows.
 *
 * @module
 */
import { ByteReader, ByteWriter } from "../../core/bytes.ts";
import { SnapshotCorruptError, StreamError } from "../../core/errors.ts";
import type { KeyGroupRange } from "../../core/key_groups.ts";
import type { RunState } from "../runs/run_format.ts";
import { writerOf } from "../states/state_checks.ts";
import type { EmbeddedState } from "./embedded_state.ts";
import type { KeyedRows } from "./keyed_rows.ts";
import { StateWalk } from "./state_walk.ts";

/** A state that changes its format, and so its id. */
export interface FormatChange {
  readonly from: RunState;
  /** A file that its rows came from. */
  readonly path: string;
  readonly to: EmbeddedState;
  /** Whether values are read with the serializer's `migrate`. */
  readonly migrate: boolean;
}

/** Moves all rows. @throws {SnapshotCorruptError} If one cannot be read. */
export function changeFormat(keyed: KeyedRows, range: KeyGroupRange, change: FormatChange): void {
  const walk = new StateWalk(keyed.rows, range, change.from);
  const input = new ByteReader(new Uint8Array(0));
  const row = new ByteWriter();
  try {
    while (walk.next()) {
      const { key, keyBytes, value, valueStart, valueEnd } = walk.row;
      input.open(value, valueStart, valueEnd);
      const out = keyed.write(change.to, readOld(input, change));
      row.reset();
      row.bytes(key, 0, keyBytes);
      row.buffer[2] = change.to.id >>> 8;
      row.buffer[3] = change.to.id;
      if (change.to.kind === "list") {
        keyed.rows.append(row.buffer, keyBytes, walk.prefixBytes, out.buffer, 0, out.length);
      } else keyed.rows.put(row.buffer, keyBytes, walk.prefixBytes, out.buffer, 0, out.length);
      removeOld(keyed, walk, row, change.from);
    }
  } finally {
    walk.close();
  }
}

function readOld(input: ByteReader, { from, path, to, migrate }: FormatChange): unknown {
  const { serializer } = to;
  try {
    const value = migrate ? serializer.migrate!(input, writerOf(from)) : serializer.read(input);
    if (input.remaining !== 0) input.fail("a value goes on after its end");
    return value;
  } catch (error) {
    if (!(error instanceof StreamError) || error.kind !== "corrupt") throw error;
    throw new SnapshotCorruptError(path, { reason: `${to.where}: ${error.message}`, cause: error });
  }
}

/** Removes the old row; of a list or map all rows with the first of them, since the walk sees them all the same. */
function removeOld({ rows }: KeyedRows, walk: StateWalk, row: ByteWriter, from: RunState): void {
  row.buffer[2] = from.id >>> 8;
  row.buffer[3] = from.id;
  if (from.kind !== "list" && from.kind !== "map") rows.delete(row.buffer, row.length, row.length);
  else if (walk.isFirst) rows.clear(row.buffer, walk.prefixBytes);
}
