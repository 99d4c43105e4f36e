import { deepEqual, equal, match, ok } from "node:assert/strict";
import { test } from "node:test";
import { scaled } from "../support/scale.ts";
import {
  checkEnd,
  checkSoFar,
  completedIds,
  filesOfCheckpoint,
  finish,
  type JobFolder,
  killAt,
  killAtOrFinish,
  killAtRandom,
  LATEST,
  names,
  uncommitted,
  withDemo,
  withLateFlights,
  withSeed,
  withSplitFlights,
} from "./started_job.ts";
import type { Operation, StopPoint } from "./stopping_file_system.ts";

const TIMEOUT = { timeout: scaled(60_000, 900_000) };
/** So that the 4,000 late flights last. */
const SLOW = ["--rate", "1500"];

/** Kills the example at random moments, then lets it end. */
async function killDemo(seed: number, kills: number, ...args: readonly string[]): Promise<void> {
  await withSeed(seed, (random) =>
    withDemo(args, async (job) => {
      await killAtRandom(job, kills, random);
      await finish(job, ...LATEST);
      checkEnd(job);
    }));
}

test(
  "the example ends with the same lines as undisturbed when it is killed at random moments [253]",
  TIMEOUT,
  async () => {
    await killDemo(20_011, scaled(3, 100));
  },
);

test("the same with parallelism 4", TIMEOUT, async () => {
  await killDemo(20_012, scaled(1, 100), "--parallelism", "4");
});

/** After the nth file that gets its final name; a commit has several. */
const afterCommitOf = (n: number): StopPoint => ({ when: "after", operation: "link", part: "/part-", n });

/** Before the second file of a commit gets its final name; the first one has it. */
const BETWEEN_LINKS: StopPoint = { when: "before", operation: "link", part: "-0-1[.]jsonl", n: 1 };

/** Whether a commit is half done: a checkpoint has both committed and pending files. */
function isBetweenRenames(job: JobFolder): boolean {
  const found = names(job.report);
  return found.some((name) => {
    const checkpoint = /^part-(\d+)-/.exec(name)?.[1];
    return checkpoint !== undefined && found.some((other) => other.startsWith(`.pending-${checkpoint}-`));
  });
}

for (const parallelism of [1, 4]) {
  test(
    `a job with late input that is killed between two renames of a commit, and of its metadata, ends alike at parallelism ${parallelism}`,
    TIMEOUT,
    () =>
      withLateFlights(["--parallelism", String(parallelism)], async (job) => {
        await killAt(job, BETWEEN_LINKS, "--roll-bytes", "500", ...SLOW);
        ok(isBetweenRenames(job), names(job.report).join(" "));
        checkSoFar(job);
        // Commits again at once what was pending, and is killed doing so.
        await killAt(job, afterCommitOf(1), ...SLOW, ...LATEST);
        checkSoFar(job);
        const before = completedIds(job);
        for (const when of scaled(["after"] as const, ["before", "after"] as const)) {
          await killAt(job, { when, operation: "rename", part: "/_metadata", n: 2 }, ...SLOW, ...LATEST);
          checkSoFar(job);
        }
        const ids = completedIds(job);
        ok(ids[0]! > before[0]!, `${ids} after ${before}`);
        ok(filesOfCheckpoint(job, ids[0]!).runs.length > 0, "its state is in files");
        await finish(job, ...LATEST);
        checkEnd(job);
      }),
  );
}

const OPERATIONS: readonly Operation[] = ["create", "write", "sync", "rename", "link", "remove", "syncDirectory"];

test(
  "a job that is killed before, within and after any operation on the disk ends alike",
  TIMEOUT,
  () =>
    withSeed(20_013, async (random) => {
      let landed = 0;
      const among = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)]!; // Not empty.
      for (let round = 0; round < scaled(1, 10); round++) {
        const parallelism = among(["1", "4"]);
        await withLateFlights(["--parallelism", parallelism], async (job) => {
          for (let kill = 0; kill < scaled(2, 10); kill++) {
            const operation = among(OPERATIONS);
            const when = among(
              operation === "write" ? ["before", "half", "after"] as const : ["before", "after"] as const,
            );
            const point = { when, operation, part: "", n: 1 + Math.floor(random() * 30) };
            const killed = await killAtOrFinish(job, point, ...SLOW, ...kill === 0 ? [] : LATEST);
            if (await killed.exitCode === null) landed++;
            checkSoFar(job);
          }
          await finish(job, ...LATEST);
          checkEnd(job);
        });
      }
      ok(landed > 0, "no kill has come before the end");
    }),
);

test(
  "a job that is killed before its first checkpoint starts afresh, says so, and leaves nothing behind",
  TIMEOUT,
  () =>
    withLateFlights([], async (job) => {
      await killAt(job, { when: "before", operation: "rename", part: "/_metadata", n: 1 }, ...SLOW);
      deepEqual(completedIds(job), []);
      const left = uncommitted(job);
      ok(left.length > 0);
      const printed = await finish(job, ...LATEST);
      match(printed, /No checkpoint of this job has ever completed: it starts afresh/);
      match(printed, /Removed what dead processes have left: 1 unfinished checkpoint/);
      checkEnd(job);
      equal(uncommitted(job).filter((name) => left.includes(name)).length, 0);
    }),
);

test(
  "a job that is killed and goes on with another parallelism each time ends alike",
  TIMEOUT,
  () =>
    withLateFlights([], async (job) => {
      const withSubtasks = (count: number) => ["--parallelism", String(count)];
      await killAt(job, afterCommitOf(3), ...SLOW, ...withSubtasks(2));
      checkSoFar(job);
      for (const count of scaled([4], [4, 1, 3])) {
        await killAt(job, afterCommitOf(4), ...SLOW, ...withSubtasks(count), ...LATEST);
        checkSoFar(job);
      }
      await finish(job, ...withSubtasks(1), ...LATEST);
      checkEnd(job);
    }),
);

test(
  "a job with four readers, some of which have ended, is killed while some read and ends alike",
  TIMEOUT,
  () =>
    withSplitFlights(["--parallelism", "4"], async (job) => {
      await killAt(job, afterCommitOf(3), ...SLOW);
      checkSoFar(job);
      for (let kill = 0; kill < scaled(1, 10); kill++) {
        await killAt(job, afterCommitOf(4), ...SLOW, ...LATEST);
        checkSoFar(job);
      }
      await finish(job, ...LATEST);
      checkEnd(job);
    }),
);
