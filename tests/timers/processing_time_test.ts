import { deepEqual, equal, throws } from "node:assert/strict";
import { test } from "node:test";
import { MailboxProcessingTime } from "../../timers/processing_time.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { TimerHarness } from "./timer_harness.ts";

function started(...timestamps: number[]): TimerHarness {
  const harness = new TimerHarness();
  harness.timers.start();
  harness.setCurrentKey("k");
  for (const timestampMs of timestamps) harness.timers.registerProcessingTime(timestampMs);
  return harness;
}

test("TimerService schedules one wake-up, for the earliest processing-time timer [115]", () => {
  const harness = started(30, 10, 20);
  equal(harness.clock.scheduledCount, 1);
  harness.clock.advance(9);
  equal(harness.mailbox.length, 0);
  harness.clock.advance(1);
  equal(harness.mailbox.length, 1);
  deepEqual(harness.takeTimestamps(), [], "only the mailbox runs callbacks");
  harness.runMailbox();
  deepEqual(harness.takeTimestamps(), [10]);
});

test("TimerService moves the wake-up for an earlier timer, leaves it for a later one [116]", () => {
  const harness = started(20);
  harness.timers.registerProcessingTime(25);
  equal(harness.clock.scheduledCount, 1);
  harness.timers.registerProcessingTime(10);
  equal(harness.clock.scheduledCount, 1);
  harness.advance(10);
  deepEqual(harness.takeTimestamps(), [10]);
  harness.advance(9);
  deepEqual(harness.takeTimestamps(), []);
  harness.advance(6);
  deepEqual(harness.takeTimestamps(), [20, 25]);
});

test("TimerService moves the wake-up when the earliest is deleted, drops it with the last", () => {
  const harness = started(10, 20);
  harness.timers.deleteProcessingTime(10);
  equal(harness.clock.scheduledCount, 1);
  harness.clock.advance(15);
  equal(harness.mailbox.length, 0);
  harness.timers.deleteProcessingTime(20);
  equal(harness.clock.scheduledCount, 0);
});

test("TimerService fires all that are due at a wake-up, then schedules the next; none when none is left [117]", () => {
  const harness = started(10, 11, 12, 20);
  harness.clock.advance(12); // The subtask was busy: the wake-up for 10 is run at 12.
  equal(harness.mailbox.length, 1);
  harness.runMailbox();
  deepEqual(harness.takeTimestamps(), [10, 11, 12]);
  equal(harness.clock.scheduledCount, 1);
  harness.advance(8);
  deepEqual(harness.takeTimestamps(), [20]);
  equal(harness.clock.scheduledCount, 0);
  harness.timers.registerProcessingTime(25);
  equal(harness.clock.scheduledCount, 1);
  harness.advance(5);
  deepEqual(harness.takeTimestamps(), [25]);
});

test("TimerService registering in onProcessingTime leaves one wake-up [118]", () => {
  const harness = started(10);
  harness.onTimer = ({ timestampMs }) => {
    if (timestampMs >= 14) return;
    harness.timers.registerProcessingTime(timestampMs + 2);
    harness.timers.registerProcessingTime(timestampMs + 1);
  };
  for (let round = 0; round < 4; round++) {
    harness.advance(1 + (round === 0 ? 9 : 0));
    equal(harness.clock.scheduledCount, 1);
    equal(harness.mailbox.length, 0);
  }
  harness.advance(10);
  deepEqual(harness.takeTimestamps(), [10, 11, 12, 13, 14, 15]);
  equal(harness.clock.scheduledCount, 0);
});

test("TimerService currentProcessingTime() is the clock's [119]", () => {
  const harness = new TimerHarness({ startMs: 500 });
  equal(harness.timers.currentProcessingTime(), 500);
  harness.advance(7);
  equal(harness.timers.currentProcessingTime(), 507);
});

