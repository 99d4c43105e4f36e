import { deepEqual, ok, strictEqual as equal } from "node:assert/strict";
import { test } from "node:test";
import {
  collectSink,
  fixedDelay,
  fromIterable,
  KeyedActor,
  type StreamEnvironment,
  type TimeDomain,
  valueState,
  type WatermarkGenerator,
  type WatermarkOutput,
  watermarks,
} from "../../mod.ts";
import { BATCH_SIZE, CHANNEL_CAPACITY } from "../../runtime/channel.ts";
import { type EngineRun, ON_DEMAND, runJob, startJob, ValveSink, ValveSource } from "./engine_harness.ts";

interface Tick {
  readonly key: number;
  readonly atMs: number;
}

/** Sets one timer per message, emits when it fires. */
class Alarm extends KeyedActor<number, Tick, number> {
  override onMessage(tick: Tick): void {
    if (tick.key >= 0) this.timers.registerEventTime(1_000);
  }
  override onTimer(): void {
    this.emit(this.key);
  }
}

const TIMERS = 100_000;
/** As many keys as there are timers, then a record that makes them all due, then one behind it. */
const ticks: Tick[] = [
  ...Array.from({ length: TIMERS }, (_, key) => ({ key, atMs: 1 })),
  { key: -1, atMs: 2_000 },
  { key: -2, atMs: 3_000 },
];

function byKey(values: readonly number[]): number[] {
  return [...values].sort((a, b) => a - b);
}

for (const parallelism of [1, 2]) {
  test(
    `a watermark that fires 100,000 timers neither floods the channels nor holds a barrier, parallelism ${parallelism} [129]`,
    {
      timeout: 60_000,
    },
    async () => {
      const source = new ValveSource([ticks]);
      const slow = new ValveSink<number>(1_000);
      const out = collectSink<number>();
      const run = await startJob((env) => {
        const alarms = env.fromSource("ticks", source, watermarks((tick) => tick.atMs)).keyBy((tick) => tick.key)
          .actor("alarm", () => new Alarm());
        alarms.rebalance().map((n) => n).setParallelism(3).sinkTo("slow", slow);
        alarms.sinkTo("out", out);
      }, {
        config: { ...ON_DEMAND, "parallelism.default": parallelism },
      });
      // The barrier comes right behind the watermark; a record between them would have to wait for the timers, and so would it.
      source.openTo(TIMERS + 1);
      await run.until(() => slow.values.length >= 1_000);
      await run.rounds(100);
      const fired = () => firedTimers(run);
      // In front of the slow sinks: three channels of each alarm, a batch in hand and one that waits, 64 records a look.
      const bound = 1_000 + 3 * 64 + parallelism * 3 * (CHANNEL_CAPACITY + 2) * BATCH_SIZE;
      ok(fired() <= bound, `${fired()} timers have fired, ${bound} may have`);

      // The rest of the timers waits for room, the barrier does not wait for them.
      slow.admit(bound);
      const checkpoint = await run.settled(run.job.triggerCheckpoint());
      const firedBefore = fired();
      ok(firedBefore < TIMERS, `all ${firedBefore} timers had to fire first`);
      equal(checkpoint.metadata.checkpointId, 1);

      slow.admit(Number.POSITIVE_INFINITY);
      source.finish();
      await run.end();
      deepEqual(byKey(out.values), Array.from({ length: TIMERS }, (_, key) => key));
    },
  );
}

/** Timers fired, of all subtasks. */
function firedTimers(run: EngineRun): number {
  return run.job.metrics.operators().reduce((sum, group) => sum + group.numFiredTimers.count, 0);
}

