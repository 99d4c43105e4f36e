import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { test } from "node:test";
import { BarrierAligner } from "../../checkpoint/barrier_aligner.ts";
import { type BarrierAction, NO_ACTIONS } from "../../checkpoint/barrier_handler.ts";
import type { Barrier } from "../../core/element.ts";
import { scaled } from "../support/scale.ts";
import { seededRandom } from "./simulated_job.ts";

const barrier = (checkpointId: number, timestampMs = 0): Barrier => ({
  checkpointId,
  timestampMs,
  type: "checkpoint",
  full: false,
  format: null,
});

/** Short form of actions: "block 1", "unblock 1,0", "trigger 5", "abort 5 cancelled". */
function brief(actions: readonly BarrierAction[]): string[] {
  return actions.map((one) => {
    if (one.action === "block") return `block ${one.channel}`;
    if (one.action === "unblock") return `unblock ${one.channels.join(",")}`;
    if (one.action === "trigger") return `trigger ${one.barrier.checkpointId}`;
    return `abort ${one.checkpointId} ${one.reason}${one.decline ? ", decline" : ""}`;
  });
}

test("BarrierAligner blocks nothing without barriers [158]", () => {
  const aligner = new BarrierAligner({ channels: 2 });
  deepEqual([aligner.isBlocked(0), aligner.isBlocked(1)], [false, false]);
});

test("BarrierAligner triggers at once with a single channel, with no alignment time [159, 167]", () => {
  const aligner = new BarrierAligner({ channels: 1 });
  deepEqual(aligner.onBarrier(0, barrier(1, 70), 100), [
    { action: "trigger", barrier: barrier(1, 70), alignmentMs: 0, startDelayMs: 30 },
  ]);
  equal(aligner.isBlocked(0), false);
});

test("BarrierAligner blocks a channel from its barrier until the last one comes, then unblocks in order [160, 167]", () => {
  const aligner = new BarrierAligner({ channels: 3 });
  deepEqual(brief(aligner.onBarrier(2, barrier(1, 90), 100)), ["block 2"]);
  deepEqual([0, 1, 2].map((channel) => aligner.isBlocked(channel)), [false, false, true]);
  deepEqual(brief(aligner.onBarrier(0, barrier(1, 90), 130)), ["block 0"]);
  const actions = aligner.onBarrier(1, barrier(1, 90), 150);
  deepEqual(brief(actions), ["trigger 1", "unblock 2,0"]);
  deepEqual(actions[0], { action: "trigger", barrier: barrier(1, 90), alignmentMs: 50, startDelayMs: 10 });
  deepEqual([0, 1, 2].map((channel) => aligner.isBlocked(channel)), [false, false, false]);
});

test("BarrierAligner gives up a checkpoint for a newer one and aligns that [161]", () => {
  const aligner = new BarrierAligner({ channels: 3 });
  aligner.onBarrier(0, barrier(1), 0);
  aligner.onBarrier(1, barrier(1), 0);
  deepEqual(brief(aligner.onBarrier(2, barrier(2), 0)), ["abort 1 subsumed, decline", "unblock 0,1", "block 2"]);
  deepEqual([0, 1, 2].map((channel) => aligner.isBlocked(channel)), [false, false, true]);
  aligner.onBarrier(0, barrier(2), 0);
  deepEqual(brief(aligner.onBarrier(1, barrier(2), 0)), ["trigger 2", "unblock 2,0"]);
});

test("BarrierAligner ignores barriers of checkpoints that are over, and blocks nothing for them [162]", () => {
  const aligner = new BarrierAligner({ channels: 2 });
  aligner.onBarrier(0, barrier(5), 0);
  equal(aligner.onBarrier(1, barrier(4), 0), NO_ACTIONS);
  equal(aligner.isBlocked(1), false);
  aligner.onBarrier(1, barrier(5), 0);
  equal(aligner.onBarrier(0, barrier(5), 0), NO_ACTIONS);
  equal(aligner.onBarrier(1, barrier(3), 0), NO_ACTIONS);
  deepEqual([aligner.isBlocked(0), aligner.isBlocked(1)], [false, false]);
});

test("BarrierAligner ends an alignment that is cancelled; its later barriers and cancellations are ignored [163]", () => {
  const aligner = new BarrierAligner({ channels: 3 });
  aligner.onBarrier(0, barrier(1), 0);
  deepEqual(brief(aligner.onCancel(1, { checkpointId: 1 })), ["abort 1 cancelled", "unblock 0"]);
  equal(aligner.onCancel(2, { checkpointId: 1 }), NO_ACTIONS);
  equal(aligner.onBarrier(2, barrier(1), 0), NO_ACTIONS);
  equal(aligner.isBlocked(2), false);
  deepEqual(brief(aligner.onBarrier(1, barrier(2), 0)), ["block 1"]);
});

test("BarrierAligner never starts a checkpoint whose cancellation comes first; an older alignment ends [164]", () => {
  const aligner = new BarrierAligner({ channels: 2 });
  deepEqual(brief(aligner.onCancel(0, { checkpointId: 1 })), ["abort 1 cancelled"]);
  equal(aligner.onBarrier(1, barrier(1), 0), NO_ACTIONS);
  aligner.onBarrier(0, barrier(2), 0);
  deepEqual(brief(aligner.onCancel(1, { checkpointId: 3 })), [
    "abort 2 subsumed, decline",
    "unblock 0",
    "abort 3 cancelled",
  ]);
});

