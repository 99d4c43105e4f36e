import { deepEqual, equal, match, ok } from "node:assert/strict";
import { test } from "node:test";
import {
  collectSink,
  exponentialDelay,
  failureRate,
  fixedDelay,
  noRestart,
  type RestartSettings,
  StreamError,
} from "../../mod.ts";
import { SeededRandom } from "../connectors/contexts.ts";
import { type Outcome, type ProcessOptions, TestWorld } from "../support/job_harness.ts";
import { ledger, oracle, pagesIn } from "../support/ledger_pipeline.ts";
import type { FileOperation } from "../support/memory_file_system.ts";
import { type Point, SabotageError, Saboteur } from "../support/saboteur.ts";
import { scaled } from "../support/scale.ts";

const COUNT = 300;
const EXPECTED = oracle(COUNT);

/** Restarts that each strategy allows before it gives up. */
const ALLOWED = 3;
const STRATEGIES: Readonly<Record<string, RestartSettings>> = {
  "fixed-delay": fixedDelay({ attempts: ALLOWED, delayMs: 10 }),
  "failure-rate": failureRate({ maxFailuresPerInterval: ALLOWED, intervalMs: 60_000, delayMs: 10 }),
  "exponential-delay": exponentialDelay({ initialBackoffMs: 5, attemptsBeforeResetBackoff: ALLOWED }),
};

/** Where failures are injected, and the operator that the error must name. */
const POINTS: Readonly<Record<Point, string>> = {
  "source open": "entries",
  "source read": "entries",
  "source completed": "entries",
  "actor onOpen": "pages",
  "actor onMessage": "pages",
  "actor onTimer": "pages",
  "sink open": "pages-out",
  "sink recover": "pages-out",
  "sink write": "pages-out",
  "sink prepareCommit": "pages-out",
  "sink prepare": "pages-out",
  "sink commit": "pages-out",
  "sink committed": "pages-out",
};
// The keys of a record literal are exactly the members of its key type.
const ALL_POINTS = Object.keys(POINTS) as Point[];

interface Run {
  readonly world: TestWorld;
  readonly outcome: Outcome;
  readonly seen: readonly number[];
}

async function run(
  parallelism: number,
  saboteur: Saboteur,
  options: ProcessOptions = {},
  prepare: (world: TestWorld) => void = () => {},
): Promise<Run> {
  const world = new TestWorld({ "parallelism.default": parallelism });
  prepare(world);
  const seen = collectSink<number>();
  const process = await world.start((env) => ledger(env, { count: COUNT, saboteur, seen }), options);
  const outcome = await process.end();
  ok(process.clock.nowMs() < 10_000, `it took ${process.clock.nowMs()} ms`);
  // A handle of the attempt that failed may be given up after the job's end.
  await process.forMs(100);
  equal(world.fileSystem.openCount, 0, "files are left open");
  equal(process.clock.scheduledCount, 0, "timers are left");
  return { world, outcome, seen: seen.values };
}

function checkOutput({ world, seen }: Run, context: string): void {
  deepEqual(pagesIn(world.fileSystem), EXPECTED.pages, context);
  deepEqual([...seen].sort((a, b) => a - b), EXPECTED.seen, context);
}

/** Restarts of a job that has finished. */
function restartsOf({ outcome }: Run, context: string): number {
  if (outcome.kind === "failed") throw outcome.error;
  if (outcome.kind !== "ended") throw new Error(`${context}: ${outcome.kind}`);
  equal(outcome.result.state, "finished", context);
  return outcome.result.restarts;
}

/** All errors from one to its first cause. */
function causes(error: unknown): unknown[] {
  return error === undefined ? [] : [error, ...causes(error instanceof Error ? error.cause : undefined)];
}

