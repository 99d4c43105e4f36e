import { deepEqual, equal, throws } from "node:assert/strict";
import { test } from "node:test";
import { MAX_WATERMARK, MIN_WATERMARK } from "../../core/element.ts";
import { VOID_NAMESPACE } from "../../core/key.ts";
import { drain } from "../contracts/timer_queue.ts";
import { queueNamed, TimerHarness } from "./timer_harness.ts";

const never = () => false;
const always = () => true;

function eventTimers(...timestamps: number[]): TimerHarness {
  const harness = new TimerHarness();
  harness.setCurrentKey("k");
  for (const timestampMs of timestamps) harness.timers.registerEventTime(timestampMs);
  return harness;
}

test("TimerService fires a timer once that was registered twice [108]", () => {
  const harness = eventTimers(5, 5);
  equal(harness.timers.eventTimeTimerCount(), 1);
  equal(harness.timers.advanceWatermark(5, never), true);
  equal(harness.timers.advanceWatermark(6, never), true);
  deepEqual(harness.takeTimestamps(), [5]);
});

test("TimerService advanceWatermark() fires what is due in timestamp order, and leaves the rest [109]", () => {
  const harness = eventTimers(30, 10, 20, -5, 40);
  harness.timers.advanceWatermark(30, never);
  deepEqual(harness.takeTimestamps(), [-5, 10, 20, 30]);
  equal(harness.timers.eventTimeTimerCount(), 1);
  harness.timers.advanceWatermark(39, never);
  deepEqual(harness.takeTimestamps(), []);
  harness.timers.advanceWatermark(MAX_WATERMARK, never);
  deepEqual(harness.takeTimestamps(), [40]);
});

test("TimerService fires a timer at +Infinity with the last watermark, and one at -Infinity with any [109]", () => {
  const harness = eventTimers(Infinity, -Infinity, Number.MAX_VALUE);
  harness.timers.advanceWatermark(-Number.MAX_VALUE, never);
  deepEqual(harness.takeTimestamps(), [-Infinity]);
  equal(harness.timers.advanceWatermark(MAX_WATERMARK, always), false);
  equal(harness.timers.advanceWatermark(MAX_WATERMARK, always), true);
  deepEqual(harness.takeTimestamps(), [Number.MAX_VALUE, Infinity]);
});

test("TimerService callbacks see their key, namespace, timestamp and the new watermark [110, 111]", () => {
  const harness = new TimerHarness();
  equal(harness.timers.currentWatermark, MIN_WATERMARK);
  for (const key of ["a", "b"]) {
    harness.setCurrentKey(key);
    harness.timers.registerEventTime(1, `namespace of ${key}`);
  }
  harness.setCurrentKey("another");
  const watermarks: number[] = [];
  harness.onTimer = () => watermarks.push(harness.timers.currentWatermark);
  harness.timers.advanceWatermark(7, never);
  deepEqual(watermarks, [7, 7]);
  equal(harness.timers.currentWatermark, 7);
  deepEqual(harness.fired.toSorted((x, y) => x.key < y.key ? -1 : 1), [
    { time: "event", timestampMs: 1, key: "a", namespace: "namespace of a", currentKey: "a" },
    { time: "event", timestampMs: 1, key: "b", namespace: "namespace of b", currentKey: "b" },
  ]);
});

test("TimerService fires timers that callbacks register up to the watermark within the same advance [112]", () => {
  const harness = eventTimers(1);
  harness.onTimer = ({ timestampMs }) => harness.timers.registerEventTime(timestampMs + 3);
  harness.timers.advanceWatermark(10, never);
  deepEqual(harness.takeTimestamps(), [1, 4, 7, 10]);
  equal(harness.timers.eventTimeTimerCount(), 1);
});

