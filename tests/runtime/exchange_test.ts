import { deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import { test } from "node:test";
import type { Barrier } from "../../core/element.ts";
import { keyGroupOf, operatorIndexOf } from "../../core/key_groups.ts";
import { callbackSink, collectSink, fromIterable, KeyedActor } from "../../mod.ts";
import { Batch, BATCH_SIZE, Channel, CHANNEL_CAPACITY } from "../../runtime/channel.ts";
import { BroadcastExchange, HashExchange, RebalanceExchange } from "../../runtime/exchange.ts";
import { runJob, startJob, ValveSink, ValveSource } from "./engine_harness.ts";

/** Counts how often an exchange has said that its credit changed. */
class Owner {
  changes = 0;
  creditChanged(): void {
    this.changes++;
  }
}

function channels(count: number, capacity?: number): Channel[] {
  return Array.from({ length: count }, () => new Channel(capacity));
}

function barrier(checkpointId: number): Barrier {
  return { checkpointId, timestampMs: 0, type: "checkpoint", full: false, format: null };
}

/** Takes all that waits in a channel: records as values, marks as text, watermarks as `w<ms>` where they rise. */
function drain(channel: Channel): unknown[] {
  const taken: unknown[] = [];
  let watermarkMs = Number.NEGATIVE_INFINITY;
  const rise = (toMs: number) => {
    if (toMs > watermarkMs) taken.push(`w${watermarkMs = toMs}`);
  };
  for (let element = channel.peek(); element !== undefined; element = channel.peek()) {
    if (element instanceof Batch) {
      element.values.forEach((value, i) => {
        rise(element.watermarks[i]!);
        taken.push(value);
      });
      rise(element.lastWatermarkMs);
    } else if (element.kind === "watermark") rise(element.watermarkMs);
    else if (element.kind === "barrier") taken.push(`barrier ${element.barrier.checkpointId}`);
    else if (element.kind === "cancel-barrier") taken.push(`cancel ${element.checkpointId}`);
    else if (element.kind === "idle") taken.push(element.isIdle ? "idle" : "active");
    else taken.push("end");
    channel.shift();
  }
  return taken;
}

test("Channel has credit for `capacity` batches, and tells its sender once there is some again", () => {
  const channel = new Channel(2);
  let returned = 0;
  channel.sender = { creditReturned: () => returned++ };
  channel.send(new Batch());
  ok(channel.hasCredit);
  channel.send(new Batch());
  ok(!channel.hasCredit);
  equal(channel.queuedBatches, 2);
  channel.shift();
  equal(returned, 1);
  channel.shift();
  equal(returned, 1);
  equal(channel.queuedBatches, 0);
});

test("Channel takes marks without credit, and keeps one of watermarks that follow each other", () => {
  const channel = new Channel(1);
  channel.send(new Batch());
  channel.send({ kind: "barrier", barrier: barrier(1) });
  for (let watermarkMs = 0; watermarkMs < 1_000; watermarkMs++) channel.send({ kind: "watermark", watermarkMs });
  equal(channel.queue.length, 3);
  deepEqual(drain(channel), ["barrier 1", "w999"]);
});

test("an exchange keeps the order of records, watermarks, barriers, idleness and the end", () => {
  const [channel] = channels(1);
  const exchange = new BroadcastExchange<string>([channel!], new Owner());
  exchange.collect("a", 1);
  exchange.watermark(1);
  exchange.collect("b", 2);
  exchange.barrier(barrier(7));
  exchange.collect("c", 3);
  exchange.watermark(3);
  exchange.watermark(2); // Does not rise: ignored.
  exchange.cancelBarrier(8);
  exchange.idle(true);
  exchange.idle(false);
  exchange.collect("d", 4);
  exchange.watermark(4);
  exchange.endOfInput();
  deepEqual(drain(channel!), ["a", "w1", "b", "barrier 7", "c", "w3", "cancel 8", "idle", "active", "d", "w4", "end"]);
});

test("an exchange sends a watermark to every channel, also to those without records", () => {
  const [left, right] = channels(2);
  const exchange = new RebalanceExchange<string>([left!, right!], new Owner(), 0);
  exchange.collect("a", 1);
  exchange.watermark(5);
  exchange.flush();
  exchange.flush(); // Nothing is new: nothing is sent.
  deepEqual(drain(left!), ["a", "w5"]);
  deepEqual(drain(right!), ["w5"]);
});

test("where batches are cut does not change what a receiver sees", () => {
  const seen = [1, 3, BATCH_SIZE + 1].map((every) => {
    const [channel] = channels(1, 10_000);
    const exchange = new BroadcastExchange<number>([channel!], new Owner());
    for (let i = 0; i < 2_000; i++) {
      if (i % 7 === 0) exchange.watermark(i);
      exchange.collect(i, i);
      if (i % 500 === 0) exchange.barrier(barrier(i + 1));
      if (i % every === 0) exchange.flush();
    }
    exchange.flush();
    return drain(channel!).join();
  });
  equal(seen[1], seen[0]);
  equal(seen[2], seen[0]);
});

test("RebalanceExchange deals records in turn, beginning with the sender's index", () => {
  const lanes = channels(3);
  const exchange = new RebalanceExchange<number>(lanes, new Owner(), 4);
  for (let i = 0; i < 7; i++) exchange.collect(i, 0);
  exchange.flush();
  deepEqual(lanes.map((lane) => drain(lane)), [[2, 5], [0, 3, 6], [1, 4]]);
});

test("BroadcastExchange gives every record to every channel", () => {
  const lanes = channels(3);
  const exchange = new BroadcastExchange<number>(lanes, new Owner());
  for (let i = 0; i < 4; i++) exchange.collect(i, 0);
  exchange.flush();
  deepEqual(lanes.map((lane) => drain(lane)), [[0, 1, 2, 3], [0, 1, 2, 3], [0, 1, 2, 3]]);
});

test("HashExchange sends each key to the subtask that owns its key group [57]", () => {
  const maxParallelism = 10;
  const lanes = channels(3, 100);
  const target = { operatorName: "sum", senderIndex: 0 };
  const exchange = new HashExchange<string>(lanes, new Owner(), (value) => value, maxParallelism, target);
  const keys = Array.from({ length: 200 }, (_, i) => `key-${i}`);
  for (const key of keys) exchange.collect(key, 0);
  exchange.flush();
  const expected = lanes.map((_, lane) =>
    keys.filter((key) =>
      operatorIndexOf(keyGroupOf(key, maxParallelism), { parallelism: lanes.length, maxParallelism }) === lane
    )
  );
  ok(expected.every((lane) => lane.length > 0));
  deepEqual(lanes.map((lane) => drain(lane)), expected);
});

test("an exchange without credit is blocked, counts what is taken all the same, and loses nothing", () => {
  const [channel] = channels(1, 2);
  const owner = new Owner();
  const exchange = new BroadcastExchange<number>([channel!], owner);
  const total = 5 * BATCH_SIZE;
  let taken = 0;
  while (!exchange.isBlocked) exchange.collect(taken++, 0);
  // The third batch found no credit.
  equal(taken, 3 * BATCH_SIZE);
  equal(exchange.overshootRecords, 0);
  equal(owner.changes, 1);
  while (taken < total) exchange.collect(taken++, 0);
  exchange.barrier(barrier(1));
  equal(exchange.overshootRecords, 2 * BATCH_SIZE);
  equal(exchange.recordsOut, total);
  equal(channel!.queuedBatches, 2);

  deepEqual(drain(channel!), [...Array.from({ length: total }, (_, i) => i), "barrier 1"]);
  ok(!exchange.isBlocked);
  equal(owner.changes, 2);
});

test("one channel without credit blocks the exchange; others get what they can take", () => {
  const [full, free] = channels(2, 1);
  const exchange = new RebalanceExchange<number>([full!, free!], new Owner(), 0);
  exchange.collect(0, 0);
  exchange.collect(1, 0);
  exchange.flush();
  drain(free!);
  exchange.collect(2, 0);
  exchange.collect(3, 0);
  exchange.flush();
  ok(exchange.isBlocked);
  deepEqual(drain(free!), [3]);
  deepEqual(drain(full!), [0, 2]);
  ok(!exchange.isBlocked);
});

test("a slow sink stops a fast source, and what waits between them is bounded", async () => {
  const count = 200_000;
  const source = new ValveSource([Array.from({ length: count }, (_, i) => i)]);
  source.finish();
  const sink = new ValveSink<number>(100);
  const run = await startJob((env) => env.fromSource("fast", source).rebalance().sinkTo("slow", sink), {
    config: { "parallelism.default": 2 },
  });
  await run.rounds(200);
  // Two subtasks of the sink ask every 64 records; each channel holds its batches, the sender one in hand and one that waits.
  const bound = 100 + 2 * 64 + 2 * (CHANNEL_CAPACITY + 2) * BATCH_SIZE;
  ok(source.recordsRead <= bound, `${source.recordsRead} records were read, ${bound} may be`);
  const stoppedAt = source.recordsRead;
  await run.rounds(200);
  equal(source.recordsRead, stoppedAt);
  for (let admitted = 0; !run.isOver; admitted += 1_000) {
    sink.admit(1_000);
    await run.rounds(4);
    ok(source.recordsRead - sink.values.length <= bound, "the source runs ahead of the sink");
    ok(admitted <= 2 * count, "it must come to its end");
  }
  equal(sink.values.length, count);
  equal(new Set(sink.values).size, count);
});

test("a slow sink in the chain of its source stops it, too", async () => {
  const source = new ValveSource([Array.from({ length: 10_000 }, (_, i) => i)]);
  source.finish();
  const sink = new ValveSink<number>(10);
  const run = await startJob((env) => env.fromSource("fast", source).map((n) => n).sinkTo("slow", sink));
  await run.rounds(50);
  ok(sink.values.length <= 10 + 64, `${sink.values.length} records were written`);
  equal(source.recordsRead, sink.values.length);
  sink.admit(20_000);
  await run.end();
  deepEqual(sink.values, Array.from({ length: 10_000 }, (_, i) => i));
});

test("timers that fire wait for a slow sink in their chain", async () => {
  class Flood extends KeyedActor<number, number, number> {
    override onMessage(value: number): void {
      this.timers.registerEventTime(value);
    }
    override onTimer(timestampMs: number): void {
      this.emit(timestampMs);
    }
  }
  const sink = new ValveSink<number>(10);
  const numbers = Array.from({ length: 5_000 }, (_, i) => i);
  const run = await startJob((env) =>
    env.fromSource("numbers", fromIterable(numbers)).keyBy(() => 0).actor("flood", () => new Flood())
      .sinkTo("slow", sink)
  );
  await run.rounds(100);
  ok(sink.values.length > 0 && sink.values.length <= 10 + 64, `${sink.values.length} records were written`);
  sink.admit(10_000);
  await run.end();
  deepEqual(sink.values, numbers);
});

test("callbackSink never has many more promises under way than maxConcurrency", async () => {
  let underWay = 0;
  let most = 0;
  const sink = callbackSink<number>(async () => {
    most = Math.max(most, ++underWay);
    await Promise.resolve();
    underWay--;
  }, { maxConcurrency: 16 });
  await runJob((env) =>
    env.fromSource("s", fromIterable(Array.from({ length: 5_000 }, (_, i) => i))).sinkTo("out", sink)
  );
  ok(most >= 16 && most <= 16 + 64, `${most} were under way`);
  equal(underWay, 0);
});

test("broadcast() and rebalance() at parallelism 3: everything three times, everything once", async () => {
  const all = collectSink<number>();
  const dealt = collectSink<number>();
  await runJob((env) => {
    const numbers = env.fromSource("numbers", fromIterable([1, 2, 3, 4, 5, 6]));
    numbers.broadcast().map((n) => n).setParallelism(3).sinkTo("all", all);
    numbers.rebalance().map((n) => n).setParallelism(3).sinkTo("dealt", dealt);
  });
  deepEqual([...all.values].sort(), [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5, 6, 6, 6]);
  deepEqual([...dealt.values].sort(), [1, 2, 3, 4, 5, 6]);
});
