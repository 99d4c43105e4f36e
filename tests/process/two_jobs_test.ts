import { deepEqual, equal, match, notEqual, ok } from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { disposeOver, get, moreCheckpoints, post, runningJob, savepointOver, urlOf } from "./rest_calls.ts";
import { type RunningScript, startScript } from "./running_script.ts";
import { names } from "./started_job.ts";

const TIMEOUT = { timeout: 60_000 };
const SCRIPT = fileURLToPath(new URL("./two_jobs_script.ts", import.meta.url));
const COMMAND_LINE = fileURLToPath(new URL("../../control/cli.ts", import.meta.url));
const PERMISSIONS = ["--allow-read", "--allow-write", "--allow-env", "--allow-net=127.0.0.1"];

/** The script under way. */
interface TwoJobs {
  readonly running: RunningScript;
  readonly url: string;
  readonly folder: string;
  readonly first: string;
  readonly second: string;
}

async function withTwoJobs(body: (jobs: TwoJobs) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "weir-two-"));
  const running = startScript(SCRIPT, [
    "-Drest.port=0",
    "-Dexecution.checkpointing.interval=20ms",
    `-Dexecution.checkpointing.dir=${join(folder, "checkpoints")}`,
    `-Dexecution.checkpointing.savepoint-dir=${join(folder, "savepoints")}`,
  ], { cwd: folder, permissions: PERMISSIONS });
  try {
    const url = await urlOf(running);
    const { jid: first } = await runningJob(url, "first");
    const { jid: second } = await runningJob(url, "second");
    notEqual(first, second);
    await body({ running, url, folder, first, second });
  } finally {
    running.kill("SIGKILL");
    await running.exitCode;
    rmSync(folder, { recursive: true });
  }
}

/** State of each job, by name. */
async function states(url: string): Promise<Record<string, string>> {
  const { jobs } = await get(`${url}/jobs/overview`);
  return Object.fromEntries(jobs.map(({ name, state }) => [name, state]));
}

/** What the job has committed is the counts of each key from 1 on, none missing and none twice. How many there are. */
function checkCounts(folder: string, name: string): number {
  const out = join(folder, "out", name);
  const lines = names(out).filter((file) => file.startsWith("part-"))
    .flatMap((file) => readFileSync(join(out, file), "utf8").split("\n").slice(0, -1));
  const byKey = Map.groupBy(lines.map((line) => String(JSON.parse(line)).split(":")), ([key]) => key);
  for (const counts of byKey.values()) {
    const sorted = counts.map(([, count]) => Number(count)).sort((a, b) => a - b);
    deepEqual(sorted, sorted.map((_, index) => index + 1));
  }
  return lines.length;
}

test(
  "two jobs of a process are listed and controlled each for itself",
  TIMEOUT,
  () =>
    withTwoJobs(async ({ running, url, folder, first, second }) => {
      await moreCheckpoints(url, first, 1);
      const savepoint = await savepointOver(url, second, { kind: "savepoints" });
      ok(savepoint.includes(`/savepoint-${second.slice(0, 6)}-`), savepoint);
      const last = await savepointOver(url, first, { kind: "stop", format: "native" });
      ok(last.includes(`/savepoint-${first.slice(0, 6)}-`), last);
      deepEqual(await states(url), { first: "FINISHED", second: "RUNNING" });
      const stopped = checkCounts(folder, "first");
      ok(stopped > 0);

      // What has ended cannot be stopped again; the other job does not notice.
      await post(`${url}/jobs/${first}/stop`, {}, 409);
      await post(`${url}/jobs/${first}/savepoints`, {}, 409);
      await moreCheckpoints(url, second, 3);
      await disposeOver(url, savepoint);
      deepEqual(names(join(folder, "savepoints")), [last.slice(last.lastIndexOf("/") + 1)]);
      deepEqual(await states(url), { first: "FINISHED", second: "RUNNING" });

      await savepointOver(url, second, { kind: "stop" });
      equal(await running.exitCode, 0, running.printed.err);
      equal(running.printed.out, "first stopped\nsecond stopped\n");
      equal(checkCounts(folder, "first"), stopped);
      ok(checkCounts(folder, "second") > stopped);
    }),
);

/** Runs the command line in a process of its own; what it has printed on standard output. */
async function weir(...args: readonly string[]): Promise<string> {
  const running = startScript(COMMAND_LINE, args, { permissions: PERMISSIONS });
  equal(await running.exitCode, 0, `${args.join(" ")}: ${running.printed.out}${running.printed.err}`);
  return running.printed.out;
}

test(
  "the command line lists, saves and stops the jobs of a process, each by its name",
  TIMEOUT,
  () =>
    withTwoJobs(async ({ running, url, folder, first, second }) => {
      const { jobs } = JSON.parse(await weir("list", "--url", url, "--json"));
      // Both start at once: either may be listed first.
      deepEqual(jobs.map(({ id }: { readonly id: string }) => id).sort(), [first, second].sort());
      const lines = (await weir("list", "--url", url)).trimEnd().split("\n");
      const listed = lines.map((line) => line.split("\t")).map(([id, state, , name]) => `${name} ${id} ${state}`)
        .sort();
      deepEqual(listed, [`first ${first} RUNNING`, `second ${second} RUNNING`]);

      const savepoint = (await weir("savepoint", "second", "--url", url)).trimEnd();
      ok(savepoint.startsWith(join(folder, "savepoints/")), savepoint);
      match(await weir("inspect", savepoint), /savepoint/i);
      const stopped = JSON.parse(await weir("stop", "first", "--format", "native", "--json", "--url", url));
      equal(stopped.job, first);
      deepEqual(await states(url), { first: "FINISHED", second: "RUNNING" });
      match(await weir("status", "second", "--url", url), /^second \([0-9a-f]{32}\)\n {2}RUNNING for /);

      await weir("dispose", savepoint, "--url", url);
      equal(names(join(folder, "savepoints")).length, 1);
      await weir("stop", "second", "--url", url);
      equal(await running.exitCode, 0, running.printed.err);
      equal(running.printed.out, "first stopped\nsecond stopped\n");
      ok(checkCounts(folder, "first") > 0);
      ok(checkCounts(folder, "second") > 0);
    }),
);
