import { deepEqual, equal, match, ok } from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { startScript } from "./running_script.ts";
import {
  checkEnd,
  checkpointFolder,
  completedIds,
  finish,
  type JobFolder,
  passed,
  start,
  withDemo,
} from "./started_job.ts";

const ON_BUN = "Deno" in globalThis ? false : "Bun has no permissions";
const CLI = fileURLToPath(new URL("../../control/cli.ts", import.meta.url));
const ROOT = fileURLToPath(new URL("../../", import.meta.url));

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs a command line in a folder. */
async function weir(cwd: string, permissions: readonly string[], ...argv: readonly string[]): Promise<Ended> {
  const { printed, exitCode } = startScript(CLI, argv, { cwd, permissions });
  const code = await exitCode;
  return { code, out: printed.out, err: printed.err };
}

/** What `weir check` needs. */
const RUN = ["--allow-read", "--allow-env", `--allow-run=${process.execPath}`];

/** Starts the job and stops it when it has state in a checkpoint. */
async function stopMidway(job: JobFolder): Promise<void> {
  const running = start(job, "--rate", "2000");
  while (completedIds(job).length === 0) await passed(20);
  running.kill("SIGINT");
  equal(await running.exitCode, 130, running.printed.err);
}

/** Path of the newest checkpoint, as seen from the folder of the job. */
function newest(job: JobFolder): string {
  return join(checkpointFolder(job)!, `chk-${completedIds(job)[0]}`).slice(job.folder.length + 1);
}

