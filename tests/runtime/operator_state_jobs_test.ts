import { deepEqual, equal, match, ok } from "node:assert/strict";
import { test } from "node:test";
import {
  broadcastState,
  collectSink,
  emits,
  fixedDelay,
  fromIterable,
  type OperatorListState,
  operatorListState,
  type Source,
  type SourceContext,
  type SourceReader,
  type StreamEnvironment,
  StreamError,
} from "../../mod.ts";
import { ALL, Batches, COUNT, numbers, sorted } from "../support/batches_pipeline.ts";
import { checkFinished, CHECKPOINTS, failureOf, type TestProcess, TestWorld } from "../support/job_harness.ts";

const FROM_LATEST = ["--from", "latest"];

const parallel = (parallelism: number) => ({ "parallelism.default": parallelism });

async function failed(world: TestWorld, build: (env: StreamEnvironment) => void, options = {}): Promise<string> {
  return failureOf(await world.run(build, options)).message;
}

test("state of functions goes from 2 to 3 subtasks, to 1, to 2: lists are dealt out, given to all, copied [232, 233, 234, 252]", async () => {
  const world = new TestWorld();
  const batches = new Batches();
  let process: TestProcess | null = null;
  let before = 0;
  for (const parallelism of [2, 3, 1, 2]) {
    process = await world.start(batches.build, {
      config: parallel(parallelism),
      argv: process === null ? [] : FROM_LATEST,
    });
    await process.forMs(90);
    const openings = batches.takeOpenings();
    equal(openings.length, parallelism);
    for (const { isRestored, union, copy } of openings) {
      equal(isRestored, before > 0);
      deepEqual(union, Array.from({ length: before }, (_, index) => `${index}/${before}`));
      deepEqual(copy, before > 0 ? [["eur", 2], ["usd", 3]] : []);
    }
    const loads = openings.map(({ waiting }) => waiting.length);
    if (before !== parallelism) ok(Math.max(...loads) - Math.min(...loads) <= 1, loads.join());
    if (before > 0) ok(loads.some((load) => load > 0), "nothing waited: the test shows nothing");
    before = parallelism;
    process.kill();
  }
  checkFinished(await world.run(batches.build, { config: parallel(3), argv: FROM_LATEST }));
  deepEqual(sorted(batches.out.values), ALL);
});

for (const parallelism of [1, 3]) {
  test(`state of functions is as at the checkpoint after a failure, each subtask its own, parallelism ${parallelism} [230, 232]`, async () => {
    const world = new TestWorld(parallel(parallelism));
    const batches = new Batches();
    for (const n of [0, 33, 111, 250, 399]) batches.failAt.add(n);
    const outcome = await world.run(batches.build, { restart: fixedDelay({ attempts: 10, delayMs: 1 }) });
    checkFinished(outcome);
    equal(outcome.kind === "ended" && outcome.result.restarts, 5);
    deepEqual(sorted(batches.out.values), ALL);
    for (const { subtaskIndex, isRestored, union, copy } of batches.takeOpenings()) {
      deepEqual(union.length, isRestored ? parallelism : 0, String(subtaskIndex));
      if (copy.length > 0) deepEqual(copy, [["eur", 2], ["usd", 3]]);
    }
  });
}

test("a job is cancelled while snapshots with operator state are written: it ends, and the next goes on from before [230]", async () => {
  const world = new TestWorld(parallel(2));
  const batches = new Batches();
  const process = await world.start(batches.build, { delayMs: (_, path) => path.includes("chk-3") ? 1_000 : 0 });
  await process.until(() => process.job.checkpoints!.counts.inProgress > 0 && process.clock.nowMs() > 60);
  await process.forMs(20);
  equal(process.job.checkpoints!.counts.inProgress, 1);
  process.job.cancel();
  await process.end();
  await process.forMs(2_000);
  equal(process.clock.scheduledCount, 0);
  batches.takeOpenings();
  checkFinished(await world.run(batches.build, { argv: FROM_LATEST }));
  deepEqual(sorted(batches.out.values), ALL);
  ok(batches.takeOpenings().every(({ isRestored }) => isRestored));
});

test("onEnd is called once for each subtask, also when it failed after that and events come to their end anew", async () => {
  const world = new TestWorld(parallel(2));
  const out = collectSink<string>();
  let hasFailed = false;
  // Subtask 0 ends at once, subtask 1 goes on.
  const build = (env: StreamEnvironment) =>
    env.fromSource("numbers", new UnevenSource()).process("ends", {
      emits: emits<string>(),
      state: { count: operatorListState<number>("count") },
      onMessage(n, { state: { count } }) {
        count.update([1 + (count.get()[0] ?? 0)]);
        if (n !== 80 || hasFailed) return;
        hasFailed = true;
        throw new Error("once");
      },
      onEnd: (context) => context.emit(`ended after ${context.state.count.get()}`),
    }).sinkTo("out", out);
  checkFinished(await world.run(build, { restart: fixedDelay({ attempts: 1, delayMs: 1 }) }));
  ok(hasFailed);
  deepEqual([...out.values].sort(), ["ended after 100", "ended after 5"]);
});

