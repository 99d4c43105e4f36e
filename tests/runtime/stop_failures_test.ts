import { equal, match, ok } from "node:assert/strict";
import { test } from "node:test";
import { fixedDelay, noRestart, type RestartSettings, type SavepointFormat, StreamError } from "../../mod.ts";
import { checkDrained } from "../support/drained_pages.ts";
import type { TestProcess, WorldConfig } from "../support/job_harness.ts";
import { checkFinished } from "../support/job_harness.ts";
import { COUNT, LedgerRuns } from "../support/ledger_runs.ts";
import type { FileOperation } from "../support/memory_file_system.ts";
import { type BackendKind, HEAP, LSM } from "../support/plain_backend_kinds.ts";
import { type Point, Saboteur } from "../support/saboteur.ts";
import { scaled } from "../support/scale.ts";

const TIMEOUT = { timeout: 60_000 };
const FOLDER = "/savepoints";
/** Checkpoints on demand only, so that a fault strikes the savepoint. */
const ON_DEMAND: WorldConfig = { "execution.checkpointing.interval": "1 d" };
const NO_CHECKPOINTS: WorldConfig = {
  "execution.checkpointing.interval": undefined,
  "execution.checkpointing.dir": undefined,
};
const RESTART = fixedDelay({ attempts: 3, delayMs: 5 });

interface Case {
  readonly backend: BackendKind;
  readonly parallelism: number;
  readonly drain: boolean;
  readonly checkpoints: WorldConfig;
}

const KINDS: readonly Omit<Case, "drain">[] = [
  { backend: HEAP, parallelism: 1, checkpoints: ON_DEMAND },
  { backend: HEAP, parallelism: 3, checkpoints: NO_CHECKPOINTS },
  { backend: LSM, parallelism: 1, checkpoints: NO_CHECKPOINTS },
  { backend: LSM, parallelism: 3, checkpoints: ON_DEMAND },
];
const CASES: readonly Case[] = KINDS.flatMap((kind) => [false, true].map((drain) => ({ ...kind, drain })));

/** A job that is to be stopped with a savepoint, and then struck. */
class Struck {
  readonly saboteur = new Saboteur();
  readonly runs: LedgerRuns;
  process!: TestProcess;

  constructor(private readonly one: Case) {
    const config = {
      "execution.checkpointing.savepoint-dir": FOLDER,
      "pipeline.max-parallelism": 12,
      "parallelism.default": one.parallelism,
    };
    const { saboteur } = this;
    this.runs = new LedgerRuns({ ...config, ...one.checkpoints }, { perMs: 3 / one.parallelism, saboteur });
  }

  get context(): string {
    const { backend, parallelism, drain, checkpoints } = this.one;
    return `${backend.name} × ${parallelism}, ${drain ? "drain" : "suspend"}, ${
      checkpoints === ON_DEMAND ? "with" : "without"
    } checkpoints`;
  }

  /** Runs to the middle of the input, with a checkpoint on the way if there are any. */
  async begin(restart: RestartSettings): Promise<void> {
    this.process = await this.runs.start({ ...this.one.backend.options, restart });
    const { process } = this;
    await process.until(() => process.job.status().state === "running");
    await process.forMs(20);
    if (this.one.checkpoints === ON_DEMAND) await process.settled(process.job.triggerCheckpoint());
    await process.forMs(20);
  }

  /** Stops it. @returns What the caller is told. */
  async stop(format: SavepointFormat = "native"): Promise<Error> {
    const { process, one: { drain } } = this;
    const told = await process.settled(
      process.job.stopWithSavepoint({ drain, format }).then(
        () => null,
        (error) => error,
      ),
    );
    ok(told instanceof StreamError, `${this.context}: ${told}`);
    return told;
  }

  /** The job runs on, to the right output. @param wasDrained The savepoint is what it went on from. */
  async checkGoesOn(restarts: number, wasDrained = false): Promise<void> {
    const { process, context, runs } = this;
    await process.until(() => process.job.status().state === "running" || process.outcome !== null);
    equal(process.job.status().state, "running", context);
    equal(process.job.progress().restarts, restarts, context);
    const outcome = await process.end();
    checkFinished(outcome, context);
    await process.forMs(50);
    if (wasDrained) checkDrained(runs, context);
    else runs.check(context);
    equal(process.clock.scheduledCount, 0, context);
  }

