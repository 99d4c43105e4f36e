import { deepEqual, equal, match, ok } from "node:assert/strict";
import { test } from "node:test";
import type { JobLock } from "../../../checkpoint/job_lock.ts";
import { StreamError } from "../../../core/errors.ts";
import { HEAP } from "../../support/backend_kinds.ts";
import { TestWorld } from "../../support/job_harness.ts";
import { ManualClock } from "../../support/manual_clock.ts";
import type { MemoryFileSystem } from "../../support/memory_file_system.ts";
import { type CliEnd, weir } from "./cli_rig.ts";
import { expectedLines, startSample } from "./sample_job.ts";

/** A folder of checkpoints with all kinds of leftovers; the world's clock is far behind that of the command. */
async function leftovers(): Promise<
  { readonly fileSystem: MemoryFileSystem; readonly job: string; readonly chk: string }
> {
  const world = new TestWorld();
  const { process, checkpoint } = await startSample(world, HEAP.options);
  const chk = await checkpoint();
  const job = chk.slice(0, chk.lastIndexOf("/"));
  const { fileSystem } = world;
  // Those that it has taken the place of are removed beside the records.
  const folders = async () => (await process.settled(fileSystem.list(job))).filter((name) => name.startsWith("chk-"));
  while ((await folders()).length > 2) await process.forMs(1);
  process.kill();
  fileSystem.put(`${job}/chk-900/part`, "12345");
  fileSystem.put(`${job}/chk-901/_metadata.part`, "1");
  fileSystem.put(`${job}/shared/nobodys`, "123");
  fileSystem.put(`${job}/damaged-chk-3-abc/_metadata`, "12");
  fileSystem.put(`${job}/taskowned/log`, "1");
  fileSystem.put(`${job}/notes.txt`, "mine");
  fileSystem.put("/checkpoints/other/notes.txt", "mine");
  return { fileSystem, job, chk };
}

async function gc(fileSystem: MemoryFileSystem, ...flags: string[]): Promise<CliEnd> {
  const clock = new ManualClock({ startMs: 1e9 });
  const end = await weir(["gc", "/checkpoints", ...flags], { fileSystem, clock });
  equal(end.code, 0, end.err);
  return end;
}

function paths({ out }: CliEnd): string[] {
  return out.split("\n").slice(0, -1).map((line) => line.split("\t")[3]!).sort();
}

test("weir gc lists what nothing refers to and removes nothing, with and without --dry-run", async () => {
  const { fileSystem, job } = await leftovers();
  const before = fileSystem.files("/");
  for (const flags of [[], ["--dry-run"]]) {
    const end = await gc(fileSystem, ...flags);
    deepEqual(paths(end), [`${job}/chk-900`, `${job}/chk-901`, `${job}/shared/nobodys`]);
    match(end.err, /^3 items of 9 bytes in 1 job folder; --force removes them\n$/);
  }
  match((await gc(fileSystem)).out, /^5 bytes\t1970-01-01 00:00:\d\d\tunfinished checkpoint\t/m);
  deepEqual(paths(await gc(fileSystem, "--damaged")).length, 4);
  deepEqual(fileSystem.files("/"), before);
});

test("weir gc --force removes what it lists and nothing else; every checkpoint is still whole", async () => {
  const { fileSystem, job, chk } = await leftovers();
  const before = fileSystem.files("/");
  match((await gc(fileSystem, "--force")).err, /^Removed 3 items of 9 bytes in 1 job folder\n$/);
  const gone = before.filter((path) => !fileSystem.has(path));
  deepEqual(gone, [`${job}/chk-900/part`, `${job}/chk-901/_metadata.part`, `${job}/shared/nobodys`]);
  for (const [state, lines] of expectedLines()) {
    const { out } = await weir(["dump", chk, "-s", state], { fileSystem });
    deepEqual(out, lines.map((line) => `${line}\n`).join(""));
  }
  equal((await gc(fileSystem, "--force")).err, "Nothing to remove in 1 job folder\n");
  await gc(fileSystem, "--force", "--damaged");
  ok(!fileSystem.has(`${job}/damaged-chk-3-abc`) && fileSystem.has(`${job}/taskowned/log`));
});

test("weir gc --older-than keeps what has changed since", async () => {
  const { fileSystem } = await leftovers();
  deepEqual(paths(await gc(fileSystem, "--older-than", "12d")), []);
  deepEqual(paths(await gc(fileSystem, "--older-than", "1h")).length, 3);
});

test("weir gc leaves a job alone that a process works on", async () => {
  const { fileSystem, job } = await leftovers();
  fileSystem.put(`${job}/_lock`, "1\n");
  const before = fileSystem.files("/");
  const jobLock: JobLock = {
    acquire: (folder) => {
      equal(folder, job);
      return Promise.reject(new StreamError("invalid", "process 1 works on it"));
    },
  };
  for (const flags of [[], ["--force"]]) {
    const { code, out, err } = await weir(["gc", "/checkpoints", ...flags], { fileSystem, jobLock });
    deepEqual([code, out], [0, ""]);
    equal(err, `Left "${job}" alone: process 1 works on it\nNothing to remove in 1 job folder\n`);
  }
  deepEqual(fileSystem.files("/"), before);
});

test("weir gc holds the lock while it removes, and lets go of it", async () => {
  const { fileSystem, job } = await leftovers();
  const events: string[] = [];
  fileSystem.onOperation = (operation, path) => {
    if (operation.startsWith("remove")) events.push(`remove ${path.slice(job.length)}`);
  };
  const jobLock: JobLock = {
    acquire: () => {
      events.push("lock");
      return Promise.resolve({ release: () => Promise.resolve(void events.push("release")) });
    },
  };
  await weir(["gc", job, "--force"], { fileSystem, jobLock });
  deepEqual(events, ["lock", "remove /chk-900", "remove /chk-901", "remove /shared/nobodys", "release"]);
});

test("weir gc removes no shared file while it cannot read a checkpoint that may need it", async () => {
  const { fileSystem, job, chk } = await leftovers();
  fileSystem.flipBit(`${chk}/_metadata`, 30);
  const end = await gc(fileSystem, "--force");
  deepEqual(paths(end), [`${job}/chk-900`, `${job}/chk-901`]);
  match(end.err, /shared files are left alone, since it is not known which of them "chk-\d+" needs: Cannot restore/);
  ok(fileSystem.has(`${job}/shared/nobodys`));
});

test("weir gc --json is one document; a folder without jobs is refused", async () => {
  const { fileSystem, job } = await leftovers();
  const { removed, jobs } = JSON.parse((await gc(fileSystem, "--json")).out);
  deepEqual([removed, jobs.length, jobs[0].path, jobs[0].garbage.length], [false, 1, job, 3]);
  for (const path of ["/nowhere", "/checkpoints/other", `${job}/notes.txt`]) {
    const { code, out, err } = await weir(["gc", path], { fileSystem });
    deepEqual([code, out], [1, ""]);
    match(err, /^Cannot look into "/);
  }
});
