import { deepEqual, match, ok, rejects, strictEqual as equal } from "node:assert/strict";
import { test } from "node:test";
import {
  collectSink,
  fixedDelay,
  fromIterable,
  KeyedActor,
  type Sink,
  type StreamEnvironment,
  StreamError,
  valueState,
} from "../../mod.ts";
import { MemoryFileSystem } from "../support/memory_file_system.ts";
import { type EngineRun, ON_DEMAND, runJob, startJob, ValveSink, ValveSource } from "./engine_harness.ts";

/** Counts per key. */
class Count extends KeyedActor<string, number, string> {
  readonly #count = this.state(valueState<number>("count", { default: 0 }));
  override onMessage(): void {
    this.#count.update(this.#count.value() + 1);
    this.emit(`${this.key} ${this.#count.value()}`);
  }
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

/** Fails when it sees the value for the first time. */
function failOnceAt(value: number): (n: number) => number {
  let hasFailed = false;
  return (n) => {
    if (n === value && !hasFailed) {
      hasFailed = true;
      throw new Error("once");
    }
    return n;
  };
}

async function forMs(run: EngineRun, ms: number): Promise<void> {
  const untilMs = run.clock.nowMs() + ms;
  await run.until(() => run.clock.nowMs() >= untilMs);
}

const RESTART = fixedDelay({ attempts: 1, delayMs: 10 });

test("a bounded job takes a final checkpoint, and its output appears with it", async () => {
  const out = collectSink<string>();
  const run = await startJob(
    (env) =>
      env.fromSource("s", fromIterable([1, 2, 3])).keyBy(() => "k").actor("count", () => new Count()).sinkTo(
        "out",
        out,
      ),
    {
      config: ON_DEMAND,
    },
  );
  const result = await run.end();
  deepEqual(result, { name: "test", state: "finished", lastCheckpointId: 1, restarts: 0, savepointPath: null });
  deepEqual(out.values, ["k 1", "k 2", "k 3"]);
  deepEqual(run.job.checkpoints?.history.map(({ isFinal, status }) => [isFinal, status]), [[true, "completed"]]);
});

test("output appears with the checkpoint that covers it, not before", async () => {
  const source = new ValveSource([[1, 2, 3]]);
  const out = collectSink<number>();
  const run = await startJob((env) => env.fromSource("s", source).sinkTo("out", out), { config: ON_DEMAND });
  source.openTo(2);
  await run.rounds(20);
  deepEqual(out.values, []);
  await run.settled(run.job.triggerCheckpoint());
  await run.rounds(5);
  deepEqual(out.values, [1, 2]);
  source.finish();
  await run.end();
  deepEqual(out.values, [1, 2, 3]);
});

for (const parallelism of [1, 2]) {
  test(`checkpoints go on after a source has finished, and are restored from, parallelism ${parallelism}`, async () => {
    const long = new ValveSource([range(100, 200)]);
    const out = collectSink<string>();
    const fail = failOnceAt(160);
    const run = await startJob((env) => {
      const short = env.fromSource("short", fromIterable(range(0, 10)));
      short.union(env.fromSource("long", long).map(fail)).keyBy((n) => n < 100 ? "short" : "long")
        .actor("count", () => new Count()).sinkTo("out", out);
    }, { config: { ...ON_DEMAND, "parallelism.default": parallelism }, restart: RESTART });
    long.openTo(50);
    await run.rounds(50);
    const first = await run.settled(run.job.triggerCheckpoint());
    long.openTo(55);
    await run.rounds(50);
    const second = await run.settled(run.job.triggerCheckpoint());
    deepEqual([first, second].map(({ metadata }) => metadata.checkpointId), [1, 2]);
    long.finish();
    equal((await run.end()).restarts, 1);
    const expected = [...range(1, 11).map((n) => `short ${n}`), ...range(1, 101).map((n) => `long ${n}`)];
    deepEqual([...out.values].sort(), expected.sort());
  });
}

for (const exactlyOnce of [true, false]) {
  test(`two inputs, one slower, a failure: ${exactlyOnce ? "each record counts once" : "at-least-once may count twice"}`, async () => {
    const left = new ValveSource([range(0, 20)]);
    const right = new ValveSource([range(100, 120)]);
    const totals: number[] = [];
    const fail = failOnceAt(15);
    const run = await startJob(
      (env) =>
        env.fromSource("left", left).map(fail).union(env.fromSource("right", right)).keyBy(() => "all")
          .actor("count", () => new Count()).map((line) => Number(line.split(" ")[1])).sinkTo("out", {
            ...new ValveSink<number>(Number.POSITIVE_INFINITY),
            guarantee: "at-least-once",
            open: () => ({
              recover: () => void (totals.length = 0),
              write: (total: number) => void totals.push(total),
              prepareCommit: () => () => Promise.resolve(undefined),
              commit: () => {},
              close: () => {},
            }),
          }),
      {
        config: { ...ON_DEMAND, "execution.checkpointing.mode": exactlyOnce ? "EXACTLY_ONCE" : "AT_LEAST_ONCE" },
        restart: RESTART,
      },
    );
    left.openTo(10);
    right.openTo(10);
    await run.rounds(30);
    await run.settled(run.job.triggerCheckpoint());
    left.finish();
    right.finish();
    equal((await run.end()).restarts, 1);
    // In turn with the restored 20, each record is counted; without alignment the count may be higher.
    if (exactlyOnce) equal(totals.at(-1), 40);
    else ok(totals.at(-1)! >= 40, `${totals.at(-1)}`);
  });
}

/** A sink whose transactions are prepared when the test says so. */
class HeldSink implements Sink<number> {
  readonly guarantee = "at-least-once";
  readonly waiting: (() => void)[] = [];
  fails = 0;
  isHolding = true;
  open() {
    return {
      recover: () => {},
      write: () => {},
      prepareCommit: () => async () => {
        if (this.isHolding) await new Promise<void>((resolve) => this.waiting.push(resolve));
        if (this.fails > 0) {
          this.fails--;
          throw new StreamError("unavailable", "Cannot prepare");
        }
        return undefined;
      },
      commit: () => {},
      close: () => {},
    };
  }
}

test("max-concurrent-checkpoints 2: two run at once, the third waits [199]", async () => {
  const source = new ValveSource([[1]]);
  const sink = new HeldSink();
  const run = await startJob((env) => env.fromSource("s", source).sinkTo("out", sink), {
    config: { ...ON_DEMAND, "execution.checkpointing.max-concurrent-checkpoints": 2 },
  });
  await run.rounds(5);
  const all = [1, 2, 3].map(() => run.job.triggerCheckpoint());
  await run.rounds(10);
  equal(run.job.checkpoints!.counts.inProgress, 2);
  sink.isHolding = false;
  sink.waiting.splice(0).forEach((resolve) => resolve());
  const done = await run.settled(Promise.all(all));
  deepEqual(done.map(({ metadata }) => metadata.checkpointId), [1, 2, 3]);
  source.finish();
  await run.end();
});

test("periodic checkpoints keep the interval and the pause after each [201]", async () => {
  const source = new ValveSource([[1]]);
  const run = await startJob((env) => env.fromSource("s", source).sinkTo("out", collectSink()), {
    config: { ...ON_DEMAND, "execution.checkpointing.interval": 100, "execution.checkpointing.min-pause": 250 },
    tickMs: 0,
  });
  await forMs(run, 2_000);
  const starts = run.job.checkpoints!.history.map(({ triggeredMs }) => triggeredMs).reverse();
  ok(starts.length >= 6, `${starts.length} checkpoints`);
  for (let i = 1; i < starts.length; i++) ok(starts[i]! - starts[i - 1]! >= 250, `${starts}`);
  // One that is asked for does not wait for the pause.
  const before = run.clock.nowMs();
  await run.settled(run.job.triggerCheckpoint());
  ok(run.clock.nowMs() - before < 100);
  source.finish();
  await run.end();
});

test("triggerCheckpoint() without checkpoints is refused with the remedy; after the end, too", async () => {
  const build = (env: StreamEnvironment) => env.fromSource("s", fromIterable([1])).sinkTo("out", collectSink());
  const without = await startJob(build);
  await rejects(() => without.job.triggerCheckpoint(), /set execution\.checkpointing\.interval/);
  await without.end();
  const run = await startJob(build, { config: ON_DEMAND });
  await run.end();
  await rejects(() => run.job.triggerCheckpoint(), (error: Error) => {
    match(error.message, /checkpoints are stopped/);
    return true;
  });
});

test("stop() takes a last checkpoint, commits what it covers, and keeps it", async () => {
  const source = new ValveSource([range(0, 100)]);
  const out = collectSink<string>();
  const run = await startJob(
    (env) => env.fromSource("s", source).keyBy(() => "k").actor("count", () => new Count()).sinkTo("out", out),
    {
      config: { ...ON_DEMAND, "parallelism.default": 2 },
    },
  );
  source.openTo(42);
  await run.rounds(30);
  run.job.stop();
  run.job.stop(); // A second time changes nothing.
  const result = await run.end();
  deepEqual([result.state, result.lastCheckpointId], ["stopped", 1]);
  deepEqual(out.values, range(1, 43).map((n) => `k ${n}`));
  equal(run.clock.scheduledCount, 0);
});

test("stop() without checkpoints ends the sources where they are and commits; no timer of the end fires", async () => {
  class AtEnd extends KeyedActor<string, number, string> {
    override onMessage(value: number): void {
      this.timers.registerEventTime(1e15);
      this.emit(`${value}`);
    }
    override onTimer(): void {
      this.emit("the end of time");
    }
  }
  const source = new ValveSource([[1, 2, 3]]);
  const out = collectSink<string>();
  const run = await startJob((env) =>
    env.fromSource("s", source).keyBy(() => "k").actor("end", () => new AtEnd()).sinkTo("out", out)
  );
  source.openTo(2);
  await run.rounds(10);
  run.job.stop();
  equal((await run.end()).state, "stopped");
  deepEqual(out.values, ["1", "2"]);
});

test("stop() while the job waits for its restart ends it, and the checkpoint stays", async () => {
  const source = new ValveSource([range(0, 10)]);
  const run = await startJob((env) => env.fromSource("s", source).map(failOnceAt(5)).sinkTo("out", collectSink()), {
    config: ON_DEMAND,
    restart: fixedDelay({ attempts: 1, delayMs: 60_000 }),
  });
  source.openTo(2);
  await run.rounds(10);
  await run.settled(run.job.triggerCheckpoint());
  source.finish();
  await run.until(() => run.job.progress().state === "restarting");
  const before = run.clock.nowMs();
  run.job.stop();
  const result = await run.end();
  equal(result.lastCheckpointId, 1);
  ok(run.clock.nowMs() - before < 1_000, "it did not wait for the restart");
});

test("cancel() ends at once: nothing more is committed", async () => {
  const source = new ValveSource([range(0, 10)]);
  const out = collectSink<number>();
  const run = await startJob((env) => env.fromSource("s", source).sinkTo("out", out), { config: ON_DEMAND });
  source.openTo(5);
  await run.rounds(10);
  run.job.cancel();
  equal((await run.end()).state, "cancelled");
  deepEqual(out.values, []);
  equal(run.clock.scheduledCount, 0);
});

test("cancel() ends a stop that does not come to its end", async () => {
  const sink = new HeldSink();
  const run = await startJob((env) => env.fromSource("s", new ValveSource([[1]])).sinkTo("out", sink), {
    config: ON_DEMAND,
  });
  await run.rounds(10);
  run.job.stop();
  await run.rounds(10);
  ok(!run.isOver);
  run.job.cancel();
  equal((await run.end()).state, "cancelled");
});

test("cancel() ends a job whose sink never commits", async () => {
  const stuck: Sink<number> = {
    guarantee: "at-least-once",
    open: () => ({
      recover: () => {},
      write: () => {},
      prepareCommit: () => () => Promise.resolve(1),
      commit: () => new Promise<void>(() => {}),
      close: () => {},
    }),
  };
  const run = await startJob((env) => env.fromSource("s", fromIterable([1])).sinkTo("out", stuck), {
    config: ON_DEMAND,
  });
  await run.rounds(50);
  ok(!run.isOver);
  run.job.cancel();
  equal((await run.end()).state, "cancelled");
});

test("a final checkpoint that fails is taken again as long as failures are tolerated", async () => {
  const sink = new HeldSink();
  sink.isHolding = false;
  sink.fails = 2;
  const build = (env: StreamEnvironment) => env.fromSource("s", fromIterable([1])).sinkTo("out", sink);
  const config = { ...ON_DEMAND, "execution.checkpointing.interval": "1 s" };
  const result = await runJob(build, {
    config: { ...config, "execution.checkpointing.tolerable-failed-checkpoints": 2 },
  });
  deepEqual([result.state, result.lastCheckpointId], ["finished", 3]);
  sink.fails = 2;
  await rejects(
    () => runJob(build, { config: { ...config, "execution.checkpointing.tolerable-failed-checkpoints": 1 } }),
    /2 checkpoints in a row have failed, 1 may/,
  );
});

test("a pipeline that gains stateless steps goes on from its checkpoint", async () => {
  const fileSystem = new MemoryFileSystem(() => 0);
  const config = { "execution.checkpointing.interval": "1 d", "execution.checkpointing.dir": "/checkpoints" };
  const source = new ValveSource([range(0, 6)]);
  const out = collectSink<string>();
  const first = await startJob(
    (env) => env.fromSource("s", source).keyBy(() => "k").actor("count", () => new Count()).sinkTo("out", out),
    {
      config,
      fileSystem,
    },
  );
  source.openTo(4);
  await first.rounds(20);
  first.job.stop();
  await first.end();
  deepEqual(out.values, ["k 1", "k 2", "k 3", "k 4"]);
  source.finish();
  await runJob(
    (env) =>
      env.fromSource("s", source).map((n) => n).filter(() => true).keyBy(() => "k").actor("count", () => new Count())
        .map((line) => line).sinkTo("out", out),
    {
      config: { ...config, "parallelism.default": 2 },
      fileSystem,
      argv: ["--from", "latest"],
    },
  );
  deepEqual(out.values, range(1, 7).map((n) => `k ${n}`));
});