test("onEnd is not called when a job is stopped before its input ends", async () => {
  const world = new TestWorld();
  const out = collectSink<string>();
  const build = (env: StreamEnvironment) =>
    env.fromSource("numbers", numbers()).process("ends", {
      emits: emits<string>(),
      state: { seen: operatorListState<number>("seen") },
      onMessage: (n, context) => context.state.seen.add(n),
      onEnd: (context) => context.emit(`ended after ${context.state.seen.size}`),
    }).sinkTo("out", out);
  const process = await world.start(build);
  await process.forMs(100);
  process.job.stop();
  await process.end();
  deepEqual(out.values, []);
  checkFinished(await world.run(build, { argv: FROM_LATEST }));
  deepEqual(out.values, [`ended after ${COUNT}`]);
});

test("a function can refuse state that does not fit its parallelism; unchanged, it goes on [251]", async () => {
  const world = new TestWorld(parallel(2));
  const out = collectSink<number>();
  const build = (env: StreamEnvironment) =>
    env.fromSource("numbers", numbers()).process("sum", {
      emits: emits<number>(),
      state: { sum: operatorListState<number>("sum") },
      onOpen({ state: { sum }, isRestored }) {
        if (isRestored && sum.size !== 1) {
          throw new StreamError("invalid", `the sum is in ${sum.size} parts, it cannot be divided`);
        }
        if (!isRestored) sum.add(0);
      },
      onMessage: (n, { state: { sum } }) => sum.update([sum.get()[0]! + n]),
      onEnd: (context) => context.emit(context.state.sum.get()[0]!),
    }).sinkTo("out", out);
  const process = await world.start(build);
  await process.forMs(100);
  process.kill();
  for (const [parallelism, parts] of [[1, 2], [3, "[01]"]] as const) {
    const message = await failed(world, build, { argv: FROM_LATEST, config: parallel(parallelism) });
    match(message, new RegExp(`Operator "sum".*the sum is in ${parts} parts, it cannot be divided`, "s"));
  }
  checkFinished(await world.run(build, { argv: FROM_LATEST }));
  equal(out.values.length, 2);
  equal(out.values[0]! + out.values[1]!, COUNT * (COUNT - 1) / 2);
});

test("state of a function goes by its name: moved, it is found; gone, the job refuses to start; undeclared, it stays [237, 89]", async () => {
  const world = new TestWorld();
  const seen: number[][] = [];
  const step = {
    state: { list: operatorListState<number>("list") },
    onOpen: ({ state }: { state: { list: OperatorListState<number> } }) => void seen.push(state.list.get()),
    onMessage: (n: number, context: { state: { list: OperatorListState<number> } }) => context.state.list.add(n),
  };
  const run = async (build: (env: StreamEnvironment) => void, options = {}) => {
    const process = await world.start(build, options);
    await process.forMs(50);
    if (process.outcome?.kind === "failed") throw process.outcome.error;
    process.kill();
  };
  await run((env) => env.fromSource("numbers", numbers()).process("step", step).sinkTo("out", collectSink()));
  const message = await failed(
    world,
    (env) => env.fromSource("numbers", numbers()).process("other", step).sinkTo("out", collectSink()),
    { argv: FROM_LATEST },
  );
  match(message, /Cannot restore the state of operator "step"/);
  // The same step without state keeps what it does not know.
  await run(
    (env) => env.fromSource("numbers", numbers()).process<number>("step", () => {}).sinkTo("out", collectSink()),
    { argv: FROM_LATEST },
  );
  seen.length = 0;
  await run(
    (env) =>
      env.fromSource("numbers", numbers()).map((n) => n).filter(() => true).process("step", step)
        .sinkTo("out", collectSink()),
    { argv: FROM_LATEST },
  );
  ok(seen[0]!.length > 10, "nothing was restored");
  deepEqual(seen[0], ALL.slice(0, seen[0]!.length));
  const config = { "execution.state-recovery.ignore-unclaimed-state": true };
  await run(
    (env) => env.fromSource("numbers", numbers()).process("other", step).sinkTo("out", collectSink()),
    { argv: FROM_LATEST, config },
  );
  deepEqual(seen.at(-1), []);
});

