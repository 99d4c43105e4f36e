/** The commands of files read checkpoints that have a log. */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { test } from "node:test";
import { BACKEND_KINDS } from "../../support/backend_kinds.ts";
import { TestWorld } from "../../support/job_harness.ts";
import { ManualClock } from "../../support/manual_clock.ts";
import { weir } from "./cli_rig.ts";
import { expectedLines, startSample } from "./sample_job.ts";

for (const { name, options } of BACKEND_KINDS) {
  test(`weir dump, inspect and gc read checkpoints with a changelog over ${name}`, { timeout: 60_000 }, async () => {
    const world = new TestWorld();
    const { fileSystem } = world;
    let argv: string[] = [];
    let chk = "";
    for (const [parallelism, count] of [[2, 40], [3, 60]] as const) {
      const config = {
        ...options.config,
        "parallelism.default": parallelism,
        "state.changelog.enabled": true,
        "state.changelog.dstl.dfs.preemptive-persist-threshold": "1 kb",
      };
      const { process, checkpoint } = await startSample(world, { ...options, argv, config }, count);
      chk = await checkpoint();
      process.kill();
      argv = ["--from", "latest"];
      for (const [state, lines] of expectedLines(count)) {
        const { out, err } = await weir(["dump", chk, "--operator", "everything", "--state", state], { fileSystem });
        equal(out, lines.map((line) => `${line}\n`).join(""), `${state}: ${err}`);
      }
      // Behind a restore the first checkpoint is a materialization.
      if (parallelism === 3) continue;
      const { out } = await weir(["inspect", chk], { fileSystem });
      match(out, /everything .*, a log of [0-9.]+ [a-z]+ in [0-9]+ segments?/);
    }
    const clock = new ManualClock({ startMs: 1e9 });
    const before = fileSystem.files("/checkpoints").length;
    equal((await weir(["gc", "/checkpoints", "--force"], { fileSystem, clock })).code, 0);
    ok(fileSystem.files("/checkpoints").length <= before);
    const again = await weir(["inspect", chk, "--json"], { fileSystem });
    const everything = JSON.parse(again.out).operators.find((one: { name: string }) => one.name === "everything");
    deepEqual([typeof everything.logBytes, typeof everything.logSegments], ["number", "number"]);
  });
}
