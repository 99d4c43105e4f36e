import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { test } from "node:test";
import { DisposalRefusedError, disposeSavepoint } from "../../checkpoint/disposal.ts";
import type { JobLock } from "../../checkpoint/job_lock.ts";
import { encodeMetadata } from "../../checkpoint/metadata.ts";
import { decodeMetadata } from "../../checkpoint/metadata_reader.ts";
import { StreamError } from "../../core/errors.ts";
import type { KeyedStateHandle, LogSegment, RunHandle } from "../../core/snapshot.ts";
import { SAVEPOINT, SimulatedJob, writeRun } from "./simulated_job.ts";

const BYTES = new Uint8Array(100).fill(5);

/** Takes a checkpoint or savepoint; gives its folder and its shared file. */
async function take(
  job: SimulatedJob,
  properties: Parameters<SimulatedJob["begin"]>[0] = {},
  older: readonly RunHandle[] = [],
): Promise<{ path: string; shared: RunHandle }> {
  const done = job.coordinator.trigger(properties);
  await job.settle();
  const { checkpointId, type } = job.barriers.at(-1)!;
  const store = job.coordinator.store(checkpointId, job.tasks[1]!);
  const one = await writeRun(store, "exclusive", BYTES);
  const two = await writeRun(store, type === "savepoint" ? "exclusive" : "shared", BYTES);
  const keyed: KeyedStateHandle = { ...one, runs: [...older, ...one.runs, ...two.runs] };
  job.acknowledge(checkpointId, "sink", { keyed, lists: {} });
  job.acknowledge(checkpointId, "source");
  await job.settle();
  return { path: (await done).externalPath, shared: two.runs[0]! };
}

function started(retained = 3): SimulatedJob {
  const job = new SimulatedJob({ retained });
  job.coordinator.start();
  return job;
}

/** Whether an error is a refusal for this reason. */
const refused = (reason: string) => (error: unknown) =>
  error instanceof DisposalRefusedError && error.reason === reason;

test("disposeSavepoint() removes a savepoint by its folder or its metadata, and leaves the folder it was in", async () => {
  const job = started();
  for (const suffix of ["", "/", "/_metadata"]) {
    const { path } = await take(job, SAVEPOINT);
    const report = await disposeSavepoint(`${path}${suffix}`, { fileSystem: job.fs });
    deepEqual(report, { path, removedCount: 3, keptSharedCount: 0, isFolderGone: true });
    deepEqual(await job.fs.list("/savepoints"), []);
    await rejects(disposeSavepoint(path, { fileSystem: job.fs }), refused("not-a-snapshot"));
  }
});

test("disposeSavepoint() removes nothing that the metadata does not list", async () => {
  const job = started();
  const { path } = await take(job, SAVEPOINT);
  for (const name of ["notes.txt", "sub/file", "0123456789abcdef0123456789abcdef"]) {
    job.fs.put(`${path}/${name}`, BYTES);
  }
  equal((await disposeSavepoint(path, { fileSystem: job.fs })).isFolderGone, false);
  deepEqual(job.fs.files("/savepoints").map((file) => file.slice(path.length + 1)), [
    "0123456789abcdef0123456789abcdef",
    "notes.txt",
    "sub/file",
  ]);
});

test("disposeSavepoint() refuses what is no snapshot, and changes nothing", async () => {
  const job = started();
  job.fs.put("/home/important/file", BYTES);
  job.fs.put("/home/_metadata.part", BYTES);
  const before = job.fs.files();
  for (const path of ["", "/nowhere", "/home", "/home/important", "/home/important/file"]) {
    await rejects(disposeSavepoint(path, { fileSystem: job.fs }), refused("not-a-snapshot"), path);
  }
  deepEqual(job.fs.files(), before);
});

test("disposeSavepoint() refuses damaged metadata with the way to remove it by hand, at every byte", async () => {
  const job = started();
  const { path } = await take(job, SAVEPOINT);
  const before = job.fs.files();
  const size = job.fs.content(`${path}/_metadata`).length;
  for (let offset = 0; offset < size; offset += 5) {
    job.fs.flipBit(`${path}/_metadata`, offset);
    const error = await disposeSavepoint(path, { fileSystem: job.fs }).catch((thrown: unknown) => thrown);
    ok(error instanceof DisposalRefusedError && error.reason === "damaged" && error.kind === "corrupt");
    match(error.message, new RegExp(`make sure that "${path}" holds nothing else and remove that folder by hand`));
    job.fs.flipBit(`${path}/_metadata`, offset);
  }
  deepEqual(job.fs.files(), before);
});