test("an operator that has become another under its name is refused what it would forget, unless told to drop it [237]", async () => {
  type Build = (env: StreamEnvironment) => void;
  const count = (env: StreamEnvironment, name: string) =>
    env.fromSource("numbers", numbers()).keyBy((n) => n % 5).reduce(name, (left, right) => left + right);
  const listStep = {
    emits: emits<number>(),
    state: { list: operatorListState<number>("list") },
    onMessage: (n: number, context: { state: { list: OperatorListState<number> } }) => context.state.list.add(n),
  };
  const cases: [string, Build, Build][] = [
    [
      "is a step without keys.*take back the keyed state",
      (env) => count(env, "x").sinkTo("out", collectSink()),
      (env) => env.fromSource("numbers", numbers()).process<number>("x", () => {}).sinkTo("out", collectSink()),
    ],
    [
      'is a keyed operator.*take back the list "state:list"',
      (env) => env.fromSource("numbers", numbers()).process("x", listStep).sinkTo("out", collectSink()),
      (env) => count(env, "x").sinkTo("out", collectSink()),
    ],
    [
      'is a keyed operator.*take back the list "splits"',
      (env) => env.fromSource("x", numbers()).sinkTo("out", collectSink()),
      (env) => count(env, "x").sinkTo("out", collectSink()),
    ],
    [
      'is a step without keys.*take back the list "transactions"',
      (env) => env.fromSource("numbers", numbers()).sinkTo("x", collectSink()),
      (env) => env.fromSource("numbers", numbers()).process<number>("x", () => {}).sinkTo("out", collectSink()),
    ],
  ];
  for (const [refusal, before, after] of cases) {
    const world = new TestWorld();
    const process = await world.start(before);
    await process.forMs(70);
    process.kill();
    match(await failed(world, after, { argv: FROM_LATEST }), new RegExp(`operator "x": it ${refusal}`));
    const config = { "execution.state-recovery.ignore-unclaimed-state": true };
    checkFinished(await world.run(after, { argv: FROM_LATEST, config }));
  }
});

test("max parallelism of a step with state is the checkpoint's: derived ones give way, explicit ones and more subtasks do not [238, 250]", async () => {
  const world = new TestWorld({ ...parallel(2), "pipeline.max-parallelism": 4 });
  const batches = new Batches();
  const process = await world.start(batches.build);
  await process.forMs(60);
  process.kill();
  const explicit = await failed(world, batches.build, { argv: FROM_LATEST, config: { "pipeline.max-parallelism": 8 } });
  match(explicit, /max parallelism is 8, must be 4/);
  const derived = new TestWorld({}, 1, world.fileSystem);
  match(await failed(derived, batches.build, { argv: FROM_LATEST, config: parallel(5) }), /is 5, must be at most 4/);
  checkFinished(await derived.run(batches.build, { argv: FROM_LATEST, config: parallel(4) }));
  deepEqual(sorted(batches.out.values), ALL);
});

test("empty state leaves no file and no byte of its own in a checkpoint [231]", async () => {
  const sizeOf = async (build: (env: StreamEnvironment) => void) => {
    const world = new TestWorld();
    const process = await world.start(build);
    await process.forMs(50);
    const metadata = world.fileSystem.files(CHECKPOINTS).filter((path) => path.endsWith("_metadata"));
    ok(metadata.length > 0);
    const sizes = metadata.map((path) => world.fileSystem.text(path).length);
    process.kill();
    equal(world.fileSystem.files(CHECKPOINTS).some((path) => path.includes("/shared/")), false);
    return sizes[0];
  };
  const source = () => fromIterable(new Array<number>());
  const endless: Source<number> = { ...source(), boundedness: "unbounded", open: () => idleReader() };
  const plain = await sizeOf((env) =>
    env.fromSource("none", endless).process<number>("step", () => {}).sinkTo("out", collectSink())
  );
  const stateful = await sizeOf((env) =>
    env.fromSource("none", endless).process("step", {
      state: { list: operatorListState<number>("list") },
      onMessage: (n, { state }) => state.list.add(n),
    }).sinkTo("out", collectSink())
  );
  equal(stateful, plain);
});

test("a function cannot change its state when no message is in hand, and must not be asynchronous", async () => {
  const steps: [RegExp, (n: number, context: { state: { list: OperatorListState<number> } }) => unknown][] = [
    [/onMessage\(\).*promise/s, async () => {}],
    [/fails on purpose/, () => {
      throw new Error("fails on purpose");
    }],
  ];
  for (const [message, onMessage] of steps) {
    const error = await failed(new TestWorld(), (env) =>
      env.fromSource("numbers", numbers()).process("step", {
        state: { list: operatorListState<number>("list") },
        onMessage: onMessage as () => void, // a mistake that TypeScript lets pass for functions returning void
      }).sinkTo("out", collectSink()), { restart: fixedDelay({ attempts: 0, delayMs: 1 }) });
    match(error, message);
  }
  const world = new TestWorld();
  const refusals: string[] = [];
  checkFinished(
    await world.run((env) =>
      env.fromSource("numbers", numbers(3)).process("step", {
        state: { list: operatorListState<number>("list") },
        onMessage(n, { state: { list } }) {
          list.add(n);
          Promise.resolve().then(() => list.add(n)).catch((error) => refusals.push(String(error)));
        },
      }).sinkTo("out", collectSink())
    ),
  );
  deepEqual(refusals.map((text) => /Cannot change state "list" of "step" here/.test(text)), [true, true, true]);
});

