import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { test } from "node:test";
import {
  collectSink,
  fixedDelay,
  fromAsyncIterable,
  fromIterable,
  KeyedActor,
  type Savepoint,
  type StopOptions,
  type StreamEnvironment,
  StreamError,
} from "../../mod.ts";
import { type BackendKind, HEAP, LSM } from "../support/plain_backend_kinds.ts";
import {
  checkFinished,
  type ProcessOptions,
  type TestProcess,
  TestWorld,
  type WorldConfig,
} from "../support/job_harness.ts";
import { ledger, oracle, type Page, pagesIn } from "../support/ledger_pipeline.ts";
import { COUNT, LedgerRuns, parallel } from "../support/ledger_runs.ts";
import { checkDrained, pagesOf } from "../support/drained_pages.ts";
import { Saboteur } from "../support/saboteur.ts";

const TIMEOUT = { timeout: 60_000 };
const FOLDER = "/savepoints";
const NO_CHECKPOINTS: WorldConfig = {
  "execution.checkpointing.interval": undefined,
  "execution.checkpointing.dir": undefined,
};
const EXPECTED = oracle(COUNT);

/** A ledger whose input takes about 100 ms. */
function runsOf(config: WorldConfig = {}, parallelism = 1, options: { endless?: boolean; saboteur?: Saboteur } = {}) {
  const folders = { "execution.checkpointing.savepoint-dir": FOLDER, "pipeline.max-parallelism": 12 };
  return new LedgerRuns({ ...folders, ...config }, { perMs: 3 / parallelism, ...options });
}

function optionsOf(backend: BackendKind, parallelism: number, path?: string): ProcessOptions {
  const argv = path === undefined ? [] : ["--from", path];
  return { ...backend.options, argv, config: { ...backend.options.config, ...parallel(parallelism) } };
}

async function running(runs: LedgerRuns, options: ProcessOptions = {}): Promise<TestProcess> {
  const process = await runs.start(options);
  await process.until(() => process.job.status().state === "running");
  return process;
}

/** Stops the job with a savepoint, and looks at what is left of it. */
async function stopAfter(process: TestProcess, runs: LedgerRuns, ms: number, options: StopOptions): Promise<Savepoint> {
  // Of former processes: this one has taken no checkpoint yet.
  const before = runs.seen.values.length;
  await process.forMs(ms);
  const stopping = process.job.stopWithSavepoint(options);
  equal(process.job.status().state, "stopping");
  const savepoint = await process.settled(stopping);
  const { outcome } = process;
  ok(outcome?.kind === "ended");
  deepEqual([outcome.result.state, outcome.result.savepointPath], ["stopped", savepoint.path]);
  equal(process.job.status().state, "stopped");
  // Nothing was processed behind the savepoint: what sources have read is what is committed.
  equal(process.job.progress().recordsIn, runs.seen.values.length - before);
  await process.forMs(50);
  equal(runs.world.fileSystem.openCount, 0);
  equal(process.clock.scheduledCount, 0);
  return savepoint;
}

for (const parallelism of [1, 3]) {
  for (const [before, after] of [[HEAP, LSM], [LSM, HEAP]] as const) {
    test(
      `a job that is suspended with a savepoint emits nothing of the end, and goes on from there as if undisturbed, ` +
        `${before.name} to ${after.name}, parallelism ${parallelism} [246]`,
      TIMEOUT,
      async () => {
        for (const config of [{}, NO_CHECKPOINTS]) {
          for (const ms of [0, 19, 20, 21, 50]) {
            const runs = runsOf(config, parallelism);
            const process = await running(runs, optionsOf(before, parallelism));
            const format = ms % 2 === 0 ? "canonical" : "native";
            const { path } = await stopAfter(process, runs, ms, { format });
            // A window that was open is not closed by the stop.
            for (const page of pagesIn(runs.world.fileSystem)) ok(EXPECTED.pages.includes(page), page);
            ok(runs.seen.values.length < COUNT);
            checkFinished(await runs.run(optionsOf(after, 4 - parallelism, path)), `after ${ms} ms`);
            runs.check(`${JSON.stringify(config)}, after ${ms} ms`);
          }
        }
      },
    );

    test(
      `a drain fires every timer before the savepoint; event time begins anew after a restore, ${before.name} to ` +
        `${after.name}, parallelism ${parallelism} [246]`,
      TIMEOUT,
      async () => {
        for (const config of [{}, NO_CHECKPOINTS]) {
          for (const ms of [1, 20, 50]) {
            const runs = runsOf(config, parallelism);
            const process = await running(runs, optionsOf(before, parallelism));
            const { path } = await stopAfter(process, runs, ms, { drain: true });
            // Every record that was read is on a page.
            equal(countOf(pagesOf(runs)), runs.seen.values.length);
            ok(runs.seen.values.length < COUNT);
            const again = await running(runs, optionsOf(after, 4 - parallelism, path));
            ok(again.job.progress().watermarkMs !== Number.POSITIVE_INFINITY);
            checkFinished(await again.end(), `after ${ms} ms`);
            await again.forMs(50);
            checkDrained(runs, "again");
          }
        }
      },
    );
  }
}

