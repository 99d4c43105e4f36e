import { deepEqual, equal, throws } from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import fc from "fast-check";
import type { CheckpointMetadata } from "../../checkpoint/completed_checkpoint.ts";
import { encodeMetadata, METADATA_SIZE_OFFSET } from "../../checkpoint/metadata.ts";
import { decodeMetadata } from "../../checkpoint/metadata_reader.ts";
import { crc32 } from "../../core/bytes.ts";
import { SnapshotCorruptError } from "../../core/errors.ts";
import { scaled } from "../support/scale.ts";
import { SAMPLE, SAMPLE_WITH_LOG } from "./metadata_fixture.ts";

const isCorrupt = (error: unknown) => error instanceof SnapshotCorruptError && error.path === "m";

/** Makes the frame valid again, so that what is inside must be checked. */
function reframe(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  view.setUint32(METADATA_SIZE_OFFSET, bytes.length);
  view.setUint32(bytes.length - 4, crc32(bytes.subarray(0, bytes.length - 4)));
  return bytes;
}

test("decodeMetadata() gives back what encodeMetadata() has written", () => {
  deepEqual(decodeMetadata(encodeMetadata(SAMPLE), "m"), SAMPLE);
});

test("decodeMetadata() gives back a list called __proto__ as a property", () => {
  const lists = Object.fromEntries([["__proto__", {
    distribution: "split" as const,
    items: [],
    serializer: { id: "auto", version: 1, schemaVersion: 1 },
  }]]);
  const operator = { ...SAMPLE.operators[1]!, subtasks: [{ finished: true, snapshot: { keyed: null, lists } }] };
  const metadata = { ...SAMPLE, operators: [operator] };
  const read = decodeMetadata(encodeMetadata(metadata), "m").operators[0]!.subtasks[0]!.snapshot!.lists;
  deepEqual(Object.keys(read), ["__proto__"]);
});

test("encodeMetadata() gives equal bytes for equal content, whatever the order", () => {
  const reversed: CheckpointMetadata = { ...SAMPLE, operators: [...SAMPLE.operators].reverse() };
  deepEqual(encodeMetadata(reversed), encodeMetadata(SAMPLE));
});

test("encodeMetadata() refuses an operator with a subtask missing", () => {
  const operator = { ...SAMPLE.operators[0]!, parallelism: 3 };
  throws(() => encodeMetadata({ ...SAMPLE, operators: [operator] }), RangeError);
});

const goldenFile = (name: string) => new Uint8Array(readFileSync(new URL(`../golden/${name}`, import.meta.url)));

test("metadata of version 1 stays readable: its lists were written by the default serializer", () => {
  const [first, ...others] = SAMPLE.operators;
  const [subtask, ...later] = first!.subtasks;
  const { keyed, lists } = subtask!.snapshot!;
  const watermark = { ...lists["watermark"]!, serializer: { id: "auto", version: 1, schemaVersion: 1 } };
  const snapshot = { keyed, lists: { ...lists, watermark } };
  const operators = [{ ...first!, subtasks: [{ ...subtask!, snapshot }, ...later] }, ...others];
  deepEqual(decodeMetadata(goldenFile("metadata_v1.bin"), "m"), { ...SAMPLE, operators });
});

test("metadata of version 2 stays readable: it has no log", () => {
  deepEqual(decodeMetadata(goldenFile("metadata_v2.bin"), "m"), SAMPLE);
});

test("metadata of version 3 stays readable: the golden file is what is written today", () => {
  const golden = goldenFile("metadata_v3.bin");
  deepEqual(decodeMetadata(golden, "m"), SAMPLE_WITH_LOG);
  deepEqual(encodeMetadata(SAMPLE_WITH_LOG), golden);
  deepEqual(decodeMetadata(encodeMetadata(SAMPLE), "m"), SAMPLE);
});

test("metadata says in which format a savepoint is", () => {
  for (const format of ["canonical", "native"] as const) {
    const savepoint: CheckpointMetadata = { ...SAMPLE, type: "savepoint", format };
    deepEqual(decodeMetadata(encodeMetadata(savepoint), "m"), savepoint);
  }
});

test("decodeMetadata() notices each flipped bit and each truncation", () => {
  const bytes = encodeMetadata(SAMPLE_WITH_LOG);
  for (let offset = 0; offset < bytes.length; offset++) {
    for (let bit = 0; bit < 8; bit++) {
      bytes[offset]! ^= 1 << bit;
      throws(() => decodeMetadata(bytes, "m"), isCorrupt, `bit ${bit} of byte ${offset}`);
      bytes[offset]! ^= 1 << bit;
    }
    throws(() => decodeMetadata(bytes.subarray(0, offset), "m"), isCorrupt, `cut to ${offset}`);
  }
  throws(() => decodeMetadata(new Uint8Array([...bytes, 0]), "m"), isCorrupt);
  deepEqual(decodeMetadata(bytes, "m"), SAMPLE_WITH_LOG);
});

test("decodeMetadata() of a later version says so", () => {
  const bytes = encodeMetadata(SAMPLE);
  bytes[8] = 4;
  throws(() => decodeMetadata(reframe(bytes), "m"), /its format has version 4, this program reads 1, 2 and 3/);
});

test("decodeMetadata() refuses file names that lead elsewhere", () => {
  for (const name of ["../x", "a/b", ".hidden", "", "a\0b"]) {
    const keyGroups = { start: 0, end: 0 };
    const run = {
      file: { scope: "shared" as const, name, sizeBytes: 1 },
      level: 0,
      keyGroups,
      rowCount: 1,
      footerCrc32: 1,
    };
    const keyed = { keyGroups, runs: [run], nextListNumber: 0, incrementBytes: 0, fullBytes: 0 };
    const operator = { ...SAMPLE.operators[1]!, subtasks: [{ finished: false, snapshot: { keyed, lists: {} } }] };
    throws(() => decodeMetadata(encodeMetadata({ ...SAMPLE, operators: [operator] }), "m"), isCorrupt, name);
  }
});

test("decodeMetadata() of any bytes in a valid frame gives content or a SnapshotCorruptError", () => {
  const good = encodeMetadata(SAMPLE);
  const change = fc.record({ at: fc.nat(good.length - 1), value: fc.nat(255), drop: fc.nat(3) });
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 6 }), (changes) => {
      let bytes = good.slice();
      for (const { at, value, drop } of changes) {
        const start = Math.max(13, at % bytes.length);
        bytes[start] = value;
        if (drop > 0) bytes = new Uint8Array([...bytes.subarray(0, start), ...bytes.subarray(start + drop)]);
        if (bytes.length < 17) return;
      }
      try {
        const metadata = decodeMetadata(reframe(bytes), "m");
        deepEqual(encodeMetadata(metadata).length <= bytes.length, true);
      } catch (error) {
        if (!isCorrupt(error)) throw error;
      }
    }),
    { numRuns: scaled(2_000, 50_000) },
  );
});

test("decodeMetadata() does not reserve memory for counts that cannot be true", () => {
  const bytes = encodeMetadata({ ...SAMPLE, operators: [] });
  // The last byte before the checksum is the number of operators.
  const huge = new Uint8Array([...bytes.subarray(0, bytes.length - 5), 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0, 0]);
  throws(() => decodeMetadata(reframe(huge), "m"), isCorrupt);
  equal(decodeMetadata(bytes, "m").operators.length, 0);
});