test("BarrierAligner takes the end of an input for its barrier [165]", () => {
  const aligner = new BarrierAligner({ channels: 2 });
  aligner.onBarrier(0, barrier(1), 10);
  deepEqual(brief(aligner.onEnd(1, 30)), ["trigger 1", "unblock 0"]);
});

test("BarrierAligner aborts at the end of an input when finished subtasks are not allowed [165]", () => {
  const aligner = new BarrierAligner({ channels: 3, afterTasksFinish: false });
  aligner.onBarrier(0, barrier(1), 0);
  deepEqual(brief(aligner.onEnd(1, 0)), ["abort 1 input-ended, decline", "unblock 0"]);
});

test("BarrierAligner does not wait for channels that have ended; barrier and end count once [166]", () => {
  const aligner = new BarrierAligner({ channels: 3 });
  equal(aligner.onEnd(0, 0), NO_ACTIONS);
  equal(aligner.onEnd(0, 0), NO_ACTIONS);
  deepEqual(brief(aligner.onBarrier(1, barrier(1), 0)), ["block 1"]);
  equal(aligner.onEnd(1, 0), NO_ACTIONS);
  deepEqual(brief(aligner.onBarrier(2, barrier(1), 0)), ["trigger 1", "unblock 1"]);
  deepEqual(brief(aligner.onBarrier(2, barrier(2), 0)), ["trigger 2"]);
});

test("BarrierAligner does not wait for feedback channels and never blocks them", () => {
  const aligner = new BarrierAligner({ channels: 3, feedback: [1] });
  equal(aligner.onBarrier(1, barrier(1), 0), NO_ACTIONS);
  aligner.onBarrier(0, barrier(1), 0);
  deepEqual(brief(aligner.onBarrier(2, barrier(1), 0)), ["trigger 1", "unblock 0"]);
  equal(aligner.isBlocked(1), false);
});

test("BarrierAligner does not take a checkpoint that was aborted before its barrier came, and forwards that [184]", () => {
  const aligner = new BarrierAligner({ channels: 2 });
  equal(aligner.onAborted(3), NO_ACTIONS);
  deepEqual(brief(aligner.onBarrier(0, barrier(3), 0)), ["abort 3 aborted"]);
  equal(aligner.onBarrier(1, barrier(3), 0), NO_ACTIONS);
  deepEqual([aligner.isBlocked(0), aligner.isBlocked(1)], [false, false]);
  aligner.onBarrier(0, barrier(4), 0);
  deepEqual(brief(aligner.onAborted(4)), ["abort 4 aborted", "unblock 0"]);
  equal(aligner.onAborted(4), NO_ACTIONS);
});

test("BarrierAligner remembers a bounded number of aborted checkpoints, the newest [184]", () => {
  const aligner = new BarrierAligner({ channels: 1 });
  for (let id = 1; id <= 1000; id++) aligner.onAborted(id);
  deepEqual(brief(aligner.onBarrier(0, barrier(1), 0)), ["trigger 1"], "forgotten: as if never aborted");
  deepEqual(brief(aligner.onBarrier(0, barrier(1000), 0)), ["abort 1000 aborted"]);
});

test("BarrierAligner refuses to be made without channels", () => {
  throws(() => new BarrierAligner({ channels: 0 }), RangeError);
});

test("BarrierAligner over random channels and barriers: no deadlock, nothing lost, ids go up [168]", () => {
  for (let seed = 1; seed <= scaled(300, 20_000); seed++) {
    const { next } = seededRandom(seed);
    const pick = (count: number) => Math.floor(next() * count);
    const channels = 1 + pick(5);
    const aligner = new BarrierAligner({ channels });
    // Each channel is a queue of records (0), barriers (id > 0), cancellations (-id), then its end.
    const queues = Array.from({ length: channels }, () => {
      const queue: number[] = [];
      for (let id = 1; id <= 20; id++) {
        for (let count = pick(4); count > 0; count--) queue.push(0);
        const fate = next();
        if (fate < 0.8) queue.push(id);
        else if (fate < 0.9) queue.push(-id);
      }
      return queue;
    });
    const blocked = new Set<number>();
    const ended = new Set<number>();
    let lastId = 0;
    let records = 0;
    const expected = queues.flat().filter((item) => item === 0).length;
    const carryOut = (actions: readonly BarrierAction[]) => {
      for (const one of actions) {
        if (one.action === "block") blocked.add(one.channel);
        else if (one.action === "unblock") { for (const channel of one.channels) ok(blocked.delete(channel)); }
        else if (one.action === "trigger") {
          ok(one.barrier.checkpointId > lastId, `seed ${seed}`);
          lastId = one.barrier.checkpointId;
        }
      }
    };
    while (ended.size < channels) {
      const ready = queues.map((_, channel) => channel).filter((channel) =>
        !blocked.has(channel) && !ended.has(channel)
      );
      ok(ready.length > 0, `deadlock, seed ${seed}`);
      const channel = ready[pick(ready.length)]!;
      equal(aligner.isBlocked(channel), false, `seed ${seed}`);
      const item = queues[channel]!.shift();
      if (item === undefined) {
        ended.add(channel);
        carryOut(aligner.onEnd(channel, 0));
      } else if (item === 0) records++;
      else if (item > 0) carryOut(aligner.onBarrier(channel, barrier(item), 0));
      else carryOut(aligner.onCancel(channel, { checkpointId: -item }));
    }
    equal(records, expected, `seed ${seed}`);
    equal(blocked.size, 0, `seed ${seed}`);
  }
});
