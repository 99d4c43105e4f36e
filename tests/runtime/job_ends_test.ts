import { deepEqual, equal, match, ok } from "node:assert/strict";
import { test } from "node:test";
import { collectSink, fixedDelay, fromIterable, KeyedActor, StreamError, watermarks } from "../../mod.ts";
import {
  CHECKPOINTS,
  type Outcome,
  type ProcessOptions,
  stateOf,
  type TestProcess,
  TestWorld,
} from "../support/job_harness.ts";
import { ledger, type LedgerOptions, oracle, pagesIn } from "../support/ledger_pipeline.ts";
import { Saboteur } from "../support/saboteur.ts";

const COUNT = 300;
const EXPECTED = oracle(COUNT);
const INTERVAL = "execution.checkpointing.interval";
const TOLERABLE = "execution.checkpointing.tolerable-failed-checkpoints";
const RETENTION = "execution.checkpointing.externalized-checkpoint-retention";

type Config = NonNullable<ConstructorParameters<typeof TestWorld>[0]>;

/** A pipeline that is ended in some way. */
class Ending {
  readonly world: TestWorld;
  readonly #seen = collectSink<number>();
  /** All subtasks together read the input in 100 ms. */
  private readonly perMs: number;

  constructor(config: Config = {}, private readonly options: Partial<LedgerOptions> = {}) {
    this.world = new TestWorld(config);
    this.perMs = 3 / Number(config["parallelism.default"] ?? 1);
  }