test("TimerService puts off processing-time timers when interrupted, and goes on by itself [127, 129]", () => {
  const harness = new TimerHarness({ interrupted: () => true });
  harness.setCurrentKey("k");
  for (const timestampMs of [1, 2, 3]) harness.timers.registerProcessingTime(timestampMs);
  harness.timers.start();
  harness.clock.advance(3);
  for (const timestampMs of [1, 2, 3]) {
    equal(harness.mailbox.length, 1);
    harness.runMailbox();
    deepEqual(harness.takeTimestamps(), [timestampMs]);
  }
  equal(harness.mailbox.length, 0);
  equal(harness.clock.scheduledCount, 0);
  harness.timers.registerProcessingTime(1);
  harness.timers.registerProcessingTime(2);
  equal(harness.timers.fireProcessingTime(() => true), false);
  equal(harness.timers.fireProcessingTime(() => true), true);
  deepEqual(harness.takeTimestamps(), [1, 2]);
});

test("TimerService start() twice is one start, close() ends all wake-ups [126]", () => {
  const harness = new TimerHarness();
  harness.setCurrentKey("k");
  harness.timers.registerProcessingTime(1);
  harness.timers.registerProcessingTime(5);
  equal(harness.clock.scheduledCount, 0, "nothing before the start");
  equal(harness.timers.fireProcessingTime(() => false), true);
  harness.timers.start();
  harness.timers.start();
  equal(harness.clock.scheduledCount, 1);
  harness.clock.advance(1);
  harness.timers.close();
  harness.timers.close();
  equal(harness.clock.scheduledCount, 0);
  harness.runMailbox();
  harness.timers.registerProcessingTime(2);
  harness.timers.start();
  harness.advance(10);
  deepEqual(harness.takeTimestamps(), []);
  equal(harness.clock.scheduledCount, 0);
});

test("TimerService closed by a callback fires no more", () => {
  const harness = started(1, 2, 3);
  harness.onTimer = () => harness.timers.close();
  harness.advance(5);
  deepEqual(harness.takeTimestamps(), [1]);
  equal(harness.clock.scheduledCount, 0);
});

test("TimerService keeps its wake-up when a callback fails", () => {
  const harness = started(1, 2);
  harness.onTimer = () => {
    throw new Error("of the user");
  };
  harness.clock.advance(2);
  throws(() => harness.runMailbox(), { message: "of the user" });
  harness.onTimer = () => {};
  harness.runMailbox();
  deepEqual(harness.takeTimestamps(), [1, 2]);
});

test("MailboxProcessingTime delivers through the mailbox only, at once what is due", () => {
  const clock = new ManualClock({ startMs: 100 });
  const mailbox: (() => void)[] = [];
  const time = new MailboxProcessingTime(clock, (callback) => void mailbox.push(callback));
  const called: string[] = [];
  time.schedule(50, () => called.push("past"));
  equal(clock.scheduledCount, 0);
  const cancelPosted = time.schedule(100, () => called.push("cancelled in the mailbox"));
  const cancelWaiting = time.schedule(101, () => called.push("cancelled before"));
  time.schedule(100.5, () => called.push("fraction"));
  cancelPosted();
  cancelWaiting();
  cancelWaiting();
  clock.advance(5);
  deepEqual(called, []);
  for (const callback of mailbox) callback();
  deepEqual(called, ["past", "fraction"]);
  equal(clock.scheduledCount, 0);
});

test("MailboxProcessingTime cuts delays that a runtime timer cannot take, and never wakes up at +Infinity", () => {
  const clock = new ManualClock();
  const delays: number[] = [];
  const mailbox: (() => void)[] = [];
  const spied = {
    nowMs: () => clock.nowMs(),
    monotonicMs: () => clock.monotonicMs(),
    defer: (callback: () => void) => clock.defer(callback),
    schedule: (delayMs: number, callback: () => void) => {
      delays.push(delayMs);
      return clock.schedule(delayMs, callback);
    },
  };
  const time = new MailboxProcessingTime(spied, (callback) => void mailbox.push(callback));
  const dueMs = 2 ** 32 + 10;
  let dueAtMs = -1;
  time.schedule(dueMs, () => {
    dueAtMs = time.nowMs();
  });
  clock.advance(dueMs - 1);
  equal(mailbox.length, 0);
  clock.advance(1);
  equal(mailbox.length, 1);
  mailbox[0]!();
  equal(dueAtMs, dueMs);
  deepEqual(delays, [2 ** 31 - 1, 2 ** 31 - 1, 12]);
  time.schedule(Infinity, () => {});
  equal(clock.scheduledCount, 0);
});
