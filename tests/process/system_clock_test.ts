import { deepEqual, equal, match, notEqual, ok, throws } from "node:assert/strict";
import { test } from "node:test";
import { delay, pause } from "../../core/clock.ts";
import { systemClock, systemRandom } from "../../runtime/system_clock.ts";

test("systemClock.schedule never calls back before the delay is over, fractions included", async () => {
  for (const delayMs of [0, 0.4, 1.7, 3.2]) {
    const startMs = systemClock.monotonicMs();
    await delay(systemClock, delayMs);
    ok(systemClock.monotonicMs() - startMs >= delayMs);
  }
});

test("systemClock.schedule keeps a delay that is longer than setTimeout can, and its cancel takes it back", async () => {
  const fired: string[] = [];
  const cancel = systemClock.schedule(2 ** 40, () => fired.push("long"));
  const cancelShort = systemClock.schedule(1, () => fired.push("short"));
  cancelShort();
  cancelShort();
  await delay(systemClock, 5);
  cancel();
  deepEqual(fired, []);
  throws(() => systemClock.schedule(NaN, () => {}), RangeError);
});

test("systemClock.defer runs in a later turn, in order", async () => {
  const order: number[] = [];
  systemClock.defer(() => order.push(2));
  order.push(1);
  await pause(systemClock);
  deepEqual(order, [1, 2]);
});

test("systemClock.nowMs is a time since the epoch", () => {
  ok(systemClock.nowMs() > Date.UTC(2020, 0));
});

test("systemRandom gives numbers in [0, 1) and ids that differ", () => {
  for (let i = 0; i < 100; i++) {
    const value = systemRandom.next();
    ok(value >= 0 && value < 1);
  }
  match(systemRandom.id(), /^[0-9a-f]{32}$/);
  notEqual(systemRandom.id(), systemRandom.id());
  equal(systemRandom.id().length, 32);
});
