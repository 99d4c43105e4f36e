import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import type { BarrierAction } from "../../checkpoint/barrier_handler.ts";
import { BarrierTracker } from "../../checkpoint/barrier_tracker.ts";
import type { Barrier } from "../../core/element.ts";
import { seededRandom } from "./simulated_job.ts";

const barrier = (checkpointId: number, timestampMs = 0): Barrier => ({
  checkpointId,
  timestampMs,
  type: "checkpoint",
  full: false,
  format: null,
});

function brief(actions: readonly BarrierAction[]): string[] {
  return actions.map((one) => {
    if (one.action === "trigger") return `trigger ${one.barrier.checkpointId}`;
    return one.action === "abort" ? `abort ${one.checkpointId} ${one.reason}` : one.action;
  });
}

test("BarrierTracker triggers with the last channel's barrier and never blocks [169]", () => {
  const tracker = new BarrierTracker({ channels: 3 });
  deepEqual(tracker.onBarrier(1, barrier(1, 5), 10), []);
  deepEqual(tracker.onBarrier(1, barrier(1, 5), 11), []);
  deepEqual(tracker.onBarrier(0, barrier(1, 5), 12), []);
  equal(tracker.isBlocked(1), false);
  deepEqual(tracker.onBarrier(2, barrier(1, 5), 30), [
    { action: "trigger", barrier: barrier(1, 5), alignmentMs: 20, startDelayMs: 5 },
  ]);
  deepEqual(tracker.onBarrier(2, barrier(1, 5), 31), []);
});

test("BarrierTracker counts several checkpoints at once; late barriers still complete the older one [170]", () => {
  const tracker = new BarrierTracker({ channels: 2 });
  tracker.onBarrier(0, barrier(1), 0);
  tracker.onBarrier(0, barrier(2), 0);
  deepEqual(brief(tracker.onBarrier(1, barrier(1), 0)), ["trigger 1"]);
  deepEqual(brief(tracker.onBarrier(1, barrier(2), 0)), ["trigger 2"]);
});

test("BarrierTracker drops older checkpoints when a newer one completes [170]", () => {
  const tracker = new BarrierTracker({ channels: 2 });
  tracker.onBarrier(0, barrier(1), 0);
  tracker.onBarrier(0, barrier(2), 0);
  tracker.onBarrier(0, barrier(3), 0);
  deepEqual(brief(tracker.onBarrier(1, barrier(2), 0)), ["abort 1 subsumed", "trigger 2"]);
  deepEqual(tracker.onBarrier(1, barrier(1), 0), []);
  equal(tracker.pendingCount, 1);
});

test("BarrierTracker takes skipped ids, and aborts each checkpoint at most once [171]", () => {
  const tracker = new BarrierTracker({ channels: 3 });
  tracker.onBarrier(0, barrier(4), 0);
  deepEqual(brief(tracker.onCancel(1, { checkpointId: 4 })), ["abort 4 cancelled"]);
  deepEqual(tracker.onCancel(2, { checkpointId: 4 }), []);
  equal(tracker.pendingCount, 0);
  deepEqual(brief(tracker.onCancel(0, { checkpointId: 9 })), ["abort 9 cancelled"]);
  deepEqual(tracker.onBarrier(1, barrier(9), 0), []);
  deepEqual(tracker.onCancel(2, { checkpointId: 9 }), []);
  deepEqual(tracker.onCancel(2, { checkpointId: 7 }), []);
  tracker.onBarrier(0, barrier(10), 0);
  tracker.onBarrier(1, barrier(11), 0);
  deepEqual(brief(tracker.onCancel(2, { checkpointId: 12 })), [
    "abort 10 subsumed",
    "abort 11 subsumed",
    "abort 12 cancelled",
  ]);
});

test("BarrierTracker keeps a bounded number of checkpoints [171]", () => {
  const tracker = new BarrierTracker({ channels: 2 });
  let aborted = 0;
  for (let id = 1; id <= 200; id++) aborted += tracker.onBarrier(0, barrier(id), 0).length;
  equal(tracker.pendingCount, 50);
  equal(aborted, 150);
});

test("BarrierTracker takes the end of an input for its barriers, the newest complete one wins [172]", () => {
  const tracker = new BarrierTracker({ channels: 2 });
  tracker.onBarrier(0, barrier(1), 0);
  tracker.onBarrier(0, barrier(2), 0);
  deepEqual(brief(tracker.onEnd(1, 0)), ["abort 1 subsumed", "trigger 2"]);
  deepEqual(brief(tracker.onBarrier(0, barrier(3), 0)), ["trigger 3"]);
  equal(tracker.pendingCount, 0);
});

test("BarrierTracker aborts at the end of an input when finished subtasks are not allowed [172]", () => {
  const tracker = new BarrierTracker({ channels: 2, afterTasksFinish: false });
  tracker.onBarrier(0, barrier(1), 0);
  deepEqual(brief(tracker.onEnd(1, 0)), ["abort 1 input-ended"]);
  equal(tracker.pendingCount, 0);
});

test("BarrierTracker triggers once with a single channel and leaves nothing behind [172]", () => {
  const tracker = new BarrierTracker({ channels: 1 });
  deepEqual(brief(tracker.onBarrier(0, barrier(1), 0)), ["trigger 1"]);
  deepEqual(tracker.onBarrier(0, barrier(1), 0), []);
  deepEqual(brief(tracker.onCancel(0, { checkpointId: 2 })), ["abort 2 cancelled"]);
  deepEqual(brief(tracker.onBarrier(0, barrier(3), 0)), ["trigger 3"]);
  equal(tracker.pendingCount, 0);
});

test("BarrierTracker does not take a checkpoint that was aborted before its barrier came [184]", () => {
  const tracker = new BarrierTracker({ channels: 2 });
  tracker.onAborted(1);
  deepEqual(brief(tracker.onBarrier(0, barrier(1), 0)), ["abort 1 aborted"]);
  deepEqual(tracker.onBarrier(1, barrier(1), 0), []);
  equal(tracker.pendingCount, 0);
  tracker.onBarrier(0, barrier(2), 0);
  deepEqual(brief(tracker.onAborted(2)), ["abort 2 aborted"]);
  deepEqual(tracker.onBarrier(1, barrier(2), 0), []);
});

test("BarrierTracker over random barriers: each checkpoint is triggered or aborted at most once, ids go up [171]", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const { next } = seededRandom(seed);
    const pick = (count: number) => Math.floor(next() * count);
    const channels = 1 + pick(4);
    const tracker = new BarrierTracker({ channels });
    const at = new Array<number>(channels).fill(0);
    const outcome = new Map<number, string>();
    let lastId = 0;
    for (let step = 0; step < 120; step++) {
      const channel = pick(channels);
      at[channel]! += next() < 0.9 ? 1 : 2;
      const id = at[channel]!;
      const actions = next() < 0.85
        ? tracker.onBarrier(channel, barrier(id), 0)
        : tracker.onCancel(channel, { checkpointId: id });
      for (const one of actions) {
        const about = one.action === "trigger"
          ? one.barrier.checkpointId
          : one.action === "abort"
          ? one.checkpointId
          : 0;
        equal(
          outcome.has(about),
          false,
          `seed ${seed}, checkpoint ${about}: ${outcome.get(about)}, then ${one.action}`,
        );
        outcome.set(about, one.action);
        if (one.action !== "trigger") continue;
        ok(about > lastId, `seed ${seed}`);
        lastId = about;
      }
    }
  }
});