for (const parallelism of [1, 3]) {
  for (const [name, restart] of Object.entries(STRATEGIES)) {
    test(`after failures in user code ${name} restarts from the last checkpoint: output as if nothing had happened, at parallelism ${parallelism}`, async () => {
      const calm = new Saboteur();
      equal(restartsOf(await run(parallelism, calm), "undisturbed"), 0);
      const random = new SeededRandom(parallelism);
      for (const point of ALL_POINTS) {
        const calls = calm.calls.get(point)!;
        for (let sample = 0; sample < scaled(3, 12); sample++) {
          const skip = Math.floor(random.next() * calls);
          const times = 1 + Math.floor(random.next() * ALLOWED);
          const context = `${point}, call ${skip + 1}, ${times} times`;
          const saboteur = new Saboteur().arm(point, skip, times);
          const result = await run(parallelism, saboteur, { restart });
          checkOutput(result, context);
          const restarts = restartsOf(result, context);
          ok(restarts >= 1 && restarts <= saboteur.strikes, `${context}: ${restarts} of ${saboteur.strikes}`);
          if (parallelism === 1 && times === 1) equal(restarts, 1, context);
        }
      }
    });

    test(`${name} gives up at the failure after the last restart that it allows, at parallelism ${parallelism}`, async () => {
      for (const point of ["source read", "actor onMessage", "sink write"] as const) {
        const saboteur = new Saboteur().arm(point, 40, Number.POSITIVE_INFINITY);
        const { outcome, world } = await run(parallelism, saboteur, { restart });
        ok(outcome.kind === "failed", point);
        ok(saboteur.strikes >= ALLOWED + 1, `${point}: ${saboteur.strikes}`);
        if (parallelism === 1) equal(saboteur.strikes, ALLOWED + 1, point);
        ok(causes(outcome.error).some((cause) => cause instanceof SabotageError), point);
        // What is visible is part of the right output.
        for (const page of pagesIn(world.fileSystem)) ok(EXPECTED.pages.includes(page), page);
      }
    });
  }

  test(`without restarts a failure ends the job with an error that names the operator and keeps the cause, at parallelism ${parallelism}`, async () => {
    for (const point of ALL_POINTS) {
      const saboteur = new Saboteur().arm(point, 0);
      const { outcome } = await run(parallelism, saboteur, { restart: noRestart() });
      ok(outcome.kind === "failed", point);
      const { error } = outcome;
      ok(error instanceof StreamError, point);
      match(error.message, new RegExp(`"${POINTS[point]}"`), point);
      ok(causes(error).some((cause) => cause instanceof SabotageError && cause.point === point), point);
    }
  });
}

interface FileFault {
  readonly operation: FileOperation;
  readonly path: RegExp;
  /** It may strike outside of a checkpoint, too: while records are written, or at a commit. */
  readonly alsoElsewhere?: boolean;
}

/** Operations on files. */
const FILE_FAULTS: readonly FileFault[] = [
  { operation: "create", path: /\/shared\// },
  { operation: "write", path: /\/shared\// },
  { operation: "sync", path: /\/shared\// },
  { operation: "close", path: /\/shared\// },
  { operation: "create", path: /_metadata/ },
  { operation: "write", path: /_metadata/ },
  { operation: "sync", path: /_metadata/ },
  { operation: "rename", path: /_metadata/ },
  { operation: "syncDirectory", path: /^\/checkpoints/ },
  { operation: "makeDirectory", path: /\/chk-/ },
  { operation: "sync", path: /\/out\// },
  { operation: "rename", path: /\/out\/.*\.inprogress/ },
  { operation: "create", path: /\/out\//, alsoElsewhere: true },
  { operation: "syncDirectory", path: /\/out\//, alsoElsewhere: true },
];

for (const parallelism of [1, 3]) {
  test(`a checkpoint that cannot be written is tolerated, or else the job goes on from the last one, at parallelism ${parallelism}`, async () => {
    const random = new SeededRandom(7);
    for (const { operation, path, alsoElsewhere = false } of FILE_FAULTS) {
      for (const tolerable of [0, 100]) {
        for (let sample = 0; sample < scaled(2, 12); sample++) {
          const after = Math.floor(random.next() * 6);
          const context = `${operation} ${path}, ${after} before, ${tolerable} tolerated`;
          const result = await run(
            parallelism,
            new Saboteur(),
            {
              restart: fixedDelay({ attempts: 5, delayMs: 10 }),
              config: { "execution.checkpointing.tolerable-failed-checkpoints": tolerable },
            },
            (world) => world.fileSystem.fail({ operation, path, after, code: "EIO" }),
          );
          checkOutput(result, context);
          const restarts = restartsOf(result, context);
          if (tolerable > 0 && !alsoElsewhere) equal(restarts, 0, context);
          else ok(restarts <= 1, context);
        }
      }
    }
  });
}
