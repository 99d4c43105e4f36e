/**
 * Turns rows of keyed state into what a line of a dump says.
 *
 * Called by: control/cli/dump.ts.
 * Calls: the built-in serializers in core/, runtime/timer_reading.ts.
 *
 * @module
 */
import { type RunState, STATE_HAS_STAMPS } from "../../backends/runs/run_format.ts";
import { builtInSerializer } from "../../core/builtin_serializers.ts";
import { ByteReader, compareBytes } from "../../core/bytes.ts";
import { messageOf, SnapshotCorruptError, StreamError } from "../../core/errors.ts";
import { readKey, readNamespace, VOID_NAMESPACE } from "../../core/key.ts";
import type { SerializerSnapshot } from "../../core/serializer.ts";
import { readStamp } from "../../core/stamped_value.ts";
import { timerOfRow } from "../../runtime/timer_reading.ts";
import type { JsonObject } from "./json_answer.ts";
import { base64, toJson } from "./json_notation.ts";
import type { KeyedRowCursor } from "./opened_checkpoint.ts";

/** Key group and state id. */
const ROUTE_BYTES = 4;
/** The number of a list element, at the end of its row key. */
const LIST_NUMBER_BYTES = 8;

/** Reads a value that was written by `writer`, or says its bytes if that is none of Weir's own. */
export function valueToJson(writer: SerializerSnapshot, input: ByteReader): unknown {
  const serializer = builtInSerializer(writer.id, writer.version);
  if (serializer === undefined) {
    return { $raw: base64(input.view(input.remaining)), serializer: `${writer.id} ${writer.version}` };
  }
  const value = serializer.read(input);
  if (input.remaining !== 0) input.fail("a value goes on after its end");
  return toJson(value);
}

/** Makes a line of each row; rows come in order. */
export class StateReading {
  private readonly keys = new ByteReader(new Uint8Array(0));
  private readonly values = new ByteReader(new Uint8Array(0));
  /** Of the list that the last row belonged to. */
  private list = new Uint8Array(0);
  private index = 0;

  /** What the current row of `rows` says. @throws {SnapshotCorruptError} If it cannot be decoded. */
  lineOf(rows: KeyedRowCursor): JsonObject {
    try {
      return rows.state.kind === "rows" ? timerLine(rows) : this.#stateLine(rows);
    } catch (error) {
      if (!(error instanceof StreamError) || error instanceof SnapshotCorruptError) throw error;
      throw new SnapshotCorruptError(rows.path, {
        reason: `state "${rows.state.name}": ${messageOf(error)}`,
        cause: error,
      });
    }
  }

  #stateLine(rows: KeyedRowCursor): JsonObject {
    const { keys } = this;
    const { state } = rows;
    keys.open(rows.key, ROUTE_BYTES, rows.keyBytes);
    const key = readKey(keys);
    const namespace = readNamespace(keys);
    const line: Record<string, unknown> = { key: toJson(key) };
    if (namespace !== VOID_NAMESPACE) line["namespace"] = toJson(namespace);
    if (state.kind === "list") {
      line["index"] = this.#indexOf(rows);
      keys.view(LIST_NUMBER_BYTES);
    }
    if (state.kind === "map") line["mapKey"] = toJson(readKey(keys));
    if (keys.remaining !== 0) keys.fail("a row key goes on after its end");
    this.values.open(rows.value, rows.valueStart, rows.valueEnd);
    if ((state.flags & STATE_HAS_STAMPS) !== 0) line["writtenMs"] = readStamp(this.values);
    line["value"] = valueToJson(writerOf(state), this.values);
    return line;
  }

  /** Position of an element within its list: numbers of elements only grow, and may have gaps. */
  #indexOf({ key, keyBytes }: KeyedRowCursor): number {
    const end = keyBytes - LIST_NUMBER_BYTES;
    if (compareBytes(key, 0, end, this.list, 0, this.list.length) === 0) return ++this.index;
    this.list = key.slice(0, end);
    this.index = 0;
    return 0;
  }
}

function timerLine({ key, keyBytes }: KeyedRowCursor): JsonObject {
  const timer = timerOfRow(key, ROUTE_BYTES, keyBytes);
  return {
    key: toJson(timer.key),
    ...(timer.namespace === VOID_NAMESPACE ? {} : { namespace: toJson(timer.namespace) }),
    timestampMs: toJson(timer.timestampMs),
  };
}

function writerOf({ serializerId, serializerVersion, schemaVersion }: RunState): SerializerSnapshot {
  return { id: serializerId, version: serializerVersion, schemaVersion };
}