test("TimerService a deleted timer does not fire, its neighbours do [113]", () => {
  const harness = new TimerHarness();
  for (const key of ["a", "b"]) {
    harness.setCurrentKey(key);
    for (const namespace of ["x", "y"]) {
      for (const timestampMs of [1, 2]) {
        harness.timers.registerEventTime(timestampMs, namespace);
        harness.timers.registerProcessingTime(timestampMs, namespace);
      }
    }
  }
  harness.setCurrentKey("a");
  harness.timers.deleteEventTime(1, "x");
  harness.timers.deleteEventTime(3, "x");
  harness.timers.deleteEventTime(1, "z");
  harness.timers.deleteProcessingTime(2, "y");
  harness.timers.start();
  harness.timers.advanceWatermark(2, never);
  harness.advance(2);
  const left = (time: string) =>
    harness.fired.filter((fired) => fired.time === time).map((fired) =>
      `${String(fired.key)}${String(fired.namespace)}${fired.timestampMs}`
    ).sort();
  deepEqual(left("event"), ["ax2", "ay1", "ay2", "bx1", "bx2", "by1", "by2"]);
  deepEqual(left("processing"), ["ax1", "ax2", "ay1", "bx1", "bx2", "by1", "by2"]);
});

test("TimerService counts timers per namespace and in all [114]", () => {
  const harness = new TimerHarness();
  const window = (end: number): [number, number] => [0, end];
  const counts = () => [
    harness.timers.eventTimeTimerCount(),
    harness.timers.eventTimeTimerCount(window(5)),
    harness.timers.eventTimeTimerCount(VOID_NAMESPACE),
    harness.timers.processingTimeTimerCount(),
    harness.timers.processingTimeTimerCount(window(5)),
  ];
  for (const key of ["a", "b"]) {
    harness.setCurrentKey(key);
    harness.timers.registerEventTime(1, window(5));
    harness.timers.registerEventTime(2, window(6));
    harness.timers.registerEventTime(3);
    harness.timers.registerProcessingTime(4, window(5));
  }
  deepEqual(counts(), [6, 2, 2, 2, 2]);
  harness.timers.deleteEventTime(3);
  harness.timers.deleteProcessingTime(4, window(5));
  deepEqual(counts(), [5, 2, 1, 1, 1]);
  harness.timers.advanceWatermark(1, never);
  deepEqual(counts(), [3, 0, 1, 1, 1]);
});

test("TimerService two keys and two namespaces at one time fire once each [120]", () => {
  const harness = new TimerHarness();
  for (const key of ["a", "b"]) {
    harness.setCurrentKey(key);
    for (const namespace of ["x", "y"]) {
      harness.timers.registerEventTime(1, namespace);
      harness.timers.registerProcessingTime(1, namespace);
    }
  }
  harness.timers.start();
  harness.timers.advanceWatermark(1, never);
  harness.advance(1);
  for (const time of ["event", "processing"]) {
    const fired = harness.fired.filter((one) => one.time === time);
    deepEqual(fired.map(({ key, namespace }) => `${String(key)}${String(namespace)}`).sort(), ["ax", "ay", "bx", "by"]);
    for (const one of fired) equal(one.currentKey, one.key);
  }
});

test("TimerService forEach…Timer() visits all with the current key set [121]", () => {
  const harness = new TimerHarness();
  const expected: string[] = [];
  for (let i = 0; i < 20; i++) {
    harness.setCurrentKey(`k${i % 5}`);
    harness.timers.registerEventTime(i);
    harness.timers.registerProcessingTime(i);
    expected.push(`k${i % 5} ${i}`);
  }
  const visited: Record<string, string[]> = { event: [], processing: [] };
  harness.timers.forEachEventTimeTimer((timer) => {
    equal(harness.currentKey(), timer.key);
    visited["event"]!.push(`${String(timer.key)} ${timer.timestampMs}`);
    harness.timers.deleteEventTime(timer.timestampMs);
  });
  harness.timers.forEachProcessingTimeTimer((timer) => {
    equal(harness.currentKey(), timer.key);
    visited["processing"]!.push(`${String(timer.key)} ${timer.timestampMs}`);
  });
  deepEqual(visited["event"]!.sort(), expected.toSorted());
  deepEqual(visited["processing"]!.sort(), expected.toSorted());
  equal(harness.timers.eventTimeTimerCount(), 0);
});

