import { deepEqual, equal, ok } from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { collectSink } from "../../mod.ts";
import { LMDB, LSM } from "../support/backend_kinds.ts";
import { TestWorld } from "../support/job_harness.ts";
import { parallel } from "../support/ledger_runs.ts";
import { leftovers, overwrites } from "../support/overwrites_pipeline.ts";

const TIMEOUT = { timeout: 60_000 };

for (const { name, options } of [LSM, LMDB]) {
  const { diskFolder } = options;
  const foldersOf = async (world: TestWorld): Promise<readonly string[]> => {
    if (diskFolder !== undefined) return readdirSync(diskFolder);
    return (await world.fileSystem.status("/work")) === null ? [] : await world.fileSystem.list("/work");
  };

  test(
    `${name}: nothing is left of a job's working files when it ends, is stopped or cancelled, or was killed before the next [55]`,
    TIMEOUT,
    async () => {
      const world = new TestWorld({ "execution.checkpointing.interval": 5, "pipeline.max-parallelism": 12 });
      const out = collectSink<string>();
      const config = { ...options.config, ...parallel(2) };
      const start = (argv: readonly string[] = ["--from", "latest"]) =>
        world.start((env) => overwrites(env, out, 40), { ...options, config, argv });

      const stopped = await start([]);
      await stopped.forMs(30);
      equal((await foldersOf(world)).length, 1, "one while it runs");
      stopped.job.stop();
      equal((await stopped.end()).kind, "ended");
      deepEqual(await foldersOf(world), []);

      const killed = await start();
      await killed.forMs(20);
      killed.kill();
      equal((await foldersOf(world)).length, 1, "whoever is killed leaves its own");
      const former = await foldersOf(world);

      const cancelled = await start();
      await cancelled.forMs(20);
      const now = await foldersOf(world);
      equal(now.length, 1);
      ok(now[0] !== former[0], "the next start has removed it");
      cancelled.job.cancel();
      await cancelled.end();
      deepEqual(await foldersOf(world), []);

      const last = await start();
      equal((await last.end()).kind, "ended");
      await last.forMs(50);
      deepEqual(await foldersOf(world), []);
      deepEqual([...out.values].sort(), leftovers());
      equal(world.fileSystem.openCount, 0);
    },
  );
}