for (const parallelism of [1, 2]) {
  test(`a job restored in the middle of a firing fires the rest exactly once, parallelism ${parallelism} [123]`, {
    timeout: 60_000,
  }, async () => {
    const source = new ValveSource([ticks]);
    source.openTo(TIMERS + 1);
    const slow = new ValveSink<number>(5_000);
    const out = collectSink<number>();
    let failOnce = true;
    const run = await startJob((env) => {
      const alarms = env.fromSource("ticks", source, watermarks((tick) => tick.atMs)).keyBy((tick) => tick.key)
        .actor("alarm", () => new Alarm());
      alarms.rebalance().map((n) => {
        if (failOnce && n > 0 && slow.values.length > 40_000) {
          failOnce = false;
          throw new Error("once");
        }
        return n;
      }).setParallelism(3).sinkTo("slow", slow);
      alarms.sinkTo("out", out);
    }, {
      config: { ...ON_DEMAND, "parallelism.default": parallelism },
      restart: fixedDelay({ attempts: 1, delayMs: 10 }),
    });
    await run.until(() => slow.values.length >= 5_000);
    // As many as can be under way at most: the barrier comes behind them.
    slow.admit(20_000);
    await run.settled(run.job.triggerCheckpoint());
    const committed = out.values.length;
    ok(committed > 0 && committed < TIMERS, `${committed} were committed by the checkpoint`);
    slow.admit(Number.POSITIVE_INFINITY);
    source.finish();
    const result = await run.end();
    equal(result.restarts, 1);
    deepEqual(byKey(out.values), Array.from({ length: TIMERS }, (_, key) => key));
  });
}

/** Emits what a timer tells it. */
class Teller extends KeyedActor<string, number, string> {
  override onMessage(value: number): void {
    this.timers.registerEventTime(value);
    this.timers.registerProcessingTime(this.timers.currentProcessingTime() + value);
  }
  override onTimer(timestampMs: number, domain: TimeDomain): void {
    this.emit(`${domain} ${timestampMs} ${this.key}`);
  }
}

test("processing-time timers fire by the clock, once, and onTimer is told the domain", async () => {
  const source = new ValveSource([[20, 20, 50]]);
  const out = new ValveSink<string>(100);
  const run = await startJob((env) =>
    env.fromSource("s", source, watermarks((n) => n)).keyBy(() => "k").actor("teller", () => new Teller())
      .sinkTo("out", out)
  );
  source.openTo(3);
  await run.rounds(20);
  deepEqual(out.values, ["event 20 k"]);
  run.clock.advance(19);
  await run.rounds(20);
  equal(out.values.length, 1);
  run.clock.advance(1);
  await run.rounds(20);
  deepEqual(out.values, ["event 20 k", "processing 1000020 k"]);
  run.clock.advance(1_000);
  await run.rounds(20);
  deepEqual(out.values.slice(2), ["processing 1000050 k"]);
  source.finish();
  await run.end();
  deepEqual(out.values.slice(3), ["event 50 k"]);
});

test("what a processing-time timer emits has no event time; what an event-time timer emits has the timer's", async () => {
  const source = new ValveSource([[20]]);
  const out = new ValveSink<string>(100);
  const run = await startJob((env) =>
    env.fromSource("s", source, watermarks((n) => n)).keyBy(() => "k").actor("teller", () => new Teller())
      .process<string>("times", (text, context) => context.emit(`${text}: ${context.timestampMs}`)).sinkTo("out", out)
  );
  source.openTo(1);
  await run.rounds(20);
  run.clock.advance(1_000);
  await run.rounds(20);
  source.finish();
  await run.end();
  deepEqual(out.values, ["processing 1000020 k: -Infinity", "event 20 k: 20"]);
});

test("processing-time timers that were due while the job was down fire when it is restored [123]", async () => {
  const source = new ValveSource([[20, 0]]);
  const out = new ValveSink<string>(100);
  const run = await startJob((env) =>
    env.fromSource("s", source).map((n) => {
      if (n === 0 && run.job.progress().restarts === 0) throw new Error("once");
      return n;
    }).keyBy((n) => String(n)).actor("teller", () => new Teller()).sinkTo("out", out), {
    config: ON_DEMAND,
    restart: fixedDelay({ attempts: 1, delayMs: 5_000 }),
  });
  source.openTo(1);
  await run.rounds(20);
  await run.settled(run.job.triggerCheckpoint());
  source.openTo(2);
  await run.until(() => run.job.progress().state === "restarting");
  deepEqual(out.values, []);
  await run.until(() => out.values.length > 1);
  deepEqual([...out.values].sort(), ["processing 1000020 20", `processing ${run.clock.nowMs()} 0`].sort());
});

