import { deepEqual, equal, match, ok } from "node:assert/strict";
import { test } from "node:test";
import type { Fetch } from "../../../control/cli/command.ts";
import { ApiRig, type RigOptions } from "../http_rig.ts";
import { HEAP } from "../../support/backend_kinds.ts";
import { TestWorld } from "../../support/job_harness.ts";
import { type CliEnd, weir } from "./cli_rig.ts";
import { COUNT, expectedLines, type SampleProcess, startSample } from "./sample_job.ts";

/** A real job behind the real API, in virtual time. */
class ServedJob {
  private constructor(readonly world: TestWorld, readonly sample: SampleProcess, readonly rig: ApiRig) {}

  static async start(options: Omit<RigOptions, "clock"> = {}): Promise<ServedJob> {
    const world = new TestWorld({ "execution.checkpointing.savepoint-dir": "/savepoints" });
    const sample = await startSample(world, HEAP.options);
    await sample.checkpoint();
    const rig = new ApiRig({ ...options, clock: sample.process.clock });
    rig.add(sample.process.job);
    return new ServedJob(world, sample, rig);
  }

  readonly #fetch: Fetch = async (url, { method, headers, body }) => {
    const { pathname, search, host } = new URL(url);
    return await this.rig.app.request(`${pathname}${search}`, {
      method,
      headers: { ...headers, host },
      ...(body === undefined ? {} : { body }),
    });
  };

  async weir(...argv: string[]): Promise<CliEnd> {
    const { fileSystem } = this.world;
    return await weir(argv, { fetch: this.#fetch, clock: this.sample.process.clock, fileSystem });
  }
}

test("the command line takes savepoints of a real job, stops it and disposes of them, over the real API", async () => {
  const job = await ServedJob.start();
  const listed = await job.weir("list");
  match(listed.out, /^[0-9a-f]{32}\tRUNNING\t1970-01-01 00:00:\d\d\ttest\n$/);
  const total = async (path: string) =>
    (await job.weir("dump", path.trim(), "-s", "total")).out.split("\n").slice(0, -1);
  for (const format of ["canonical", "native"]) {
    const { code, out, err } = await job.weir("savepoint", "test", "--format", format);
    deepEqual([code, err], [0, ""]);
    match(out, /^\/savepoints\/savepoint-[0-9a-f]{6}-[0-9a-f]{12}\n$/);
    deepEqual(await total(out), expectedLines(COUNT).get("total"));
  }
  const stopped = await job.weir("stop", "--drain");
  equal(stopped.code, 0, stopped.err);
  deepEqual(await total(stopped.out), expectedLines(COUNT).get("total"));
  equal((await job.sample.process.job.result).savepointPath, stopped.out.trim());
  match((await job.weir("list")).out, /\tFINISHED\t/);
  const again = await job.weir("stop", "test");
  equal(again.code, 1);
  match(again.err, /\(409\)\n$/);

  const disposed = await job.weir("dispose", stopped.out.trim());
  deepEqual([disposed.code, disposed.err], [0, `Deleted "${stopped.out.trim()}"\n`]);
  deepEqual(job.rig.disposed, [stopped.out.trim()]);
  const outside = await job.weir("dispose", "/etc");
  equal(outside.code, 1);
  ok(!/^\s+at /m.test(outside.err), outside.err);
});

test("weir cancel ends a real job over the real API", async () => {
  const job = await ServedJob.start();
  const { code, err } = await job.weir("cancel");
  equal(code, 0, err);
  match(err, /^Cancelled "test" \([0-9a-f]{32}\)\n$/);
  equal((await job.sample.process.job.result).state, "cancelled");
});

test("a server with a token lets in who has it, and says to others how to give it", async () => {
  const job = await ServedJob.start({ settings: { token: "secret" } });
  equal((await job.weir("list", "--token", "secret")).code, 0);
  for (const flags of [[], ["--token", "wrong"]]) {
    const { code, out, err } = await job.weir("list", ...flags);
    deepEqual([code, out], [1, ""]);
    match(err, /^Cannot ask http:\/\/127\.0\.0\.1:8081: .*\(401\); /);
  }
});

test("weir savepoint tells what the server refuses: a folder that is not allowed, a foreign host", async () => {
  const job = await ServedJob.start();
  const outside = await job.weir("savepoint", "/etc/../tmp");
  deepEqual([outside.code, outside.out], [1, ""]);
  match(outside.err, /\((?:400|403)\)\n$/);
  const foreign = await job.weir("list", "--url", "http://example.org");
  equal(foreign.code, 1);
  match(foreign.err, /Host header names another machine/);
});

test("weir status and checkpoint of a real job, over the real API", async () => {
  const job = await ServedJob.start();
  const id = (await job.weir("list")).out.slice(0, 32);
  const shown = await job.weir("status", id.slice(0, 5));
  equal(shown.code, 0, shown.err);
  match(shown.out, /^test \([0-9a-f]{32}\)\n {2}RUNNING for .*\n\nSTATE +SUBTASKS/);
  const total = async (path: string) =>
    (await job.weir("dump", path.trim(), "-s", "total")).out.split("\n").slice(0, -1);
  for (const flags of [[], ["--full"], ["--incremental"]]) {
    const { code, out, err } = await job.weir("checkpoint", ...flags);
    equal(code, 0, err);
    match(out, /^\/checkpoints\/[0-9a-f]{32}\/chk-\d+\n$/);
    deepEqual(await total(out), expectedLines(COUNT).get("total"));
  }
  equal((await job.weir("savepoint")).code, 0);
  const lines = (await job.weir("status")).out;
  match(lines, /\ncheckpoints: \d+ completed, 0 failed, \d in progress\n/);
  match(
    lines,
    /\n {2}newest checkpoint \d+: [0-9.]+ (?:bytes|kb) written of [0-9.]+ kb in [0-9.]+ m?s, \/checkpoints\/[0-9a-f]{32}\/chk-\d+\n/,
  );
  match(lines, /\n {2}newest savepoint \d+: [0-9.]+ kb in [0-9.]+ m?s, \/savepoints\/savepoint-/);
  const status = JSON.parse((await job.weir("status", "--json")).out);
  deepEqual([status.job.name, status.checkpoints.counts.failed], ["test", 0]);
});
