import { deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import { test } from "node:test";
import { BarrierAligner } from "../../checkpoint/barrier_aligner.ts";
import { BarrierTracker } from "../../checkpoint/barrier_tracker.ts";
import type { BarrierHandler } from "../../checkpoint/barrier_handler.ts";
import { MAX_WATERMARK } from "../../core/element.ts";
import { Channel } from "../../runtime/channel.ts";
import { BroadcastExchange } from "../../runtime/exchange.ts";
import { type GateOwner, InputGate } from "../../runtime/input_gate.ts";
import { WatermarkValve } from "../../timers/watermark_valve.ts";
import { SeededRandom } from "../connectors/contexts.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { scaled } from "../support/scale.ts";

/** A gate with real channels and real senders; everything that it hands out is written down. */
class GateHarness {
  readonly seen: string[] = [];
  /** What a snapshot at that barrier would hold. */
  readonly snapshots = new Map<number, readonly string[]>();
  readonly declined: number[] = [];
  readonly senders: BroadcastExchange<string>[];
  readonly channels: Channel[];
  readonly gate: InputGate;
  readonly handler: BarrierHandler;
  /** Asked between two records. */
  shouldPause: () => boolean = () => false;

  constructor(count: number, exactlyOnce: boolean) {
    this.channels = Array.from({ length: count }, () => new Channel(2));
    this.senders = this.channels.map((channel) => new BroadcastExchange<string>([channel], { creditChanged() {} }));
    this.handler = exactlyOnce ? new BarrierAligner({ channels: count }) : new BarrierTracker({ channels: count });
    const owner: GateOwner = {
      shouldPause: () => this.shouldPause(),
      wake: () => {},
      barrier: ({ barrier }) => {
        this.snapshots.set(barrier.checkpointId, [...this.seen]);
      },
      barrierAborted: (checkpointId, _reason, decline) => {
        if (decline) this.declined.push(checkpointId);
      },
    };
    const head = {
      collect: (value: unknown) => void this.seen.push(String(value)),
      watermark: (watermarkMs: number) => void this.seen.push(`w${watermarkMs}`),
      idle: (isIdle: boolean) => void this.seen.push(isIdle ? "idle" : "active"),
    };
    this.gate = new InputGate(
      this.channels,
      this.channels.map(() => head),
      head,
      new WatermarkValve(count),
      this.handler,
      owner,
      new ManualClock(),
    );
  }

  send(sender: number, ...values: string[]): void {
    for (const value of values) this.senders[sender]!.collect(value, 0);
    this.senders[sender]!.flush();
  }

  watermark(sender: number, watermarkMs: number): void {
    this.senders[sender]!.watermark(watermarkMs);
    this.senders[sender]!.flush();
  }

  barrier(sender: number, checkpointId: number): void {
    this.senders[sender]!.barrier({ checkpointId, timestampMs: 0, type: "checkpoint", full: false, format: null });
  }

  /** Runs the gate and returns what it has handed out. */
  run(): string[] {
    const before = this.seen.length;
    this.gate.process();
    return this.seen.slice(before);
  }
}

test("without barriers records pass in the order of each channel, and no channel is blocked [158]", () => {
  const harness = new GateHarness(2, true);
  harness.send(0, "a1", "a2");
  harness.send(1, "b1");
  deepEqual(harness.run(), ["a1", "a2", "b1"]);
  deepEqual([0, 1].map((channel) => harness.handler.isBlocked(channel)), [false, false]);
});

test("the first barrier blocks its channel until the last one has come; what it held back follows [160]", () => {
  const harness = new GateHarness(2, true);
  harness.send(0, "a1");
  harness.barrier(0, 1);
  harness.send(0, "a2");
  harness.send(1, "b1");
  deepEqual(harness.run(), ["a1", "b1"]);
  equal(harness.snapshots.size, 0);
  harness.send(1, "b2");
  harness.barrier(1, 1);
  harness.send(1, "b3");
  deepEqual(harness.run(), ["b2", "a2", "b3"]);
  deepEqual(harness.snapshots.get(1), ["a1", "b1", "b2"]);
});

test("at-least-once blocks nothing: a snapshot may hold records behind a barrier [169]", () => {
  const harness = new GateHarness(2, false);
  harness.barrier(0, 1);
  harness.send(0, "a1");
  harness.send(1, "b1");
  deepEqual(harness.run(), ["b1", "a1"]);
  harness.barrier(1, 1);
  harness.run();
  deepEqual(harness.snapshots.get(1), ["b1", "a1"]);
});

test("the gate goes on in the middle of a batch after a pause, with the same channel", () => {
  const harness = new GateHarness(2, true);
  harness.send(0, "a1", "a2", "a3");
  harness.send(1, "b1");
  harness.shouldPause = () => true;
  deepEqual(harness.run(), ["a1"]);
  deepEqual(harness.run(), ["a2"]);
  harness.shouldPause = () => false;
  deepEqual(harness.run(), ["a3", "b1"]);
});

test("the watermark is the minimum over the inputs, and rises between the records where the senders' did", () => {
  const harness = new GateHarness(2, true);
  const { senders } = harness;
  senders[0]!.collect("a1", 1);
  senders[0]!.watermark(1);
  senders[0]!.collect("a2", 5);
  senders[0]!.watermark(5);
  senders[0]!.flush();
  deepEqual(harness.run(), ["a1", "a2"]);
  senders[1]!.watermark(2);
  senders[1]!.collect("b1", 3);
  senders[1]!.watermark(9);
  senders[1]!.flush();
  deepEqual(harness.run(), ["w2", "b1", "w5"]);
});

test("an idle input does not hold event time back; an active one does again", () => {
  const harness = new GateHarness(2, true);
  harness.watermark(0, 10);
  deepEqual(harness.run(), []);
  harness.senders[1]!.idle(true);
  deepEqual(harness.run(), ["w10"]);
  harness.senders[0]!.idle(true);
  deepEqual(harness.run(), ["idle"]);
  harness.senders[1]!.idle(false);
  deepEqual(harness.run(), ["active"]);
  harness.watermark(1, 20);
  deepEqual(harness.run(), ["w20"]);
});

test("an input that has ended counts as the end of time for the minimum, the others go on", () => {
  const harness = new GateHarness(2, true);
  harness.watermark(0, 10);
  harness.watermark(1, 3);
  deepEqual(harness.run(), ["w3"]);
  harness.senders[1]!.watermark(MAX_WATERMARK);
  harness.senders[1]!.endOfInput();
  deepEqual(harness.run(), ["w10"]);
  harness.senders[0]!.watermark(MAX_WATERMARK);
  harness.senders[0]!.endOfInput();
  deepEqual(harness.run(), ["wInfinity"]);
  equal(harness.gate.process(), "ended");
});

test("a barrier passes on channels that have ended", () => {
  const harness = new GateHarness(2, true);
  harness.senders[0]!.endOfInput();
  harness.run();
  harness.barrier(1, 4);
  harness.run();
  equal(harness.snapshots.size, 0);
  harness.barrier(0, 4);
  harness.run();
  ok(harness.snapshots.has(4));
});

test("passBarriers() takes barriers that are next in their channel, and no record before or after them", () => {
  const harness = new GateHarness(2, true);
  harness.send(0, "a1");
  harness.barrier(0, 1);
  harness.barrier(1, 1);
  harness.send(1, "b1");
  ok(harness.gate.passBarriers());
  ok(!harness.gate.passBarriers());
  deepEqual(harness.seen, []);
  equal(harness.snapshots.size, 0);
  deepEqual(harness.run(), ["a1", "b1"]);
  deepEqual(harness.snapshots.get(1), ["a1"]);
});

/** What one sender has sent before a barrier. */
type Sent = readonly string[];

/** Sends at random through all channels, runs the gate at random, and returns what each snapshot had to hold. */
function randomHistory(harness: GateHarness, random: SeededRandom, steps: number): Map<number, Sent[]> {
  const count = harness.senders.length;
  const sent: string[][] = harness.senders.map(() => []);
  const due = new Map<number, Sent[]>();
  const nextBarrier = harness.senders.map(() => 1);
  harness.shouldPause = () => random.next() < 0.3;
  let lastBarrier = 0;
  const pick = () => Math.floor(random.next() * count);
  const sendBarrier = (sender: number) => {
    const checkpointId = nextBarrier[sender]!++;
    const cut = due.get(checkpointId) ?? due.set(checkpointId, []).get(checkpointId)!;
    cut[sender] = [...sent[sender]!];
    harness.barrier(sender, checkpointId);
  };
  for (let step = 0; step < steps; step++) {
    const dice = random.next();
    const sender = pick();
    if (dice < 0.5) {
      for (let n = Math.floor(random.next() * 5); n > 0; n--) {
        if (harness.senders[sender]!.isBlocked) break;
        const record = `${sender}:${sent[sender]!.length}`;
        sent[sender]!.push(record);
        harness.senders[sender]!.collect(record, 0);
      }
    } else if (dice < 0.65) harness.senders[sender]!.flush();
    else if (dice < 0.75) lastBarrier = Math.max(lastBarrier, nextBarrier[sender]!);
    else if (nextBarrier[sender]! <= lastBarrier) sendBarrier(sender);
    else harness.gate.process();
  }
  // Whatever is under way comes to its end: a gate that stays with something left is a deadlock.
  for (let sender = 0; sender < count; sender++) {
    while (nextBarrier[sender]! <= lastBarrier) sendBarrier(sender);
    harness.senders[sender]!.endOfInput();
  }
  harness.shouldPause = () => false;
  equal(harness.gate.process(), "ended");
  deepEqual(harness.channels.map((channel) => channel.queue.length), harness.channels.map(() => 0));
  const all = sent.flat().sort();
  deepEqual([...harness.seen].sort(), all, "records were lost or doubled");
  for (let sender = 0; sender < count; sender++) {
    deepEqual(harness.seen.filter((record) => record.startsWith(`${sender}:`)), sent[sender], "out of order");
  }
  return due;
}

for (let seed = 1; seed <= scaled(20, 500); seed++) {
  test(`random barriers on many channels: no deadlock, nothing lost or doubled, seed ${seed} [168]`, () => {
    const random = new SeededRandom(seed);
    const harness = new GateHarness(1 + Math.floor(random.next() * 12), true);
    const due = randomHistory(harness, random, 2_000);
    const ids = [...harness.snapshots.keys()];
    deepEqual(ids, [...due.keys()].sort((a, b) => a - b), "every checkpoint once, ids ascending");
    ok(ids.length > 3, `only ${ids.length} checkpoints were taken`);
    for (const [checkpointId, snapshot] of harness.snapshots) {
      deepEqual([...snapshot].sort(), due.get(checkpointId)!.flat().sort(), `checkpoint ${checkpointId}`);
    }
  });

  test(`random barriers without alignment: every snapshot holds at least what came before, seed ${seed} [171]`, () => {
    const random = new SeededRandom(seed + 10_000);
    const harness = new GateHarness(1 + Math.floor(random.next() * 6), false);
    const due = randomHistory(harness, random, 1_000);
    const ids = [...harness.snapshots.keys()];
    deepEqual(ids, ids.toSorted((a, b) => a - b));
    for (const [checkpointId, snapshot] of harness.snapshots) {
      const held = new Set(snapshot);
      ok(due.get(checkpointId)!.flat().every((record) => held.has(record)), `checkpoint ${checkpointId}`);
    }
    deepEqual([...ids, ...harness.declined].sort((a, b) => a - b), [...due.keys()].sort((a, b) => a - b));
  });
}