test("an actor sees the watermark that made its timer due, and timers set for the past fire in the same advance [112]", async () => {
  class Chain extends KeyedActor<string, number, string> {
    override onMessage(value: number): void {
      if (value === 10) this.timers.registerEventTime(10);
    }
    override onTimer(timestampMs: number): void {
      this.emit(`${timestampMs} at ${this.timers.currentWatermark}`);
      if (timestampMs < 30) this.timers.registerEventTime(timestampMs + 10);
    }
  }
  const out = collectSink<string>();
  await runJob((env) =>
    env.fromSource("s", fromIterable([10, 26]), watermarks((n) => n)).keyBy(() => "k").actor("chain", () => new Chain())
      .sinkTo("out", out)
  );
  deepEqual(out.values, ["10 at 25", "20 at 25", "30 at Infinity"]);
});

/** Counts what comes behind the watermark. */
class Late extends KeyedActor<string, number, string> {
  override onMessage(value: number): void {
    this.emit(`${value}${value <= this.timers.currentWatermark ? " late" : ""}`);
  }
}

for (const parallelism of [1, 2]) {
  test(`a record that is late in an undisturbed run is late after a restore, parallelism ${parallelism}`, async () => {
    const input = [100, 50, 200, 150, 199, 300, 250];
    const build = (fails: boolean) => async () => {
      const source = new ValveSource([input]);
      const out = collectSink<string>();
      let hasFailed = !fails;
      const run = await startJob(
        (env) =>
          env.fromSource("s", source, watermarks<number>((n) => n).boundedOutOfOrderness(10)).map((n) => {
            if (n === 150 && !hasFailed) {
              hasFailed = true;
              throw new Error("once");
            }
            return n;
          }).keyBy(() => "k").actor("late", () => new Late()).sinkTo("out", out),
        {
          config: { ...ON_DEMAND, "parallelism.default": parallelism },
          restart: fixedDelay({ attempts: 1, delayMs: 10 }),
        },
      );
      source.openTo(3);
      await run.rounds(20);
      await run.settled(run.job.triggerCheckpoint());
      source.finish();
      equal((await run.end()).restarts, fails ? 1 : 0);
      return out.values;
    };
    const undisturbed = await build(false)();
    deepEqual(undisturbed, ["100", "50 late", "200", "150 late", "199", "300", "250 late"]);
    deepEqual(await build(true)(), undisturbed);
  });
}

test("what is late does not depend on the parallelism or on where slices and batches end", async () => {
  const numbers = Array.from({ length: 3_000 }, (_, i) => i * 10 - (i % 17) * 13);
  const run = async (parallelism: number, tickMs: number) => {
    const out = collectSink<string>();
    await runJob(
      (env: StreamEnvironment) =>
        env.fromSource("s", fromIterable(numbers), watermarks<number>((n) => n).boundedOutOfOrderness(20))
          .keyBy((n) => `${n % 5}`).actor("late", () => new Late()).sinkTo("out", out),
      {
        config: { "parallelism.default": parallelism },
        tickMs,
      },
    );
    return [...out.values].sort();
  };
  const expected = await run(1, 0);
  ok(expected.some((line) => line.endsWith("late")) && expected.some((line) => !line.endsWith("late")));
  for (const [parallelism, tickMs] of [[1, 5], [2, 0], [2, 5], [3, 0.5]] as const) {
    deepEqual(await run(parallelism, tickMs), expected, `parallelism ${parallelism}, tick ${tickMs}`);
  }
});