  /** Paths of what is below the folder of savepoints. */
  get left(): string[] {
    const { fileSystem } = this.runs.world;
    return fileSystem.has(FOLDER) ? fileSystem.files(FOLDER) : [];
  }
}

/** Faults of files before the savepoint is durable. */
const FILE_FAULTS: readonly { readonly operation: FileOperation; readonly path: RegExp }[] = [
  { operation: "makeDirectory", path: /^\/savepoints/ },
  { operation: "create", path: /^\/savepoints\/.*\/[0-9a-f]{32}$/ },
  { operation: "write", path: /^\/savepoints\/.*\/[0-9a-f]{32}$/ },
  { operation: "sync", path: /^\/savepoints\/.*\/[0-9a-f]{32}$/ },
  { operation: "close", path: /^\/savepoints\/.*\/[0-9a-f]{32}$/ },
  { operation: "create", path: /^\/savepoints\/.*_metadata/ },
  { operation: "write", path: /^\/savepoints\/.*_metadata/ },
  { operation: "sync", path: /^\/savepoints\/.*_metadata/ },
  { operation: "rename", path: /^\/savepoints\/.*_metadata/ },
  { operation: "sync", path: /^\/out\// },
];

for (const one of CASES) {
  const { context } = new Struck(one);

  test(
    `a stop whose savepoint cannot be written is told so, leaves nothing, and the job runs on: ${context} [247]`,
    TIMEOUT,
    async () => {
      for (const { operation, path } of FILE_FAULTS) {
        // No strategy is asked.
        const struck = new Struck(one);
        await struck.begin(noRestart());
        struck.runs.world.fileSystem.fail({ operation, path, code: "EIO" });
        const what = `${struck.context}, ${operation} ${path}`;
        match((await struck.stop("canonical")).message, /EIO/, what);
        // Nothing is drained before there is a folder.
        const restarts = one.drain && operation !== "makeDirectory" ? 1 : 0;
        await struck.checkGoesOn(restarts);
        equal(struck.left.join(), "", what);
        equal(struck.process.job.status().failures.length, restarts, what);
      }
    },
  );

  test(
    `a stop during which the job fails is told so, and the restart strategy decides: ${context} [247]`,
    TIMEOUT,
    async () => {
      const points: Point[] = ["sink prepareCommit", ...(one.drain ? ["actor onTimer" as const] : [])];
      for (const point of points) {
        const struck = new Struck(one);
        await struck.begin(RESTART);
        struck.saboteur.arm(point);
        match((await struck.stop()).message, /sabotage/, point);
        await struck.checkGoesOn(1);
        equal(struck.saboteur.strikes, 1, point);

        const fatal = new Struck(one);
        await fatal.begin(noRestart());
        fatal.saboteur.arm(point);
        await fatal.stop();
        const outcome = await fatal.process.end();
        ok(outcome.kind === "failed", point);
        match(String(outcome.error), /sabotage/, point);
        equal(fatal.left.join(), "", point);
      }
    },
  );

  test(
    `a stop whose commit fails names the savepoint, from which the job goes on: ${context} [247, 248]`,
    TIMEOUT,
    async () => {
      for (const point of ["sink commit", "sink committed"] as const) {
        const struck = new Struck(one);
        await struck.begin(RESTART);
        struck.saboteur.arm(point);
        const told = await struck.stop();
        const path = /its savepoint "([^"]+)" is complete, and then the job failed: .*sabotage.*--from/.exec(
          told.message,
        )?.[1];
        ok(path !== undefined, told.message);
        ok(struck.left.includes(`${path}/_metadata`));
        await struck.checkGoesOn(1, one.drain);
        // Not from an older checkpoint: nothing was read twice.
        equal(struck.process.job.progress().recordsIn, COUNT, struck.context);
        equal(struck.process.job.status().failures[0]!.error.message, told.message);

        const fatal = new Struck(one);
        await fatal.begin(noRestart());
        fatal.saboteur.arm(point);
        const last = await fatal.stop();
        const outcome = await fatal.process.end();
        ok(outcome.kind === "failed");
        equal(outcome.error, last);
        await fatal.process.forMs(50);
        const from = /savepoint "([^"]+)"/.exec(last.message)![1]!;
        checkFinished(await fatal.runs.run({ ...one.backend.options, argv: ["--from", from] }), fatal.context);
        checkDrained(fatal.runs, fatal.context);
      }
    },
  );
}

