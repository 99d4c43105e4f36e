import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { collectSink, emits, operatorListState, type StreamEnvironment } from "../../mod.ts";
import { ALL, Batches, numbers, sorted } from "../support/batches_pipeline.ts";
import { SeededRandom } from "../connectors/contexts.ts";
import { type Outcome, stateOf, TestWorld } from "../support/job_harness.ts";
import { scaled } from "../support/scale.ts";

const SAVEPOINTS = { "execution.checkpointing.savepoint-dir": "/savepoints" };
const parallel = (parallelism: number) => ({ "parallelism.default": parallelism });

for (const format of ["canonical", "native"] as const) {
  for (const checkpoints of ["with", "without"] as const) {
    test(`state without a key goes through ${format} savepoints, 2 to 3 to 1 subtasks, ${checkpoints} checkpoints [232, 233, 234, 250, 252]`, async () => {
      const interval = checkpoints === "with" ? {} : {
        "execution.checkpointing.interval": undefined,
        "execution.checkpointing.dir": undefined,
      };
      const world = new TestWorld({ ...SAVEPOINTS, ...interval });
      const batches = new Batches();
      let path: string | null = null;
      let before = 0;
      for (const parallelism of [2, 3, 1]) {
        const argv: string[] = path === null ? [] : ["--from", path];
        const process = await world.start(batches.build, { config: parallel(parallelism), argv });
        await process.forMs(100);
        const openings = batches.takeOpenings();
        equal(openings.length, parallelism);
        for (const { union, copy } of openings) {
          deepEqual(union, Array.from({ length: before }, (_, index) => `${index}/${before}`));
          deepEqual(copy, before > 0 ? [["eur", 2], ["usd", 3]] : []);
        }
        const loads = openings.map(({ waiting }) => waiting.length);
        ok(Math.max(...loads) - Math.min(...loads) <= 1, loads.join());
        if (before > 0) ok(Math.max(...loads) > 0, "nothing waited: the test shows nothing");
        before = parallelism;
        path = (await process.settled(process.job.stopWithSavepoint({ format }))).path;
        equal(stateOf(await process.end()), "stopped");
      }
      equal(stateOf(await world.run(batches.build, { config: parallel(4), argv: ["--from", path!] })), "finished");
      deepEqual(sorted(batches.out.values), ALL);
    });
  }
}

test("a savepoint from a running job holds state without a key as of its barrier, and disturbs nothing [230]", async () => {
  const world = new TestWorld({ ...SAVEPOINTS, ...parallel(2) });
  const batches = new Batches();
  const process = await world.start(batches.build);
  await process.forMs(100);
  const { path } = await process.settled(process.job.triggerSavepoint());
  equal(stateOf(await process.end()), "finished");
  deepEqual(sorted(batches.out.values), ALL);
  // What comes from the savepoint on comes again: with the first part of the output it is whole.
  const other = new TestWorld({ ...SAVEPOINTS, ...parallel(3) }, 2, world.fileSystem);
  batches.takeOpenings();
  const again = new Batches();
  equal(stateOf(await other.run(again.build, { argv: ["--from", path] })), "finished");
  const rest = new Set(again.out.values);
  equal(rest.size, again.out.values.length);
  ok(rest.size > 200 && rest.size < 350, String(rest.size));
  ok(again.takeOpenings().some(({ waiting }) => waiting.every((n) => rest.has(n)) && waiting.length > 0));
  for (const n of ALL.slice(120)) ok(rest.has(n), String(n));
});

test("onEnd is called when a job is drained, and again when what follows the drained savepoint has ended", async () => {
  const world = new TestWorld({ ...SAVEPOINTS, ...parallel(2) });
  const out = collectSink<string>();
  const build = (count: number | null) => (env: StreamEnvironment) =>
    env.fromSource("numbers", numbers(count)).process("ends", {
      emits: emits<string>(),
      state: { seen: operatorListState<number>("seen") },
      onMessage: (n, context) => context.state.seen.add(n),
      onEnd: (context) => {
        for (const n of context.state.seen) context.emit(`${n}`);
        context.emit("end");
        context.state.seen.clear();
      },
    }).sinkTo("out", out);
  const ends = () => out.values.filter((value) => value === "end").length;
  const process = await world.start(build(null));
  await process.forMs(100);
  const { path } = await process.settled(process.job.stopWithSavepoint({ drain: true }));
  equal(stateOf(await process.end()), "stopped");
  equal(ends(), 2);
  const drained = out.values.length;
  ok(drained > 50);
  // More input, and another end.
  equal(stateOf(await world.run(build(400), { argv: ["--from", path] })), "finished");
  equal(ends(), 4);
  deepEqual(sorted(out.values.filter((value) => value !== "end").map(Number)), ALL);
});

test("onEnd is not called again when a drained savepoint is followed by no input", async () => {
  const world = new TestWorld({ ...SAVEPOINTS, ...parallel(2) });
  const out = collectSink<string>();
  const build = (env: StreamEnvironment) =>
    env.fromSource("numbers", numbers(3)).union(env.fromSource("idle", numbers(null)).filter(() => false))
      .process("ends", {
        emits: emits<string>(),
        onMessage: (n, context) => context.emit(`${n}`),
        onEnd: (context) => context.emit("end"),
      }).sinkTo("out", out);
  const process = await world.start(build);
  await process.forMs(100);
  const { path } = await process.settled(process.job.stopWithSavepoint({ drain: true }));
  await process.end();
  deepEqual([...out.values].sort(), ["0", "1", "2", "end", "end"]);
  for (const parallelism of [2, 3]) {
    const next = await world.start(build, { argv: ["--from", path], config: parallel(parallelism) });
    await next.forMs(100);
    await next.settled(next.job.stopWithSavepoint({ drain: true }));
    await next.end();
    deepEqual([...out.values].sort(), ["0", "1", "2", "end", "end"]);
  }
});

test("a job with state without a key, killed at any file operation, goes on at any parallelism [232, 252]", {
  timeout: 120_000,
}, async () => {
  const random = new SeededRandom(7);
  let restores = 0;
  for (let sample = 0; sample < scaled(15, 200); sample++) {
    const world = new TestWorld({}, sample);
    const batches = new Batches();
    const story: string[] = [];
    for (let outcome: Outcome | null = null; outcome?.kind !== "ended";) {
      const parallelism = 1 + Math.floor(random.next() * 4);
      const dieAfter = Math.floor(random.next() * 300);
      const isLast = story.length >= 4;
      const argv = story.length === 0 ? [] : ["--from", "latest"];
      story.push(`× ${parallelism}, dies after ${isLast ? "nothing" : dieAfter}`);
      outcome = await world.run(batches.build, {
        argv,
        config: parallel(parallelism),
        delayMs: () => Math.floor(random.next() * 3),
        ...(isLast ? {} : { dieAfter }),
      });
      if (outcome.kind === "failed") throw new Error(story.join("; "), { cause: outcome.error });
      for (const { isRestored, copy } of batches.takeOpenings()) {
        if (isRestored) restores++;
        deepEqual(copy, isRestored ? [["eur", 2], ["usd", 3]] : [], story.join("; "));
      }
    }
    deepEqual(sorted(batches.out.values), ALL, story.join("; "));
  }
  ok(restores > 15, "hardly anything was restored");
});
