/** Jobs that start from a savepoint of another one, whose files stay the user's or become the job's. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import type { SavepointFormat } from "../../core/element.ts";
import { checkFinished } from "../support/job_harness.ts";
import { LedgerRuns } from "../support/ledger_runs.ts";

const SAVEPOINTS = "/savepoints";
/** A job with a folder of checkpoints of its own. */
const OTHER_ID = "0123456789abcdef0123456789abcdef";

/** Stops the pipeline with a savepoint in the middle of its input. */
async function stopped(runs: LedgerRuns, format: SavepointFormat): Promise<string> {
  const process = await runs.start({ config: { "execution.checkpointing.savepoint-dir": SAVEPOINTS } });
  await process.forMs(50);
  const { path } = await process.settled(process.job.stopWithSavepoint({ format }));
  const outcome = await process.end();
  ok(outcome.kind === "ended" && outcome.result.state === "stopped");
  await process.forMs(50);
  return path;
}

for (const format of ["canonical", "native"] as const) {
  for (const claimMode of ["CLAIM", "NO_CLAIM"] as const) {
    test(`a job from a ${format} savepoint with ${claimMode} ends like an undisturbed one [227, 242]`, async () => {
      const runs = new LedgerRuns();
      const path = await stopped(runs, format);
      const before = runs.world.fileSystem.files(path);
      const config = {
        "execution.state-recovery.claim-mode": claimMode,
        "pipeline.job-id": OTHER_ID,
        "execution.checkpointing.num-retained": 1,
      };
      checkFinished(await runs.run({ argv: ["--from", path], config }), format);
      runs.check(format);
      deepEqual(runs.world.fileSystem.files(path), claimMode === "CLAIM" ? [] : before);
      deepEqual(await runs.world.fileSystem.list(SAVEPOINTS), claimMode === "CLAIM" ? [] : [path.split("/").at(-1)]);
      checkFinished(await runs.run({ argv: ["--from", "latest"], config }), "once more");
      runs.check("once more");
    });
  }
}

test("a job that goes on from its own savepoint with the same id never falls back behind it [227]", async () => {
  const runs = new LedgerRuns();
  const path = await stopped(runs, "native");
  for (const argv of [[], ["--from", "latest"]]) {
    const outcome = await runs.run({ argv });
    ok(outcome.kind === "failed" && outcome.error instanceof Error);
    equal(outcome.error.message.includes(argv.length === 0 ? "--from latest" : `--from "${path}"`), true);
  }
  checkFinished(await runs.run({ argv: ["--from", path] }), path);
  runs.check(path);
});

test("a savepoint whose folder was moved is gone on from there [243]", async () => {
  const runs = new LedgerRuns();
  const path = await stopped(runs, "canonical");
  const moved = "/elsewhere";
  await runs.world.fileSystem.rename(path, moved);
  checkFinished(await runs.run({ argv: ["--from", `${moved}/_metadata`] }), moved);
  runs.check(moved);
});

test("CLAIM needs checkpoints in files: else nothing durable would take the savepoint's place", async () => {
  const runs = new LedgerRuns();
  const path = await stopped(runs, "native");
  const before = runs.world.fileSystem.files(path);
  const error = await runs.run({
    argv: ["--from", path],
    config: { "execution.state-recovery.claim-mode": "CLAIM", "execution.checkpointing.storage": "jobmanager" },
  }).then(() => null, (thrown: unknown) => thrown);
  ok(error instanceof Error && /with CLAIM: checkpoints are off or kept in memory/.test(error.message));
  deepEqual(runs.world.fileSystem.files(path), before);
});
