/** Whole jobs with a changelog: on and off, over every backend, at any parallelism, through crashes. */
import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { test } from "node:test";
import { filesOf } from "../../checkpoint/completed_checkpoint.ts";
import { NUM_RETAINED_CHECKPOINTS } from "../../checkpoint/options.ts";
import { decodeMetadata } from "../../checkpoint/metadata_reader.ts";
import { collectSink } from "../../mod.ts";
import type { MemoryFileSystem } from "../support/memory_file_system.ts";
import { BACKEND_KINDS, type BackendKind } from "../support/backend_kinds.ts";
import { tell } from "../support/backend_story.ts";
import { SeededRandom } from "../connectors/contexts.ts";
import { checkFinished, CHECKPOINTS, type Outcome, TestWorld } from "../support/job_harness.ts";
import { overwrites } from "../support/overwrites_pipeline.ts";
import { LedgerRuns, parallel } from "../support/ledger_runs.ts";
import { HEAP, LSM } from "../support/plain_backend_kinds.ts";
import { scaled } from "../support/scale.ts";

const TIMEOUT = { timeout: 60_000 };

/** A backend with a changelog: small segments, and materializations every few checkpoints. */
function logged({ name, options }: BackendKind): BackendKind {
  const config = {
    ...options.config,
    "state.changelog.enabled": true,
    "state.changelog.periodic-materialize.interval": "120 ms",
    "state.changelog.dstl.dfs.preemptive-persist-threshold": "1 kb",
  };
  return { name: `changelog over ${name}`, options: { ...options, config } };
}

for (const backend of BACKEND_KINDS) {
  test(
    `${backend.name}: the changelog is turned on, off and on across restores, at any parallelism [259]`,
    TIMEOUT,
    async () => {
      await tell([
        { backend, parallelism: 2 },
        { backend: logged(backend), parallelism: 3 },
        { backend: logged(backend), parallelism: 2 },
        { backend, parallelism: 2 },
        { backend: logged(backend), parallelism: 1 },
      ]);
    },
  );
}

for (const backends of [[HEAP], [LSM]]) {
  const kinds = [...backends.map(logged), ...backends];
  const names = kinds.map(({ name }) => name).join(" and ");
  test(`a job on ${names} killed at any file operation goes on from the latest checkpoint [258]`, TIMEOUT, async () => {
    const random = new SeededRandom(17);
    for (let sample = 0; sample < scaled(12, 150); sample++) {
      const runs = new LedgerRuns();
      const story: string[] = [];
      let outcome: Outcome | null = null;
      while (outcome?.kind !== "ended") {
        const isLast = story.length >= 4;
        const parallelism = 1 + Math.floor(random.next() * 4);
        const dieAfter = Math.floor(random.next() * 900);
        const backend = kinds[Math.floor(random.next() * kinds.length)]!;
        story.push(`${backend.name} × ${parallelism}, dies after ${isLast ? "nothing" : dieAfter}`);
        outcome = await runs.run({
          ...backend.options,
          argv: story.length === 1 ? [] : ["--from", "latest"],
          config: { ...backend.options.config, ...parallel(parallelism) },
          delayMs: () => Math.floor(random.next() * 3),
          ...(isLast ? {} : { dieAfter }),
        });
        if (outcome.kind === "failed") throw new Error(story.join("; "), { cause: outcome.error });
      }
      checkFinished(outcome, story.join("; "));
      runs.check(story.join("; "));
      // A start finds that the job has finished, and removes what the killed ones have left.
      await runs.run({ ...kinds[0]!.options, argv: ["--from", "latest"] });
      checkFiles(runs.world.fileSystem, story.join("; "));
    }
  });
}

/** What is in the shared folder is what the retained checkpoints refer to. */
function checkFiles(fileSystem: MemoryFileSystem, context: string): void {
  const named = new Set<string>();
  for (const path of fileSystem.files(CHECKPOINTS)) {
    if (!path.endsWith("/_metadata")) continue;
    for (const file of filesOf(decodeMetadata(fileSystem.content(path), path).operators)) {
      if (file.scope === "shared") named.add(file.name);
    }
  }
  const shared = fileSystem.files(CHECKPOINTS).filter((path) => path.includes("/shared/"));
  deepEqual(shared.map((path) => path.slice(path.lastIndexOf("/") + 1)).sort(), [...named].sort(), context);
}