function countOf(pages: readonly Page[]): number {
  return pages.reduce((sum, { count }) => sum + count, 0);
}

test("a job is stopped and goes on again and again, suspended or drained, and latest leads to the last savepoint", async () => {
  const runs = runsOf();
  let from: string | undefined;
  for (let round = 0; round < 6; round++) {
    const process = await running(runs, optionsOf(round % 2 === 0 ? HEAP : LSM, 1 + round % 3, from));
    from = (await stopAfter(process, runs, 7, { drain: round % 3 === 2 })).path;
    const latest = await runs.run({ argv: ["--from", "latest"] });
    ok(latest.kind === "failed");
    match(String(latest.error), new RegExp(`start it with --from "${from}"`));
    // It would put out a second time what is committed.
    const afresh = await runs.run();
    ok(afresh.kind === "failed");
    match(String(afresh.error), /Cannot start without state/);
  }
  checkFinished(await runs.run(optionsOf(HEAP, 1, from)), "last");
  checkDrained(runs, "again");
});

test("behind a drained savepoint a source that had ended stays at its end, others read on", async () => {
  const world = new TestWorld({ "execution.checkpointing.savepoint-dir": FOLDER });
  const few = collectSink<string>();
  const seen = collectSink<number>();
  const build = (perMs: number, endless: boolean) => (env: StreamEnvironment) => {
    env.fromSource("few", fromIterable(["a", "b"])).sinkTo("few-out", few);
    ledger(env, { count: COUNT, seen, perMs, endless });
  };
  const process = await world.start(build(3, true));
  await process.forMs(50);
  const { path } = await process.settled(process.job.stopWithSavepoint({ drain: true }));
  deepEqual([...few.values], ["a", "b"]);
  ok(seen.values.length < COUNT);
  checkFinished(await world.run(build(3, false), { argv: ["--from", path] }), "rest");
  deepEqual([...few.values], ["a", "b"]);
  deepEqual([...seen.values].sort((a, b) => a - b), EXPECTED.seen);
});

test("a second request to stop is refused while the first is under way, which ends the job", async () => {
  const runs = runsOf();
  const process = await running(runs, { delayMs: (_, path) => path.startsWith(FOLDER) ? 5 : 0 });
  await process.forMs(10);
  const { job } = process;
  const first = job.stopWithSavepoint();
  const refused = { name: "StreamError", kind: "unavailable", message: /Cannot stop "test": it is stopping/ };
  await rejects(job.stopWithSavepoint(), refused);
  await rejects(job.stopWithSavepoint({ drain: true }), refused);
  await rejects(job.triggerSavepoint(), { ...refused, message: /Cannot take a savepoint of "test": it is stopping/ });
  await process.settled(first);
  await process.forMs(50);
  equal(runs.world.fileSystem.files(FOLDER).filter((path) => path.endsWith("/_metadata")).length, 1);
  await rejects(job.stopWithSavepoint(), { kind: "invalid", message: /it has ended \(stopped\)/ });
});

