import { deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import { test } from "node:test";
import type { MetricReading } from "../../inspection.ts";
import {
  collectSink,
  fixedDelay,
  fromIterable,
  type Job,
  KeyedActor,
  outputTag,
  type StreamEnvironment,
  watermarks,
} from "../../mod.ts";
import { ON_DEMAND, startJob, ValveSink, ValveSource } from "./engine_harness.ts";

/** Value of a metric of an operator, over all its subtasks. */
function ofOperator(job: Job, operatorName: string, name: string): number[] {
  return job.metrics.snapshot().filter((reading) =>
    reading.scope.kind === "operator" && reading.scope.operatorName === operatorName && reading.name === name
  ).map((reading) => Number(reading.value));
}

function ofTasks(job: Job, name: string): MetricReading["value"][] {
  return job.metrics.snapshot().filter((reading) => reading.scope.kind === "task" && reading.name === name)
    .map((reading) => reading.value);
}

function ofJob(job: Job, name: string): MetricReading["value"] {
  return job.metrics.snapshot().find((reading) => reading.scope.kind === "job" && reading.name === name)!.value;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

const odd = outputTag<number>("odd");

/** 100 numbers: all go through `split`, the odd ones to a side, the even ones to two readers. */
function pipeline(out = collectSink<number>()) {
  return (env: StreamEnvironment) => {
    const split = env.fromSource(
      "numbers",
      fromIterable(Array.from({ length: 100 }, (_, i) => i)),
      watermarks((n) => n),
    )
      .flatMap((n) => [n, n]).process<number>("split", (n, context) => {
        if (n % 2 === 1) context.emitTo(odd, n);
        else context.emit(n);
      });
    split.keyBy((n) => n).reduce("sum", (a, b) => a + b).sinkTo("sums", out);
    split.broadcast().filter((n) => n < 10).sinkTo("small", collectSink<number>());
    split.sideOutput(odd).sinkTo("odds", collectSink<number>());
  };
}

for (const parallelism of [1, 3]) {
  test(`numRecordsIn and numRecordsOut of every operator, parallelism ${parallelism}`, async () => {
    const run = await startJob(pipeline(), { config: { "parallelism.default": parallelism } });
    await run.end();
    const { job } = run;
    const figures = (operator: string) => [
      sum(ofOperator(job, operator, "numRecordsIn")),
      sum(ofOperator(job, operator, "numRecordsOut")),
    ];
    deepEqual(figures("numbers"), [100, 100]);
    deepEqual(figures("flatMap-1"), [100, 200]);
    deepEqual(figures("split"), [200, 200]);
    deepEqual(figures("sum"), [100, 100]);
    deepEqual(figures("sums"), [100, 100]);
    deepEqual(figures("odds"), [100, 100]);
    equal(ofOperator(job, "sum", "numRecordsIn").length, parallelism);
    // At parallelism 1 everything is one chain of which only the three sinks send anything anywhere.
    if (parallelism === 1) deepEqual(ofTasks(job, "numRecordsOut"), [100 + 10 + 100]);
    else deepEqual(ofTasks(job, "numRecordsIn").slice(0, 1), [100]);
  });
}

test("watermarks of operators: what came in and what went out; a watermark whose timers fire has not gone out", async () => {
  class Slow extends KeyedActor<number, number, number> {
    override onMessage(value: number): void {
      this.timers.registerEventTime(value);
    }
    override onTimer(timestampMs: number): void {
      this.emit(timestampMs);
    }
  }
  const source = new ValveSource([Array.from({ length: 2_000 }, () => 5).concat(9, 20)]);
  const slow = new ValveSink<number>(10);
  let key = 0;
  const run = await startJob((env) =>
    env.fromSource("s", source, watermarks((n) => n)).map((n) => n).keyBy(() => key++).actor("slow", () => new Slow())
      .sinkTo("out", slow)
  );
  source.openTo(2_001);
  await run.rounds(100);
  deepEqual(ofOperator(run.job, "s", "currentOutputWatermark"), [8]);
  deepEqual(ofOperator(run.job, "map-1", "currentInputWatermark"), [8]);
  deepEqual(ofOperator(run.job, "slow", "currentInputWatermark"), [8]);
  deepEqual(ofOperator(run.job, "slow", "currentOutputWatermark"), [4]);
  deepEqual(ofOperator(run.job, "out", "currentInputWatermark"), [4]);
  deepEqual(ofTasks(run.job, "isBackPressured"), ["true"]);
  slow.admit(Number.POSITIVE_INFINITY);
  await run.rounds(100);
  deepEqual(ofOperator(run.job, "slow", "currentOutputWatermark"), [8]);
  deepEqual(ofOperator(run.job, "slow", "numFiredTimers"), [2_000]);
  deepEqual(ofTasks(run.job, "isBackPressured"), ["false"]);
  source.finish();
  await run.end();
  deepEqual(ofOperator(run.job, "out", "currentInputWatermark"), [Number.POSITIVE_INFINITY]);
});

test("the watermark of a task is the minimum over its inputs", async () => {
  const source = new ValveSource([[10, 30], [20, 40]]);
  const run = await startJob((env) =>
    env.fromSource("s", source, watermarks((n) => n)).setParallelism(2).rebalance().map((n) => n).setParallelism(1)
      .sinkTo("out", new ValveSink(100))
  );
  source.openTo(1);
  await run.rounds(20);
  deepEqual(ofTasks(run.job, "currentInputWatermark").at(-1), 9);
  source.finish();
  await run.end();
});

test("busy, idle and back-pressured time add up to the time that has passed", async () => {
  const source = new ValveSource([Array.from({ length: 50_000 }, (_, i) => i)]);
  const sink = new ValveSink<number>(1);
  const run = await startJob((env) =>
    env.fromSource("s", source).rebalance().map((n) => n).setParallelism(2).sinkTo("out", sink)
  );
  const rates = (name: string) => ofTasks(run.job, name).map(Number);
  const forMs = async (ms: number) => {
    const untilMs = run.clock.nowMs() + ms;
    await run.until(() => run.clock.nowMs() >= untilMs);
  };
  await forMs(10_000);
  for (const idle of rates("idleTimeMsPerSecond")) ok(idle > 950, `nothing to do, idle ${idle} ms/s`);
  source.finish();
  await forMs(20_000);
  equal(rates("backPressuredTimeMsPerSecond").length, 3);
  for (const held of rates("backPressuredTimeMsPerSecond")) ok(held > 950, `held back for ${held} ms/s`);
  deepEqual(rates("numRecordsInPerSecond"), [0, 0, 0]);
  for (let task = 0; task < 3; task++) {
    const total = ["busy", "idle", "backPressured"].map((name) => rates(`${name}TimeMsPerSecond`)[task]!);
    ok(Math.abs(sum(total) - 1_000) < 20, `${total} must add up to a second`);
  }
  sink.admit(Number.POSITIVE_INFINITY);
  await run.end();
});

test("rates are sampled once a second while the job runs, and never after", async () => {
  const source = new ValveSource([Array.from({ length: 10_000 }, (_, i) => i)]);
  const run = await startJob((env) => env.fromSource("s", source).sinkTo("out", collectSink()));
  await run.rounds(5);
  for (let second = 1; second <= 5; second++) {
    source.openTo(second * 300);
    await run.rounds(20);
    run.clock.advance(1_000);
    await run.rounds(5);
  }
  const [perSecond] = ofOperator(run.job, "s", "numRecordsInPerSecond");
  ok(Math.abs(perSecond! - 300) < 5, `${perSecond} records a second`);
  source.finish();
  await run.end();
  equal(run.clock.scheduledCount, 0);
});

test("an actor's own counters, gauges and histograms are in its operator's scope", async () => {
  class Measured extends KeyedActor<string, string, string> {
    readonly #words = this.metrics.counter("words");
    readonly #lengths = this.metrics.histogram("lengths");
    #longest = "";
    override onOpen(): void {
      this.metrics.gauge("longest", () => this.#longest);
    }
    override onMessage(word: string): void {
      this.#words.inc();
      this.#lengths.update(word.length);
      if (word.length > this.#longest.length) this.#longest = word;
      this.metrics.counter("words").inc(10);
    }
  }
  const run = await startJob((env) => {
    const words = env.fromSource("s", fromIterable(["a", "bbb", "cc"]));
    words.keyBy(() => "all").actor("measured", () => new Measured()).sinkTo("out", collectSink());
    words.process<never>("step", (_word, context) => context.metrics.counter("steps").inc()).sinkTo(
      "none",
      collectSink(),
    );
    words.keyBy((word) => word).process("keyed", {
      onMessage: (_word, context) => context.metrics.counter("keyed steps").inc(),
    });
  });
  await run.end();
  deepEqual(ofOperator(run.job, "measured", "words"), [33]);
  deepEqual(ofOperator(run.job, "step", "steps"), [3]);
  deepEqual(ofOperator(run.job, "keyed", "keyed steps"), [3]);
  const readings = run.job.metrics.snapshot();
  equal(readings.find(({ name }) => name === "longest")?.value, "bbb");
  const lengths = readings.find(({ name }) => name === "lengths");
  ok(lengths?.type === "histogram" && lengths.value.count === 3 && lengths.value.max === 3);
});

test("metrics of the job: restarts and checkpoints", async () => {
  const source = new ValveSource([[1, 2, 3]]);
  let hasFailed = false;
  const run = await startJob((env) =>
    env.fromSource("s", source).map((n) => {
      if (n === 2 && !hasFailed) {
        hasFailed = true;
        throw new Error("once");
      }
      return n;
    }).keyBy((n) => n).reduce("sum", (a, b) => a + b).sinkTo("out", collectSink()), {
    config: ON_DEMAND,
    restart: fixedDelay({ attempts: 1, delayMs: 10 }),
  });
  const { job } = run;
  deepEqual(
    ["numRestarts", "lastCompletedCheckpointId", "lastCheckpointSize", "lastCheckpointExternalPath"].map((name) =>
      ofJob(job, name)
    ),
    [0, -1, -1, "n/a"],
  );
  source.openTo(1);
  await run.rounds(20);
  const pending = job.triggerCheckpoint();

  await run.settled(pending);
  equal(ofJob(job, "lastCompletedCheckpointId"), 1);
  equal(ofJob(job, "numberOfCompletedCheckpoints"), 1);
  ok(Number(ofJob(job, "lastCheckpointSize")) > 0);
  ok(Number(ofJob(job, "lastCheckpointFullSize")) >= Number(ofJob(job, "lastCheckpointSize")));
  ok(Number(ofJob(job, "lastCheckpointDuration")) >= 0);
  source.finish();
  await run.end();
  equal(ofJob(job, "numRestarts"), 1);
  equal(ofJob(job, "totalNumberOfCheckpoints"), 2);
  equal(ofJob(job, "numberOfFailedCheckpoints"), 0);
  equal(ofJob(job, "lastCompletedCheckpointId"), 2);
  // Counts of subtasks begin anew with the attempt: records 2 and 3.
  deepEqual(ofOperator(job, "s", "numRecordsIn"), [2]);
});

test("alignment time and start delay of the newest checkpoint, in nanoseconds [167]", async () => {
  const source = new ValveSource([[1], [2]]);
  const run = await startJob(
    (env) =>
      env.fromSource("s", source).setParallelism(2).keyBy((n) => n).reduce("sum", (a, b) => a + b).setParallelism(1)
        .sinkTo("out", collectSink()),
    { config: ON_DEMAND },
  );
  source.openTo(1);
  await run.rounds(20);
  // The coordinator makes the barrier, then a quarter of a second goes by before anything runs.
  const pending = run.job.triggerCheckpoint();
  await run.clock.settle();
  run.clock.advance(250);
  await run.settled(pending);
  const delays = ofTasks(run.job, "checkpointStartDelayNanos").map(Number);
  ok(delays.length === 3 && delays.every((nanos) => nanos >= 250e6), `${delays}`);
  deepEqual(ofTasks(run.job, "checkpointAlignmentTime"), [0, 0, 0]);
  source.finish();
  await run.end();
});