/** A reader that never has a record. */
function idleReader(): SourceReader<number> {
  return { read: () => new Promise(() => {}), position: () => [], close() {} };
}

/** Subtask 0 has 5 numbers, subtask 1 has 100, one a millisecond. */
class UnevenSource implements Source<number> {
  readonly boundedness = "bounded";
  readonly replayable = true;
  readonly maxParallelism = 2;

  open({ subtaskIndex, restored, clock }: SourceContext): SourceReader<number> {
    const end = subtaskIndex === 0 ? 5 : 100;
    let next = Number(restored?.[0]?.position ?? 0);
    return {
      read(output) {
        if (next === end) return "ended";
        output.collect(next++, 0);
        return new Promise((resolve) => void clock.schedule(1, resolve));
      },
      position: () => [{ split: String(subtaskIndex), position: next }],
      close() {},
    };
  }
}

/** What one reader was opened with. */
interface ReaderOpening {
  readonly subtaskIndex: number;
  readonly own: readonly number[];
  readonly union: readonly number[];
  readonly copy: readonly (readonly [string, number])[];
}

/** Emits each number twice at most, but knows the newest ones: its state says which it must not emit again. */
class ForgetfulSource implements Source<number> {
  readonly boundedness = "bounded";
  readonly replayable = true;
  readonly openings: ReaderOpening[] = [];

  open(context: SourceContext): SourceReader<number> {
    const emitted = context.operatorState(operatorListState<number>("emitted"));
    const largest = context.operatorState(operatorListState<number>("largest", { distribution: "union" }));
    const seen = context.operatorState(broadcastState<string, number>("seen"));
    const { subtaskIndex, parallelism, clock } = context;
    this.openings.push({ subtaskIndex, own: emitted.get(), union: largest.get(), copy: [...seen] });
    const done = new Set(emitted);
    const numbers = context.restored ?? ALL.filter((n) => n % parallelism === subtaskIndex)
      .map((n) => ({ split: String(n), position: null }));
    // Positions never change: only the state tells what has been read.
    let next = 0;
    return {
      read(output) {
        while (next < numbers.length) {
          const n = Number(numbers[next++]!.split);
          if (done.has(n)) continue;
          emitted.add(n);
          output.collect(n, 0);
          return new Promise((resolve) => void clock.schedule(parallelism, resolve));
        }
        return "ended";
      },
      position() {
        // The last moment before a checkpoint takes the state.
        largest.update([Math.max(-1, ...emitted)]);
        seen.set("count", 1);
        return numbers;
      },
      close() {},
    };
  }
}

test("state of sources is restored before open() returns, and taken at the barrier after position() [230, 233, 252]", async () => {
  const world = new TestWorld(parallel(2));
  const source = new ForgetfulSource();
  const out = collectSink<number>();
  const build = (env: StreamEnvironment) => env.fromSource("numbers", source).sinkTo("out", out);
  const process = await world.start(build);
  await process.forMs(110);
  process.kill();
  ok(source.openings.every(({ own, union, copy }) => own.length + union.length + copy.length === 0));
  source.openings.length = 0;
  checkFinished(await world.run(build, { argv: FROM_LATEST }));
  deepEqual(sorted(out.values), ALL);
  for (const { subtaskIndex, own, union, copy } of source.openings) {
    ok(own.length > 5 && own.every((n) => n % 2 === subtaskIndex));
    equal(union.length, 2);
    equal(Math.max(...own), union[subtaskIndex]);
    deepEqual(copy, [["count", 1]]);
  }
});

test("a source cannot declare state once it is open", async () => {
  const source: Source<number> = {
    boundedness: "bounded",
    replayable: true,
    maxParallelism: 1,
    open: (context) => ({
      read: () => void context.operatorState(operatorListState("late")) as unknown as "ended", // never returns
      position: () => [],
      close() {},
    }),
  };
  const message = await failed(new TestWorld(), (env) => env.fromSource("s", source).sinkTo("out", collectSink()), {
    restart: fixedDelay({ attempts: 0, delayMs: 1 }),
  });
  match(message, /Cannot declare state "late" of "s": the operator is open/);
});
