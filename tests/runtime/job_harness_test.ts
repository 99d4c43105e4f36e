import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import { collectSink } from "../../mod.ts";
import { TestWorld } from "../support/job_harness.ts";
import { ledger, oracle, pagesIn } from "../support/ledger_pipeline.ts";

for (const parallelism of [1, 3]) {
  test(`a pipeline in virtual time puts out what a batch computes, the same way each time, at parallelism ${parallelism}`, async () => {
    const journals: string[][] = [];
    for (let run = 0; run < 2; run++) {
      const world = new TestWorld({ "parallelism.default": parallelism });
      const seen = collectSink<number>();
      const process = await world.start((env) => ledger(env, { count: 500, seen }));
      const outcome = await process.end();
      equal(outcome.kind, "ended");
      const expected = oracle(500);
      deepEqual(pagesIn(world.fileSystem), expected.pages);
      deepEqual([...seen.values].sort((a, b) => a - b), expected.seen);
      equal(world.fileSystem.openCount, 0);
      equal(process.clock.scheduledCount, 0);
      journals.push(world.fileSystem.journal.map((line) => line.replaceAll(/[0-9a-f]{32}/g, "id")));
    }
    deepEqual(journals[0], journals[1]);
  });
}
