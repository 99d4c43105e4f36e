import { deepEqual, equal, match, notEqual, ok } from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import type { SavepointFormat } from "../../mod.ts";
import { scaled } from "../support/scale.ts";
import { disposeOver, moreCheckpoints, post, runningJob, savepointOver, urlOf } from "./rest_calls.ts";
import { checkEnd, checkSoFar, finish, type JobFolder, LATEST, names, start, withLateFlights } from "./started_job.ts";
import { STOPPED, type StopPoint, stopPointText } from "./stopping_file_system.ts";

const TIMEOUT = { timeout: 60_000 };
const NAME = "late flights";
/** So that the 4,000 late flights last for 10 seconds; no test waits for their end. */
const SLOW = ["--rate", "400"];
const KINDS = ["hashmap", "lsm", "lmdb"] as const;
const FORMATS: readonly SavepointFormat[] = ["canonical", "native"];

type Kind = typeof KINDS[number];

/** The late flights with an HTTP API and a folder for savepoints. */
function withServedFlights(body: (job: JobFolder) => Promise<void>): Promise<void> {
  return withLateFlights([], (given) =>
    body({
      ...given,
      args: [
        ...given.args,
        "-Drest.port=0",
        `-Dexecution.checkpointing.savepoint-dir=${savepointsOf(given)}`,
      ],
      permissions: ["--allow-ffi", "--allow-net=127.0.0.1"],
    }));
}

const savepointsOf = ({ folder }: JobFolder): string => join(folder, "savepoints");

/** The job on this backend, with working files in its folder. */
function on(kind: Kind, parallelism: number, job: JobFolder): string[] {
  const work = join(job.folder, "work");
  return [
    `-Dstate.backend.type=${kind}`,
    `-Dstate.backend.lsm.localdir=${work}`,
    `-Dstate.backend.lmdb.localdir=${work}`,
    "--parallelism",
    String(parallelism),
  ];
}

/** Goes on from a savepoint to the end of the input. */
async function finishFrom(job: JobFolder, savepoint: string, kind: Kind): Promise<void> {
  await finish(job, ...on(kind, 4, job), "--from", savepoint);
  checkEnd(job);
  deepEqual(names(join(job.folder, "work")), []);
}

/** Runs, is looked at, saved, stopped with a savepoint and gone on with, over HTTP alone. */
async function moveOverHttp(job: JobFolder, before: Kind, after: Kind, format: SavepointFormat): Promise<void> {
  const running = start(job, ...SLOW, ...on(before, 2, job));
  try {
    const url = await urlOf(running);
    const { jid } = await runningJob(url, NAME);
    await moreCheckpoints(url, jid, 1);
    const first = await savepointOver(url, jid, { kind: "savepoints", format });
    await moreCheckpoints(url, jid, 2);
    checkSoFar(job);
    await disposeOver(url, first);
    deepEqual(names(savepointsOf(job)), []);
    const last = await savepointOver(url, jid, { kind: "stop", format });
    equal(await running.exitCode, 0, running.printed.err);
    ok(running.printed.err.includes(last), running.printed.err);
    checkSoFar(job);
    notEqual(last, first);
    await finishFrom(job, last, after);
  } finally {
    running.kill("SIGKILL");
    await running.exitCode;
  }
}

/** Each backend on both sides, and both formats. */
const FEW: readonly (readonly [Kind, Kind, SavepointFormat])[] = [
  ["hashmap", "lsm", "canonical"],
  ["lsm", "lmdb", "native"],
  ["lmdb", "hashmap", "canonical"],
];
const ALL = KINDS.flatMap((before) =>
  KINDS.flatMap((after) => FORMATS.map((format) => [before, after, format] as const))
);

for (const [before, after, format] of scaled(FEW, ALL)) {
  test(
    `a process driven over HTTP alone is saved, stopped and gone on with at twice the parallelism, ${before} to ` +
      `${after}, ${format}, and ends as if undisturbed [241]`,
    TIMEOUT,
    () => withServedFlights((job) => moveOverHttp(job, before, after, format)),
  );
}

/** Asks for a savepoint or a stop, and kills the process where it stands still. */
async function killedAt(job: JobFolder, point: StopPoint, kind: "savepoints" | "stop"): Promise<void> {
  const running = start(job, ...SLOW, ...on("lsm", 2, job), "--stop-at", stopPointText(point));
  try {
    const url = await urlOf(running);
    const { jid } = await runningJob(url, NAME);
    await moreCheckpoints(url, jid, 2);
    // It may stand still before it has answered.
    const asked = post(`${url}/jobs/${jid}/${kind}`, {}).catch(() => undefined);
    await running.until("out", STOPPED);
    running.kill("SIGKILL");
    await asked;
  } finally {
    running.kill("SIGKILL");
    equal(await running.exitCode, null, running.printed.err);
  }
  checkSoFar(job);
}

/** Path of the only savepoint. */
function onlySavepoint(job: JobFolder): string {
  const [name, ...more] = names(savepointsOf(job));
  ok(name !== undefined && more.length === 0, `${name} ${more}`);
  return join(savepointsOf(job), name);
}

const METADATA = "savepoint-[^/]*/_metadata$";
const HALF_A_FILE: StopPoint = { when: "half", operation: "write", part: "/savepoint-", n: 1 };
const NO_NAME: StopPoint = { when: "before", operation: "rename", part: METADATA, n: 1 };

const WITHIN: readonly (readonly [string, StopPoint, "savepoints" | "stop"])[] = [
  ["half of a file of a savepoint", HALF_A_FILE, "savepoints"],
  ["all but the name of the metadata of its last savepoint", NO_NAME, "stop"],
  ["all but the name of the metadata of a savepoint", NO_NAME, "savepoints"],
  ["half of a file of its last savepoint", HALF_A_FILE, "stop"],
];

for (const [what, point, kind] of WITHIN.slice(0, scaled(2, 4))) {
  test(
    `a process that is killed when it has written ${what} goes on from its newest checkpoint [247]`,
    TIMEOUT,
    () =>
      withServedFlights(async (job) => {
        await killedAt(job, point, kind);
        const refused = start(job, "--from", onlySavepoint(job));
        equal(await refused.exitCode, 1);
        match(refused.printed.err, /savepoint-/);
        await finish(job, ...LATEST);
        checkEnd(job);
      }),
  );
}

test(
  "a process that is killed when the savepoint of a stop has its name goes on from that",
  TIMEOUT,
  () =>
    withServedFlights(async (job) => {
      await killedAt(job, { when: "after", operation: "rename", part: METADATA, n: 1 }, "stop");
      await finishFrom(job, onlySavepoint(job), "lmdb");
    }),
);

test(
  "a process that is killed when its history names the savepoint of a stop goes back to nothing before it",
  TIMEOUT,
  () =>
    withServedFlights(async (job) => {
      await killedAt(job, { when: "after", operation: "rename", part: "/_lineage$", n: 1 }, "stop");
      const savepoint = onlySavepoint(job);
      const refused = start(job, ...LATEST);
      equal(await refused.exitCode, 1);
      ok(refused.printed.err.includes(savepoint), refused.printed.err);
      await finishFrom(job, savepoint, "lsm");
    }),
);