for (const one of CASES.filter(({ checkpoints }) => checkpoints === ON_DEMAND)) {
  const { context } = new Struck(one);

  test(
    `a stop that cannot be noted beside the checkpoints names the savepoint, and the job runs on: ${context} [247]`,
    TIMEOUT,
    async () => {
      for (const operation of ["create", "sync", "rename"] as const) {
        const struck = new Struck(one);
        await struck.begin(noRestart());
        struck.runs.world.fileSystem.fail({ operation, path: /_lineage/, code: "ENOSPC" });
        const told = await struck.stop();
        const path = /"(\/savepoints\/[^"]+)" is complete/.exec(told.message)?.[1];
        ok(path !== undefined, told.message);
        await struck.checkGoesOn(one.drain ? 1 : 0);
        ok(struck.left.includes(`${path}/_metadata`), "it is the user's");
      }
    },
  );

  test(
    `a job that dies at any operation of a stop goes on, from the savepoint or the last checkpoint: ${context}`,
    TIMEOUT,
    async () => {
      for (let operations = 0; operations < 60; operations += scaled(9, 1)) {
        const struck = new Struck(one);
        await struck.begin(noRestart());
        const { process, runs } = struck;
        process.files.dieAfter(operations);
        process.job.stopWithSavepoint({ drain: one.drain }).catch(() => {});
        const outcome = await process.end();
        ok(outcome.kind === "killed" || outcome.kind === "ended");
        const latest = await runs.run({ ...one.backend.options, argv: ["--from", "latest"] });
        if (latest.kind === "failed") {
          const path = /start it with --from "(\/savepoints\/[^"]+)"/.exec(String(latest.error))?.[1];
          ok(path !== undefined, String(latest.error));
          checkFinished(await runs.run({ ...one.backend.options, argv: ["--from", path] }), path);
        } else {
          checkFinished(latest, `latest, after ${operations} operations`);
        }
        checkDrained(runs, `after ${operations} operations`);
      }
    },
  );
}

test("a savepoint that does not come to its end in time is given up, and the job runs on", async () => {
  for (const checkpoints of [ON_DEMAND, NO_CHECKPOINTS]) {
    const timeout = { "execution.checkpointing.timeout": 12 };
    const struck = new Struck({
      backend: HEAP,
      parallelism: 1,
      drain: false,
      checkpoints: { ...checkpoints, ...timeout },
    });
    const { runs } = struck;
    const process = await runs.start({ delayMs: (_, path) => path.startsWith(FOLDER) ? 5 : 0 });
    await process.until(() => process.job.status().state === "running");
    await process.forMs(10);
    const told = await process.settled(process.job.triggerSavepoint().catch((error) => error));
    ok(told instanceof StreamError);
    match(told.message, /12 ms/);
    const stop = await process.settled(process.job.stopWithSavepoint().catch((error) => error));
    match(String(stop), /12 ms/);
    struck.process = process;
    await struck.checkGoesOn(0);
    equal(struck.left.join(), "");
  }
});

test("savepoints that fail never fail a job, however few failures it tolerates", async () => {
  const struck = new Struck({ backend: HEAP, parallelism: 1, drain: false, checkpoints: ON_DEMAND });
  await struck.begin(noRestart());
  struck.runs.world.fileSystem.fail({ operation: "sync", path: /^\/savepoints/, code: "EIO", times: 3 });
  for (let attempt = 0; attempt < 3; attempt++) {
    const told = await struck.process.settled(struck.process.job.triggerSavepoint().catch((error) => error));
    match(String(told), /EIO/);
  }
  await struck.checkGoesOn(0);
});
