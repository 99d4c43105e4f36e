import { deepEqual, equal, throws } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ByteWriter, compareBytes } from "../../core/bytes.ts";
import { VOID_NAMESPACE } from "../../core/key.ts";
import { HeapTimerQueue } from "../../timers/heap_timer_queue.ts";
import { readTimerRow, writeTimerRow } from "../../timers/timer_row.ts";
import {
  contents,
  drain,
  type QueueRequest,
  snapshotQueueContract,
  timerQueueContract,
} from "../contracts/timer_queue.ts";

const open = (request: QueueRequest) => new HeapTimerQueue({ name: "timers", ...request });
timerQueueContract("HeapTimerQueue", open);
snapshotQueueContract("HeapTimerQueue", open);

function row(timestampMs: number): Uint8Array {
  const out = new ByteWriter();
  writeTimerRow(out, timestampMs, "k", VOID_NAMESPACE);
  return out.copy();
}

test("HeapTimerQueue load() refuses a key group outside its range [125]", () => {
  const queue = new HeapTimerQueue({
    name: "event",
    maxParallelism: 128,
    keyGroups: { start: 3, end: 5 },
    tracking: false,
  });
  for (const keyGroup of [2, 6, NaN]) {
    throws(() => queue.load(keyGroup, row(1), new Uint8Array()), {
      name: "RangeError",
      message: `Cannot load a timer into "event": key group must be in 3..5, current value is ${keyGroup}`,
    });
  }
  equal(queue.size, 0);
  queue.load(4, row(1), new Uint8Array());
  equal(queue.size, 1);
});

test("HeapTimerQueue load() refuses bytes that are no timer", () => {
  const queue = new HeapTimerQueue({ name: "event", maxParallelism: 128, tracking: false });
  const good = row(1);
  for (let length = 0; length < good.length; length++) {
    throws(() => queue.load(0, good.subarray(0, length), new Uint8Array()), { name: "StreamError", kind: "corrupt" });
  }
  const long = new Uint8Array([...good, 0]);
  throws(() => queue.load(0, long, new Uint8Array()), { name: "StreamError", kind: "corrupt" });
  const notANumber = new Uint8Array([0xff, 0xff, ...good.subarray(2)]);
  throws(() => queue.load(0, notANumber, new Uint8Array()), { name: "StreamError", kind: "corrupt" });
});

test("writeTimerRow() puts timestamps in byte order and readTimerRow() reads them back [72]", () => {
  const anyTimestamp = fc.double({ noNaN: true });
  fc.assert(fc.property(anyTimestamp, anyTimestamp, (a, b) => {
    const order = Math.sign(compareBytes(row(a), 0, 8, row(b), 0, 8));
    equal(order, a === b ? 0 : a < b ? -1 : 1);
    equal(readTimerRow(row(a)).timestampMs, a + 0);
  }));
});

test("HeapTimerQueue freed by firing a large number of timers takes timers again", () => {
  for (const tracking of [false, true]) {
    const queue = new HeapTimerQueue({ name: "event", maxParallelism: 128, tracking });
    for (let i = 0; i < 70_000; i++) queue.add(i, i, VOID_NAMESPACE);
    const frozen = queue.freeze(1, true);
    while (queue.poll() !== null);
    equal(queue.size, 0);
    queue.add(5, "after", VOID_NAMESPACE);
    equal(drain(frozen).length, 70_000);
    queue.abort(1);
    // Enough changes for the dead ids to be looked at, after which an empty queue gives its memory back.
    for (let i = 0; i < 40_000; i++) {
      queue.add(1, i % 3, VOID_NAMESPACE);
      queue.poll();
    }
    deepEqual(contents(queue), ["5 string:after -"]);
    queue.poll();
    queue.add(6, "again", VOID_NAMESPACE);
    deepEqual(drain(queue.freeze(2, !tracking)).map((entry) => readTimerRow(entry.key).key), ["again"]);
  }
});

test("HeapTimerQueue refuses a freeze when thirty earlier ones were never settled, and takes one after an abort", () => {
  const queue = new HeapTimerQueue({ name: "event", maxParallelism: 128, tracking: true });
  for (let id = 1; id < 30; id++) drain(queue.freeze(id, false));
  throws(() => queue.freeze(30, false), { name: "StreamError", kind: "invalid" });
  queue.abort(7);
  drain(queue.freeze(31, false));
});

test("HeapTimerQueue without tracking refuses to freeze changes: the rows that are gone would come back", () => {
  const queue = new HeapTimerQueue({ name: "event", maxParallelism: 128, tracking: false });
  throws(() => queue.freeze(1, false), { name: "StreamError", kind: "invalid", message: /changes of "event"/ });
  equal(drain(queue.freeze(1, true)).length, 0);
});

test("HeapTimerQueue with tracking keeps no trace of what came and went over many checkpoints", () => {
  const queue = new HeapTimerQueue({ name: "event", maxParallelism: 128, tracking: true });
  for (let checkpointId = 1; checkpointId <= 200; checkpointId++) {
    for (let i = 0; i < 100; i++) {
      queue.add(checkpointId, `${checkpointId} ${i}`, VOID_NAMESPACE);
      if (i % 2 === 0) queue.poll();
    }
    drain(queue.freeze(checkpointId, false));
    if (checkpointId % 3 === 0) queue.abort(checkpointId);
    else queue.confirm(checkpointId);
    for (let i = 0; i < 50; i++) queue.poll();
  }
  equal(queue.size, 0);
  const places = queue["table"].end;
  equal(places < 1_000, true, `${places} places for at most 100 timers at a time`);
});
