import { deepEqual, equal, match, ok } from "node:assert/strict";
import { readFileSync, statSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { scaled } from "../support/scale.ts";
import {
  atWork,
  checkEnd,
  checkpointFolder,
  checkSoFar,
  committedLines,
  completedIds,
  filesOfCheckpoint,
  finish,
  highestId,
  type JobFolder,
  killAt,
  names,
  passed,
  start,
  uncommitted,
  withLateFlights,
  withSeed,
} from "./started_job.ts";
import type { StopPoint } from "./stopping_file_system.ts";

const TIMEOUT = { timeout: scaled(60_000, 300_000) };
const LATEST = ["--from", "latest"];
const SLOW = ["--rate", "1500"];

/** Right after a checkpoint has become complete, before anyone is told. */
const afterCheckpoint = (n: number): StopPoint => ({ when: "after", operation: "rename", part: "/_metadata", n });

/** While the third checkpoint from now, or one soon after it, is being committed. */
function withinCommit(job: JobFolder): StopPoint {
  // One of them may have nothing to commit.
  const ids = Array.from({ length: 20 }, (_, n) => highestId(job) + 3 + n);
  return { when: "after", operation: "link", part: `/part-(?:${ids.join("|")})-`, n: 1 };
}

function flipByte(path: string, random: () => number): void {
  const bytes = readFileSync(path);
  const at = Math.floor(random() * bytes.length);
  bytes[at] = bytes[at]! ^ 1 << Math.floor(random() * 8); // `at` is within the file.
  writeFileSync(path, bytes);
}

/** Files that the newest checkpoint has and the one before it has not. */
function newestFiles(job: JobFolder): { id: number; metadata: string; run: string } {
  const [id, former] = completedIds(job);
  const { metadata, runs } = filesOfCheckpoint(job, id!); // The tests take at least two.
  const older = filesOfCheckpoint(job, former!).runs;
  const own = runs.filter((run) => !older.includes(run));
  ok(own.length > 0 && older.length > 0, "both checkpoints have files");
  return { id: id!, metadata, run: own[0]! };
}

for (const parallelism of ["1", "4"]) {
  test(
    `a damaged newest checkpoint is passed over loudly, and the end is the same, at parallelism ${parallelism}`,
    TIMEOUT,
    () =>
      withSeed(30_011, (random) =>
        withLateFlights(["--parallelism", parallelism], async (job) => {
          const damages: ((files: { metadata: string; run: string }) => void)[] = [
            ({ metadata }) => flipByte(metadata, random),
            ({ run }) => flipByte(run, random),
            ({ run }) => unlinkSync(run),
          ];
          await killAt(job, withinCommit(job), ...SLOW);
          // The others are within `test:long` at parallelism 4.
          for (const damage of parallelism === "1" ? damages : scaled(damages.slice(1, 2), damages)) {
            const files = newestFiles(job);
            damage(files);
            const { printed } = await killAt(job, withinCommit(job), ...SLOW, ...LATEST);
            match(printed.err, new RegExp(`error: Checkpoint ${files.id} is damaged, an older one is used`));
            match(printed.err, new RegExp(`warning: Checkpoint ${files.id} was moved to .*damaged-chk-${files.id}`));
            checkSoFar(job);
          }
          await finish(job, ...LATEST);
          checkEnd(job);
          ok(
            names(join(job.report, ".superseded")).length > 0,
            "what the damaged checkpoints had committed was taken back",
          );
        })),
  );
}

test(
  "a job whose checkpoints are all damaged does not start, and touches nothing",
  TIMEOUT,
  () =>
    withLateFlights(SLOW, async (job) => {
      await killAt(job, afterCheckpoint(3));
      for (const id of completedIds(job)) unlinkSync(filesOfCheckpoint(job, id).metadata);
      const before = [names(job.report), names(checkpointFolder(job)!)];
      const running = start(job, ...LATEST);
      equal(await running.exitCode, 1);
      match(running.printed.err, /Cannot restore .*: a checkpoint has completed here once, and none is left/);
      deepEqual([names(job.report), names(checkpointFolder(job)!)], before);
    }),
);

test(
  "a second process on the same job is refused; the first ends gracefully at SIGINT, and goes on later",
  TIMEOUT,
  () =>
    withLateFlights([], async (job) => {
      // So slow that it lives longer than others take to start.
      const first = start(job, "--rate", "300");
      await atWork(job, first);
      while (completedIds(job).length === 0) await passed(5);
      for (const args of scaled([LATEST], [LATEST, []])) {
        const second = start(job, ...args);
        equal(await second.exitCode, 1);
        match(
          second.printed.err,
          new RegExp(`Cannot start the job in ".*": process ${first.pid} works on it, no other process may; stop that`),
        );
      }
      const before = completedIds(job)[0]!; // There is one, see above.
      first.kill("SIGINT");
      equal(await first.exitCode, 130, first.printed.err);
      match(first.printed.err, /late flights stopped after/);
      ok(completedIds(job)[0]! > before, "a last checkpoint");
      deepEqual(uncommitted(job), []);
      ok(committedLines(job).length > 0);
      checkSoFar(job);
      ok(committedLines(job).length < job.expected.length);

      const afresh = start(job);
      equal(await afresh.exitCode, 1);
      match(
        afresh.printed.err,
        /Cannot start .*: ".*" holds checkpoints of an earlier run.*; go on from them with --from latest/,
      );
      checkSoFar(job);
      await finish(job, ...LATEST);
      checkEnd(job);
    }),
);

test(
  "a job that is killed while it commits its final checkpoint ends alike, and then again, without a change",
  TIMEOUT,
  () =>
    withLateFlights(["-Dexecution.checkpointing.interval=1h", "--roll-bytes", "20000"], async (job) => {
      await killAt(job, afterCheckpoint(1));
      deepEqual(committedLines(job), []);
      await killAt(job, { when: "after", operation: "link", part: "/part-", n: 3 }, ...LATEST);
      ok(committedLines(job).length > 0 && uncommitted(job).length > 0);
      checkSoFar(job);
      await finish(job, ...LATEST);
      checkEnd(job);
      const files = () => names(job.report).map((name) => [name, statSync(join(job.report, name)).mtimeMs]);
      const before = files();
      match(await finish(job, ...LATEST), /"late flights" had finished: committing what is pending/);
      deepEqual(files(), before);
    }),
);

test(
  "a start afresh after a process that never completed a checkpoint clears what that has left",
  TIMEOUT,
  () =>
    withLateFlights([], async (job) => {
      await killAt(job, { when: "before", operation: "rename", part: "/_metadata", n: 1 }, ...SLOW);
      ok(uncommitted(job).length > 0);
      await finish(job);
      checkEnd(job);
    }),
);

test(
  "a job that is killed while it falls back to an older checkpoint ends alike",
  TIMEOUT,
  () =>
    withLateFlights([], async (job) => {
      await killAt(job, withinCommit(job), ...SLOW);
      const files = newestFiles(job);
      unlinkSync(files.run);
      const setAside = { operation: "rename", part: `/damaged-chk-${files.id}`, n: 1 } as const;
      const { printed } = await killAt(job, { when: "after", ...setAside }, ...LATEST);
      match(printed.err, new RegExp(`Checkpoint ${files.id} is damaged`));
      // What the set aside checkpoint had committed must still be taken back, also by the start after that.
      await killAt(job, { when: "after", operation: "rename", part: "/[.]superseded/", n: 1 }, ...LATEST);
      await finish(job, ...LATEST);
      checkEnd(job);
    }),
);

test(
  "a job that was started from an older checkpoint never goes back to newer ones of before",
  TIMEOUT,
  () =>
    withLateFlights(["-Dexecution.checkpointing.num-retained=4"], async (job) => {
      await killAt(job, withinCommit(job), ...SLOW);
      const older = ["--from", join(checkpointFolder(job)!, `chk-${completedIds(job)[1]}`)];
      // As soon as it has taken back a file of the newer ones.
      await killAt(job, { when: "after", operation: "rename", part: "/[.]superseded/", n: 1 }, ...SLOW, ...older);
      const refused = start(job, ...LATEST);
      equal(await refused.exitCode, 1);
      match(
        refused.printed.err,
        /none has completed since the job was started from ".*" or stopped with it; start it with --from ".*"/,
      );
      await killAt(job, withinCommit(job), ...SLOW, ...older);
      checkSoFar(job);
      await finish(job, ...LATEST);
      checkEnd(job);
    }),
);

test(
  "a job that is stopped gracefully at random moments leaves nothing uncommitted, and ends alike",
  TIMEOUT,
  () =>
    withSeed(30_012, (random) =>
      withLateFlights(["--parallelism", "4"], async (job) => {
        for (let stop = 0; stop < scaled(2, 20); stop++) {
          const running = start(job, "--rate", String(scaled(3000, 1000)), ...stop === 0 ? [] : LATEST);
          await atWork(job, running);
          await passed(random() * 200);
          running.kill("SIGINT");
          ok([130, 0].includes(await running.exitCode ?? -1), running.printed.err);
          deepEqual(uncommitted(job), []);
          checkSoFar(job);
        }
        await finish(job, ...LATEST);
        checkEnd(job);
      })),
);
