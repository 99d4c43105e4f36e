import { test } from "node:test";
import { deepStrictEqual, equal, notEqual, ok, throws } from "node:assert/strict";
import fc from "fast-check";
import { ByteReader, ByteWriter, compareBytes, crc32 } from "../../core/bytes.ts";
import { SnapshotCorruptError, StreamError } from "../../core/errors.ts";

function isCorrupt(error: unknown): boolean {
  return error instanceof StreamError && error.kind === "corrupt";
}

type Field =
  | { kind: "u8" | "u16" | "u32" | "f64" | "varint"; value: number }
  | { kind: "bytes"; value: Uint8Array };

const field: fc.Arbitrary<Field> = fc.oneof(
  fc.record({ kind: fc.constant("u8" as const), value: fc.nat(0xff) }),
  fc.record({ kind: fc.constant("u16" as const), value: fc.nat(0xffff) }),
  fc.record({ kind: fc.constant("u32" as const), value: fc.nat(0xffff_ffff) }),
  fc.record({ kind: fc.constant("f64" as const), value: fc.double() }),
  fc.record({
    kind: fc.constant("varint" as const),
    value: fc.oneof(fc.maxSafeNat(), fc.nat(300), fc.nat(52).map((bits) => 2 ** bits)),
  }),
  fc.record({ kind: fc.constant("bytes" as const), value: fc.uint8Array({ maxLength: 200 }) }),
);

test("ByteReader returns what ByteWriter wrote, whatever the order and the first capacity", () => {
  fc.assert(fc.property(fc.array(field), fc.integer({ min: 0, max: 40 }), (fields, capacity) => {
    const out = new ByteWriter(capacity);
    for (const { kind, value } of fields) {
      if (kind === "bytes") out.bytes(value);
      else out[kind](value);
    }
    const input = new ByteReader(out.copy());
    for (const { kind, value } of fields) {
      deepStrictEqual(kind === "bytes" ? input.bytes(value.length) : input[kind](), value);
    }
    equal(input.remaining, 0);
  }));
});

test("ByteWriter writes big endian numbers and LEB128 varints", () => {
  const out = new ByteWriter(1);
  out.u16(0x1234);
  out.u32(0xdeadbeef);
  out.f64(1);
  out.varint(127);
  out.varint(300);
  out.varint(2 ** 53 - 1);
  const hex = Array.from(out.view(), (byte) => byte.toString(16).padStart(2, "0")).join("");
  equal(hex, "1234" + "deadbeef" + "3ff0000000000000" + "7f" + "ac02" + "ffffffffffffff0f");
});

test("ByteWriter.varint refuses what is not an integer in 0..2^53-1", () => {
  for (const value of [-1, 1.5, 2 ** 53, NaN, Infinity, -(2 ** 40), 2 ** 32 + 0.5]) {
    throws(() => new ByteWriter().varint(value), RangeError);
  }
});

test("ByteWriter.bytes copies a slice, short or long; setU32 overwrites; reset keeps a prefix", () => {
  const source = Uint8Array.from({ length: 300 }, (_, i) => i);
  const out = new ByteWriter(2);
  out.u32(0);
  out.bytes(source, 10, 13);
  out.bytes(source, 100, 200);
  out.setU32(0, 103);
  deepStrictEqual(out.copy(), Uint8Array.of(0, 0, 0, 103, 10, 11, 12, ...source.subarray(100, 200)));
  source.fill(0);
  equal(out.buffer[4], 10);
  out.reset(5);
  out.u8(7);
  deepStrictEqual([...out.view(3)], [103, 10, 7]);
  const copy = out.copy();
  out.reset();
  out.u8(99);
  equal(copy[0], 0);
});

test("ByteReader throws a StreamError of kind corrupt past its end, even when the buffer goes on", () => {
  const bytes = new Uint8Array(100).fill(0x80);
  const reads: ((input: ByteReader) => unknown)[] = [
    (input) => input.u8(),
    (input) => input.u16(),
    (input) => input.u32(),
    (input) => input.f64(),
    (input) => input.varint(),
    (input) => input.bytes(1),
    (input) => input.view(1),
  ];
  for (const read of reads) throws(() => read(new ByteReader(bytes, 5, 5)), isCorrupt);
  throws(() => new ByteReader(bytes, 5, 12).f64(), isCorrupt);
  throws(() => new ByteReader(bytes).varint(), isCorrupt);
  throws(() => new ByteReader(new Uint8Array(8).fill(0x7f).fill(0xff, 0, 7)).varint(), isCorrupt);
});

test("ByteReader.open points the reader at other bytes; bytes() copies, view() shares", () => {
  const input = new ByteReader(Uint8Array.of(1));
  const bytes = Uint8Array.of(9, 8, 7, 6).subarray(1);
  input.open(bytes, 1, 3);
  const view = input.view(1);
  const copy = input.bytes(1);
  bytes.fill(0);
  deepStrictEqual([view[0], copy[0], input.remaining], [0, 6, 0]);
  input.open(bytes);
  equal(input.u16(), 0);
});

test("compareBytes orders as unsigned bytes, a prefix first", () => {
  const compare = (a: number[], b: number[]) =>
    Math.sign(compareBytes(Uint8Array.from(a), 0, a.length, Uint8Array.from(b), 0, b.length));
  equal(compare([1, 2], [1, 2]), 0);
  equal(compare([1], [1, 0]), -1);
  equal(compare([0xff], [0x7f]), 1);
  equal(compare([], []), 0);
  equal(compareBytes(Uint8Array.of(9, 1, 2), 1, 3, Uint8Array.of(1, 2, 9), 0, 2), 0);
});

test("crc32 is the one of zlib and can be continued", () => {
  const bytes = new TextEncoder().encode("123456789");
  equal(crc32(bytes), 0xcbf43926);
  equal(crc32(bytes.subarray(4), crc32(bytes.subarray(0, 4))), 0xcbf43926);
  notEqual(crc32(bytes.subarray(1)), 0xcbf43926);
});

test("SnapshotCorruptError names the file, the offset, what differs and the remedy, and keeps its cause", () => {
  const cause = new Error("root");
  const error = new SnapshotCorruptError("chk-3/a.run", { reason: "crc32 is 1, footer says 2", offset: 17, cause });
  equal(
    error.message,
    'Cannot restore "chk-3/a.run" at byte 17: crc32 is 1, footer says 2; restore from an older checkpoint or savepoint',
  );
  deepStrictEqual([error.kind, error.path, error.offset, error.name], [
    "corrupt",
    "chk-3/a.run",
    17,
    "SnapshotCorruptError",
  ]);
  equal(error.cause, cause);
  ok(error instanceof StreamError);
  equal("cause" in new SnapshotCorruptError("a", { reason: "empty" }), false);
});