  async start(options: ProcessOptions = {}): Promise<TestProcess> {
    const given = { count: COUNT, seen: this.#seen, perMs: this.perMs, ...this.options };
    return await this.world.start((env) => ledger(env, given), options);
  }

  /** Drives it to its end, and sees that it leaves nothing behind. */
  async end(process: TestProcess): Promise<Outcome> {
    const outcome = await process.end();
    // Operations that were under way at the end return, and close their files.
    await process.forMs(200);
    equal(this.world.fileSystem.openCount, 0, "files are open");
    equal(process.clock.scheduledCount, 0, "timers wait");
    equal(process.clock.deferredCount, 0, "work waits");
    return outcome;
  }

  /** What is visible is right as far as it goes; a run from the latest checkpoint brings the rest. */
  async checkRest(): Promise<void> {
    for (const page of pagesIn(this.world.fileSystem)) ok(EXPECTED.pages.includes(page), page);
    const process = await this.start({ argv: ["--from", "latest"] });
    equal(stateOf(await this.end(process)), "finished");
    deepEqual(pagesIn(this.world.fileSystem), EXPECTED.pages);
    deepEqual([...this.#seen.values].sort((a, b) => a - b), EXPECTED.seen);
  }
}

/** Slow writes of snapshots: a checkpoint takes a while. */
function slowSnapshots(ms: number): NonNullable<ProcessOptions["delayMs"]> {
  return (_operation, path) => path.includes("/shared/") ? ms : 0;
}

for (const parallelism of [1, 3]) {
  const config = { "parallelism.default": parallelism };

  test(`a checkpoint that is not written in time is given up, what comes late changes nothing, at parallelism ${parallelism} [198]`, async () => {
    const ending = new Ending({ ...config, [TOLERABLE]: 100, "execution.checkpointing.timeout": 30 });
    let isSlow = true;
    const process = await ending.start({ delayMs: (_, path) => isSlow && path.includes("/shared/") ? 25 : 0 });
    await process.forMs(60);
    const { checkpoints } = process.job;
    ok(checkpoints!.counts.failed >= 1, "nothing has expired");
    equal(checkpoints!.latestFailed!.failure!.reason, "expired");
    isSlow = false;
    equal(stateOf(await ending.end(process)), "finished");
    deepEqual(pagesIn(ending.world.fileSystem), EXPECTED.pages);
    ok(process.job.checkpoints!.counts.completed >= 1);
    equal(process.job.progress().restarts, 0);
  });

  test(`cancel() ends a job while a source opens that never will, at parallelism ${parallelism}`, async () => {
    const ending = new Ending(config, { opening: () => new Promise(() => {}) });
    const process = await ending.start();
    await process.forMs(5);
    equal(process.job.progress().state, "starting");
    process.job.cancel();
    equal(stateOf(await ending.end(process)), "cancelled");
    equal(process.job.progress().state, "cancelled");
  });

  test(`cancel() during a checkpoint ends at once and leaves the last one to go on from, at parallelism ${parallelism}`, async () => {
    for (const ms of [21, 23, 26, 31, 42, 47]) {
      const ending = new Ending(config);
      const process = await ending.start({ delayMs: slowSnapshots(3) });
      await process.forMs(ms);
      const startedMs = process.clock.nowMs();
      process.job.cancel();
      equal(stateOf(await process.end()), "cancelled");
      ok(process.clock.nowMs() - startedMs <= 10, `cancelling took ${process.clock.nowMs() - startedMs} ms`);
      await ending.end(process);
      await ending.checkRest();
    }
  });

  test(`cancel() and stop() during the delay before a restart end at once, at parallelism ${parallelism}`, async () => {
    for (const how of ["cancel", "stop"] as const) {
      const saboteur = new Saboteur().arm("actor onMessage", 200);
      const ending = new Ending({ ...config, [RETENTION]: "DELETE_ON_CANCELLATION" }, { saboteur });
      const process = await ending.start({ restart: fixedDelay({ attempts: 1, delayMs: 60_000 }) });
      await process.until(() => process.job.progress().state === "restarting");
      const ms = process.clock.nowMs();
      process.job[how]();
      equal(process.job.progress().state, how === "stop" ? "stopping" : "cancelling");
      equal(stateOf(await process.end()), how === "stop" ? "stopped" : "cancelled");
      equal(process.clock.nowMs(), ms);
      await ending.end(process);
      // Only a cancelled job gives its checkpoints up.
      const left = ending.world.fileSystem.files(CHECKPOINTS).some((path) => path.endsWith("/_metadata"));
      equal(left, how === "stop");
      if (how === "stop") await ending.checkRest();
    }
  });

  test(`stop() takes a last checkpoint and commits what it covers, at parallelism ${parallelism}`, async () => {
    for (const ms of [0, 1, 5, 19, 20, 21, 33]) {
      const ending = new Ending(config);
      const process = await ending.start({ delayMs: slowSnapshots(2) });
      await process.forMs(ms);
      process.job.stop();
      equal(stateOf(await ending.end(process)), "stopped");
      equal(process.job.progress().state, "stopped");
      await ending.checkRest();
    }
  });

  test(`stop() without checkpoints commits what was read, at parallelism ${parallelism}`, async () => {
    const ending = new Ending({ ...config, [INTERVAL]: undefined });
    const process = await ending.start();
    await process.forMs(30);
    process.job.stop();
    equal(stateOf(await ending.end(process)), "stopped");
    const pages = pagesIn(ending.world.fileSystem);
    ok(pages.length > 0 && pages.length < EXPECTED.pages.length, String(pages.length));
    for (const page of pages) ok(EXPECTED.pages.includes(page), page);
  });

  test(`stop() whose last checkpoint fails is reported, and tried again where failures are tolerated, at parallelism ${parallelism}`, async () => {
    for (const tolerable of [0, 2]) {
      const ending = new Ending({ ...config, [TOLERABLE]: tolerable });
      const process = await ending.start({ restart: fixedDelay({ attempts: 9, delayMs: 1 }) });
      await process.forMs(30);
      ending.world.fileSystem.fail({ operation: "rename", path: "_metadata", code: "ENOSPC", times: 2 });
      process.job.stop();
      const outcome = await ending.end(process);
      if (tolerable === 0) {
        ok(outcome.kind === "failed");
        ok(outcome.error instanceof StreamError);
        match(outcome.error.message, /^Cannot go on: 1 checkpoints in a row have failed.*ENOSPC/);
        equal(process.job.progress().state, "failed");
      } else {
        equal(stateOf(outcome), "stopped");
        equal(process.job.checkpoints!.counts.failed, 2);
      }
      ending.world.fileSystem.heal();
      await ending.checkRest();
    }
  });
}

test("the second of two requests to end counts when it is cancel(), and changes nothing otherwise", async () => {
  const cases = [["cancel", "cancel"], ["cancel", "stop"], ["stop", "cancel"], ["stop", "stop"]] as const;
  for (const [first, second] of cases) {
    const ending = new Ending();
    const process = await ending.start({ delayMs: slowSnapshots(3) });
    await process.forMs(25);
    process.job[first]();
    process.job[second]();
    const wanted = first === "stop" && second === "stop" ? "stopped" : "cancelled";
    equal(stateOf(await ending.end(process)), wanted, `${first}, ${second}`);
    process.job.cancel();
    process.job.stop();
    equal(process.job.progress().state, wanted);
    await ending.checkRest();
  }
});

test("cancel() and stop() before the first record end the job", async () => {
  for (const how of ["cancel", "stop"] as const) {
    const ending = new Ending();
    const process = await ending.start();
    process.job[how]();
    equal(stateOf(await ending.end(process)), how === "cancel" ? "cancelled" : "stopped");
    await ending.checkRest();
  }
});

test("an endless job runs until it is stopped, and goes on", async () => {
  const ending = new Ending({}, { endless: true });
  const process = await ending.start();
  await process.forMs(500);
  equal(process.outcome, null);
  process.job.stop();
  equal(stateOf(await ending.end(process)), "stopped");
});

/** Sets a timer for each record; all fire at the end of the input. */
class AtTheEnd extends KeyedActor<number, number, number> {
  override onMessage(n: number): void {
    this.timers.registerEventTime(1_000_000 + n);
  }

  override onTimer(timestampMs: number): void {
    this.emit(timestampMs);
  }
}

test("a job finishes only when every subtask has fired its last timer, however many slices that takes", async () => {
  for (const interval of [20, undefined]) {
    const world = new TestWorld({ [INTERVAL]: interval, "parallelism.default": 1 });
    const counts = [5_000, 20_000];
    const outs = counts.map(() => collectSink<number>());
    const outcome = await world.run((env) => {
      for (const [index, count] of counts.entries()) {
        const numbers = Array.from({ length: count }, (_, n) => n);
        env.fromSource(`numbers-${index}`, fromIterable(numbers), watermarks((n: number) => n).monotonous())
          .keyBy((n) => n % 2).actor(`at-the-end-${index}`, () => new AtTheEnd()).sinkTo(`out-${index}`, outs[index]!);
      }
    });
    equal(stateOf(outcome), "finished");
    deepEqual(outs.map(({ values }) => new Set(values).size), counts, `interval ${interval}`);
  }
});
