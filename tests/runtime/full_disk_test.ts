import { configureSync, type LogRecord, resetSync } from "@logtape/logtape";
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { test } from "node:test";
import { collectSink, fixedDelay, noRestart, type RestartSettings, StreamError } from "../../mod.ts";
import { SeededRandom } from "../connectors/contexts.ts";
import { checkFinished, CHECKPOINTS, type Outcome, type TestProcess, TestWorld } from "../support/job_harness.ts";
import { ledger, oracle, PAGES, pagesIn } from "../support/ledger_pipeline.ts";
import type { FileOperation } from "../support/memory_file_system.ts";
import { scaled } from "../support/scale.ts";

const COUNT = 300;
const EXPECTED = oracle(COUNT);
const TOLERABLE = "execution.checkpointing.tolerable-failed-checkpoints";
const CODES = ["ENOSPC", "EIO", "EACCES", "ENOENT"] as const;

/** Files of checkpoints, and of transactions that end with one. */
const OF_CHECKPOINTS = /^\/checkpoints/;

type Config = NonNullable<ConstructorParameters<typeof TestWorld>[0]>;

class DiskRun {
  readonly world: TestWorld;
  readonly #seen = collectSink<number>();

  constructor(config: Config = {}) {
    this.world = new TestWorld(config);
  }

