/** The segment of a changelog, byte for byte: what is written is read again, and damage is noticed. */
import { deepEqual, equal, throws } from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { LogBuffer } from "../../backends/changelog/log_buffer.ts";
import { LogReader } from "../../backends/changelog/log_reader.ts";
import { verifySegment } from "../../backends/changelog/verify_segment.ts";
import type { RunState } from "../../backends/runs/run_format.ts";
import { BytesInput } from "../../checkpoint/bytes_input.ts";
import { SnapshotCorruptError } from "../../core/errors.ts";
import type { LogSegment } from "../../core/snapshot.ts";

const STATES: readonly RunState[] = [
  { id: 0, name: "count", kind: "value", serializerId: "f64", serializerVersion: 1, schemaVersion: 1, flags: 0 },
  { id: 1, name: "éléments", kind: "list", serializerId: "auto", serializerVersion: 1, schemaVersion: 3, flags: 0 },
  { id: 2, name: "_timers", kind: "rows", serializerId: "", serializerVersion: 0, schemaVersion: 1, flags: 0 },
];
const KINDS = ["put", "delete", "delete-prefix", "append"];

function row(group: number, state: number, ...rest: number[]): Uint8Array {
  return new Uint8Array([group >>> 8, group, state >>> 8, state, ...rest]);
}

/** Some changes of each kind, and so many more that there are several frames. */
function written({ extra, compress }: { readonly extra: number; readonly compress: boolean }) {
  let frames = 0;
  const buffer = new LogBuffer(() => {
    frames++;
  });
  const value = new Uint8Array([9, 8, 7, 6]);
  buffer.put(row(1, 0, 5), 5, value, 1, 3);
  buffer.append(row(1, 1, 6, 2), 6, value, 0, 4);
  buffer.clear(row(700, 1, 6, 2), 6);
  buffer.delete(row(127, 0, 5), 5);
  buffer.put(row(3, 2, 1, 2, 3), 7, value, 0, 0);
  for (let i = 0; i < extra; i++) buffer.put(row(i, 0, i >>> 8, i), 6, new Uint8Array(1000), 0, 1000);
  buffer.seal();
  const { out, footerCrc32 } = buffer.finish(STATES, compress);
  const bytes = out.copy();
  const segment: LogSegment = {
    file: { scope: "inline", bytes, sizeBytes: bytes.length },
    keyGroups: { start: 0, end: 127 },
    entryCount: buffer.entryCount,
    footerCrc32,
  };
  return { bytes, segment, frames };
}

function changesOf(bytes: Uint8Array, segment: LogSegment): unknown[] {
  const reader = new LogReader(new BytesInput("log", bytes), segment);
  deepEqual(reader.states, STATES);
  const changes: unknown[] = [];
  while (reader.nextFrame()) {
    while (reader.next()) {
      const { code, rowStart, rowEnd, valueStart, valueEnd } = reader;
      changes.push([
        KINDS[code],
        [...reader.bytes.subarray(rowStart, rowEnd)],
        [...reader.bytes.subarray(valueStart, valueEnd)],
      ]);
    }
  }
  return changes;
}

const FIRST_CHANGES = [
  ["put", [0, 1, 0, 0, 5], [8, 7]],
  ["append", [0, 1, 0, 1, 6, 2], [9, 8, 7, 6]],
  ["delete-prefix", [2, 188, 0, 1, 6, 2], []],
  ["delete", [0, 127, 0, 0, 5], []],
  ["put", [0, 3, 0, 2, 1, 2, 3], []],
];

for (const compress of [false, true]) {
  test(`a segment holds changes in their order, over several frames, ${compress ? "compressed" : "as they are"}`, () => {
    const { bytes, segment, frames } = written({ extra: 600, compress });
    equal(frames, 2);
    verifySegment(new BytesInput("log", bytes), segment);
    const changes = changesOf(bytes, segment);
    deepEqual(changes.slice(0, 5), FIRST_CHANGES);
    equal(changes.length, 605);
    equal(bytes.length < 100_000, compress);
  });

  test(`each flipped bit and each truncation of a segment is noticed, ${compress ? "compressed" : "as it is"}`, () => {
    const { bytes, segment } = written({ extra: compress ? 2 : 0, compress });
    const check = () => verifySegment(new BytesInput("log", bytes), segment);
    check();
    for (let offset = 0; offset < bytes.length; offset++) {
      for (let bit = 0; bit < 8; bit++) {
        bytes[offset]! ^= 1 << bit;
        throws(check, SnapshotCorruptError, `bit ${bit} of byte ${offset}`);
        bytes[offset]! ^= 1 << bit;
      }
      const cut = bytes.subarray(0, offset);
      throws(() => verifySegment(new BytesInput("log", cut), segment), SnapshotCorruptError, `cut to ${offset}`);
    }
    const longer = new Uint8Array([...bytes, 0]);
    throws(() => verifySegment(new BytesInput("log", longer), segment), SnapshotCorruptError);
  });
}

test("a segment that is another than the metadata says is refused", () => {
  const { bytes, segment } = written({ extra: 0, compress: false });
  for (const other of [{ ...segment, entryCount: 4 }, { ...segment, footerCrc32: 1 }]) {
    throws(() => verifySegment(new BytesInput("log", bytes), other), SnapshotCorruptError);
  }
});

test("segments of version 1 stay readable: the golden file is what is written today", () => {
  const golden = new Uint8Array(readFileSync(new URL("../golden/log_v1.bin", import.meta.url)));
  const { bytes, segment } = written({ extra: 0, compress: false });
  deepEqual(golden, new Uint8Array(bytes));
  deepEqual(changesOf(golden, segment), FIRST_CHANGES);
});