test("a checkpoint that is asked for during a stop settles when the job has ended, or after the stop has failed", async () => {
  for (const fails of [false, true]) {
    const runs = runsOf();
    const process = await running(runs, { delayMs: (_, path) => path.startsWith(FOLDER) ? 2 : 0 });
    await process.forMs(10);
    if (fails) runs.world.fileSystem.fail({ operation: "rename", path: FOLDER, code: "EIO" });
    const stopping = process.job.stopWithSavepoint();
    await process.forMs(1);
    const checkpoint = process.job.triggerCheckpoint("full");
    checkpoint.catch(() => {});
    if (fails) {
      await rejects(process.settled(stopping), /EIO/);
      equal((await process.settled(checkpoint)).metadata.type, "checkpoint");
      checkFinished(await process.end(), "after a stop that failed");
      await process.forMs(50);
      runs.check("after a stop that failed");
    } else {
      await process.settled(stopping);
      await rejects(checkpoint, { name: "CheckpointFailedError", reason: "stopped" });
    }
  }
});

test("a plain savepoint that is under way when the job is stopped settles", async () => {
  for (const drain of [false, true]) {
    const runs = runsOf();
    const process = await running(runs, { delayMs: (_, path) => path.startsWith("/slow") ? 4 : 0 });
    await process.forMs(10);
    const plain = process.job.triggerSavepoint({ directory: "/slow" }).then(() => "taken", (error) => error.reason);
    await process.forMs(1);
    await stopAfter(process, runs, 0, { drain });
    ok(["taken", "stopped"].includes(await process.settled(plain)));
  }
});

test("a stop in each state of a job that has not begun, waits for its restart, finishes or ends is refused", async () => {
  const runs = runsOf({}, 1, { saboteur: new Saboteur().arm("actor onMessage", 100) });
  const process = await runs.start({
    restart: fixedDelay({ attempts: 1, delayMs: 20 }),
    delayMs: (_, path) => path.includes("/out/") ? 3 : 0,
  });
  const { job } = process;
  const refused = (message: RegExp) => rejects(job.stopWithSavepoint(), { kind: "unavailable", message });
  await refused(/it is starting, it must be running; try again later/);
  await process.until(() => job.status().state === "restarting");
  await refused(/it is restarting/);
  await process.until(() => job.status().state === "running");
  // Until the last record is read; the final checkpoint takes a while.
  await process.until(() => job.progress().sources === undefined && job.progress().recordsIn >= COUNT);
  await process.until(() => job.progress().watermarkMs === Number.POSITIVE_INFINITY);
  await process.forMs(1);
  equal(process.outcome, null);
  await refused(/all its input has ended, and it finishes, it must be running; start it again when it has ended/);
  checkFinished(await process.end(), "finished");
  await process.forMs(50);
  runs.check("finished");
});

test("a stop at whatever moment around the end of the input stops the job, or is refused because it finishes", async () => {
  for (const drain of [false, true]) {
    const states = new Set<string>();
    for (let tenths = 980; tenths < 1020; tenths += 4) {
      const runs = runsOf();
      const process = await running(runs);
      await process.forMs(tenths / 10);
      const stopping = process.job.stopWithSavepoint({ drain }).then(() => "stopped", (error) => {
        ok(error instanceof StreamError, String(error));
        return "refused";
      });
      const outcome = await process.end();
      ok(outcome.kind === "ended");
      states.add(`${await stopping} ${outcome.result.state}`);
      await process.forMs(50);
      if (outcome.result.state === "stopped") {
        checkFinished(await runs.run({ argv: ["--from", outcome.result.savepointPath!] }), "again");
      }
      checkDrained(runs, "again");
    }
    deepEqual([...states].sort(), ["refused finished", "stopped stopped"]);
  }
});

