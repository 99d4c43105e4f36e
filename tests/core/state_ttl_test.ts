import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { TtlTime } from "../../backends/ttl/ttl_time.ts";
import { ByteReader, ByteWriter } from "../../core/bytes.ts";
import { aggregatingState, listState, mapState, reducingState, valueState } from "../../core/descriptors.ts";
import { f64 } from "../../core/serializer.ts";
import {
  Expiry,
  readStamp,
  STAMP_BYTES,
  stampAt,
  Stamped,
  StampedSerializer,
  writeStamp,
} from "../../core/stamped_value.ts";
import { stateTtl, type StateTtlOptions } from "../../core/state_ttl.ts";

function expiryOf(time: number): Expiry {
  return new Expiry(stateTtl({ time }), new TtlTime(() => 0), () => 0);
}

test("stateTtl() takes milliseconds and durations, and has Flink's defaults", () => {
  deepEqual(stateTtl({ time: "1 h" }), {
    timeMs: 3_600_000,
    update: "on-create-and-write",
    visibility: "never-return-expired",
    cleanup: { fullSnapshot: true, incremental: { entries: 5, everyRecord: false }, compaction: true },
  });
  equal(stateTtl({ time: 250 }).timeMs, 250);
  equal(stateTtl({ time: Infinity }).timeMs, Infinity);
  equal(stateTtl({ time: 1, cleanup: { incremental: false } }).cleanup.incremental, false);
  deepEqual(stateTtl({ time: 1, cleanup: { incremental: { entries: 9, everyRecord: true } } }).cleanup.incremental, {
    entries: 9,
    everyRecord: true,
  });
});

test("stateTtl() says what is wrong with an option", () => {
  // What a program without types could pass.
  const wrong = (options: unknown) => () => stateTtl(options as StateTtlOptions);
  throws(wrong(null), /the options is null, it must be an object/);
  throws(wrong({ time: "soon" }), /time is "soon", it must be a time such as "10 min"/);
  throws(wrong({ time: true }), TypeError);
  for (const time of [0, -1, 1.5, NaN, -Infinity, "0 ms"]) throws(wrong({ time }), RangeError);
  throws(
    wrong({ time: 1, update: "never" }),
    /update is "never", it must be "on-create-and-write" or "on-read-and-write"/,
  );
  throws(wrong({ time: 1, visibility: "sometimes" }), /visibility is "sometimes"/);
  throws(wrong({ time: 1, cleanup: { fullSnapshot: "yes" } }), /cleanup.fullSnapshot is "yes"/);
  throws(wrong({ time: 1, cleanup: { compaction: 1000 } }), /cleanup.compaction is 1000/);
  throws(
    wrong({ time: 1, cleanup: { incremental: true } }),
    /cleanup.incremental is true, it must be false or an object/,
  );
  throws(wrong({ time: 1, cleanup: { incremental: { entries: 0 } } }), RangeError);
  throws(wrong({ time: 1, cleanup: { incremental: { everyRecord: 1 } } }), TypeError);
});

test("every kind of keyed state takes a time to live; without one its descriptor has none", () => {
  const aggregate = {
    create: () => 0,
    add: (a: number, b: number) => a + b,
    result: (a: number) => a,
    merge: Math.max,
  };
  const ttl = { ttl: "1 min" };
  for (
    const descriptor of [
      valueState("v", ttl),
      listState("l", ttl),
      mapState("m", ttl),
      reducingState<number>("r", Math.max, ttl),
      aggregatingState("a", aggregate, ttl),
    ]
  ) equal(descriptor.ttl?.timeMs, 60_000);
  ok(!("ttl" in valueState("v")));
  const settings = stateTtl({ time: 5 });
  equal(valueState("v", { ttl: settings }).ttl, settings);
  throws(() => valueState("v", { ttl: { time: 5 } as unknown as number }), /it must be a time such as "1 h"/);
});

test("a stamp survives eight bytes, before 1970 and for ever after", () => {
  fc.assert(fc.property(fc.maxSafeInteger(), (stampMs) => {
    const out = new ByteWriter();
    out.u8(7);
    writeStamp(out, stampMs);
    equal(out.length, 1 + STAMP_BYTES);
    equal(stampAt(out.buffer, 1), stampMs);
    equal(readStamp(new ByteReader(out.copy(), 1)), stampMs);
  }));
});

test("a stamped value is the stamp and the value's own bytes; a box is used again where that is allowed", () => {
  const expiry = expiryOf(10);
  const out = new ByteWriter();
  const serializer = new StampedSerializer(f64, expiry, false);
  serializer.write(new Stamped(5, 1.5), out);
  const own = new ByteWriter();
  f64.write(1.5, own);
  deepEqual(out.copy(STAMP_BYTES), own.copy());
  const read = serializer.read(new ByteReader(out.copy()));
  deepEqual(read, new Stamped(5, 1.5));
  ok(serializer.read(new ByteReader(out.copy())) !== read);
  const reusing = new StampedSerializer(f64, expiry, true);
  equal(reusing.read(new ByteReader(out.copy())), reusing.read(new ByteReader(out.copy())));
  throws(() => serializer.check(new Stamped(1, "no" as unknown as number), 'state "x"'), /state "x"/);
});

test("a value is over when its time is up, and sums beyond all numbers wrap nowhere [95]", () => {
  const overAt = (time: number, stampMs: number, nowMs: number) => expiryOf(time).isOver(stampMs, nowMs);
  equal(overAt(100, 50, 149), false);
  equal(overAt(100, 50, 150), true);
  for (const time of [Number.MAX_SAFE_INTEGER, Infinity]) {
    equal(overAt(time, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER), false);
    equal(overAt(time, 0, 8_640_000_000_000_000), false);
  }
});
