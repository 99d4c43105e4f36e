import { deepEqual, equal, ok } from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { scaled } from "../support/scale.ts";
import { disposeOver, get, moreCheckpoints, runningJob, savepointOver, urlOf } from "./rest_calls.ts";
import { type RunningScript, startScript } from "./running_script.ts";
import { countsOf } from "./savepoint_series.ts";
import { names } from "./started_job.ts";

const SCRIPT = fileURLToPath(new URL("./savepoint_series_script.ts", import.meta.url));
const PERMISSIONS = ["--allow-read", "--allow-write", "--allow-env", "--allow-net=127.0.0.1"];
const KEYS = scaled(2_000, 100_000);
const SAVEPOINTS = scaled(3, 200);
/** Share of the state that a checkpoint may write, in the middle: a tenth changes, and merges write some of it again. */
const INCREMENT_SHARE = 0.5;

async function inFolder(run: (folder: string, start: () => RunningScript) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "weir-series-"));
  let running: RunningScript | undefined;
  const start = () =>
    running = startScript(SCRIPT, [
      "--keys",
      String(KEYS),
      "-Drest.port=0",
      "-Dstate.backend.type=lsm",
      `-Dstate.backend.lsm.localdir=${join(folder, "work")}`,
      "-Dexecution.checkpointing.interval=100ms",
      "-Dexecution.checkpointing.incremental=true",
      "-Dexecution.checkpointing.data-inline-threshold=0",
      "-Dweb.checkpoints.history=10000",
      `-Dexecution.checkpointing.dir=${join(folder, "checkpoints")}`,
      `-Dexecution.checkpointing.savepoint-dir=${join(folder, "savepoints")}`,
    ], { cwd: folder, permissions: PERMISSIONS });
  try {
    await run(folder, start);
  } finally {
    running?.kill("SIGKILL");
    await running?.exitCode;
    rmSync(folder, { recursive: true });
  }
}

/** Records that the job says it has read. */
function recordsOf({ printed }: RunningScript): number {
  const count = /records +([\d,]+) in,/.exec(printed.err)?.[1];
  ok(count !== undefined, printed.err);
  return Number(count.replaceAll(",", ""));
}

function committed(folder: string): string[] {
  return names(folder).flatMap((name) => {
    ok(name.startsWith("part-"), `${name} is left behind`);
    const lines = readFileSync(join(folder, name), "utf8").split("\n").slice(0, -1);
    return lines.map((line) => String(JSON.parse(line)));
  }).sort();
}

test(
  `${SAVEPOINTS} savepoints one after another lose and double nothing of a job over ${KEYS} keys at full speed, ` +
    "leave its checkpoints incremental, and no file behind",
  { timeout: scaled(60_000, 900_000) },
  () =>
    inFolder(async (folder, start) => {
      const running = start();
      const url = await urlOf(running);
      const { jid } = await runningJob(url, "series");
      // All keys have come, and some more.
      await moreCheckpoints(url, jid, 3);
      for (let i = 0; i < SAVEPOINTS; i++) {
        const format = i % 2 === 0 ? "canonical" : "native";
        const savepoint = await savepointOver(url, jid, { kind: "savepoints", format });
        equal(join(folder, "savepoints", names(join(folder, "savepoints")).join(" ")), savepoint);
        await disposeOver(url, savepoint);
        deepEqual(names(join(folder, "savepoints")), []);
      }
      await moreCheckpoints(url, jid, 10);
      const { history } = await get(`${url}/jobs/${jid}/checkpoints`);
      const shares = history.filter(({ is_savepoint, status }) => !is_savepoint && status === "COMPLETED")
        .map(({ checkpointed_size, state_size }) => checkpointed_size / state_size);
      ok(shares.length > 0);
      const middle = shares.sort((a, b) => a - b)[shares.length >> 1]!; // Not empty.
      ok(middle < INCREMENT_SHARE, `a checkpoint writes ${middle} of the state`);

      const last = await savepointOver(url, jid, { kind: "stop" });
      equal(await running.exitCode, 0, running.printed.err);
      deepEqual(names(join(folder, "savepoints")), [last.slice(last.lastIndexOf("/") + 1)]);
      deepEqual(names(join(folder, "work")), []);
      // Not deepEqual: its message would take minutes for so many lines.
      const due = countsOf(recordsOf(running), KEYS);
      const found = committed(join(folder, "out"));
      const wrong = due.findIndex((line, index) => line !== found[index]);
      equal(wrong, -1, `${found[wrong]} is committed where ${due[wrong]} is due`);
      equal(found.length, due.length);
    }),
);
