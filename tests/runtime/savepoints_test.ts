import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { test } from "node:test";
import { collectSink, fromAsyncIterable, type Savepoint, type SavepointFormat, StreamError } from "../../mod.ts";
import { type BackendKind, HEAP, LSM } from "../support/plain_backend_kinds.ts";
import {
  checkFinished,
  CHECKPOINTS,
  type ProcessOptions,
  type TestProcess,
  TestWorld,
  type WorldConfig,
} from "../support/job_harness.ts";
import { COUNT, LedgerRuns, parallel } from "../support/ledger_runs.ts";

const TIMEOUT = { timeout: 60_000 };
const FOLDER = "/savepoints";
const NO_CHECKPOINTS: WorldConfig = {
  "execution.checkpointing.interval": undefined,
  "execution.checkpointing.dir": undefined,
};

/** A ledger whose input takes about 100 ms. */
function runsOf(config: WorldConfig = {}, parallelism = 1): LedgerRuns {
  const folders = { "execution.checkpointing.savepoint-dir": FOLDER, "pipeline.max-parallelism": 12 };
  return new LedgerRuns({ ...folders, ...config }, { perMs: 3 / parallelism });
}

function optionsOf(backend: BackendKind, parallelism: number): ProcessOptions {
  return { ...backend.options, config: { ...backend.options.config, ...parallel(parallelism) } };
}

function from(path: string, options: ProcessOptions): ProcessOptions {
  return { ...options, argv: ["--from", path] };
}

/** Starts the pipeline and waits until it runs. */
async function running(runs: LedgerRuns, options: ProcessOptions): Promise<TestProcess> {
  const process = await runs.start(options);
  await process.until(() => process.job.status().state === "running");
  return process;
}

/** Runs for so long and takes a savepoint. */
async function savepointAfter(process: TestProcess, ms: number, format: SavepointFormat): Promise<Savepoint> {
  await process.forMs(ms);
  return await process.settled(process.job.triggerSavepoint({ format }));
}

for (const parallelism of [1, 3]) {
  for (const [before, after] of [[HEAP, HEAP], [HEAP, LSM], [LSM, HEAP], [LSM, LSM]] as const) {
    for (const format of ["canonical", "native"] as const) {
      test(
        `a job goes on beside a ${format} savepoint; a restore from it ends as if undisturbed, ${before.name} to ` +
          `${after.name}, parallelism ${parallelism} [241]`,
        TIMEOUT,
        async () => {
          for (const config of [{}, NO_CHECKPOINTS]) {
            for (const ms of [1, 50]) {
              const runs = runsOf(config, parallelism);
              const context = `${JSON.stringify(config)}, after ${ms} ms`;
              const process = await running(runs, optionsOf(before, parallelism));
              const savepoint = await savepointAfter(process, ms, format);
              equal(process.job.status().state, "running");
              equal(savepoint.format, format);
              checkFinished(await process.end(), context);
              await process.forMs(50);
              runs.check(context);
              // What was committed after the savepoint is taken back, and comes again.
              checkFinished(await runs.run(from(savepoint.path, optionsOf(after, 4 - parallelism))), context);
              runs.check(context);
            }
          }
        },
      );
    }
  }
}

test("a savepoint says where it is and what it cost; it changes neither checkpoints nor what a recovery goes on from [241]", async () => {
  const runs = runsOf();
  const process = await running(runs, { delayMs: (_, path) => path.startsWith(FOLDER) ? 1 : 0 });
  const { job } = process;
  await process.forMs(50);
  const before = job.checkpoints.latestCompleted!.checkpointId!;
  const savepoint = await process.settled(job.triggerSavepoint());
  match(savepoint.path, new RegExp(`^${FOLDER}/savepoint-${job.id.slice(0, 6)}-[0-9a-f]{12}$`));
  ok(savepoint.checkpointId > before);
  ok(savepoint.durationMs > 0 && savepoint.sizeBytes > 0);
  const files = runs.world.fileSystem.files(savepoint.path);
  const sizes = await Promise.all(files.map(async (path) => (await runs.world.fileSystem.readFile(path)).length));
  const totalBytes = sizes.reduce((sum, size) => sum + size, 0);
  // What is small is counted as state and as part of the metadata that holds it.
  ok(savepoint.sizeBytes >= totalBytes && savepoint.sizeBytes < 2 * totalBytes);
  // One for the only subtask with keyed state, besides the metadata.
  equal(files.length, 2);
  await process.forMs(25);
  const { history } = job.checkpoints;
  deepEqual(history.filter(({ type }) => type === "savepoint").map(({ checkpointId }) => checkpointId), [
    savepoint.checkpointId,
  ]);
  const next = history.find(({ type, checkpointId }) =>
    type === "checkpoint" && checkpointId! > savepoint.checkpointId
  )!;
  equal(next.status, "completed");
  ok(next.incrementBytes < next.fullBytes, "checkpoints stay incremental");
  process.kill();
  checkFinished(await runs.run({ argv: ["--from", "latest"] }), "latest");
  runs.check("latest");
  deepEqual(runs.world.fileSystem.files(savepoint.path), files);
});