test("TimerService restores timers into services with split key groups, each fires in one of them [122, 123, 124]", () => {
  const before = new TimerHarness();
  for (let i = 0; i < 100; i++) {
    before.setCurrentKey(i);
    before.timers.registerEventTime(i, "n");
    before.timers.registerProcessingTime(1_000 + i);
  }
  const rows = {
    eventTime: drain(before.eventTime.freeze(1, true)),
    processingTime: drain(before.processingTime.freeze(1, true)),
  };
  const after = [{ start: 0, end: 40 }, { start: 41, end: 127 }].map((keyGroups) => {
    const queues = { eventTime: queueNamed("event", keyGroups), processingTime: queueNamed("processing", keyGroups) };
    for (const queue of ["eventTime", "processingTime"] as const) {
      for (const { keyGroup, key } of rows[queue]) {
        if (keyGroup >= keyGroups.start && keyGroup <= keyGroups.end) {
          queues[queue].load(keyGroup, key, new Uint8Array());
        }
      }
    }
    return new TimerHarness({ startMs: 1_050, ...queues });
  });
  for (const harness of after) {
    harness.timers.start();
    harness.runMailbox();
    equal(harness.fired.every((fired) => fired.time === "processing" && fired.timestampMs <= 1_050), true);
    harness.advance(60);
    harness.timers.advanceWatermark(MAX_WATERMARK, never);
  }
  const fired = after.flatMap((harness) => harness.fired).filter(({ key, currentKey }) => key === currentKey);
  const of = (time: string) =>
    fired.filter((one) => one.time === time).map((one) => Number(one.key)).sort((a, b) => a - b);
  deepEqual(of("event"), Array.from({ length: 100 }, (_, i) => i));
  deepEqual(of("processing"), Array.from({ length: 100 }, (_, i) => i));
});

test("TimerService stops a burst between two callbacks when interrupted, and goes on when called again [127, 129]", () => {
  const harness = eventTimers(1, 2, 3, 4, 5);
  equal(harness.timers.advanceWatermark(4, always), false);
  deepEqual(harness.takeTimestamps(), [1], "at least one for each attempt");
  let left = 2;
  equal(harness.timers.advanceWatermark(4, () => --left === 0), false);
  deepEqual(harness.takeTimestamps(), [2, 3]);
  equal(harness.timers.currentWatermark, 4);
  equal(harness.timers.advanceWatermark(4, always), true, "none is left after the last one that is due");
  deepEqual(harness.takeTimestamps(), [4]);
  equal(harness.timers.advanceWatermark(4, always), true);
  deepEqual(harness.takeTimestamps(), []);
});

test("TimerService counts each timer that has fired [128]", () => {
  const harness = eventTimers(1, 2, 3);
  harness.timers.registerProcessingTime(1);
  harness.timers.start();
  harness.timers.advanceWatermark(2, never);
  equal(harness.firedCount, 2);
  harness.advance(1);
  equal(harness.firedCount, 3);
});

test("TimerService an error of a callback comes through, its timer does not fire again", () => {
  const harness = eventTimers(1, 2);
  harness.onTimer = () => {
    throw new RangeError("of the user");
  };
  throws(() => harness.timers.advanceWatermark(5, never), { message: "of the user" });
  harness.onTimer = () => {};
  harness.timers.advanceWatermark(5, never);
  deepEqual(harness.takeTimestamps(), [1, 2]);
  equal(harness.firedCount, 1);
});

test("TimerService refuses a timestamp that is no number", () => {
  const harness = eventTimers();
  const wrong = [NaN, undefined, "5", 5n, new Date(0)] as number[]; // What a program without types may pass.
  const methods = ["registerEventTime", "deleteEventTime", "registerProcessingTime", "deleteProcessingTime"] as const;
  for (const method of methods) {
    for (const timestampMs of wrong) {
      throws(() => harness.timers[method](timestampMs), { name: "TypeError", message: /timer of "timers under test"/ });
    }
  }
  equal(harness.timers.eventTimeTimerCount() + harness.timers.processingTimeTimerCount(), 0);
});
