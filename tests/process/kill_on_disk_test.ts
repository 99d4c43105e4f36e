import { deepEqual, ok } from "node:assert/strict";
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
  names,
  withDemo,
  withLateFlights,
  withSeed,
} from "./started_job.ts";
import type { Operation } from "./stopping_file_system.ts";

const TIMEOUT = { timeout: scaled(60_000, 900_000) };
/** So that the 4,000 late flights last. */
const SLOW = ["--rate", "1500"];

/** State on disk, a checkpoint every 50 ms, and so little memory that files are written between them. */
const BACKENDS: Readonly<Record<string, readonly string[]>> = {
  "lsm": ["-Dstate.backend.type=lsm"],
  "lsm with heap timers": ["-Dstate.backend.type=rocksdb", "-Dstate.backend.rocksdb.timer-service.factory=HEAP"],
  "lmdb": ["-Dstate.backend.type=lmdb"],
};

/** The same job with this backend, whose working files are in the job's folder as well. */
function onDisk(job: JobFolder, backend: string): JobFolder {
  const args = BACKENDS[backend]!;
  const key = `state.backend.${backend === "lmdb" ? "lmdb" : "lsm"}`;
  return {
    ...job,
    args: [
      ...job.args,
      "-Dexecution.checkpointing.interval=50ms",
      "-Dexecution.checkpointing.data-inline-threshold=0",
      ...args,
      `-D${key}.memory.fixed-per-slot=256kb`,
      `-D${key}.localdir=${join(job.folder, "work")}`,
    ],
    permissions: ["--allow-ffi"],
  };
}

/** The output is right, and no process has left working files, though some were killed. */
function checkAll(job: JobFolder): void {
  checkEnd(job);
  deepEqual(names(join(job.folder, "work")), []);
}

for (const backend of Object.keys(BACKENDS)) {
  for (const parallelism of scaled(backend === "lsm" ? [1] : [4], [1, 4])) {
    test(
      `the example on ${backend} ends with the same lines when it is killed at random moments, parallelism ${parallelism} [253]`,
      TIMEOUT,
      () =>
        withSeed(20_021, (random) =>
          withDemo(["--parallelism", String(parallelism)], async (given) => {
            const job = onDisk(given, backend);
            await killAtRandom(job, scaled(3, 50), random);
            ok(names(join(job.folder, "work")).length > 0, "killed processes leave their working files");
            await finish(job, ...LATEST);
            checkAll(job);
          })),
    );
  }
}

const OPERATIONS: readonly Operation[] = ["create", "write", "sync", "rename", "link", "remove", "syncDirectory"];

for (const backend of Object.keys(BACKENDS)) {
  test(
    `a job on ${backend} that is killed before, within and after any operation on the disk ends alike`,
    TIMEOUT,
    () =>
      withSeed(20_022, async (random) => {
        const among = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)]!; // Not empty.
        for (let round = 0; round < scaled(1, 6); round++) {
          await withLateFlights(["--parallelism", among(["1", "4"])], async (given) => {
            const job = onDisk(given, backend);
            for (let kill = 0; kill < scaled(2, 10); kill++) {
              const operation = among(OPERATIONS);
              const when = among(
                operation === "write" ? ["before", "half", "after"] as const : ["before", "after"] as const,
              );
              const point = { when, operation, part: "", n: 1 + Math.floor(random() * 60) };
              await killAtOrFinish(job, point, ...SLOW, ...kill === 0 ? [] : LATEST);
              checkSoFar(job);
            }
            await finish(job, ...LATEST);
            checkAll(job);
          });
        }
      }),
  );
}

test(
  "a job that is killed goes on with another backend each time, and ends alike",
  TIMEOUT,
  () =>
    withSeed(20_023, (random) =>
      withLateFlights([], async (given) => {
        for (const backend of ["lsm", "lmdb", "lsm with heap timers", "lsm"].slice(0, scaled(2, 4))) {
          const n = 2 + Math.floor(random() * 3);
          const isFirst = names(given.checkpoints).length === 0;
          const point = { when: "after", operation: "rename", part: "/_metadata", n } as const;
          await killAt(onDisk(given, backend), point, ...SLOW, ...isFirst ? [] : LATEST);
          checkSoFar(given);
        }
        await finish(given, ...LATEST);
        checkEnd(given);
      })),
);