test("a folder that is named in the request wins; a savepoint moves with its folder [243]", async () => {
  for (const backend of [HEAP, LSM]) {
    for (const format of ["canonical", "native"] as const) {
      const runs = runsOf();
      const process = await running(runs, optionsOf(backend, 3));
      await process.forMs(10);
      const { path } = await process.settled(process.job.triggerSavepoint({ directory: "/elsewhere", format }));
      ok(path.startsWith("/elsewhere/"));
      deepEqual(runs.world.fileSystem.has(FOLDER), false);
      process.kill();
      await runs.world.fileSystem.makeDirectory("/moved");
      await runs.world.fileSystem.rename(path, "/moved/here");
      checkFinished(await runs.run(from("/moved/here", optionsOf(backend, 2))), format);
      runs.check(format);
    }
  }
});

test("a job without checkpoints takes savepoints, goes on from them, and makes no other folder [244, 245]", async () => {
  for (const backend of [HEAP, LSM]) {
    const runs = runsOf(NO_CHECKPOINTS);
    const process = await running(runs, optionsOf(backend, 1));
    const first = await savepointAfter(process, 20, "canonical");
    const second = await savepointAfter(process, 20, "native");
    deepEqual(runs.world.fileSystem.has(CHECKPOINTS), false);
    process.kill();
    checkFinished(await runs.run(from(second.path, optionsOf(backend, 1))), "second");
    runs.check("second");
    checkFinished(await runs.run(from(first.path, optionsOf(backend, 1))), "first");
    runs.check("first");
    const folders = new Set(runs.world.fileSystem.files("/").map((path) => path.split("/")[1]));
    deepEqual([...folders].sort(), ["out", "savepoints"]);
  }
});

test("a savepoint is refused with the remedy: no folder, a source that cannot go back [244]", async () => {
  const world = new TestWorld();
  const process = await world.start((env) => {
    env.fromSource("numbers", { ...fromAsyncIterable(endless), replayable: true }).sinkTo("out", collectSink<number>());
  });
  await process.until(() => process.job.status().state === "running");
  const { job } = process;
  await rejects(job.triggerSavepoint(), (error: Error) => {
    ok(error instanceof StreamError && error.kind === "invalid");
    match(
      error.message,
      /^Cannot take a savepoint of "test": no folder is given.*set execution\.checkpointing\.savepoint-dir/,
    );
    return true;
  });
  await rejects(job.stopWithSavepoint(), /no folder is given/);
  // A script without types may ask for anything.
  await rejects(job.triggerSavepoint({ directory: FOLDER, format: "CANONICAL" as "canonical" }), {
    name: "TypeError",
    message: 'Cannot take a savepoint of "test": its format is "CANONICAL", must be "canonical" or "native"',
  });
  equal(job.status().state, "running");
  job.cancel();
  await process.end();

  const other = new TestWorld({ ...NO_CHECKPOINTS, "execution.checkpointing.savepoint-dir": FOLDER });
  const unreplayable = await other.start((env) => {
    env.fromSource("numbers", fromAsyncIterable(endless)).sinkTo("out", collectSink<number>());
  });
  await unreplayable.until(() => unreplayable.job.status().state === "running");
  const refused = /its source "numbers" cannot go back to a position, every source must; declare it replayable/;
  await rejects(unreplayable.job.triggerSavepoint(), refused);
  await rejects(unreplayable.job.stopWithSavepoint({ drain: true }), refused);
  equal(unreplayable.job.status().state, "running");
  unreplayable.job.cancel();
  await unreplayable.end();
});

async function* endless(): AsyncGenerator<number> {
  await new Promise(() => {});
  yield 1;
}

test("a start from a path that is not there fails at once, whatever the restart strategy [244]", async () => {
  for (const config of [{}, NO_CHECKPOINTS]) {
    const runs = runsOf(config);
    const outcome = await runs.run({
      argv: ["--from", "/nowhere"],
      config: { "restart-strategy.type": "fixed-delay" },
    });
    ok(outcome.kind === "failed");
    match(String(outcome.error), /"\/nowhere"/);
    equal(outcome.kind, "failed");
  }
});

test("a savepoint in each state of a job settles: it is taken, or refused with the state", async () => {
  const runs = runsOf({}, 1);
  const process = await runs.start({ delayMs: (_, path) => path.includes("/out/") ? 3 : 0 });
  const { job } = process;
  await rejects(
    job.triggerSavepoint(),
    /^StreamError: Cannot take a savepoint of "test": it is starting.*try again later/,
  );
  await process.until(() => job.status().state === "running");
  // As the job ends, those under way end in one way or the other.
  const outcomes: string[] = [];
  while (process.outcome === null) {
    await process.forMs(1);
    job.triggerSavepoint().then(() => outcomes.push("taken"), (error) => outcomes.push(`${error.name} ${error.kind}`));
  }
  await process.forMs(100);
  equal(outcomes.length > 50, true);
  for (const outcome of outcomes) {
    ok(/^taken$|^(StreamError|CheckpointFailedError) (unavailable|invalid)$/.test(outcome), outcome);
  }
  ok(outcomes.includes("taken"));
  checkFinished(process.outcome, "with savepoints");
  runs.check("with savepoints");
  await rejects(job.triggerSavepoint(), /it has ended \(finished\); start it again/);
  await rejects(job.stopWithSavepoint(), /Cannot stop "test": it has ended \(finished\)/);
  equal(COUNT, runs.seen.values.length);
});
