import { test } from "node:test";
import { SeededRandom } from "../connectors/contexts.ts";
import { BACKEND_KINDS, HEAP, LMDB, LSM } from "../support/backend_kinds.ts";
import { tell } from "../support/backend_story.ts";
import type { Outcome } from "../support/job_harness.ts";
import { checkFinished } from "../support/job_harness.ts";
import { LedgerRuns, parallel } from "../support/ledger_runs.ts";
import { scaled } from "../support/scale.ts";

const LATEST = ["--from", "latest"];
const TIMEOUT = { timeout: 60_000 };

for (const from of BACKEND_KINDS) {
  for (const to of BACKEND_KINDS) {
    test(
      `state and timers of ${from.name} go on in ${to.name}, as they are and at another parallelism`,
      TIMEOUT,
      async () => {
        await tell([{ backend: from, parallelism: 1 }, { backend: to, parallelism: 1 }]);
        await tell([{ backend: from, parallelism: 2 }, { backend: to, parallelism: 3 }, {
          backend: from,
          parallelism: 2,
        }]);
      },
    );
  }
}

for (const backend of BACKEND_KINDS) {
  for (const incremental of [true, false]) {
    test(
      `${backend.name} never brings a row back that was overwritten, from 2 to 3 to 2 to 5 subtasks, ${
        incremental ? "with increments" : "full"
      }`,
      TIMEOUT,
      () =>
        tell([2, 3, 2, 5].map((parallelism) => ({ backend, parallelism })), {
          "execution.checkpointing.incremental": incremental,
        }),
    );
  }
}

test("a job wanders through all backends at any parallelism", TIMEOUT, async () => {
  const random = new SeededRandom(31);
  for (let sample = 0; sample < scaled(2, 25); sample++) {
    await tell(Array.from({ length: 5 }, () => ({
      backend: BACKEND_KINDS[Math.floor(random.next() * BACKEND_KINDS.length)]!,
      parallelism: 1 + Math.floor(random.next() * 5),
    })));
  }
});

for (const backend of [LSM, LMDB]) {
  test(`${backend.name}: a job that is stopped again and again ends as one on the heap does`, TIMEOUT, async () => {
    const random = new SeededRandom(6);
    for (let sample = 0; sample < scaled(2, 30); sample++) {
      const runs = new LedgerRuns();
      for (let stops = 0;; stops++) {
        const config = { ...backend.options.config, ...parallel(1 + Math.floor(random.next() * 4)) };
        const process = await runs.start({ ...backend.options, argv: stops === 0 ? [] : LATEST, config });
        if (stops < 4) {
          await process.forMs(Math.floor(random.next() * 30));
          process.job.stop();
        }
        const outcome = await process.end();
        if (outcome.kind === "failed") throw outcome.error;
        await process.forMs(50);
        if (outcome.kind === "ended" && outcome.result.state === "finished") break;
      }
      runs.check(backend.name);
    }
  });
}

for (const backends of [[LSM], [LSM, HEAP]]) {
  const names = backends.map(({ name }) => name).join(" and ");
  test(
    `a job on ${names} killed at any file operation goes on from the latest checkpoint, with increments`,
    TIMEOUT,
    async () => {
      const random = new SeededRandom(13);
      for (let sample = 0; sample < scaled(10, 150); sample++) {
        const runs = new LedgerRuns();
        const story: string[] = [];
        let outcome: Outcome | null = null;
        while (outcome?.kind !== "ended") {
          const isLast = story.length >= 4;
          const parallelism = 1 + Math.floor(random.next() * 4);
          const dieAfter = Math.floor(random.next() * 600);
          const backend = backends[Math.floor(random.next() * backends.length)]!;
          story.push(`${backend.name} × ${parallelism}, dies after ${isLast ? "nothing" : dieAfter}`);
          outcome = await runs.run({
            ...backend.options,
            argv: story.length === 1 ? [] : LATEST,
            config: { ...backend.options.config, ...parallel(parallelism) },
            delayMs: () => Math.floor(random.next() * 3),
            ...(isLast ? {} : { dieAfter }),
          });
          if (outcome.kind === "failed") throw new Error(story.join("; "), { cause: outcome.error });
        }
        checkFinished(outcome, story.join("; "));
        runs.check(story.join("; "));
      }
    },
  );
}
