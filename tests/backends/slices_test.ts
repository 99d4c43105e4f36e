/** How work in slices gives way to records. */
import { equal } from "node:assert/strict";
import { test } from "node:test";
import { giveWay } from "../../backends/states/slices.ts";
import type { Clock } from "../../core/clock.ts";
import { ManualClock } from "../support/manual_clock.ts";

/** Turns of the event loop until `giveWay` calls back, when each takes so many milliseconds. */
function turnsUntilBack(turnMs: number, restMs: number): number {
  const deferred = new ManualClock();
  let nowMs = 0;
  const clock: Clock = {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    schedule: (delayMs, callback) => deferred.schedule(delayMs, callback),
    defer: (callback) => deferred.defer(callback),
  };
  let isBack = false;
  giveWay(clock, restMs, () => isBack = true);
  let turns = 0;
  for (; !isBack; turns++) {
    nowMs += turnMs;
    deferred.runDeferred();
  }
  return turns;
}

test("giveWay leaves records their share in one long round or in many short ones, and waits for nobody when there are none", () => {
  equal(turnsUntilBack(12, 12), 1);
  equal(turnsUntilBack(20, 12), 1);
  equal(turnsUntilBack(2, 12), 6);
  equal(turnsUntilBack(0.01, 12), 1);
});