test("the command line inspects, dumps and checks what a real process has left", { timeout: 120_000 }, async () => {
  await withDemo([], async (job) => {
    await stopMidway(job);
    const path = newest(job);
    const read = [`--allow-read=${job.folder}`];

    const inspected = await weir(job.folder, read, "inspect", path);
    deepEqual([inspected.code, inspected.err], [0, ""]);
    match(inspected.out, /of "flight delays" .*\n {2}taken at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\n/);
    match(inspected.out, /\ndelay-report \([0-9a-f]{32}\), parallelism 1 of at most 128, \d+ runs? of .*\n {2}STATE /);
    const entries = Number(/\n {2}days +map +auto 1 +[0-9,]+ +([0-9,]+) /.exec(inspected.out)![1]!.replace(",", ""));

    const dumped = await weir(job.folder, read, "dump", path);
    const lines = dumped.out.split("\n").slice(0, -1);
    deepEqual([dumped.code, lines.length, entries > 0], [0, entries, true]);
    match(lines[0]!, /^\{"key":"[A-Z]{3}","mapKey":"2001-01-\d\d","value":\{"flights":\d+,"late":\d+,/);

    const checked = await weir(job.folder, RUN, "check", path, job.script, "--", "--rate", "5");
    deepEqual([checked.code, checked.err], [0, ""]);
    match(checked.out, /^"flight delays" would restore from checkpoint \d+ in .*\n {2}flights: restored\n/);

    const script = startScript(job.script, ["--from", path, "--check"], { cwd: job.folder });
    equal(await script.exitCode, 0, script.printed.err);
    equal(script.printed.out, checked.out);

    const swept = await weir(job.folder, [...read, `--allow-write=${job.folder}`], "gc", "out/checkpoints");
    deepEqual([swept.code, swept.out, swept.err], [0, "", "Nothing to remove in 1 job folder\n"]);

    writeFileSync(join(job.folder, path, "_metadata"), readFileSync(join(job.folder, path, "_metadata")).subarray(1));
    const damaged = await weir(job.folder, read, "inspect", path);
    deepEqual([damaged.code, damaged.out], [1, ""]);
    match(
      damaged.err,
      /^Cannot restore ".*_metadata" at byte 0: it does not begin with "WEIRCHKP"; restore from an older/,
    );
  });
});

test(
  "weir check refuses a script that would not restore, or that never comes to its execute()",
  { timeout: 120_000 },
  async () => {
    await withDemo([], async (job) => {
      await finish(job);
      const path = newest(job);
      const folder = join(job.folder, "mine");
      mkdirSync(folder);
      const scriptOf = (text: string) => {
        const script = join(folder, "pipeline.ts");
        writeFileSync(script, `import { collectSink, fromIterable, StreamEnvironment } from "${ROOT}mod.ts";\n${text}`);
        return script;
      };
      const other = scriptOf(`
      console.log("a line of the script's own");
      const env = StreamEnvironment.create();
      env.fromSource("numbers", fromIterable([1])).sinkTo("out", collectSink());
      await env.execute("other");
      console.log("never");
    `);
      const refused = await weir(job.folder, RUN, "check", path, other);
      equal(refused.code, 1);
      match(refused.out, /^"other" would not restore from checkpoint \d+ of "flight delays" in /);
      match(refused.out, /\n {2}delay-report: REFUSED: the script has no such operator; give it its former name/);
      match(refused.err, /^a line of the script's own\n/);
      ok(!refused.err.includes("never"));
      const ended = await weir(job.folder, RUN, "check", path, scriptOf(""));
      deepEqual([ended.code, ended.out], [1, ""]);
      match(ended.err, /^Cannot check ".*pipeline\.ts": it has ended without an execute\(\)/);
      const failing = await weir(job.folder, RUN, "check", path, scriptOf("throw new Error('mine')"));
      equal(failing.code, 1);
      match(failing.err, /mine[^]*Cannot check ".*": it ended with exit code 1 before its execute\(\) could answer\n$/);
      const nowhere = await weir(job.folder, RUN, "check", "nowhere", job.script);
      deepEqual([nowhere.code, nowhere.out], [1, ""]);
      match(nowhere.err, /^Cannot restore from "nowhere": there is no such file or folder/);
    });
  },
);

test("a job that the command line has stopped goes on from the path it printed, and its output is whole", {
  timeout: 120_000,
}, async () => {
  await withDemo(["-Dexecution.checkpointing.savepoint-dir=out/savepoints"], async (given) => {
    const job = { ...given, permissions: ["--allow-net=127.0.0.1"] };
    const running = start(job, "--rate", "1500", "-Drest.port=0");
    await running.until("err", "HTTP API at");
    const [, url = ""] = /HTTP API at (http:\/\/127\.0\.0\.1:\d+)/.exec(running.printed.err)!;
    const ask = (...argv: string[]) =>
      weir(job.folder, [`--allow-net=${new URL(url).host}`, "--allow-env"], ...argv, "--url", url);
    while (completedIds(job).length === 0) await passed(20);

    const listed = await ask("list");
    match(listed.out, /^[0-9a-f]{32}\tRUNNING\t.*\tflight delays\n$/);
    const between = await ask("savepoint", listed.out.slice(0, 8), "--format", "native");
    deepEqual([between.code, between.err], [0, ""]);
    const stopped = await ask("stop");
    deepEqual([stopped.code, stopped.err], [0, ""]);
    await running.exitCode;
    match(running.printed.err, /^flight delays stopped after /m);

    const path = stopped.out.trim();
    const checked = await weir(job.folder, RUN, "check", path, job.script, "--", "-p", "2");
    deepEqual([checked.code, checked.err], [0, ""]);
    const inspected = await weir(job.folder, [`--allow-read=${job.folder}`], "inspect", between.out.trim());
    match(inspected.out, /\n {2}native savepoint \d+ of "flight delays"/);
    const gone = await ask("list");
    deepEqual([gone.code, gone.out], [1, ""]);

    await finish(job, "--from", path, "-p", "2", "-Dstate.backend.type=lsm");
    checkEnd(job);
  });
});

test("a command without a permission names the flag, and does nothing", { skip: ON_BUN, timeout: 60_000 }, async () => {
  const cases: [string[], string[], RegExp][] = [
    [["inspect", "x"], [], /read permission is missing; run with --allow-read/],
    [["gc", "."], [], /read permission is missing; run with --allow-read/],
    [["list"], [], /the permission is missing; run with --allow-net=127\.0\.0\.1:8081/],
    [["check", "x", CLI], ["--allow-read"], /run with --allow-run --allow-env/],
  ];
  for (const [argv, permissions, pattern] of cases) {
    const { code, out, err } = await weir(ROOT, permissions, ...argv);
    ok(code === 1 || code === 2, `${argv}: ${code}`);
    equal(out, "");
    match(err, pattern);
    ok(!/^\s+at /m.test(err), err);
  }
});

test("output whose reader goes away ends quietly, with the code of other tools", {
  skip: process.platform === "win32" ? "it has no such pipes" : false,
  timeout: 60_000,
}, async () => {
  const run = "Deno" in globalThis ? ["run", "--no-check", "--allow-env", CLI] : ["run", CLI];
  const child = spawn(process.execPath, [...run, "--help"], { stdio: ["ignore", "pipe", "pipe"] });
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => errors += text);
  child.stdout.destroy();
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  deepEqual([errors, code], ["", 141]);
});