test(
  "changes that cannot be written fast enough make records wait, which shows as busy, not as back-pressure [260]",
  TIMEOUT,
  async () => {
    const runs = new LedgerRuns({}, { count: 3_000 });
    const process = await runs.start({
      config: {
        ...logged(HEAP).options.config,
        "state.changelog.dstl.dfs.upload.max-in-flight": "2 kb",
        "state.changelog.dstl.dfs.upload.timeout": "1 h",
      },
      delayMs: (operation, path) => path.includes("/shared/") && operation !== "remove" ? 5 : 0,
    });
    const spent = { log: 0, busy: 0, held: 0 };
    await process.until(() => {
      for (const { changelogBusyTimeMs, busyTimeMs, backPressuredTimeMs } of process.job.metrics.tasks()) {
        spent.log = Math.max(spent.log, changelogBusyTimeMs.count);
        spent.busy = Math.max(spent.busy, busyTimeMs.count);
        spent.held = Math.max(spent.held, backPressuredTimeMs.count);
      }
      return process.outcome !== null;
    });
    checkFinished(process.outcome!, "slow disk");
    ok(spent.log > 500, `${spent.log} ms`);
    ok(spent.busy >= spent.log && spent.held < spent.log / 2, JSON.stringify(spent));
  },
);

test("a job in which more than one checkpoint may be under way is refused with a changelog", TIMEOUT, async () => {
  const config = { ...logged(HEAP).options.config, "execution.checkpointing.max-concurrent-checkpoints": 2 };
  await rejects(
    new LedgerRuns().start({ config }),
    /max-concurrent-checkpoints is 2, must be 1, since each checkpoint/,
  );
});

test("enableChangelog() in the script wins over the configuration, both ways", TIMEOUT, async () => {
  for (const enabled of [true, false]) {
    const world = new TestWorld({ "state.changelog.enabled": !enabled });
    const process = await world.start((env) => {
      env.enableChangelog(enabled);
      overwrites(env, collectSink<string>(), 4);
    });
    await process.until(() => process.job.progress().checkpointsCompleted >= 2);
    const shared = world.fileSystem.files(CHECKPOINTS).filter((path) => path.includes("/shared/"));
    equal(shared.some((path) => world.fileSystem.text(path).startsWith("WEIRLOG")), enabled);
    process.job.cancel();
    await process.end();
  }
});

for (const mode of ["CLAIM", "NO_CLAIM"] as const) {
  test(`a job with a changelog goes on from a log in another folder, ${mode} [259]`, TIMEOUT, async () => {
    const runs = new LedgerRuns({ "execution.checkpointing.interval": 5, [NUM_RETAINED_CHECKPOINTS.key]: 1 });
    const { options } = logged(LSM);
    const first = await runs.start(options);
    await first.until(() => first.job.progress().checkpointsCompleted >= 3);
    const path = newest(runs.world.fileSystem);
    first.kill();
    const before = runs.world.fileSystem.files(CHECKPOINTS);
    const outcome = await runs.run({
      ...options,
      config: { ...options.config, "execution.checkpointing.dir": "/elsewhere" },
      argv: ["--from", path, `-Dexecution.state-recovery.claim-mode=${mode}`],
    });
    checkFinished(outcome, mode);
    runs.check(mode);
    // What was claimed goes when a newer checkpoint has taken its place; what was not stays as it was.
    const left = runs.world.fileSystem.files(CHECKPOINTS);
    if (mode === "NO_CLAIM") deepEqual(left, before);
    else deepEqual(left.filter((file) => file.startsWith(`${path}/`)), []);
  });
}

/** Folder of the newest complete checkpoint. */
function newest(fileSystem: MemoryFileSystem): string {
  const paths = fileSystem.files(CHECKPOINTS).filter((path) => path.endsWith("/_metadata"));
  const idOf = (path: string) => Number(/chk-(\d+)/.exec(path)![1]);
  return paths.sort((left, right) => idOf(right) - idOf(left))[0]!.slice(0, -"/_metadata".length);
}
