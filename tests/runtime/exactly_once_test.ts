import { equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { fixedDelay } from "../../mod.ts";
import { SeededRandom } from "../connectors/contexts.ts";
import type { Outcome } from "../support/job_harness.ts";
import { checkFinished } from "../support/job_harness.ts";
import { COUNT, LedgerRuns, parallel } from "../support/ledger_runs.ts";
import { Saboteur } from "../support/saboteur.ts";
import { scaled } from "../support/scale.ts";

const LATEST = ["--from", "latest"];

for (const parallelism of [1, 2, 4]) {
  test(`keyed aggregation with timers comes out right after a failure midway, at any max parallelism and parallelism ${parallelism} [253]`, async () => {
    for (const maxParallelism of [1, 2, 3, 4, 7, 128, 1000, 32_768]) {
      if (maxParallelism < parallelism) continue;
      const context = `max parallelism ${maxParallelism}`;
      const saboteur = new Saboteur().arm("actor onMessage", COUNT / 2);
      const runs = new LedgerRuns({ "pipeline.max-parallelism": maxParallelism, ...parallel(parallelism) }, {
        saboteur,
      });
      const outcome = await runs.run({ restart: fixedDelay({ attempts: 1, delayMs: 10 }) });
      checkFinished(outcome, context);
      equal(saboteur.strikes, 1, context);
      ok(outcome.kind === "ended" && outcome.result.restarts === 1, context);
      runs.check(context);
    }
  });
}

for (const incremental of [true, false]) {
  const what = incremental ? "increments" : "full checkpoints";
  test(`a job killed at any file operation goes on from the latest checkpoint at another parallelism, with ${what}`, async () => {
    const random = new SeededRandom(incremental ? 11 : 12);
    for (let sample = 0; sample < scaled(25, 200); sample++) {
      const runs = new LedgerRuns({ "execution.checkpointing.incremental": incremental });
      const story: string[] = [];
      let outcome: Outcome | null = null;
      while (outcome?.kind !== "ended") {
        const isLast = story.length >= 4;
        const parallelism = 1 + Math.floor(random.next() * 4);
        const dieAfter = Math.floor(random.next() * 400);
        story.push(`parallelism ${parallelism}, dies after ${isLast ? "nothing" : dieAfter}`);
        outcome = await runs.run({
          argv: story.length === 1 ? [] : LATEST,
          config: parallel(parallelism),
          delayMs: () => Math.floor(random.next() * 3),
          ...(isLast ? {} : { dieAfter }),
        });
        if (outcome.kind === "failed") throw new Error(story.join("; "), { cause: outcome.error });
      }
      checkFinished(outcome, story.join("; "));
      runs.check(story.join("; "));
    }
  });
}

test("a job that is stopped again and again goes on at any parallelism with all state, timers and splits", async () => {
  const random = new SeededRandom(5);
  for (let sample = 0; sample < scaled(5, 60); sample++) {
    const runs = new LedgerRuns();
    const story: string[] = [];
    for (let stops = 0;; stops++) {
      const parallelism = 1 + Math.floor(random.next() * 6);
      const ms = Math.floor(random.next() * 30);
      story.push(`parallelism ${parallelism}, ${ms} ms`);
      const process = await runs.start({ argv: stops === 0 ? [] : LATEST, config: parallel(parallelism) });
      if (stops < 4) {
        await process.forMs(ms);
        process.job.stop();
      }
      const outcome = await process.end();
      if (outcome.kind === "failed") throw new Error(story.join("; "), { cause: outcome.error });
      await process.forMs(50);
      if (outcome.kind === "ended" && outcome.result.state === "finished") break;
      equal(outcome.kind === "ended" && outcome.result.state, "stopped", story.join("; "));
    }
    runs.check(story.join("; "));
  }
});

test("a job that had finished commits what is pending and ends at once when it is started again", async () => {
  const runs = new LedgerRuns();
  checkFinished(await runs.run(), "first run");
  const operations = runs.world.fileSystem.journal.length;
  for (let dieAfter = 0; dieAfter < operations; dieAfter += scaled(7, 2)) {
    const killed = new LedgerRuns();
    const first = await killed.run({ dieAfter });
    if (first.kind !== "killed") break;
    checkFinished(await killed.run({ argv: LATEST }), `dies after ${dieAfter}`);
    const process = await killed.start({ argv: LATEST });
    checkFinished(await process.end(), `third run, first died after ${dieAfter}`);
    equal(process.clock.nowMs(), killed.world.clock.nowMs());
    killed.check(`dies after ${dieAfter}`);
  }
});