  async start(argv: readonly string[] = [], restart: RestartSettings = noRestart()): Promise<TestProcess> {
    return await this.world.start((env) => ledger(env, { count: COUNT, perMs: 3, seen: this.#seen }), {
      argv,
      restart,
    });
  }

  /** Drives it to its end. */
  async end(process: TestProcess): Promise<Outcome> {
    const outcome = await process.end();
    await process.forMs(50);
    equal(this.world.fileSystem.openCount, 0);
    equal(process.clock.scheduledCount, 0);
    return outcome;
  }

  check(context: string): void {
    deepEqual(pagesIn(this.world.fileSystem), EXPECTED.pages, context);
    deepEqual([...this.#seen.values].sort((a, b) => a - b), EXPECTED.seen, context);
  }

  /** What readers see is right as far as it goes. */
  checkVisible(context: string): void {
    for (const page of pagesIn(this.world.fileSystem)) ok(EXPECTED.pages.includes(page), context);
  }
}

/** Fails once checkpoints have begun: what a job asks at its start is another matter. */
function failCheckpoints(run: DiskRun, code: string, after: number, times: number): { strikes(): number } {
  let skip = after;
  let left = times;
  run.world.fileSystem.onOperation = (operation: FileOperation, path: string) => {
    if (run.world.clock.nowMs() < 20 || !OF_CHECKPOINTS.test(path) || operation === "close" || left === 0) return;
    if (skip-- > 0) return;
    left--;
    throw Object.assign(new Error(`${code}: ${operation} "${path}"`), { code });
  };
  return { strikes: () => times - left };
}

for (const incremental of [true, false]) {
  const config = { "execution.checkpointing.incremental": incremental };

  test(`an operation that fails in a checkpoint costs the checkpoint, not the job, with increments ${incremental}`, async () => {
    let failed = 0;
    for (let after = 0;; after += scaled(3, 1)) {
      const code = CODES[after % CODES.length]!;
      const context = `${code} after ${after} operations`;
      const run = new DiskRun({ ...config, [TOLERABLE]: 10 });
      const { strikes } = failCheckpoints(run, code, after, 1 + after % 3);
      const process = await run.start();
      checkFinished(await run.end(process), context);
      run.check(context);
      if (strikes() === 0) break;
      const { counts, latestFailed, latestCompleted } = process.job.checkpoints!;
      if (counts.failed > 0) {
        failed++;
        match(latestFailed!.failure!.message, new RegExp(code), context);
      }
      ok(latestCompleted !== null, context);
      equal(process.job.progress().restarts, 0, context);
    }
    ok(failed > 10, String(failed));
  });

  test(`what is written after failed checkpoints restores to the same state, with increments ${incremental}`, async () => {
    const random = new SeededRandom(3);
    for (let sample = 0; sample < scaled(25, 400); sample++) {
      const run = new DiskRun({ ...config, [TOLERABLE]: 100, "execution.checkpointing.interval": 5 });
      const process = await run.start();
      const context: string[] = [];
      // The disk fills up and has room again, several times; then the job dies.
      for (let phase = 0; phase < 3; phase++) {
        const ms = Math.floor(random.next() * 25);
        const after = Math.floor(random.next() * 12);
        context.push(`${ms} ms, full after ${after}`);
        await process.forMs(ms);
        run.world.fileSystem.fail({ path: OF_CHECKPOINTS, code: "ENOSPC", after, times: 1 + phase * 4 });
      }
      await process.forMs(Math.floor(random.next() * 30));
      if (process.outcome === null) process.kill();
      run.world.fileSystem.heal();
      checkFinished(await run.end(await run.start(["--from", "latest"])), context.join("; "));
      run.check(context.join("; "));
    }
  });
}

test("a full disk fails checkpoints up to the tolerated number, is told each time, and they go on once there is room", async () => {
  const warnings: string[] = [];
  configureSync({
    reset: true,
    sinks: { list: (record: LogRecord) => void warnings.push(record.message.join("")) },
    loggers: [
      { category: ["weir"], lowestLevel: "warning", sinks: ["list"] },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["list"] },
    ],
  });
  try {
    const run = new DiskRun({ [TOLERABLE]: 3 });
    const process = await run.start();
    await process.forMs(25);
    const whole = process.job.checkpoints!.latestCompleted!.checkpointId;
    run.world.fileSystem.fail({ operation: "write", path: OF_CHECKPOINTS, code: "ENOSPC", times: Infinity });
    await process.forMs(45);
    const { counts, latestFailed, latestCompleted } = process.job.checkpoints!;
    equal(counts.failed, 2);
    equal(latestCompleted!.checkpointId, whole);
    match(latestFailed!.failure!.message, /^Cannot complete checkpoint \d+: .*ENOSPC/);
    equal(warnings.filter((text) => /^Cannot complete checkpoint \d+: .*ENOSPC/.test(text)).length, 2);
    equal(process.job.progress().state, "running");
    run.world.fileSystem.heal();
    await process.forMs(20);
    ok(process.job.checkpoints!.latestCompleted!.checkpointId! > whole!);
    checkFinished(await run.end(process), "room again");
    run.check("room again");
  } finally {
    resetSync();
  }
});

test("beyond the tolerated number the job goes on from the last checkpoint, and what is committed stays", async () => {
  for (const tolerable of [0, 2]) {
    const run = new DiskRun({ [TOLERABLE]: tolerable });
    const process = await run.start([], fixedDelay({ attempts: 2, delayMs: 5 }));
    await process.forMs(25);
    const before = run.world.fileSystem.files(PAGES).filter((path) => !/\/\./.test(path));
    run.world.fileSystem.fail({ operation: "write", path: OF_CHECKPOINTS, code: "EIO", times: tolerable + 1 });
    checkFinished(await run.end(process), `${tolerable} tolerated`);
    equal(process.job.progress().restarts, 1);
    run.check(`${tolerable} tolerated`);
    for (const path of before) ok(run.world.fileSystem.has(path), path);
  }
});

test("a disk that stays full ends the job with what is wrong; nothing committed is harmed, and it goes on later", async () => {
  for (const path of [OF_CHECKPOINTS, /^\/out/, /^\//]) {
    const run = new DiskRun({ [TOLERABLE]: 1 });
    const process = await run.start([], fixedDelay({ attempts: 2, delayMs: 5 }));
    await process.forMs(45);
    for (const operation of ["create", "write", "sync", "makeDirectory"] as const) {
      run.world.fileSystem.fail({ operation, path, code: "ENOSPC", times: Infinity });
    }
    const outcome = await run.end(process);
    ok(outcome.kind === "failed" && outcome.error instanceof StreamError, String(path));
    match(outcome.error.message, /ENOSPC/, String(path));
    run.checkVisible(String(path));
    run.world.fileSystem.heal();
    checkFinished(await run.end(await run.start(["--from", "latest"])), String(path));
    run.check(String(path));
  }
});

test("a folder of checkpoints that cannot be made is reported, and used once it can", async () => {
  const run = new DiskRun({ [TOLERABLE]: 100 });
  run.world.fileSystem.put("/checkpoints", "a file in the way");
  const process = await run.start();
  await process.forMs(45);
  const { counts, latestFailed } = process.job.checkpoints!;
  equal(counts.failed, 2);
  match(latestFailed!.failure!.message, /"\/checkpoints\/[0-9a-f]{32}" cannot be prepared: ENOTDIR/);
  await run.world.fileSystem.remove("/checkpoints");
  checkFinished(await run.end(process), "made later");
  ok(process.job.checkpoints!.counts.completed >= 2);
  run.check("made later");
});

test("a folder of checkpoints that somebody removes is made again, and nothing builds on what was in it", async () => {
  // The next checkpoint fails, the one after it is full, and increments follow.
  for (const ms of [12, 17, 22, 32]) {
    const run = new DiskRun({ [TOLERABLE]: 100, "execution.checkpointing.interval": 5 });
    const process = await run.start();
    await process.forMs(31);
    const { completed, failed } = process.job.checkpoints!.counts;
    ok(completed >= 4, "no increment was taken");
    await run.world.fileSystem.removeDirectory(CHECKPOINTS);
    await process.forMs(ms);
    equal(process.job.checkpoints!.counts.failed, failed + 1);
    ok(process.job.checkpoints!.counts.completed > completed);
    process.kill();
    checkFinished(await run.end(await run.start(["--from", "latest"])), `${ms} ms later`);
    run.check(`${ms} ms later`);
  }
});