/** Emits only when it is asked to. */
class Periodic implements WatermarkGenerator<number> {
  #largestMs = Number.NEGATIVE_INFINITY;
  onEvent(_value: number, timestampMs: number): void {
    this.#largestMs = Math.max(this.#largestMs, timestampMs);
  }
  onPeriodicEmit(output: WatermarkOutput): void {
    output.emitWatermark(this.#largestMs);
  }
  snapshot(): number {
    return this.#largestMs;
  }
  restore(state: number): void {
    this.#largestMs = state;
  }
}

test("a custom generator is asked every auto-watermark-interval", async () => {
  const source = new ValveSource([[10, 20]]);
  const out = new ValveSink<string>(100);
  const run = await startJob(
    (env) =>
      env.fromSource("s", source, watermarks<number>((n) => n).custom(() => new Periodic())).keyBy(() => "k")
        .actor("teller", () => new Teller()).sinkTo("out", out),
    {
      config: { "pipeline.auto-watermark-interval": 300 },
    },
  );
  source.openTo(2);
  await run.rounds(10);
  run.clock.advance(299);
  await run.rounds(10);
  deepEqual(out.values.filter((line) => line.startsWith("event")), []);
  run.clock.advance(1);
  await run.rounds(10);
  deepEqual(out.values.filter((line) => line.startsWith("event")), ["event 10 k", "event 20 k"]);
});

test("a watermark after idleness counts, also without markActive() before it", async () => {
  class Sleepy implements WatermarkGenerator<number> {
    onEvent(_value: number, timestampMs: number, output: WatermarkOutput): void {
      output.emitWatermark(timestampMs);
      output.markIdle();
    }
    onPeriodicEmit(): void {}
    snapshot(): number {
      return 0;
    }
    restore(): void {}
  }
  const source = new ValveSource([[10, 20, 30], []]);
  const out = new ValveSink<string>(100);
  const run = await startJob(
    (env) =>
      env.fromSource("s", source, watermarks<number>((n) => n).custom(() => new Sleepy())).setParallelism(2)
        .keyBy(() => "k").actor("late", () => new Late()).sinkTo("out", out),
    { config: { "parallelism.default": 2 } },
  );
  source.openTo(3);
  await run.rounds(20);
  deepEqual(out.values, ["10", "20", "30"]);
  source.finish();
  await run.end();
});

test("a source subtask that is idle does not hold the timers of the others back", async () => {
  const source = new ValveSource([[10, 20, 30], [5]]);
  const out = new ValveSink<string>(100);
  const strategy = watermarks<number>((n) => n).withIdleness(1_000);
  const run = await startJob(
    (env) =>
      env.fromSource("s", source, strategy).setParallelism(2).keyBy(() => "k").actor("teller", () => new Teller())
        .sinkTo("out", out),
    { config: { "parallelism.default": 2 } },
  );
  source.openTo(1);
  await run.rounds(20);
  source.openTo(2);
  await run.rounds(20);
  const events = () => out.values.filter((line) => line.startsWith("event"));
  deepEqual(events(), []);
  // The other subtask has no more records; the first one goes on.
  const untilMs = run.clock.nowMs() + 2_000;
  source.openTo(3);
  await run.until(() => run.clock.nowMs() >= untilMs);
  deepEqual(events(), ["event 5 k", "event 10 k", "event 20 k"]);
  source.finish();
  await run.end();
  deepEqual(events().slice(3), ["event 30 k"]);
});

test("a bounded input ends event time: every timer fires, also one at +Infinity", async () => {
  class Last extends KeyedActor<string, number, number> {
    readonly #count = this.state(valueState<number>("count", { default: 0 }));
    override onMessage(): void {
      this.#count.update(this.#count.value() + 1);
      this.timers.registerEventTime(Number.POSITIVE_INFINITY);
    }
    override onTimer(): void {
      this.emit(this.#count.value());
    }
  }
  const out = collectSink<number>();
  await runJob((env) =>
    env.fromSource("s", fromIterable([1, 2, 3])).keyBy(() => "all").actor("last", () => new Last()).sinkTo("out", out)
  );
  deepEqual(out.values, [3]);
});