test("disposeSavepoint() refuses what a live job uses", async () => {
  const job = started();
  const savepoint = await take(job, SAVEPOINT);
  const checkpoint = await take(job);
  const before = job.fs.files();
  const isInUse = (path: string) => path === savepoint.path;
  await rejects(disposeSavepoint(`${savepoint.path}/_metadata`, { fileSystem: job.fs, isInUse }), refused("in-use"));
  const asked: string[] = [];
  const jobLock: JobLock = {
    acquire: (folder) => {
      asked.push(folder);
      return Promise.reject(new StreamError("invalid", "process 7 works on it"));
    },
  };
  await rejects(disposeSavepoint(checkpoint.path, { fileSystem: job.fs, isInUse, jobLock }), refused("in-use"));
  deepEqual(asked, ["/checkpoints/job"]);
  deepEqual(job.fs.files(), before);
});

test("disposeSavepoint() of an ended job's checkpoint keeps the shared files that others refer to", async () => {
  const job = started();
  const one = await take(job);
  const two = await take(job, {}, [one.shared]);
  let heldCount = 0;
  const jobLock: JobLock = {
    acquire: () => {
      heldCount++;
      return Promise.resolve({
        release: () => {
          heldCount--;
          return Promise.resolve();
        },
      });
    },
  };
  const options = { fileSystem: job.fs, jobLock };
  equal((await disposeSavepoint(one.path, options)).keptSharedCount, 1);
  equal(job.fs.files("/checkpoints/job/shared").length, 2);
  deepEqual(await disposeSavepoint(two.path, options), {
    path: two.path,
    removedCount: 4,
    keptSharedCount: 0,
    isFolderGone: true,
  });
  deepEqual(job.fs.files("/checkpoints/job"), ["/checkpoints/job/_completed_once"]);
  equal(heldCount, 0);
});

test("disposeSavepoint() that cannot read another checkpoint's metadata changes nothing", async () => {
  const job = started();
  const one = await take(job);
  await take(job, {}, [one.shared]);
  const before = job.fs.files();
  job.fs.fail({ operation: "readFile", path: "chk-2", code: "EMFILE" });
  await rejects(disposeSavepoint(one.path, { fileSystem: job.fs }), /EMFILE/);
  deepEqual(job.fs.files(), before);
});

test("disposeSavepoint() does not follow a name out of the folder, whoever wrote the metadata", async () => {
  const job = started();
  const { path } = await take(job, SAVEPOINT);
  const metadata = decodeMetadata(job.fs.content(`${path}/_metadata`), path);
  const [sink] = metadata.operators;
  const keyed = sink!.subtasks[0]!.snapshot!.keyed!;
  for (const name of ["../notes.txt", "/savepoints/notes.txt", "..", "a/../../notes.txt"]) {
    const runs = keyed.runs.map((run) => ({ ...run, file: { scope: "exclusive" as const, name, sizeBytes: 100 } }));
    const subtasks = [{ finished: false, snapshot: { lists: {}, keyed: { ...keyed, runs } } }];
    const forged = encodeMetadata({ ...metadata, operators: [{ ...sink!, subtasks }] });
    job.fs.put(`${path}/_metadata`, forged);
    job.fs.put("/savepoints/notes.txt", BYTES);
    await rejects(disposeSavepoint(path, { fileSystem: job.fs }), refused("damaged"), name);
    equal(job.fs.has("/savepoints/notes.txt"), true);
  }
});

test("disposeSavepoint() of an ended job's checkpoint removes the segments of its log that no other one names", async () => {
  const job = started();
  const keyGroups = { start: 0, end: 127 };
  const segments: LogSegment[] = [];
  const paths: string[] = [];
  for (let round = 0; round < 2; round++) {
    const done = job.coordinator.trigger({});
    await job.settle();
    const { checkpointId } = job.barriers.at(-1)!;
    const { runs: [run] } = await writeRun(job.coordinator.store(checkpointId, job.tasks[1]!), "shared", BYTES);
    segments.push({ file: run!.file, keyGroups, entryCount: 3, footerCrc32: 7 });
    // It is small, and within the metadata.
    const inline: LogSegment = {
      file: { scope: "inline", bytes: BYTES, sizeBytes: BYTES.length },
      keyGroups,
      entryCount: 1,
      footerCrc32: 7,
    };
    const log = [...segments, inline];
    const keyed: KeyedStateHandle = { keyGroups, runs: [], log, nextListNumber: 0, incrementBytes: 1, fullBytes: 1 };
    job.acknowledge(checkpointId, "sink", { keyed, lists: {} });
    job.acknowledge(checkpointId, "source");
    await job.settle();
    paths.push((await done).externalPath);
  }
  const shared = () => job.fs.files("/checkpoints/job/shared").length;
  equal(shared(), 2);
  // The older segment belongs to the younger checkpoint too.
  equal((await disposeSavepoint(paths[0]!, { fileSystem: job.fs })).keptSharedCount, 1);
  equal(shared(), 2);
  deepEqual(await disposeSavepoint(paths[1]!, { fileSystem: job.fs }), {
    path: paths[1],
    removedCount: 3,
    keptSharedCount: 0,
    isFolderGone: true,
  });
  equal(shared(), 0);
});
