/**
 * The row of a timer in a snapshot. What follows (key group, state id) in the row key is
 *
 *     row       = timestamp key namespace      ; the value is empty
 *     timestamp = 8byte                        ; IEEE 754 big endian; negative: all bits inverted, else: top bit set; no -0
 *
 * so that byte order is the order of timestamps. Infinities are legal. Keys and namespaces are those of core/key.ts.
 *
 * Called by: timers/heap_timer_queue.ts, timers/frozen_timers.ts, timers/embedded_timer_queue.ts, timers/timer_cache.ts.
 * Calls: core/bytes.ts, core/key.ts.
 *
 * @module
 */
import { ByteReader, type ByteWriter } from "../core/bytes.ts";
import { type Key, type Namespace, readKey, readNamespace, writeKey, writeNamespace } from "../core/key.ts";
import type { Timer } from "../core/timer.ts";

const bits = new DataView(new ArrayBuffer(8));
const TOP_BIT = 0x8000_0000;

/** Appends the row of a timer. */
export function writeTimerRow(out: ByteWriter, timestampMs: number, key: Key, namespace: Namespace): void {
  bits.setFloat64(0, timestampMs + 0); // -0 + 0 is 0
  const high = bits.getUint32(0);
  const negative = high >= TOP_BIT;
  out.u32(negative ? ~high >>> 0 : (high | TOP_BIT) >>> 0);
  out.u32(negative ? ~bits.getUint32(4) >>> 0 : bits.getUint32(4));
  writeKey(out, key);
  writeNamespace(out, namespace);
}

/** Reads what {@link writeTimerRow} wrote. @throws {StreamError} Of kind "corrupt", for bytes that it does not write. */
export function readTimerRow(row: Uint8Array): Timer {
  return readTimer(row, 0, row.length);
}

const input = new ByteReader(new Uint8Array(0));

/** As {@link readTimerRow}, for `bytes[start..end-1]`. Nothing of the timer shares their memory. */
export function readTimer(bytes: Uint8Array, start: number, end: number): Timer {
  input.open(bytes, start, end);
  const timestampMs = readTimestamp(input);
  if (Number.isNaN(timestampMs) || Object.is(timestampMs, -0)) input.fail(`${timestampMs} is no timestamp of a timer`);
  const key = readKey(input);
  const namespace = readNamespace(input);
  if (input.remaining > 0) input.fail("a timer's row is too long");
  return { timestampMs, key, namespace };
}

/** The timestamp of the row that begins at `bytes[start]`. */
export function timestampOfRow(bytes: Uint8Array, start: number): number {
  input.open(bytes, start);
  return readTimestamp(input);
}

function readTimestamp(input: ByteReader): number {
  const high = input.u32();
  const low = input.u32();
  const negative = high < TOP_BIT;
  bits.setUint32(0, negative ? ~high >>> 0 : (high & ~TOP_BIT) >>> 0);
  bits.setUint32(4, negative ? ~low >>> 0 : low);
  return bits.getFloat64(0);
}