test("cancel() during a stop ends the job at once, and the stop is told so; with the path once the savepoint is complete", async () => {
  const ends = new Set<string>();
  for (const drain of [false, true]) {
    for (let ms = 0; ms < 45; ms += 3) {
      const runs = runsOf();
      const process = await running(runs, {
        delayMs: (_, path) => path.startsWith(FOLDER) ? 1 : path.includes("/.pending") ? 3 : 0,
      });
      await process.forMs(30);
      const stopping = process.job.stopWithSavepoint({ drain }).then(() => "stopped", (error) => {
        ok(error instanceof StreamError, String(error));
        return /^Cannot stop "test" as asked: its savepoint "([^"]*)" is complete/.exec(error.message)?.[1] ??
          error.message;
      });
      await process.forMs(ms);
      process.job.cancel();
      const outcome = await process.end();
      ok(outcome.kind === "ended");
      const told = await process.settled(stopping);
      await process.forMs(50);
      ends.add(`${outcome.result.state} ${told.startsWith(FOLDER) ? "path" : told}`);
      const path = told.startsWith(FOLDER) ? told : outcome.result.savepointPath ?? "latest";
      const complete = runs.world.fileSystem.files("/").filter((file) =>
        file.startsWith(FOLDER) && file.endsWith("/_metadata")
      );
      deepEqual(complete.length === 1, path !== "latest", told);
      checkFinished(await runs.run({ argv: ["--from", path] }), told);
      checkDrained(runs, "again");
    }
  }
  const cancelled = 'cancelled Cannot go on with "test": it was cancelled; start it again';
  deepEqual([...ends].sort(), [cancelled, "cancelled path", "stopped stopped"].sort());
});

test("stop() during a stop with a savepoint ends the job, also when the savepoint fails", async () => {
  for (const [drain, fails] of [[false, false], [false, true], [true, false], [true, true]] as const) {
    // In the same turn, or when it has begun.
    for (const ms of [0, 1]) {
      const runs = runsOf();
      const process = await running(runs, { delayMs: (_, path) => path.startsWith(FOLDER) ? 3 : 0 });
      await process.forMs(30);
      if (fails) runs.world.fileSystem.fail({ operation: "rename", path: FOLDER, code: "ENOSPC" });
      const told = process.job.stopWithSavepoint({ drain }).then(() => "stopped", (error) => String(error));
      if (ms > 0) await process.forMs(ms);
      process.job.stop();
      const outcome = await process.end();
      ok(outcome.kind === "ended");
      equal(outcome.result.state, "stopped");
      match(await process.settled(told), fails ? /ENOSPC/ : /^stopped$/);
      await process.forMs(50);
      checkFinished(await runs.run({ argv: ["--from", outcome.result.savepointPath ?? "latest"] }), "again");
      checkDrained(runs, "again");
    }
  }
});

class Ticker extends KeyedActor<number, number, number> {
  override onMessage(): void {
    this.#again();
  }

  override onTimer(timestampMs: number): void {
    this.emit(timestampMs);
    this.#again();
  }

  #again(): void {
    this.timers.registerProcessingTime(this.timers.currentProcessingTime() + 2);
  }
}

test("while a savepoint with which the job stops is written no timer of processing time fires; they go on if it fails [246]", async () => {
  const world = new TestWorld({
    "execution.checkpointing.interval": "1 d",
    "execution.checkpointing.savepoint-dir": FOLDER,
  });
  const out = collectSink<number>();
  const process = await world.start((env) => {
    env.fromSource("one", { ...fromAsyncIterable(one), replayable: true }).keyBy((n) => n).actor(
      "ticker",
      () => new Ticker(),
    ).sinkTo("out", out);
  }, { delayMs: (_, path) => path.startsWith(FOLDER) ? 10 : 0 });
  const { job } = process;
  await process.forMs(50);
  ok(job.progress().recordsOut > 5);
  world.fileSystem.fail({ operation: "rename", path: /_metadata/, code: "EIO" });
  for (const fails of [true, false]) {
    const told = job.stopWithSavepoint().then(() => "stopped", (error) => String(error));
    // Until the folder is made; then come the barrier, and the files.
    await process.until(() => job.checkpoints.counts.inProgress === 1);
    await process.forMs(1);
    const before = job.progress().recordsOut;
    await process.forMs(30);
    equal(job.progress().recordsOut, before);
    match(await process.settled(told), fails ? /EIO/ : /^stopped$/);
    if (!fails) continue;
    await process.forMs(20);
    ok(job.progress().recordsOut >= before + 8, "the timers go on");
  }
  equal(out.values.length, job.progress().recordsOut);
});

async function* one(): AsyncGenerator<number> {
  yield 1;
  await new Promise(() => {});
}
