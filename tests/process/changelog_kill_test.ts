/** Jobs with a changelog in processes of their own that are killed: on and off from one to the next. */
import { join } from "node:path";
import { test } from "node:test";
import { scaled } from "../support/scale.ts";
import {
  checkEnd,
  checkSoFar,
  finish,
  type JobFolder,
  killAt,
  killAtOrFinish,
  killAtRandom,
  LATEST,
  withDemo,
  withLateFlights,
  withSeed,
} from "./started_job.ts";
import type { Operation } from "./stopping_file_system.ts";

const TIMEOUT = { timeout: scaled(60_000, 900_000) };
/** So that the 4,000 late flights last. */
const SLOW = ["--rate", "1500"];

/** The same job with a changelog: a checkpoint every 50 ms, a materialization every 200 ms. */
function logged(job: JobFolder, backend: "hashmap" | "lsm", enabled = true): JobFolder {
  return {
    ...job,
    args: [
      ...job.args,
      "-Dexecution.checkpointing.interval=50ms",
      `-Dstate.backend.type=${backend}`,
      "-Dstate.backend.lsm.memory.fixed-per-slot=256kb",
      `-Dstate.backend.lsm.localdir=${join(job.folder, "work")}`,
      `-Dstate.changelog.enabled=${enabled}`,
      "-Dstate.changelog.periodic-materialize.interval=200ms",
      "-Dstate.changelog.dstl.dfs.preemptive-persist-threshold=2kb",
    ],
  };
}

for (const backend of ["hashmap", "lsm"] as const) {
  test(
    `the example with a changelog over ${backend} ends with the same lines when it is killed at random moments [258]`,
    TIMEOUT,
    () =>
      withSeed(20_031, (random) =>
        withDemo(["--parallelism", backend === "lsm" ? "1" : "4"], async (given) => {
          const job = logged(given, backend);
          await killAtRandom(job, scaled(3, 50), random);
          await finish(job, ...LATEST);
          checkEnd(job);
        })),
  );
}

const OPERATIONS: readonly Operation[] = ["create", "write", "sync", "rename", "link", "remove", "syncDirectory"];

test(
  "a job with a changelog that is killed before, within and after any operation on the disk ends alike [258]",
  TIMEOUT,
  () =>
    withSeed(20_032, async (random) => {
      const among = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)]!; // Not empty.
      for (let round = 0; round < scaled(1, 6); round++) {
        await withLateFlights(["--parallelism", among(["1", "4"])], async (given) => {
          for (let kill = 0; kill < scaled(3, 10); kill++) {
            const operation = among(OPERATIONS);
            const when = among(
              operation === "write" ? ["before", "half", "after"] as const : ["before", "after"] as const,
            );
            const point = { when, operation, part: "", n: 1 + Math.floor(random() * 60) };
            const job = logged(given, among(["hashmap", "lsm"]), among([true, true, false]));
            await killAtOrFinish(job, point, ...SLOW, ...kill === 0 ? [] : LATEST);
            checkSoFar(job);
          }
          await finish(logged(given, "lsm"), ...LATEST);
          checkEnd(given);
        });
      }
    }),
);

test(
  "a job that is killed goes on without its changelog, and with one again",
  TIMEOUT,
  () =>
    withSeed(20_033, (random) =>
      withLateFlights([], async (given) => {
        for (const [index, enabled] of [true, false, true].slice(0, scaled(2, 3)).entries()) {
          const n = 3 + Math.floor(random() * 3);
          const point = { when: "after", operation: "rename", part: "/_metadata", n } as const;
          await killAt(logged(given, "hashmap", enabled), point, ...SLOW, ...index === 0 ? [] : LATEST);
          checkSoFar(given);
        }
        await finish(logged(given, "hashmap"), ...LATEST);
        checkEnd(given);
      })),
);
